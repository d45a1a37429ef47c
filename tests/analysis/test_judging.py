"""The clip of a turn: the face of the one who speaks, or none where it cannot be cut out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mesmer.analysis.heard import Heard
from mesmer.analysis.judging import LOST_FACE, NO_FACE, make_turn_clip
from mesmer.analysis.people import Sighting
from mesmer.analysis.speaking import Turn
from mesmer.config import PrepareSettings
from mesmer.media.facts import Frame, MediaFacts
from mesmer.records import Clip
from mesmer.signals.mtcnn import Detections

LEFT, RIGHT = np.array([[20, 20, 60, 60], [120, 20, 160, 60]], np.float32)
FACTS = MediaFacts(container="made", size_bytes=1, duration_s=2.0, has_video=True, has_audio=True)


class SeesThese:
    """A detector that finds the given boxes in every frame."""

    def __init__(self, *boxes: NDArray[np.float32]) -> None:
        self._found = Detections(np.stack(boxes), np.ones(len(boxes), np.float32), np.zeros((len(boxes), 5, 2), np.float32))

    def detect(self, frames: Any) -> list[Detections]:
        return [self._found for _ in frames]

    def detect_near(self, frame: Any, boxes: Any) -> Detections:
        return self._found


def clip_of(person: int | None, *found: NDArray[np.float32], kind: str = "speech") -> Clip:
    """Two people are seen at LEFT (1) and RIGHT (2); the clip's own detector finds only ``found``."""
    times_s = [0.0, 0.5, 1.0, 1.5]
    frames = [Frame(time_s=time_s, pixels=np.full((90, 180, 3), 128, np.uint8)) for time_s in times_s]
    seen = {
        number: [Sighting(time_s=time_s, box_px=box, mouth=0.1) for time_s in times_s]
        for number, box in ((1, LEFT), (2, RIGHT))
    }
    heard = Heard(
        kind=kind,
        turn=Turn(start_s=0.0, end_s=2.0, person=person),
        frames=frames,
        waveform=np.full(32_000, 0.1, np.float32),
        picture_absent=None,
        sound_absent=None,
        seen=seen,
        known=2,
    )
    detector: Any = SeesThese(*found)
    return make_turn_clip(heard, facts=FACTS, path=Path("x.mp4"), detector=detector, prepare=PrepareSettings())


@pytest.mark.parametrize(("person", "box"), [(1, LEFT), (2, RIGHT)])
def test_the_face_is_that_of_the_one_who_speaks(person: int, box: NDArray[np.float32]) -> None:
    clip = clip_of(person, LEFT, RIGHT)
    assert "visual" not in clip.absent
    centres = (clip.face_boxes_px[:, :2] + clip.face_boxes_px[:, 2:]) / 2
    assert np.abs(centres - (box[:2] + box[2:]) / 2).max() <= 1


def test_another_face_is_never_taken_for_the_one_that_cannot_be_cut_out() -> None:
    clip = clip_of(1, RIGHT)
    assert clip.absent == {"text": "no text", "visual": LOST_FACE}
    assert len(clip.faces) == len(clip.face_times_s) == len(clip.face_boxes_px) == len(clip.face_found) == 0
    assert len(clip.waveform) == 32_000  # the voice stays
    assert not any("face" in warning for warning in clip.warnings)


def test_a_listener_is_never_taken_for_a_voice_from_outside() -> None:
    assert clip_of(None, LEFT, RIGHT).absent["visual"] == NO_FACE


def test_a_gap_has_a_picture_and_no_sound() -> None:
    clip = clip_of(2, LEFT, RIGHT, kind="gap")
    assert clip.absent["audio"] == "no speech"
    assert len(clip.waveform) == 0
    assert len(clip.faces) == 4
