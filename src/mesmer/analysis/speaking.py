"""Who of those in the picture speaks: speech held against the movement of mouths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.people import Habits, Sighting

SMOOTHED_S = 0.6
STILL = 0.08
"""A mouth that moves less, on average, is not seen to speak. Movement: that above rest, as a share of its usual talking."""
TALKS = 0.3
"""A second mouth that moves more, for as long as below, speaks at the same time."""
TOGETHER_S = 0.8
FLOOR = 0.2
"""Differences between movements below this say little."""
CHANGE_COST = 3.0
"""How much likelier (in nats) another speaker must be, before the change is believed."""
UNCLEAR = 0.6
"""Share of all movement, below which it is hard to tell who speaks."""
MAX_MOUTHS = 4
"""Mouths that are compared, the most active ones."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A stretch in which one person speaks.

    Attributes:
        start_s, end_s: in seconds from the start of the file.
        person: number of the person; None where the speaker is not in the picture or cannot be told.
        share: of all mouth movement in it, 0 to 1; None where only one face was seen or none.
        movement: of the person's mouth, on average; None where no face was seen.
        together: someone else speaks in it too.
    """

    start_s: float
    end_s: float
    person: int | None
    share: float | None = None
    movement: float | None = None
    together: bool = False


def find_turns(
    start_s: float,
    end_s: float,
    seen: Mapping[int, Sequence[Sighting]],
    *,
    habits: Mapping[int, Habits],
    known: int,
    grid_s: float,
    cut_s: float,
) -> list[Turn]:
    """Return who speaks when in a stretch of speech, in order of their beginnings; together they cover it.

    Args:
        start_s, end_s: the stretch.
        seen: person -> sightings in it.
        habits: person -> how the mouth moves at rest and when it talks.
        known: people seen in the video so far.
        grid_s: seconds between sightings.
        cut_s: turns begin and end at whole multiples of this.
    """
    steps = max(1, int(np.ceil((end_s - start_s) / grid_s - 1e-6)))
    moves = {person: _movements(ones, start_s, steps, grid_s, habits[person]) for person, ones in seen.items()}
    moves = dict(sorted(moves.items(), key=lambda item: -float(item[1].sum()))[:MAX_MOUTHS])
    means = {person: float(course.mean()) for person, course in moves.items()}
    best = max(means, key=lambda person: means[person], default=None)
    if best is None:
        return [Turn(start_s=start_s, end_s=end_s, person=None)]
    if means[best] < STILL and known > 1:
        return [Turn(start_s=start_s, end_s=end_s, person=None, movement=means[best])]
    if len(moves) == 1:
        return [Turn(start_s=start_s, end_s=end_s, person=best, movement=means[best])]
    people = sorted(moves)
    courses = np.stack([moves[person] for person in people])  # (people, steps)
    speaking = _speaking(courses, max(1, round(TOGETHER_S / grid_s)))
    turns = []
    for row, person in enumerate(people):
        for first, last in _runs(speaking[row]):
            begin_s = start_s if first == 0 else _nearest(start_s + first * grid_s, cut_s)
            stop_s = end_s if last == steps else _nearest(start_s + last * grid_s, cut_s)
            if stop_s <= begin_s:
                continue
            inside = courses[:, first:last]
            share = float(inside[row].sum() / max(float(inside.sum()), 1e-9))
            together = bool((speaking[:, first:last].sum(axis=0) > 1).any())
            movement = float(inside[row].mean())
            turns.append(
                Turn(start_s=begin_s, end_s=stop_s, person=person, share=share, movement=movement, together=together)
            )
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s))


def _movements(ones: Sequence[Sighting], start_s: float, steps: int, grid_s: float, habits: Habits) -> NDArray[np.float64]:
    """Return the movement at each step (steps,), smoothed; 0 where the face was not seen."""
    course = np.zeros(steps)
    for one in ones:
        step = round((one.time_s - start_s) / grid_s)
        if 0 <= step < steps and one.mouth is not None:
            course[step] = max(0.0, one.mouth - habits.rest) / habits.talking
    width = min(max(1, round(SMOOTHED_S / grid_s)), steps)
    counts = np.convolve(np.ones(steps), np.ones(width), mode="same")
    return np.convolve(course, np.ones(width), mode="same") / counts


def _speaking(courses: NDArray[np.float64], together_steps: int) -> NDArray[np.bool_]:
    """Return who speaks at which step, bool (people, steps): one always, and others whose mouths talk for long enough."""
    speaking = np.zeros(courses.shape, dtype=bool)
    speaking[_speakers(courses), np.arange(courses.shape[1])] = True
    for row, course in enumerate(courses):
        for first, last in _runs(course > TALKS):
            if last - first >= together_steps:
                speaking[row, first:last] = True
    return speaking


def _speakers(courses: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the speaker at each step: the likeliest course of speakers, where each change has its cost (Viterbi)."""
    people, steps = courses.shape
    score = np.log((courses + FLOOR) / (courses + FLOOR).sum(axis=0))
    came_from = np.zeros((steps, people), dtype=np.intp)
    total = score[:, 0].copy()
    change = CHANGE_COST * (1 - np.eye(people))
    for step in range(1, steps):
        options = total[:, None] - change
        came_from[step] = options.argmax(axis=0)
        total = options.max(axis=0) + score[:, step]
    path = np.zeros(steps, dtype=np.intp)
    path[-1] = int(total.argmax())
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and one past last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _nearest(time_s: float, grid_s: float) -> float:
    return round(round(time_s / grid_s) * grid_s, 6)
