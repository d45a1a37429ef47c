"""Following between searches: the boxes of searching every frame at full resolution, and nothing shared between clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mesmer.config import PrepareSettings
from mesmer.media.reader import MediaReader
from mesmer.signals.boxes import overlap
from mesmer.signals.faces import FaceFollower, FaceTrack, crop_faces
from mesmer.signals.mtcnn import Detections, FaceDetector
from signals.drawn_face import picture_with

SETTINGS = PrepareSettings()
BARE = PrepareSettings(face_margin=0.0)
EVERY_FRAME_FULL = PrepareSettings(face_margin=0.0, search_every_frames=1, detect_max_side_px=100_000)


class Counting(FaceDetector):
    """Counts how many frames were searched, and how often faces were looked for where they were expected."""

    def __init__(self) -> None:
        super().__init__(min_face_px=40)
        self.searched = self.followed = 0

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        self.searched += len(frames)
        return super().detect(frames)

    def detect_near(self, frame: np.ndarray, boxes: np.ndarray) -> Detections:
        self.followed += 1
        return super().detect_near(frame, boxes)


@pytest.fixture
def detector() -> Counting:
    return Counting()


def agreement(a: FaceTrack, b: FaceTrack) -> np.ndarray:
    """How much the boxes of each frame overlap; 0 where only one of them found the face."""
    both = np.array([overlap(x[None], y[None])[0, 0] for x, y in zip(a.boxes_px, b.boxes_px, strict=True)])
    return np.where(a.found & b.found, both, (a.found == b.found).astype(float))


def walk(steps: int) -> list[np.ndarray]:
    """Two people; one of them moves about and comes nearer."""
    return [
        picture_with(((110 + 45 * np.sin(k / 3), 130 + 20 * np.cos(k / 2)), 80 + 2 * k), ((290, 70), 50), width_px=400)
        for k in range(steps)
    ]


def test_followed_boxes_of_drawn_faces_are_those_of_a_full_search(detector: Counting) -> None:
    frames = walk(16)
    found = agreement(
        crop_faces(frames, detector, settings=BARE),
        crop_faces(frames, FaceDetector(min_face_px=40), settings=EVERY_FRAME_FULL),
    )
    assert np.mean(found >= 0.7) >= 0.98, found
    assert detector.searched <= 8


def test_followed_boxes_of_real_faces_are_those_of_a_full_search(ravdess_clips: list[Path], detector: Counting) -> None:
    found, frames_seen = [], 0
    full = FaceDetector(min_face_px=40)
    with MediaReader() as reader:
        for path in ravdess_clips:
            frames = reader.read(path, frame_interval_s=0.25, want_audio=False).frames
            frames_seen += len(frames)
            one, other = crop_faces(frames, detector, settings=BARE), crop_faces(frames, full, settings=EVERY_FRAME_FULL)
            found.append(agreement(one, other))
    together = np.concatenate(found)
    assert len(together) > 80
    assert np.mean(together >= 0.7) >= 0.98
    assert detector.searched <= frames_seen / 4 + 2 * len(ravdess_clips)


def test_a_lost_face_is_searched_for_in_the_same_frame(detector: Counting) -> None:
    frames = [picture_with(((90, 120), 90)), picture_with(((94, 120), 90)), picture_with(((230, 120), 90))]
    track = crop_faces(frames, detector, settings=SETTINGS)
    assert (detector.searched, detector.followed) == (2, 2)
    assert len(track.found) == 3
    alone = crop_faces(frames[2:], FaceDetector(min_face_px=40), settings=SETTINGS)
    assert alone.found.all()  # it is there to be found


def test_someone_who_comes_in_is_seen_at_the_next_search(detector: Counting) -> None:
    frames = [picture_with(((90, 120), 90), *([((240, 120), 80)] if k >= 2 else [])) for k in range(8)]
    assert crop_faces(frames, detector, settings=SETTINGS).people == 2
    assert detector.searched == 2


def test_without_a_face_every_frame_is_searched(detector: Counting) -> None:
    crop_faces([np.full((120, 160, 3), 90, np.uint8)] * 6, detector, settings=SETTINGS)
    assert (detector.searched, detector.followed) == (6, 0)


@pytest.mark.parametrize("portion", [1, 3, 5])
def test_portions_and_other_clips_before_change_no_bit(detector: Counting, portion: int) -> None:
    frames = walk(9)
    whole = crop_faces(frames, FaceDetector(min_face_px=40), settings=SETTINGS)
    crop_faces(walk(3)[::-1], detector, settings=SETTINGS)
    follower = FaceFollower(detector, settings=SETTINGS)
    for start in range(0, len(frames), portion):
        follower.add(frames[start : start + portion])
    parts = follower.finish()
    for name in ("faces", "boxes_px", "found", "interpolated"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.warnings == whole.warnings
