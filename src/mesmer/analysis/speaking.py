"""Who of those in the picture speaks: each mouth, by how it moves and how unlike its rest it looks, held against speech.

Each person speaks or does not, whatever the others do; where speech is heard, at least one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.people import Habits, Sighting

STILL = 0.08
"""A mouth that moves less, on average, hardly moves. Movement: that above rest, as a share of its usual talking."""
FLOOR, MIDDLE = 0.1, 0.4
"""Signals below the floor say no less than the floor; around the middle they say nothing."""
MOVING_SAYS, UNLIKE_SAYS, BIAS = 0.7, 0.85, 0.35
"""Nats for speaking by each e-fold above the middle of movement, and of how unlike its rest a mouth looks; and by none."""
MOST_SAID = 2.5
UNSEEN_SAYS = -1.0
"""In one look no more can be said for or against speaking; and this is said of a face that is out of sight."""
CHANGE_COST = 1.3
"""So much likelier (in nats) a beginning or an end must make what is seen, before it is believed."""
TOGETHER_COST = 0.5
"""What each look costs at which a second one speaks as well: mostly one speaks at a time."""
NOBODY_SAYS = -1.2
"""Where the best that can be made of the mouths says less, on average, the voice comes from outside of the picture."""
UNCLEAR = 0.6
"""Share of all movement, below which it is hard to tell who speaks."""
LATE_STEPS = 0.75
"""A change is seen so many looks late: half a look on average, and movement is of the time between two looks."""
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
    mouths = [_mouth(person, ones, start_s, steps, grid_s, habits[person]) for person, ones in seen.items()]
    mouths = sorted(mouths, key=lambda mouth: -float(mouth.says.sum()))[:MAX_MOUTHS]
    if not mouths:
        return [Turn(start_s=start_s, end_s=end_s, person=None)]
    mouths.sort(key=lambda mouth: mouth.person)
    moves = np.stack([mouth.moves for mouth in mouths])  # (people, steps)
    says = np.stack([mouth.says for mouth in mouths])
    speaking = _speaking(says)
    if known > 1 and float((says * speaking).sum()) < NOBODY_SAYS * steps:
        return [Turn(start_s=start_s, end_s=end_s, person=None, movement=float(moves.mean(axis=1).max()))]
    turns = []
    for row, mouth in enumerate(mouths):
        for first, last in _runs(speaking[row]):
            begin_s = start_s if first == 0 else max(start_s, _nearest(start_s + (first - LATE_STEPS) * grid_s, cut_s))
            stop_s = end_s if last == steps else max(start_s, _nearest(start_s + (last - LATE_STEPS) * grid_s, cut_s))
            if stop_s <= begin_s:
                continue
            inside = moves[:, first:last]
            share = float(inside[row].sum() / max(float(inside.sum()), 1e-9)) if len(mouths) > 1 else None
            together = bool((speaking[:, first:last].sum(axis=0) > 1).any())
            turns.append(
                Turn(
                    start_s=begin_s,
                    end_s=stop_s,
                    person=mouth.person,
                    share=share,
                    movement=float(inside[row].mean()),
                    together=together,
                )
            )
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s))


@dataclass(frozen=True, kw_only=True)
class _Mouth:
    """One person's mouth at each step: how it moves, and how much that and its looks say for speaking, in nats (steps,)."""

    person: int
    moves: NDArray[np.float64]
    says: NDArray[np.float64]


def _mouth(person: int, ones: Sequence[Sighting], start_s: float, steps: int, grid_s: float, habits: Habits) -> _Mouth:
    moves, unlike = np.full(steps, np.nan), np.full(steps, np.nan)
    there = np.zeros(steps, dtype=bool)
    for one in ones:
        step = round((one.time_s - start_s) / grid_s)
        if 0 <= step < steps:
            there[step] = True
            moves[step] = np.nan if one.mouth is None else max(0.0, one.mouth - habits.rest) / habits.talking
            unlike[step] = np.nan if one.unlike_rest is None else max(0.0, one.unlike_rest - habits.like) / habits.unlike
    moving, looking = _around(np.log((moves + FLOOR) / MIDDLE)), _around(np.log((unlike + FLOOR) / MIDDLE))
    either = np.where(np.isnan(moving), looking, moving)
    other = np.where(np.isnan(looking), moving, looking)
    said = MOVING_SAYS * either + UNLIKE_SAYS * other + BIAS
    says = np.where(there & ~np.isnan(said), np.clip(said, -MOST_SAID, MOST_SAID), UNSEEN_SAYS)
    return _Mouth(person=person, moves=np.nan_to_num(moves), says=says)


def _around(course: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each step and its two neighbours, of those that are known; nan where none is."""
    near = np.stack([np.r_[np.nan, course[:-1]], course, np.r_[course[1:], np.nan]])
    known = ~np.isnan(near)
    total = np.where(known, near, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _speaking(says: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return who speaks at which step, bool (people, steps): whoever likelier does than not; one or two."""
    likely = _likely(says)
    rank = (-likely).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return (rank == 0) | ((rank == 1) & (likely > 0.5))


def _likely(says: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each one speaks at each step (people, steps), over all courses of one speaker or two.

    What is said is taken for the logarithm of a likelihood ratio, and costs for that of how likely beginnings, ends and
    speaking together are beforehand (sums forward and backward over a hidden Markov chain). The single likeliest course
    puts a change that is in doubt at one of its extremes; here it comes to lie where it is wrong by least.
    """
    people, steps = says.shape
    groups = [group for size in (1, 2) for group in combinations(range(people), size)]
    states = np.array([[person in group for person in range(people)] for group in groups])  # (states, people)
    score = (states @ says - TOGETHER_COST * (states.sum(axis=1, keepdims=True) - 1)).T  # (steps, states)
    change = -CHANGE_COST * (states[:, None] != states[None]).sum(axis=2)
    before, after = np.zeros_like(score), np.zeros_like(score)
    for step in range(1, steps):
        before[step] = np.logaddexp.reduce((before[step - 1] + score[step - 1])[:, None] + change, axis=0)
        back = steps - 1 - step
        after[back] = np.logaddexp.reduce((after[back + 1] + score[back + 1])[:, None] + change, axis=0)
    total = before + score + after
    share = np.exp(total - np.logaddexp.reduce(total, axis=1)[:, None])
    return np.asarray((share @ states).T)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and one past last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _nearest(time_s: float, grid_s: float) -> float:
    return round(round(time_s / grid_s) * grid_s, 6)
