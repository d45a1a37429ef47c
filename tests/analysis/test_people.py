"""Mouths that move, hang open or rest, and faces that come and go: drawn, with the truth known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mesmer.analysis.mouths import MouthMeter
from mesmer.analysis.people import HELD_S, PeopleWatcher, Person, Sighting
from mesmer.config import PrepareSettings
from mesmer.signals.mtcnn import Detections

GRID_S = 0.125
LANDMARKS = np.array([[80, 80], [120, 80], [100, 100], [86, 120], [114, 120]], np.float32)
BOX = np.array([65, 50, 135, 145], np.float32)
Frame = NDArray[np.uint8]


def picture(*, gap_px: float | None = 0.0, shift_px: tuple[int, int] = (0, 0), light: float = 1.0) -> Frame:
    """Draw a face whose lips are so far apart, or (None) the room without it."""
    drawn = Image.new("RGB", (260, 220), (90, 95, 100))
    pen = ImageDraw.Draw(drawn)
    if gap_px is not None:
        x, y = shift_px
        pen.ellipse((60 + x, 45 + y, 140 + x, 150 + y), fill=(205, 170, 150))
        for eye in (80, 120):
            pen.ellipse((eye - 8 + x, 76 + y, eye + 8 + x, 84 + y), fill=(240, 240, 240))
            pen.ellipse((eye - 4 + x, 76 + y, eye + 4 + x, 84 + y), fill=(40, 30, 20))
            pen.line((eye - 12 + x, 66 + y, eye + 12 + x, 64 + y), fill=(60, 40, 30), width=4)
        pen.line((100 + x, 88 + y, 97 + x, 104 + y, 104 + x, 104 + y), fill=(150, 110, 100), width=2)
        pen.ellipse((84 + x, 116 + y - gap_px / 3, 116 + x, 124 + y + gap_px), fill=(150, 60, 60))
        if gap_px:
            pen.ellipse((88 + x, 119 + y - gap_px / 3, 112 + x, 121 + y + gap_px), fill=(40, 10, 10))
    return np.clip(np.asarray(drawn, np.float32) * light, 0, 255).astype(np.uint8)


def rested(rng: np.random.Generator) -> tuple[MouthMeter, list[float]]:
    """Return a meter that saw a face at rest whose head moves, and what it told of the mouth."""
    meter, told = MouthMeter(), []
    for _ in range(24):
        x, y = (int(step) for step in rng.integers(-3, 4, 2))
        look = meter.measure(picture(shift_px=(x, y)), LANDMARKS, still=0.2)
        told += [] if look.unlike_rest is None else [look.unlike_rest]
    return meter, told


def test_a_mouth_held_open_is_unlike_its_rest_though_it_does_not_move() -> None:
    meter, told = rested(np.random.default_rng(0))
    opened = meter.measure(picture(gap_px=14), LANDMARKS, still=0.2)
    held = [meter.measure(picture(gap_px=14, shift_px=(n % 3, 0)), LANDMARKS, still=0.0) for n in range(8)]
    assert opened.moved is not None
    assert opened.moved > 0.1
    assert max(look.moved or 0.0 for look in held) < 0.5 * opened.moved
    assert min(look.unlike_rest or 0.0 for look in held) > 2 * max(told)
    closed = [meter.measure(picture(), LANDMARKS, still=0.2) for _ in range(2)]
    assert (closed[1].unlike_rest or 0.0) <= 1.5 * max(told)


def test_light_and_head_do_not_make_a_mouth_unlike_its_rest() -> None:
    meter, _ = rested(np.random.default_rng(1))
    opened = meter.measure(picture(gap_px=14), LANDMARKS, still=0.0).unlike_rest
    assert opened is not None
    for light in (0.8, 1.1):
        darker = meter.measure(picture(light=light), LANDMARKS, still=0.0).unlike_rest
        assert darker is not None
        assert darker < 0.5 * opened


def test_what_is_usual_is_learnt_of_a_mouth_but_not_from_its_silence_alone() -> None:
    rng, person = np.random.default_rng(4), Person(first_s=0.0, last_s=0.0)
    unknown = person.habits()
    person._mouths.extend(rng.uniform(0.08, 0.12, 20))  # nobody knows yet how it talks
    assert person.habits().talking > 0.7 * unknown.talking
    person._mouths.extend(np.where(np.arange(240) % 60 < 30, rng.uniform(0.5, 0.7, 240), rng.uniform(0.08, 0.12, 240)))
    learnt = person.habits()
    assert learnt.rest == pytest.approx(0.1, abs=0.03)
    assert learnt.talking == pytest.approx(0.5, abs=0.1)


def test_a_face_is_followed_only_while_it_is_there() -> None:
    meter, _ = rested(np.random.default_rng(2))
    assert MouthMeter().follow(picture()) is None  # never seen
    assert meter.follow(picture(shift_px=(2, 1))) is not None
    wide = meter.follow(picture(gap_px=20))
    assert wide is not None
    assert wide.unlike_rest is not None
    assert wide.unlike_rest > 0.1
    assert meter.follow(picture(gap_px=None)) is None
    noise = np.random.default_rng(3).integers(0, 256, (220, 260, 3), dtype=np.uint8)
    assert meter.follow(noise) is None


class Scripted:
    """Finds the faces that the test says can be found now: a search anywhere, a look only where one is asked for."""

    def __init__(self) -> None:
        self.findable: list[NDArray[np.float32]] = []
        self.searches = 0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.searches += len(frames)
        return [self._found(self.findable) for _ in frames]

    def detect_near(self, frame: Frame, boxes: NDArray[np.float32]) -> Detections:
        return self._found([one for one in self.findable if any(np.abs(one - box).max() < 25 for box in boxes)])

    def _found(self, boxes: list[NDArray[np.float32]]) -> Detections:
        count = len(boxes)
        moves = np.array([box[:2] - BOX[:2] for box in boxes], np.float32).reshape(count, 1, 2)
        return Detections(np.array(boxes, np.float32).reshape(count, 4), np.ones(count, np.float32), LANDMARKS + moves)


def seen_when(script: Sequence[tuple[float, bool, Frame]], *, box: NDArray[np.float32] = BOX) -> tuple[list[Sighting], int]:
    """Show a face as told by (until, can be found, picture); return its sightings, and how often all was searched."""
    detector = Scripted()
    watcher = PeopleWatcher(detector, settings=PrepareSettings(), grid_s=GRID_S)  # type: ignore[arg-type]
    step = 0
    for number, (until_s, findable, frame) in enumerate(script):
        detector.findable = [BOX if number == 0 else box] if findable else []
        while step * GRID_S < until_s - 1e-6:
            watcher.see(frame, step * GRID_S)
            step += 1
    return watcher.between(0.0, 1e9).get(1, []), detector.searches


def test_a_face_that_comes_back_to_its_place_is_seen_at_once() -> None:
    sightings, searches = seen_when([(3.0, True, picture()), (6.25, False, picture(gap_px=None)), (9.0, True, picture())])
    times_s = [one.time_s for one in sightings]
    assert not [time_s for time_s in times_s if 3.0 <= time_s < 6.25]
    assert min(time_s for time_s in times_s if time_s >= 6.25) == pytest.approx(6.25)
    assert searches <= 2 * 3.5 + 9 / 2 + 1


def test_a_face_that_comes_back_elsewhere_is_found_within_half_a_second() -> None:
    elsewhere = BOX + np.array([40, 10, 40, 10], np.float32)
    back = picture(shift_px=(40, 10))
    sightings, _ = seen_when(
        [(3.0, True, picture()), (5.125, False, picture(gap_px=None)), (9.0, True, back)], box=elsewhere
    )
    assert 5.125 <= min(one.time_s for one in sightings if one.time_s >= 3.0) <= 5.125 + 0.5


@pytest.mark.parametrize(("blind_s", "stays"), [(1.0, True), (4.0, True), (1.0, False)])
def test_a_face_that_the_detector_loses_is_held_while_it_is_still_there(blind_s: float, stays: bool) -> None:
    lost = picture(gap_px=16) if stays else picture(gap_px=None)
    sightings, _ = seen_when([(4.0, True, picture()), (4.0 + blind_s, False, lost), (10.0, True, picture())])
    blind = [one for one in sightings if 4.0 <= one.time_s < 4.0 + blind_s]
    assert len(blind) == pytest.approx(min(blind_s, HELD_S) / GRID_S if stays else 0, abs=1)
    assert not any(one.found for one in blind)
    assert all(one.found for one in sightings if one not in blind)
    if stays:
        assert min(one.unlike_rest or 0.0 for one in blind) > 0.05
