"""Who speaks when: signals drawn with their truth, and how likely each speaks found again by adding up all courses."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.analysis import speaking
from mesmer.analysis.people import Habits, Sighting
from mesmer.analysis.speaking import Turn, find_turns

GRID_S = 0.125
HABITS = Habits(rest=0.03, talking=0.1, like=0.05, unlike=0.15)
BOX = np.array([0, 0, 80, 100], np.float32)
Spoken = tuple[int, float, float]


def sightings(
    person: int,
    spoken: list[Spoken],
    end_s: float,
    *,
    seed: int = 0,
    moves: bool = True,
    differs: bool = True,
    late_s: float = 0.0,
) -> list[Sighting]:
    """Draw the looks at one mouth, up to a time: small and steady at rest, large and unsteady while it speaks.

    Movement tells of ``late_s`` before the look.
    """
    rng = np.random.default_rng([seed, person])
    looks = []
    for step in range(round(end_s / GRID_S)):
        time_s = step * GRID_S
        talks = any(who == person and start_s <= time_s < stop_s for who, start_s, stop_s in spoken)
        talked = any(who == person and start_s <= time_s - late_s < stop_s for who, start_s, stop_s in spoken)
        mouth = float(rng.uniform(0.08, 0.16) if talked and moves else rng.uniform(0.0, 0.04))
        unlike = float(rng.uniform(0.13, 0.25) if talks and differs else rng.uniform(0.0, 0.06))
        looks.append(Sighting(time_s=time_s, box_px=BOX, mouth=mouth, unlike_rest=unlike))
    return looks


def turns_of(seen: dict[int, list[Sighting]], end_s: float, *, known: int | None = None) -> list[Turn]:
    return find_turns(
        0.0,
        end_s,
        seen,
        habits=dict.fromkeys(seen, HABITS),
        known=len(seen) if known is None else known,
        grid_s=GRID_S,
        cut_s=GRID_S,
    )


@settings(max_examples=150, deadline=None)
@given(
    st.floats(0.8, 3.0),
    st.floats(0.8, 3.0),
    st.floats(-0.9, 0.0),
    st.booleans(),
    st.sampled_from(["both", "moves", "differs"]),
    st.integers(0, 99),
)
def test_turns_that_overlap_are_found_in_time(
    one_s: float, other_s: float, gap_s: float, swapped: bool, signs: str, seed: int
) -> None:
    gap_s = max(gap_s, -0.6 * min(one_s, other_s))
    first, second = (2, 1) if swapped else (1, 2)
    spoken = [(first, 0.0, one_s), (second, one_s + gap_s, one_s + gap_s + other_s)]
    end_s = round(np.ceil(spoken[1][2] / GRID_S) * GRID_S, 6)
    seen = {
        person: sightings(person, spoken, end_s, seed=seed, moves=signs != "differs", differs=signs != "moves")
        for person in (1, 2)
    }
    if signs == "moves":  # what the mouth looks like at rest is not known yet
        seen = {
            person: [Sighting(time_s=one.time_s, box_px=BOX, mouth=one.mouth) for one in ones]
            for person, ones in seen.items()
        }
    if signs == "differs":  # a mouth held open says enough only where it is far from its rest
        seen = {
            person: [
                Sighting(time_s=one.time_s, box_px=BOX, mouth=one.mouth, unlike_rest=2 * (one.unlike_rest or 0.0))
                for one in ones
            ]
            for person, ones in seen.items()
        }
    late_s = 3 * GRID_S if signs == "differs" else 0.3  # a mouth that only looks unlike its rest can take a look more
    found = turns_of(seen, end_s)
    assert len(found) == 2
    for person, start_s, stop_s in spoken:
        (turn,) = (turn for turn in found if turn.person == person)
        assert abs(turn.start_s - start_s) <= late_s
        assert abs(turn.end_s - stop_s) <= late_s
    together_s = -gap_s
    if together_s > 0.5:
        assert all(turn.together for turn in found)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 999))
def test_who_likely_speaks_agrees_with_the_sum_over_all_courses(people: int, steps: int, seed: int) -> None:
    says = np.random.default_rng(seed).uniform(-2.5, 2.5, (people, steps))
    states = [state for state in product((False, True), repeat=people) if 1 <= sum(state) <= 2]

    def worth(course: tuple[tuple[bool, ...], ...]) -> float:
        total = 0.0
        for step, state in enumerate(course):
            total += sum(float(says[person, step]) for person in range(people) if state[person])
            total -= speaking.TOGETHER_COST * (sum(state) - 1)
        for before, after in pairwise(course):
            total -= speaking.CHANGE_COST * sum(a != b for a, b in zip(before, after, strict=True))
        return total

    courses = list(product(states, repeat=steps))
    weights = np.exp([worth(course) for course in courses])
    likely = np.tensordot(weights / weights.sum(), np.array(courses, float), axes=1).T  # (people, steps)
    assert speaking._likely(says) == pytest.approx(likely)
    speaks = speaking._speaking(says)
    for step in range(steps):
        assert 1 <= speaks[:, step].sum() <= 2
        assert likely[speaks[:, step], step].max() == likely[:, step].max()
        assert min(likely[speaks[:, step], step]) > 0.5 or speaks[:, step].sum() == 1
        assert speaks[:, step].sum() == 2 or (likely[:, step] > 0.5).sum() <= 1


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 999), st.booleans())
def test_turns_cover_the_stretch_and_never_leave_it(people: int, steps: int, seed: int, seldom: bool) -> None:
    rng = np.random.default_rng(seed)
    end_s = steps * GRID_S
    seen = {
        person: [
            Sighting(
                time_s=step * GRID_S,
                box_px=BOX,
                mouth=float(rng.uniform(0, 0.3)) if rng.random() < 0.8 else None,
                unlike_rest=float(rng.uniform(0, 0.3)) if rng.random() < 0.8 else None,
            )
            for step in range(steps)
            if not seldom or rng.random() < 0.5
        ]
        for person in range(1, people + 1)
    }
    seen = {person: ones for person, ones in seen.items() if ones}
    found = turns_of(seen, end_s, known=people)
    covered = np.zeros(steps, dtype=int)
    for turn in found:
        assert 0 <= turn.start_s < turn.end_s <= end_s
        assert turn.person is None or turn.person in seen
        covered[round(turn.start_s / GRID_S) : round(turn.end_s / GRID_S)] += 1
    assert ((covered >= 1) & (covered <= 2)).all()
    assert found == sorted(found, key=lambda turn: (turn.start_s, turn.end_s))
    renamed = turns_of({person + 5: ones for person, ones in seen.items()}, end_s, known=people)
    assert [(turn.start_s, turn.end_s, turn.person and turn.person - 5) for turn in renamed] == [
        (turn.start_s, turn.end_s, turn.person) for turn in found
    ]


def test_changes_are_found_neither_late_nor_early_on_average() -> None:
    rng, late_s = np.random.default_rng(0), []
    for seed in range(60):
        change_s = float(rng.uniform(1.0, 2.0))
        spoken = [(1, 0.0, change_s), (2, change_s, 3.0)]
        seen = {person: sightings(person, spoken, 3.0, seed=seed, late_s=GRID_S / 2) for person in (1, 2)}
        one, other = turns_of(seen, 3.0)
        late_s += [one.end_s - change_s, other.start_s - change_s]
    assert abs(np.mean(late_s)) < 0.05


def test_mouths_at_rest_do_not_speak() -> None:
    seen = {person: sightings(person, [], 2.0) for person in (1, 2)}
    (turn,) = turns_of(seen, 2.0)
    assert turn.person is None
    (turn,) = turns_of({1: seen[1]}, 2.0, known=2)  # nor the only one in sight, while another is known
    assert turn.person is None
    (turn,) = turns_of({1: seen[1]}, 2.0, known=1)
    assert turn.person == 1


def test_who_comes_into_sight_while_speaking_gets_the_rest() -> None:
    spoken = [(1, 0.0, 1.5), (2, 1.5, 3.0)]
    seen = {person: sightings(person, spoken, 3.0) for person in (1, 2)}
    seen[2] = [one for one in seen[2] if one.time_s >= 1.75]
    assert [(turn.person, turn.together) for turn in turns_of(seen, 3.0)] == [(1, False), (2, False)]


def test_no_face_is_nobody() -> None:
    assert turns_of({}, 1.0, known=2) == [Turn(start_s=0.0, end_s=1.0, person=None)]
