"""Agreement of raters, held against scikit-learn's kappa and an alpha counted pair by pair."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mesmer.errors import ConfigError
from mesmer.evaluation.agreement import CONSTANT, MISSING, NO_PAIRS, group_agreement, pair_agreement, resampled
from mesmer.evaluation.bootstrap import clusters_of

UNITS = st.integers(1, 30)


def how(units: int, *, clusters: int | None = None, resamples: int = 0, seed: int = 0):
    names = [f"{unit % (clusters or units)}" for unit in range(units)]
    return resampled(clusters_of(names), resamples=resamples, seed=seed)


def brute_alpha(ratings: np.ndarray) -> float | None:
    """Krippendorff's alpha from the coincidences of values, pair by pair; None where it is 0 / 0."""
    coincidences = np.zeros((2, 2))
    for unit in ratings:
        values = [value for value in unit if value != MISSING]
        for a, b in permutations(range(len(values)), 2):
            coincidences[values[a], values[b]] += 1 / (len(values) - 1)
    of_value = coincidences.sum(axis=1)
    total = of_value.sum()
    expected = 2 * of_value[0] * of_value[1]
    if not expected:
        return None
    return 1 - (total - 1) * (coincidences[0, 1] + coincidences[1, 0]) / expected


@st.composite
def ratings_of(draw, raters: int):
    units = draw(UNITS)
    cells = draw(st.lists(st.sampled_from([MISSING, 0, 1]), min_size=units * raters, max_size=units * raters))
    return np.array(cells, np.int8).reshape(units, raters)


@given(ratings_of(raters=2))
@settings(max_examples=150, deadline=None)
def test_kappa_is_that_of_scikit_learn(ratings: np.ndarray) -> None:
    told = pair_agreement(ratings[:, 0], ratings[:, 1], how(len(ratings)))
    both = ratings[(ratings != MISSING).all(axis=1)]
    assert told.units == len(both)
    if not len(both):
        assert (told.raw, told.prevalence, told.kappa.value, told.kappa.undefined) == (None, None, None, NO_PAIRS)
        return
    assert told.raw == pytest.approx((both[:, 0] == both[:, 1]).mean())
    assert told.prevalence == pytest.approx(tuple(both.mean(axis=0)))
    if len(np.unique(both)) == 1:
        assert (told.raw, told.kappa.value, told.kappa.undefined) == (1.0, None, CONSTANT)
    else:
        assert told.kappa.value == pytest.approx(cohen_kappa_score(both[:, 0], both[:, 1]), abs=1e-12)


@given(st.integers(2, 5).flatmap(lambda raters: ratings_of(raters=raters)))
@settings(max_examples=150, deadline=None)
def test_alpha_is_that_of_counting_every_pair(ratings: np.ndarray) -> None:
    told = group_agreement(ratings, how(len(ratings)))
    expected = brute_alpha(ratings)
    paired = (ratings != MISSING).sum(axis=1) >= 2
    assert told.units == paired.sum()
    assert told.ratings == (ratings[paired] != MISSING).sum()
    if expected is None:
        assert told.alpha.value is None
        assert told.alpha.undefined == (CONSTANT if paired.any() else NO_PAIRS)
    else:
        assert told.alpha.value == pytest.approx(expected, abs=1e-12)


def test_alpha_of_a_table_worked_by_hand() -> None:
    # Of 20 ratings 6 are 1; in 4 units the two differ, which makes 8 ordered pairs.
    first = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 0], np.int8)
    second = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0], np.int8)
    told = group_agreement(np.stack([first, second], axis=1), how(10))
    assert told.alpha.value == pytest.approx(1 - 19 * 8 / (2 * 14 * 6))


def test_intervals_are_those_of_drawing_whole_clusters() -> None:
    rng = np.random.default_rng(3)
    units, clusters = 120, 12
    truth = rng.integers(0, 2, clusters)[np.arange(units) % clusters].astype(np.int8)
    other = np.where(rng.random(units) < 0.2, 1 - truth, truth).astype(np.int8)
    told = pair_agreement(truth, other, how(units, clusters=clusters, resamples=4000))
    drawn = []
    for _ in range(1500):
        chosen = rng.integers(0, clusters, clusters)
        rows = np.concatenate([np.flatnonzero(np.arange(units) % clusters == one) for one in chosen])
        if len(np.unique(truth[rows])) > 1 or len(np.unique(other[rows])) > 1:
            drawn.append(cohen_kappa_score(truth[rows], other[rows]))
    assert told.kappa.interval == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.05)
    assert told.kappa.defined_share is not None
    again = pair_agreement(truth, other, how(units, clusters=clusters, resamples=4000))
    assert again == told
    alone = pair_agreement(truth, other, how(units, resamples=4000, seed=1))
    assert alone.kappa.interval != told.kappa.interval


def test_what_has_no_interval() -> None:
    ones = np.ones(4, np.int8)
    rare = np.array([0, 1, 1, 1], np.int8)
    assert pair_agreement(ones, rare, how(4)).kappa.interval is None  # no resamples
    one_cluster = pair_agreement(ones, rare, how(4, clusters=1, resamples=50)).kappa
    assert (one_cluster.value, one_cluster.interval) == (0.0, None)
    lonely = np.array([0] + [1] * 9, np.int8)  # drawn in two thirds of all resamples
    seldom = pair_agreement(lonely, lonely, how(10, resamples=2000)).kappa
    assert seldom.value == 1
    assert seldom.defined_share == pytest.approx(1 - 0.9**10, abs=0.04)
    assert seldom.interval == (1.0, 1.0)
    halves = np.array([0] * 9 + [1], np.int8)
    clustered = resampled(clusters_of(["a"] * 9 + ["b"]), resamples=2000, seed=0)
    half = pair_agreement(halves, halves, clustered).kappa
    assert half.defined_share == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ConfigError):
        how(4, resamples=-1)
