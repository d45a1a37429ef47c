"""Paired comparisons: swaps by brute force, a p-value that keeps its word, and intervals of the difference."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.measures import MEASURES, measure
from mesmer.evaluation.paired import check_same_truth, compare, swap_patterns
from mesmer.evaluation.table import Resampling

EMOTIONS = ("a", "b")
NAMES = ("first", "second")


def truth_of(size: int, speakers: int, seed: int) -> Truth:
    rng = np.random.default_rng(seed)
    return Truth(
        ids=tuple(f"u{i}" for i in range(size)),
        speakers=tuple(f"s{i % speakers}" for i in range(size)),
        emotions=EMOTIONS,
        labels=rng.random((size, 2)) < 0.4,
    )


def answer_of(truth: Truth, skill: float, seed: int) -> Answer:
    """Right as often as ``skill`` says, for some speakers more and for others less."""
    rng = np.random.default_rng([seed, 9])
    people = sorted({name for name in truth.speakers if name})
    bonus = dict(zip(people, rng.normal(0, 0.1, len(people)), strict=True))
    right = rng.random(truth.labels.shape) < skill + np.array([bonus[name or ""] for name in truth.speakers])[:, None]
    said = np.where(right, truth.labels, ~truth.labels)
    return thresholded(
        name=f"m{seed}",
        title="model",
        probabilities=np.where(said, 0.7, 0.3) + rng.uniform(-0.1, 0.1, said.shape),
        emotions=EMOTIONS,
        thresholds=dict.fromkeys(EMOTIONS, 0.5),
        thresholds_from="here",
    )


def test_all_swaps_of_few_speakers_by_brute_force() -> None:
    truth = truth_of(40, 5, seed=1)
    first, second = answer_of(truth, 0.8, 1), answer_of(truth, 0.65, 2)
    found = compare(truth, first, second, names=NAMES)
    assert found.exact
    assert found.swaps == 32
    observed = {m: measure(first.against(truth))[m] - measure(second.against(truth))[m] for m in ("f1", "accuracy")}
    chance: dict[str, list[np.ndarray]] = {"f1": [], "accuracy": []}
    for pattern in product([False, True], repeat=5):
        mine = np.array([pattern[int((name or "")[1:])] for name in truth.speakers])[:, None]
        mixed = [
            replace(
                first,
                probabilities=np.where(mine, a.probabilities, b.probabilities),
                decisions=np.where(mine, a.decisions, b.decisions),
            )
            for a, b in ((first, second), (second, first))
        ]
        for name in chance:
            here, there = (measure(one.against(truth))[name] for one in mixed)
            chance[name].append((here - there)[0])
    for name, values in chance.items():
        drawn = np.array(values)
        for i, emotion in enumerate(EMOTIONS):
            expected = np.mean(np.abs(drawn[:, i]) >= abs(observed[name][0, i]) - 1e-9)
            assert found.per_emotion[emotion][name].p == pytest.approx(expected)
            assert found.per_emotion[emotion][name].difference == pytest.approx(observed[name][0, i])
        mean = np.abs(drawn.mean(1)) >= abs(observed[name].mean()) - 1e-9
        assert found.average[name].p == pytest.approx(mean.mean())


def test_nobody_beats_himself() -> None:
    truth = truth_of(60, 12, seed=2)
    same = answer_of(truth, 0.7, 3)
    found = compare(truth, same, same, names=NAMES)
    for name in MEASURES:
        one = found.average[name]
        assert (one.difference, one.interval) == (0.0, (0.0, 0.0))
        assert one.p in (1.0, None)
    assert found.average["auroc"].p is None


def test_sides_are_mirrored_and_seeds_repeat() -> None:
    truth = truth_of(90, 30, seed=3)
    first, second = answer_of(truth, 0.8, 1), answer_of(truth, 0.7, 2)
    here = compare(truth, first, second, names=NAMES)
    there = compare(truth, second, first, names=NAMES)
    assert not here.exact
    assert here == compare(truth, first, second, names=NAMES)
    for name in MEASURES:
        a, b = here.average[name], there.average[name]
        assert a.difference == pytest.approx(-b.difference)
        assert a.interval == pytest.approx((-b.interval[1], -b.interval[0]))
        if a.p is not None:
            assert 0 < a.p <= 1
    assert here.average["accuracy"].p < 0.05
    assert here.average["accuracy"].interval[0] > 0


def test_alike_answerers_are_told_apart_no_more_often_than_promised() -> None:
    """At p <= 0.1, about a tenth of 200 comparisons of equals."""
    small = 0
    for seed in range(200):
        truth = truth_of(80, 20, seed=seed)
        pair = (answer_of(truth, 0.7, 2 * seed), answer_of(truth, 0.7, 2 * seed + 1))
        found = compare(truth, *pair, names=NAMES, resampling=Resampling(resamples=100, seed=seed))
        small += found.average["accuracy"].p <= 0.1
    assert 8 <= small <= 34


def test_patterns_are_all_or_seeded() -> None:
    assert {tuple(row) for row in swap_patterns(3, most=8, seed=0)} == set(product([0.0, 1.0], repeat=3))
    many = swap_patterns(40, most=50, seed=1)
    assert many.shape == (50, 40)
    assert np.array_equal(many, swap_patterns(40, most=50, seed=1))
    assert 0.4 < many.mean() < 0.6


def test_what_cannot_be_compared() -> None:
    truth = truth_of(10, 1, seed=1)
    answer = answer_of(truth, 0.7, 1)
    alone = compare(truth, answer, answer, names=NAMES)
    assert alone.average["f1"].interval is None  # one speaker: nothing to resample
    assert alone.average["f1"].p is None
    with pytest.raises(ConfigError, match="resamples"):
        compare(truth, answer, answer, names=NAMES, resampling=Resampling(resamples=0))
    check_same_truth(truth, truth)
    for other, words in [
        (replace(truth, ids=("x", *truth.ids[1:])), "same utterances: u0"),
        (replace(truth, labels=~truth.labels), "same truth"),
        (replace(truth, emotions=("a", "c")), "same emotions"),
    ]:
        with pytest.raises(DataError, match=words):
            check_same_truth(truth, other)
