"""Who is in the picture: every face followed over the whole video, at a bounded cost, with its mouth's movement.

The whole picture is searched every two seconds, and twice a second while a face is lost; in between each face is looked for
where it should be by now, or where it was last. Of the past only a summary is kept, so an hour takes as much memory as a
minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.mouths import MouthMeter
from mesmer.config import PrepareSettings
from mesmer.signals.crops import crop_face, face_square, shrunk
from mesmer.signals.mtcnn import Detections, FaceDetector
from mesmer.signals.tracking import Track, Tracker

SEARCH_EVERY_S = 2.0
SEARCH_LOST_EVERY_S = 0.5
LOST_AFTER_S = 10.0
"""A face that was away for longer is a new person when it comes again: nobody here knows faces apart by their looks."""
HELD_S = 2.0
"""A face that is lost counts as seen for so long, while the picture where it was still fits."""
LEAST_SEEN_S = 0.75
"""A face seen for less is no person; the detector is wrong now and then."""
HABIT_STEPS = 240
"""Sightings from which the habits of a mouth are learnt: half a minute."""
DOUBT_STEPS = 60
"""What is usual for anybody counts as much as so many sightings of this mouth, which may not have talked in them."""
STILL_RESTS = 1.3
"""A mouth that moves less than so many times what is usual for it at rest is still: so it looks at rest."""
USUAL_REST, MOST_REST = 0.13, 0.3
LEAST_TALKING, USUAL_TALKING, MOST_TALKING = 0.05, 0.2, 0.8
USUAL_LIKE, MOST_LIKE = 0.11, 0.3
LEAST_UNLIKE, USUAL_UNLIKE, MOST_UNLIKE = 0.05, 0.3, 1.0
KEPT_SIGHTINGS = 8
"""Sightings of a track that the tracker needs."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A face in one frame.

    Attributes:
        time_s, box_px: when, and where (4,).
        mouth: how much it moved since the frame before; None where unknown.
        unlike_rest: how unlike the mouth looks to its own rest; None where unknown.
        found: the detector found it; otherwise it is only held where it was last, and nothing can be cut out.
    """

    time_s: float
    box_px: NDArray[np.float32]
    mouth: float | None
    unlike_rest: float | None = None
    found: bool = True


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What is usual for a mouth.

    Attributes:
        rest, talking: how it moves when still (landmarks of some faces tremble more), and how much more when it talks.
        like, unlike: how unlike its rest it looks when it is still, and how much more when it talks.
    """

    rest: float
    talking: float
    like: float = USUAL_LIKE
    unlike: float = USUAL_UNLIKE


@dataclass(kw_only=True)
class Person:
    """One face track.

    Attributes:
        number: 1, 2, ... in order of first sight; 0 while it has not been seen for long enough.
        first_s, last_s: first and last sight.
        seen_s: how long it was seen in all.
        thumbnail: uint8 (48, 48, 3), the clearest sight.
        sightings: those not forgotten yet, in time order.
    """

    first_s: float
    last_s: float
    number: int = 0
    seen_s: float = 0.0
    thumbnail: NDArray[np.uint8] | None = None
    sightings: list[Sighting] = field(default_factory=list)
    _clarity: float = 0.0
    _box_px: NDArray[np.float32] | None = None
    _meter: MouthMeter = field(default_factory=MouthMeter)
    _mouths: deque[float] = field(default_factory=lambda: deque(maxlen=HABIT_STEPS))
    _unlikes: deque[float] = field(default_factory=lambda: deque(maxlen=HABIT_STEPS))

    def habits(self) -> Habits:
        """Return how this mouth moves and looks, learnt from the last half minute."""
        rest, talking = _usual(self._mouths, (USUAL_REST, MOST_REST), (LEAST_TALKING, USUAL_TALKING, MOST_TALKING))
        like, unlike = _usual(self._unlikes, (USUAL_LIKE, MOST_LIKE), (LEAST_UNLIKE, USUAL_UNLIKE, MOST_UNLIKE))
        return Habits(rest=rest, talking=talking, like=like, unlike=unlike)

    def look(
        self, frame: NDArray[np.uint8], time_s: float, box_px: NDArray[np.float32], landmarks_px: NDArray[np.float32]
    ) -> None:
        """Take in the face as it was found in the next frame."""
        rest, _ = _usual(self._mouths, (USUAL_REST, MOST_REST), (LEAST_TALKING, USUAL_TALKING, MOST_TALKING))
        look = self._meter.measure(frame, landmarks_px, still=STILL_RESTS * rest)
        if look.moved is not None:
            self._mouths.append(look.moved)
        if look.unlike_rest is not None:
            self._unlikes.append(look.unlike_rest)
        self._box_px = box_px
        self.sightings.append(Sighting(time_s=time_s, box_px=box_px, mouth=look.moved, unlike_rest=look.unlike_rest))

    def hold(self, frame: NDArray[np.uint8], time_s: float, others_px: NDArray[np.float32]) -> None:
        """Take the face as seen where it was last, if it is still there and none of the others (n, 4) is."""
        box_px, look = self._box_px, None
        if self.number and time_s - self.last_s <= HELD_S and box_px is not None:
            look = None if any(_touch(box_px, other) for other in others_px) else self._meter.follow(frame)
        if look is None or box_px is None:
            self._meter.forget()
        else:
            held = Sighting(time_s=time_s, box_px=box_px, mouth=look.moved, unlike_rest=look.unlike_rest, found=False)
            self.sightings.append(held)


def _usual(recent: Sequence[float], low: tuple[float, float], span: tuple[float, float, float]) -> tuple[float, float]:
    """Return what is usual at rest (at most ``low[1]``), and how much more when talking (``span[0]`` to ``span[2]``)."""
    if len(recent) < HABIT_STEPS // 15:
        return low[0], span[1]
    smooth = np.convolve(recent, np.ones(4) / 4, mode="valid")
    rest, talking = np.quantile(smooth, [0.25, 0.95])
    rest = min(float(rest), low[1])
    more = (float(talking - rest) * len(recent) + span[1] * DOUBT_STEPS) / (len(recent) + DOUBT_STEPS)
    return rest, float(np.clip(more, span[0], span[2]))


class PeopleWatcher:
    """Follows everyone through the frames of a video.

    Args:
        detector: finds the faces.
        settings: sizes of frames and crops.
        grid_s: seconds between frames.

    Attributes:
        people: everyone who was seen for long enough, in order of first sight.
        frames, faceless: frames seen, and those without a face.
        overlapping: frames in which two faces overlap.
    """

    def __init__(self, detector: FaceDetector, *, settings: PrepareSettings, grid_s: float) -> None:
        self._detector, self._settings, self._grid_s = detector, settings, grid_s
        self._search_steps = max(1, round(SEARCH_EVERY_S / grid_s))
        self._lost_steps = max(1, round(SEARCH_LOST_EVERY_S / grid_s))
        self._tracker = Tracker(lost_after=round(LOST_AFTER_S / grid_s))
        self._persons: dict[int, Person] = {}  # id of a living track -> person
        self._gone: list[Person] = []  # lost, but seen in what is not forgotten yet
        self.people: list[Person] = []
        self.frames = self.faceless = self.overlapping = 0

    def see(self, frame: NDArray[np.uint8], time_s: float) -> None:
        """Take in the next frame, uint8 (H, W, 3)."""
        found = self._find(frame)
        seen = self._tracker.add(found)
        for track in seen:
            self._sight(track, found, frame, time_s)
        for person in self._persons.values():
            if person.last_s < time_s:
                person.hold(frame, time_s, found.boxes_px)
        self.frames += 1
        self.faceless += not seen
        boxes = [track.boxes[-1] for track in seen]
        self.overlapping += any(_touch(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
        self._forget_lost()

    def forget_before(self, time_s: float) -> None:
        """Forget the sightings before a time."""
        for person in (*self._persons.values(), *self._gone):
            person.sightings = [sighting for sighting in person.sightings if sighting.time_s >= time_s - 1e-6]
        self._gone = [person for person in self._gone if person.sightings]

    def between(self, start_s: float, end_s: float) -> dict[int, list[Sighting]]:
        """Return the sightings of each person, by number, within a stretch that is not forgotten."""
        known = {person.number: person.sightings for person in (*self._persons.values(), *self._gone) if person.number}
        return dict(sorted(within(known, start_s, end_s).items()))

    def habits(self) -> dict[int, Habits]:
        """Return how each mouth moves, by the person's number."""
        return {person.number: person.habits() for person in (*self._persons.values(), *self._gone) if person.number}

    def _known(self) -> list[Track]:
        """Who was seen in the last frame, and who was seen for long enough not to be forgotten yet."""
        just_seen = {id(track) for track in self._tracker.just_seen}
        return [
            track
            for track in self._tracker.tracks
            if id(track) in just_seen or ((person := self._persons.get(id(track))) is not None and person.number)
        ]

    def _find(self, frame: NDArray[np.uint8]) -> Detections:
        step, known = self._tracker.step, self._known()
        if step % self._search_steps:
            expected = [track.expected(step) for track in known]
            near = self._detector.detect_near(frame, np.stack(expected)) if expected else None
            lost = near is None or not self._tracker.follows(known, near)
            if near is not None and (not lost or step % self._lost_steps):
                return near
            if near is None and step % self._lost_steps:
                return _NOBODY
        small = shrunk(frame, self._settings.detect_max_side_px)
        found = self._detector.detect([small])[0]
        return found.scaled(frame.shape[1] / small.shape[1], frame.shape[0] / small.shape[0])

    def _sight(self, track: Track, found: Detections, frame: NDArray[np.uint8], time_s: float) -> None:
        box = track.boxes[-1]
        person = self._persons.setdefault(id(track), Person(first_s=time_s, last_s=time_s))
        place = next(i for i, other in enumerate(found.boxes_px) if np.array_equal(other, box))
        person.look(frame, time_s, box, found.landmarks_px[place])
        person.last_s = time_s
        person.seen_s += self._grid_s
        if not person.number and person.seen_s >= LEAST_SEEN_S:
            self.people.append(person)
            person.number = len(self.people)
        clarity = float(found.scores[place]) * min(track.sides[-1], 96.0) * _frontal(found.landmarks_px[place])
        if clarity > 1.05 * person._clarity:
            person._clarity = clarity
            height, width = frame.shape[:2]
            square = face_square(box, margin=self._settings.face_margin, height_px=height, width_px=width)
            person.thumbnail = crop_face(frame, square)
        del track.steps[:-KEPT_SIGHTINGS], track.boxes[:-KEPT_SIGHTINGS], track.scores[:-KEPT_SIGHTINGS]

    def _forget_lost(self) -> None:
        tracker = self._tracker
        limit = tracker.step - round(LOST_AFTER_S / self._grid_s) - 1
        for track in [track for track in tracker.tracks if track.steps[-1] < limit]:
            tracker.tracks.remove(track)
            self._gone.append(self._persons.pop(id(track)))


def within(seen: Mapping[int, Sequence[Sighting]], start_s: float, end_s: float) -> dict[int, list[Sighting]]:
    """Return the sightings of each person within a stretch; who has none in it is left out."""
    inside = {number: [one for one in ones if start_s - 1e-6 <= one.time_s < end_s - 1e-6] for number, ones in seen.items()}
    return {number: ones for number, ones in inside.items() if ones}


def _touch(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether a tenth of the smaller box lies in the other one."""
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in (one, other))
    return bool(size.min() > 0 and float(np.prod(size)) > 0.1 * smaller)


def _frontal(landmarks_px: NDArray[np.float32]) -> float:
    """1 where the nose lies in the middle of the eyes, less where the face is turned away."""
    left, right, nose = landmarks_px[:3, 0]
    half = max(abs(float(right - left)) / 2, 1e-6)
    return max(0.1, 1 - abs(float(nose - (left + right) / 2)) / half)


_NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
