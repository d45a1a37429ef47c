"""The drawn faces: an action unit changes its own parts and nothing else; emotions differ; time courses hold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mesmer.corpora.synthetic.expression import (
    ACTION_UNIT_REGIONS,
    ACTION_UNITS,
    EMOTION_ACTION_UNITS,
    REGIONS,
    draw_expression,
    emotion_regions,
)
from mesmer.corpora.synthetic.face_shape import FaceState
from mesmer.corpora.synthetic.scene import Pose, Scene, draw_motion
from mesmer.corpora.synthetic.speakers import make_speaker
from mesmer.emotions import SIX_EMOTIONS

SIZE_PX = (176, 192)
POSE = Pose(x_px=90.0, y_px=92.0, scale=0.95, roll_rad=0.06)
SPEAKERS = ("s000", "s003", "s006", "s009", "s012", "s017")


class Sitter:
    """One person in one pose, to be drawn in any state."""

    def __init__(self, name: str) -> None:
        self.scene = Scene(face=make_speaker(0, name).face, size_px=SIZE_PX, rng=np.random.default_rng(1))
        self.backdrop = self.scene.backdrop(POSE)

    def draw(self, **state: object) -> NDArray[np.int64]:
        return self.scene.frame(self.backdrop, pose=POSE, state=FaceState(**state)).astype(np.int64)  # type: ignore[arg-type]

    def inside(self, regions: tuple[str, ...]) -> NDArray[np.bool_]:
        """Pixels within the boxes of these parts of the face, with one pixel for soft edges."""
        mask = np.zeros((SIZE_PX[1], SIZE_PX[0]), dtype=bool)
        for name in regions:
            for x0, y0, x1, y1 in self.scene.region_boxes_px(POSE)[name]:
                mask[max(0, int(y0) - 1) : int(np.ceil(y1)) + 1, max(0, int(x0) - 1) : int(np.ceil(x1)) + 1] = True
        return mask


@pytest.fixture(scope="module", params=SPEAKERS)
def sitter(request: pytest.FixtureRequest) -> Sitter:
    return Sitter(request.param)


def test_an_action_unit_changes_its_own_parts_of_the_face_and_no_other_pixel(sitter: Sitter) -> None:
    relaxed = sitter.draw()
    for unit in ACTION_UNITS:
        changed = np.abs(sitter.draw(units={unit: 1.0}) - relaxed).max(axis=2)
        outside = changed.copy()
        outside[sitter.inside(ACTION_UNIT_REGIONS[unit])] = 0
        assert outside.max() == 0, (unit, np.argwhere(outside)[:5])
        assert (changed > 20).sum() > 20, unit
        for region in ACTION_UNIT_REGIONS[unit]:
            # Front hair may hide the forehead of some people.
            hidden = region == "forehead" and sitter.scene.face.hair_style != "bald"
            assert hidden or (changed[sitter.inside((region,))] > 3).sum() >= 4, (unit, region)


def test_an_emotion_changes_only_its_regions_also_while_talking(sitter: Sitter) -> None:
    for emotion in SIX_EMOTIONS:
        talking = {"speech_open": 0.4, "speech_round": 0.2}
        change = np.abs(sitter.draw(units=EMOTION_ACTION_UNITS[emotion], **talking) - sitter.draw(**talking)).max(axis=2)
        change[sitter.inside(emotion_regions(emotion))] = 0
        assert change.max() == 0, emotion


def test_a_stronger_action_unit_changes_more(sitter: Sitter) -> None:
    relaxed = sitter.draw()
    for unit in ACTION_UNITS:
        faint, strong = (np.abs(sitter.draw(units={unit: value}) - relaxed).sum() for value in (0.3, 1.0))
        assert 0 < faint < strong, unit


def test_six_emotions_and_rest_are_far_apart_at_48_pixels(sitter: Sitter) -> None:
    def crop(emotion: str | None) -> NDArray[np.float64]:
        picture = sitter.draw(units=EMOTION_ACTION_UNITS.get(emotion or "", {})).astype(np.uint8)
        face = Image.fromarray(picture).crop((36, 38, 146, 160)).resize((48, 48), Image.Resampling.BILINEAR)
        return np.asarray(face).astype(np.float64)

    crops = [crop(emotion) for emotion in (None, *SIX_EMOTIONS)]
    for one, other in combinations(crops, 2):
        assert (np.abs(one - other).max(axis=2) > 25).sum() > 30


def test_talking_and_blinking_are_seen(sitter: Sitter) -> None:
    relaxed = sitter.draw()
    for state, region in (({"speech_open": 1.0}, ("mouth", "jaw")), ({"blink": 1.0}, ("eyes",))):
        changed = np.abs(sitter.draw(**state) - relaxed).max(axis=2)
        assert (changed > 20).sum() > 20
        changed[sitter.inside(region)] = 0
        assert changed.max() == 0


def test_every_emotion_shows_what_the_paper_names() -> None:
    assert set(EMOTION_ACTION_UNITS) == set(SIX_EMOTIONS)
    named = {
        "happiness": {"AU12"}, "sadness": {"AU15", "AU43"}, "anger": {"AU4", "AU23"},
        "surprise": {"AU1", "AU2", "AU5", "AU26"},
        "fear": {"AU1", "AU5", "AU20", "AU25"}, "disgust": {"AU9", "AU10"},
    }  # fmt: skip
    for emotion, units in named.items():
        assert units <= set(EMOTION_ACTION_UNITS[emotion]) <= set(ACTION_UNITS)
        assert set(emotion_regions(emotion)) <= set(REGIONS)
    assert {region for names in ACTION_UNIT_REGIONS.values() for region in names} == set(REGIONS)


@given(
    seed=st.integers(0, 2**32 - 1),
    emotions=st.dictionaries(st.sampled_from(SIX_EMOTIONS), st.floats(0.05, 1.0), max_size=2),
    duration_s=st.floats(0.8, 6.0),
)
def test_expression_over_time(seed: int, emotions: dict[str, float], duration_s: float) -> None:
    rng = np.random.default_rng(seed)
    expression = draw_expression(rng, emotions=emotions, duration_s=duration_s, expressiveness=1.0)
    times_s = np.linspace(0, duration_s, 200)
    units = expression.action_units(times_s)
    assert all((course >= 0).all() and (course <= 1).all() for course in units.values())
    allowed = {unit for emotion in emotions for unit in EMOTION_ACTION_UNITS[emotion]}
    assert {unit for unit, course in units.items() if course.max() > 0} == allowed
    for envelope in expression.envelopes:
        assert envelope.onset_s < envelope.apex_s < envelope.offset_s < envelope.end_s
        course = envelope.at(times_s)
        assert course.max() == pytest.approx(envelope.amplitude)
        assert (course > 0.9 * envelope.amplitude).mean() > 0.35
        assert envelope.at(np.array([envelope.onset_s - 1, envelope.end_s + 1])).max() == 0


def test_poses_and_boxes_agree() -> None:
    """A box in the frame holds every turned corner of the box of the face, and touches four of them."""
    pose = Pose(x_px=50.0, y_px=40.0, scale=0.5, roll_rad=np.pi / 2)
    assert pose.to_frame(np.array([[10.0, 0.0]])) == pytest.approx(np.array([[50.0, 45.0]]))
    assert pose.box_to_frame(np.array([[0.0, 0.0, 10.0, 20.0]]))[0] == pytest.approx([40.0, 40.0, 50.0, 45.0])


def test_the_head_stays_in_the_frame() -> None:
    face = make_speaker(0, "s000").face
    for seed in range(60):
        rng = np.random.default_rng(seed)
        motion = draw_motion(rng, times_s=np.arange(40) / 12.5, size_px=(176, 176))
        for pose in motion.poses:
            x0, y0, x1, y1 = pose.box_to_frame(np.array([[-face.half_width, face.top, face.half_width, face.chin]]))[0]
            assert x0 >= 0
            assert y0 >= 0
            assert x1 <= 176
            assert y1 <= 176
