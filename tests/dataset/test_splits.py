"""Splits by speaker: nobody in two of them, shares as asked, the same for the same seed in whatever order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.dataset.splits import SHARES, assign_splits
from mesmer.errors import DataError
from mesmer.records import SPLITS, Utterance


def utterances(speakers: list[str | None]) -> list[Utterance]:
    return [Utterance(id=f"u{n}", corpus="c", media="x", speaker=name) for n, name in enumerate(speakers)]


names = st.sampled_from("abcdefghij")


@given(st.lists(names | st.none(), min_size=1, max_size=60), st.integers(0, 5), st.randoms())
def test_laws(speakers: list[str | None], seed: int, random: object) -> None:
    made = utterances(speakers)
    split, rule = assign_splits(made, seed=seed)
    assert [replace(u, split=None) for u in split] == made
    assert {u.split for u in split} <= set(SPLITS)
    groups = len({u.speaker or u.id for u in made})
    assert rule == ("speaker" if any(speakers) and groups >= 3 else "utterance")
    if rule == "speaker":
        homes: dict[str, set[str | None]] = {}
        for u in split:
            homes.setdefault(u.speaker or u.id, set()).add(u.split)
        assert all(len(home) == 1 for home in homes.values())
    if len(made) >= 3:
        assert {u.split for u in split} == set(SPLITS)
    shuffled = made.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again, _ = assign_splits(shuffled, seed=seed)
    assert {u.id: u.split for u in again} == {u.id: u.split for u in split}


def test_shares_are_met_by_utterances() -> None:
    made = utterances([f"s{n % 40}" for n in range(2000)])
    split, rule = assign_splits(made, seed=1)
    counts = Counter(u.split for u in split)
    assert rule == "speaker"
    assert {name: counts[name] / 2000 for name in SPLITS} == pytest.approx(SHARES)
    uneven = utterances([f"s{n}" for n in range(30) for _ in range(1 + n * n)])
    counts = Counter(u.split for u in assign_splits(uneven, seed=1)[0])
    assert {name: counts[name] / len(uneven) for name in SPLITS} == pytest.approx(SHARES, abs=0.01)


def test_the_seed_decides_who_goes_where() -> None:
    made = utterances([f"s{n % 20}" for n in range(200)])
    tests = {frozenset(u.speaker for u in assign_splits(made, seed=seed)[0] if u.split == "test") for seed in range(8)}
    assert len(tests) > 4


def test_given_splits_stay_and_half_given_ones_are_refused() -> None:
    made = [replace(u, split="test") for u in utterances(["a", "a", "b"])]
    assert assign_splits(made, seed=9) == (tuple(made), "given")
    with pytest.raises(DataError, match="1 of 3 utterances have no split, 'u1'"):
        assign_splits([made[0], replace(made[1], split=None), made[2]])
