"""Metrics against scikit-learn on thousands of random tables, degenerate ones included, and against the paper's formula."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from mesmer.errors import DataError
from mesmer.evaluation.metrics import METRICS, average, positives, score_emotion, score_emotions


def random_tables(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and decisions of 1 to 12 utterances, from never to always positive: many have an empty class."""
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(count):
        n = int(rng.integers(1, 13))
        tables.append((rng.random(n) < rng.choice([0, 0.1, 0.5, 0.9, 1]), rng.random(n) < rng.choice([0, 0.2, 0.5, 1])))
    return tables


def test_metrics_agree_with_scikit_learn() -> None:
    empty_classes = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is empty; the value is what counts here
        for truth, said in random_tables(500, seed=1):
            scores = score_emotion(truth, said)
            assert scores.accuracy == pytest.approx(accuracy_score(truth, said), abs=1e-12)
            assert scores.f1 == pytest.approx(f1_score(truth, said, zero_division=0), abs=1e-12)
            assert scores.weighted_accuracy == pytest.approx(balanced_accuracy_score(truth, said), abs=1e-12)
            empty_classes += truth.all() or not truth.any()
    assert empty_classes > 100


def test_weighted_accuracy_is_the_papers_formula() -> None:
    rng = np.random.default_rng(2)
    checked = 0
    for _ in range(500):
        truth, said = rng.random(30) < 0.3, rng.random(30) < 0.5
        tp, tn = Fraction(int((truth & said).sum())), Fraction(int((~truth & ~said).sum()))
        p, n = Fraction(int(truth.sum())), Fraction(int((~truth).sum()))
        if not p or not n:
            continue
        assert score_emotion(truth, said).weighted_accuracy == pytest.approx(float((tp * n / p + tn) / (2 * n)), abs=1e-12)
        checked += 1
    assert checked > 400


@pytest.mark.parametrize(
    ("truth", "said", "expected"),
    [
        ([0, 0], [0, 0], (1.0, 1.0, 0.0)),  # no positives, none decided: F1 is 0, not 1
        ([0, 0], [1, 0], (0.5, 0.5, 0.0)),
        ([1, 1], [1, 0], (0.5, 0.5, 2 / 3)),
        ([1, 0], [0, 0], (0.5, 0.5, 0.0)),
        ([1, 0, 0, 0], [1, 1, 1, 1], (0.25, 0.5, 0.4)),
    ],
)
def test_undefined_cases_have_the_documented_values(
    truth: list[int], said: list[int], expected: tuple[float, float, float]
) -> None:
    scores = score_emotion(truth, said)
    assert tuple(getattr(scores, name) for name in METRICS) == pytest.approx(expected)


def test_average_is_the_plain_mean_over_all_emotions() -> None:
    labels = np.array([[1.0, 0, 0], [0.2, 0, 1], [0, 0, 1]])
    decisions = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]], dtype=bool)
    per_emotion, mean = score_emotions(labels, decisions, ("a", "never", "c"))
    assert per_emotion["a"].f1 == pytest.approx(0.8)  # a label of 0.2 counts
    assert per_emotion["never"].f1 == 0.0
    assert mean.f1 == pytest.approx((0.8 + 0.0 + 0.5) / 3)
    assert mean == average(per_emotion)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="no utterance"):
        score_emotion([], [])
    with pytest.raises(DataError, match="do not meet"):
        score_emotion([1, 0], [1])
    with pytest.raises(DataError, match="do not meet"):
        score_emotions(np.zeros((2, 3)), np.zeros((2, 3)), ("a", "b"))
    for bad in ([np.nan], [-1.0], [np.inf]):
        with pytest.raises(DataError, match="label score"):
            positives(bad)
