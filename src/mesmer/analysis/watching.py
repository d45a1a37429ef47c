"""What a going through of a file asks of whoever watches the people in it, here or in a process of its own.

Questions are answered from exactly the frames that were given before them, however far the watcher is behind; so both ways
come to the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.people import Habits, PeopleWatcher, Sighting
from mesmer.analysis.result import AnalyzedPerson
from mesmer.errors import MesmerError


class WatcherError(MesmerError):
    """Whoever watches cannot go on: a file can be analysed only as far as its people were followed."""


@dataclass(frozen=True, kw_only=True)
class Everyone:
    """Everyone seen so far.

    Attributes:
        people: in order of first sight.
        frames, faceless, overlapping: frames seen, those without a face, and those in which two faces overlap.
    """

    people: Sequence[AnalyzedPerson] = ()
    frames: int = 0
    faceless: int = 0
    overlapping: int = 0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen in a stretch.

    Attributes:
        sightings: of each person, by number, in time order.
        habits: of each mouth, by number, as far as they are known.
        everyone: seen up to now.
    """

    sightings: Mapping[int, Sequence[Sighting]] = field(default_factory=dict)
    habits: Mapping[int, Habits] = field(default_factory=dict)
    everyone: Everyone = field(default_factory=Everyone)


class Watching(Protocol):
    """Watches the people in one file. Frames come in order of time."""

    @property
    def busy_s(self) -> float | None:
        """Seconds it has worked beside the one who asks; None where it does not work beside."""

    def see(self, frame: NDArray[np.uint8], time_s: float) -> None:
        """Take in the next frame, uint8 (H, W, 3)."""

    def forget_before(self, time_s: float) -> None:
        """Forget the sightings before a time."""

    def ask(self, start_s: float, end_s: float) -> None:
        """Ask what was seen in a stretch that is not forgotten."""

    def answers(self, *, wait: bool) -> list[Seen]:
        """Return the answers that are there, in the order of the questions; with ``wait`` to all of them."""

    def so_far(self) -> Everyone:
        """Return what is known of everyone, without waiting for what is not yet looked at."""

    def close(self) -> None:
        """No more frames come, and no more questions: ``so_far`` knows everyone now."""


class WatchingHere:
    """Watches when it is given a frame; every question is answered at once."""

    busy_s = None

    def __init__(self, watcher: PeopleWatcher) -> None:
        self._watcher = watcher
        self._answers: list[Seen] = []

    def see(self, frame: NDArray[np.uint8], time_s: float) -> None:
        """Look at the next frame."""
        self._watcher.see(frame, time_s)

    def forget_before(self, time_s: float) -> None:
        """Forget the sightings before a time."""
        self._watcher.forget_before(time_s)

    def ask(self, start_s: float, end_s: float) -> None:
        """Answer at once."""
        self._answers.append(seen_between(self._watcher, start_s, end_s))

    def answers(self, *, wait: bool) -> list[Seen]:
        """Return the answers not yet returned."""
        given, self._answers = self._answers, []
        return given

    def so_far(self) -> Everyone:
        """Return what is known of everyone."""
        return everyone(self._watcher)

    def close(self) -> None:
        """Nothing is to be done."""


def seen_between(watcher: PeopleWatcher, start_s: float, end_s: float) -> Seen:
    """Return what a watcher has seen in a stretch."""
    return Seen(sightings=watcher.between(start_s, end_s), habits=watcher.habits(), everyone=everyone(watcher))


def everyone(watcher: PeopleWatcher) -> Everyone:
    """Return everyone a watcher has seen."""
    people = [
        AnalyzedPerson(
            number=person.number,
            first_s=person.first_s,
            last_s=person.last_s,
            seen_s=round(person.seen_s, 3),
            thumbnail=person.thumbnail,
        )
        for person in watcher.people
    ]
    return Everyone(people=people, frames=watcher.frames, faceless=watcher.faceless, overlapping=watcher.overlapping)
