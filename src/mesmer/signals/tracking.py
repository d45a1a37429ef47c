"""Following people from frame to frame: which detection is the same face as before.

Frames are sampled half a second apart, so faces move between them. A face is expected where it was, plus the way it moved
last; detections and expectations are paired so that the sum of their distances is smallest. Distances are in face sides, so
that a face close to the camera may move further.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mesmer.signals.mtcnn import Detections

REACH_SIDES = 1.0
"""How far a face may be from where it was, or was expected, one step later."""
REACH_PER_MISS_SIDES = 0.25
"""How much further for every step it was not seen."""
SIZE_RATIO = 2.5
"""A face does not grow or shrink by more than this between two sightings."""
SIZE_WEIGHT = 0.25
"""What a doubled size costs, in face sides of distance: place says more about who it is than size does."""
MAX_GAP = 4
"""Steps a face may go unseen and still be taken to have moved straight from one sighting to the next."""
LOST_AFTER = 20
"""A face unseen for more steps than this is a new one when it comes again."""
MAX_FACES = 8
"""Largest faces followed in one frame, so that a crowd stays bounded."""


@dataclass
class Track:
    """One person: the steps in which the face was seen, its boxes (4,) in pixels, and the detector's scores."""

    steps: list[int] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def sides(self) -> list[float]:
        return [_side(box) for box in self.boxes]

    @property
    def weight(self) -> float:
        """Longest and largest: the sides of all sightings, added up, each as sure as the detector was."""
        return float(np.dot(self.sides, self.scores))

    def expected(self, step: int) -> NDArray[np.float32]:
        """Return the box where the face should be if it keeps the speed it had between its last two sightings."""
        last = self.boxes[-1]
        if len(self.steps) < 2 or step - self.steps[-1] > MAX_GAP:
            return last
        speed = (_centre(last) - _centre(self.boxes[-2])) / (self.steps[-1] - self.steps[-2])
        return last + np.tile(speed * (step - self.steps[-1]), 2).astype(np.float32)

    def gap_boxes(self) -> dict[int, NDArray[np.float32]]:
        """Return step -> box between the last two sightings, if the gap is short; the box moves and grows evenly."""
        if len(self.steps) < 2 or self.steps[-1] - self.steps[-2] - 1 > MAX_GAP:
            return {}
        (start, end), (first, last) = self.steps[-2:], self.boxes[-2:]
        return {step: first + (last - first) * np.float32((step - start) / (end - start)) for step in range(start + 1, end)}


class Tracker:
    """Grows tracks, one frame after another.

    Args:
        lost_after: a face unseen for more steps than this is a new one when it comes again.

    Attributes:
        tracks: everyone seen so far, in order of first sight.
        step: number of frames seen so far.
    """

    def __init__(self, *, lost_after: int = LOST_AFTER) -> None:
        self.tracks: list[Track] = []
        self.step = 0
        self._lost_after = lost_after

    def add(self, detections: Detections) -> list[Track]:
        """Take in the next frame; return the tracks that were seen in it."""
        largest = np.argsort([-_side(box) for box in detections.boxes_px], kind="stable")[:MAX_FACES]
        boxes, scores = detections.boxes_px[largest], detections.scores[largest]
        live = [track for track in self.tracks if self.step - track.steps[-1] <= self._lost_after]
        owner = dict(self._pairs(live, boxes))
        seen = []
        for i, (box, score) in enumerate(zip(boxes, scores, strict=True)):
            track = owner.get(i)
            if track is None:
                track = Track()
                self.tracks.append(track)
            track.steps.append(self.step)
            track.boxes.append(box)
            track.scores.append(float(score))
            seen.append(track)
        self.step += 1
        return seen

    @property
    def just_seen(self) -> list[Track]:
        """Who was seen in the last frame."""
        return [track for track in self.tracks if track.steps[-1] == self.step - 1]

    def follows(self, tracks: Sequence[Track], detections: Detections) -> bool:
        """Whether each of these people is among the detections of the next frame."""
        return len(dict(self._pairs(tracks, detections.boxes_px))) == len(tracks)

    def _pairs(self, live: Sequence[Track], boxes: NDArray[np.float32]) -> Iterable[tuple[int, Track]]:
        """Yield (detection, track) for every detection that is a face seen before."""
        if not live or not len(boxes):
            return
        cost = np.array([[_cost(track, self.step, box) for box in boxes] for track in live])
        # A forbidden pair costs more than any number of allowed ones, so as many faces as can be are kept.
        forbidden = 1e6
        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, forbidden))
        for row, column in zip(rows, columns, strict=True):
            if np.isfinite(cost[row, column]):
                yield int(column), live[row]


def main_track(tracks: Sequence[Track]) -> Track | None:
    """Return the longest and largest track, the first seen of equals; None where nobody was seen."""
    return max(tracks, key=lambda track: track.weight, default=None)


def people_at_once(tracks: Sequence[Track], steps: int) -> int:
    """Return the largest number of people seen in one frame. One sighting in a longer clip is not yet a person."""
    least = min(2, steps)
    seen = np.zeros(steps, dtype=int)
    for track in tracks:
        if len(track.steps) >= least:
            seen[track.steps] += 1
    return int(seen.max(initial=0))


def _cost(track: Track, step: int, box: NDArray[np.float32]) -> float:
    """How unlike the track's next sighting a detection is, in face sides; infinite if it cannot be the same face."""
    last, expected = track.boxes[-1], track.expected(step)
    side, last_side = _side(box), _side(last)
    scale = (side + last_side) / 2
    from_expected = float(np.linalg.norm(_centre(box) - _centre(expected))) / scale
    from_last = float(np.linalg.norm(_centre(box) - _centre(last))) / scale
    misses = step - track.steps[-1] - 1
    # After a long absence only the old place counts; a short one widens the reach.
    reach = REACH_SIDES + REACH_PER_MISS_SIDES * (misses if misses <= MAX_GAP else 0)
    ratio = max(side, last_side) / max(min(side, last_side), 1e-6)
    if min(from_expected, from_last) > reach or ratio > SIZE_RATIO:
        return np.inf
    return from_expected + SIZE_WEIGHT * float(np.log2(ratio))


def _centre(box: NDArray[np.float32]) -> NDArray[np.floating]:
    return (box[:2] + box[2:]) / 2


def _side(box: NDArray[np.float32]) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))
