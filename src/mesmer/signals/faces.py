"""One face per clip, the same person from frame to frame, as 48x48 crops.

The whole frame is searched now and then; in between a face is looked for where it should be by now, and in the whole frame
again where it is lost. Each crop is one of three: *seen* (the detector found the face), *interpolated* (a short gap between
two sightings; the box moves evenly from one to the other), or the *centre of the frame*, where the followed face is nowhere
to be found. Only the last says ``found = False``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesmer.config import PrepareSettings
from mesmer.records import FACE_PX
from mesmer.signals.crops import centre_square, crop_face, face_square, shrunk
from mesmer.signals.mtcnn import Detections, FaceDetector
from mesmer.signals.tracking import MAX_GAP, Track, Tracker, main_track, people_at_once


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """The followed face in S frames.

    Attributes:
        faces: uint8 (S, 48, 48, 3), RGB.
        boxes_px: float32 (S, 4), the square in the frame that the crop shows.
        found: bool (S,), False where the crop is the centre of the frame.
        interpolated: bool (S,), True where the face was not detected but lies between two close sightings.
        people: largest number of people seen in one frame.
        warnings: what a user should know, as sentences.
    """

    faces: NDArray[np.uint8]
    boxes_px: NDArray[np.float32]
    found: NDArray[np.bool_]
    interpolated: NDArray[np.bool_]
    people: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Crop:
    face: NDArray[np.uint8]
    square: NDArray[np.float32]
    interpolated: bool = False


class FaceFollower:
    """Follows faces through frames that come in any portions; holds crops and at most a few whole frames.

    Args:
        detector: finds the faces; its ``min_face_px`` is in pixels of the frame as shrunk for detection.
        settings: margin of the crops, size of the frames for detection, how often the whole frame is searched.
    """

    def __init__(self, detector: FaceDetector, *, settings: PrepareSettings) -> None:
        self._detector = detector
        self._settings = settings
        self._tracker = Tracker()
        self._crops: dict[int, dict[int, _Crop]] = {}  # id of a track -> step -> crop
        self._centres: list[_Crop] = []
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=MAX_GAP + 1)  # a gap can be filled only when it ends

    def add(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Take in the next frames, uint8 (H, W, 3) RGB, in time order."""
        first, every = self._tracker.step, self._settings.search_every_frames
        due = [i for i in range(len(frames)) if (first + i) % every == 0]
        searched = dict(zip(due, self._searched([frames[i] for i in due]), strict=True))
        for i, frame in enumerate(frames):
            self._add(frame, searched[i] if i in searched else self._followed(frame))

    def _searched(self, frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Return the faces of whole frames."""
        small = [shrunk(frame, self._settings.detect_max_side_px) for frame in frames]
        return [
            found.scaled(frame.shape[1] / less.shape[1], frame.shape[0] / less.shape[0])
            for frame, less, found in zip(frames, small, self._detector.detect(small), strict=True)
        ]

    def _followed(self, frame: NDArray[np.uint8]) -> Detections:
        """Return the faces of the frame before where they are now; all of the frame if one of them is lost or none was."""
        tracks = self._tracker.just_seen
        if tracks:
            expected = np.stack([track.expected(self._tracker.step) for track in tracks])
            found = self._detector.detect_near(frame, expected)
            if self._tracker.follows(tracks, found):
                return found
        return self._searched([frame])[0]

    def finish(self, *, choose: Callable[[Sequence[Track]], Track | None] = main_track) -> FaceTrack:
        """Return the track of one face: of the longest and largest, or of the one that ``choose`` picks."""
        steps, tracks = self._tracker.step, self._tracker.tracks
        main = choose(tracks)
        crops = self._crops.get(id(main), {})
        chosen = [crops.get(step, self._centres[step]) for step in range(steps)]
        found = np.array([step in crops for step in range(steps)], dtype=bool)
        people = people_at_once(tracks, steps)
        return FaceTrack(
            faces=np.stack([crop.face for crop in chosen]) if steps else np.zeros((0, FACE_PX, FACE_PX, 3), np.uint8),
            boxes_px=np.stack([crop.square for crop in chosen]) if steps else np.zeros((0, 4), np.float32),
            found=found,
            interpolated=np.array([crop.interpolated for crop in chosen], dtype=bool),
            people=people,
            warnings=_warnings(
                main, people, found, why="the longest and largest" if choose is main_track else "the one asked for"
            ),
        )

    def _add(self, frame: NDArray[np.uint8], found: Detections) -> None:
        step = self._tracker.step
        self._recent.append(frame)
        square = centre_square(*frame.shape[:2])
        self._centres.append(_Crop(crop_face(frame, square), square))
        for track in self._tracker.add(found):
            crops = self._crops.setdefault(id(track), {})
            for missed, box in track.gap_boxes().items():
                crops[missed] = self._cut(self._recent[missed - step - 1], box, interpolated=True)
            crops[step] = self._cut(frame, track.boxes[-1])

    def _cut(self, frame: NDArray[np.uint8], box: NDArray[np.float32], *, interpolated: bool = False) -> _Crop:
        height, width = frame.shape[:2]
        square = face_square(box, margin=self._settings.face_margin, height_px=height, width_px=width)
        return _Crop(crop_face(frame, square), square, interpolated)


def crop_faces(frames: Sequence[NDArray[np.uint8]], detector: FaceDetector, *, settings: PrepareSettings) -> FaceTrack:
    """Return the longest and largest face of ``frames``, uint8 (H, W, 3) RGB in time order, cropped from each of them."""
    follower = FaceFollower(detector, settings=settings)
    follower.add(frames)
    return follower.finish()


def _warnings(main: Track | None, people: int, found: NDArray[np.bool_], *, why: str) -> tuple[str, ...]:
    if not len(found):
        return ()
    if main is None:
        return ("no face found: the crops show the centre of the picture",)
    warnings = []
    if people > 1:
        warnings.append(
            f"{people} faces seen; the one followed is {why} "
            f"({np.median(main.sides):.0f} px, in {len(main.steps)} of {len(found)} frames)"
        )
    if not found.all():
        warnings.append(f"no face in {100 * (1 - found.mean()):.0f} % of the frames")
    return tuple(warnings)
