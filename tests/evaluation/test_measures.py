"""Every metric by brute force on 5,000 random tables, by scikit-learn on hundreds, and in resamples by repeated rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from mesmer.errors import DataError
from mesmer.evaluation.measures import BINS, MEASURES, MICRO, Answered, measure, per_emotion, resampled

EMPTY = np.zeros((0, 2))


def tables(count: int, seed: int) -> Iterator[Answered]:
    """1 to 12 utterances, 1 to 3 emotions, never to always positive; scores on a coarse grid, so that many are tied."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n, emotions = int(rng.integers(1, 13)), int(rng.integers(1, 4))
        truth = rng.random((n, emotions)) < rng.choice([0, 0.1, 0.5, 0.9, 1])
        steps = int(rng.choice([1, 2, 5, 20, 1000]))
        scores = rng.integers(0, steps + 1, (n, emotions)) / steps
        yield Answered(truth=truth, probabilities=scores, decisions=scores >= rng.choice([0, 0.3, 0.5, 1]))


def by_hand(truth: list[bool], scores: list[float], said: list[bool]) -> dict[str, float]:
    """The metrics of one emotion, by definition, in loops."""
    n = len(truth)
    rows = list(zip(truth, scores, said, strict=True))
    tp, fp = sum(t and d for t, _, d in rows), sum(d and not t for t, _, d in rows)
    fn, tn = sum(t and not d for t, _, d in rows), sum(not t and not d for t, _, d in rows)
    p, neg = tp + fn, fp + tn
    if p and neg:
        weighted = (tp * neg / p + tn) / (2 * neg)
    else:
        weighted = tp / p if p else tn / neg
    recalls = [right / size for right, size in ((tp, p), (tn, neg)) if size]
    wins = [(a > b) + 0.5 * (a == b) for t, a, _ in rows if t for u, b, _ in rows if not u]
    precision = 0.0
    for cut in sorted(set(scores), reverse=True):
        above = [t for t, s, _ in rows if s >= cut]
        gained = sum(t for t, s, _ in rows if s == cut)
        precision += sum(above) / len(above) * gained / p if p else 0.0
    error = 0.0
    for k in range(BINS):
        held = [(t, s) for t, s, _ in rows if k / BINS <= s < (k + 1) / BINS or (k == BINS - 1 and s == 1)]
        if held:
            confidence, rate = sum(s for _, s in held) / len(held), sum(t for t, _ in held) / len(held)
            error += len(held) / n * abs(confidence - rate)
    return {
        "accuracy": (tp + tn) / n,
        "weighted_accuracy": weighted,
        "balanced_accuracy": sum(recalls) / len(recalls),
        "f1": 2 * tp / (2 * tp + fp + fn) if tp else 0.0,
        "average_precision": precision,
        "auroc": sum(wins) / len(wins) if wins else 0.5,
        "calibration_error": error,
    }


def test_every_metric_is_what_its_definition_says() -> None:
    degenerate = tied = 0
    for answered in tables(5000, seed=1):
        truth, scores, said = answered.truth, answered.probabilities, answered.decisions
        emotions = [f"e{i}" for i in range(truth.shape[1])]
        each, mean, micro = per_emotion(measure(answered), emotions)
        expected = [by_hand(truth[:, i].tolist(), scores[:, i].tolist(), said[:, i].tolist()) for i in range(len(emotions))]
        for i, emotion in enumerate(emotions):
            assert each[emotion].to_json() == pytest.approx(expected[i], abs=1e-9)
        for name in MEASURES:
            assert getattr(mean, name) == pytest.approx(np.mean([one[name] for one in expected]), abs=1e-9)
        both = (truth & said).sum()
        assert micro == pytest.approx(2 * both / max(1, truth.sum() + said.sum()))
        degenerate += truth.all() or not truth.any()
        tied += len(np.unique(scores)) < scores.size
    assert degenerate > 1000
    assert tied > 2500


def test_metrics_are_those_of_scikit_learn() -> None:
    ours = {
        "accuracy": lambda t, p, d, w: accuracy_score(t, d, sample_weight=w),
        "balanced_accuracy": lambda t, p, d, w: balanced_accuracy_score(t, d, sample_weight=w),
        "weighted_accuracy": lambda t, p, d, w: balanced_accuracy_score(t, d, sample_weight=w),
        "f1": lambda t, p, d, w: f1_score(t, d, sample_weight=w, zero_division=0),
        "average_precision": lambda t, p, d, w: average_precision_score(t, p, sample_weight=w),
        "auroc": lambda t, p, d, w: roc_auc_score(t, p, sample_weight=w),
    }
    rng = np.random.default_rng(3)
    checked = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for answered in tables(250, seed=2):
            size, emotions = answered.truth.shape
            weights = rng.integers(0, 4, size=(2, size)).astype(float)
            weights[:, 0] += 1  # some utterance is there
            values = measure(answered, weights)
            for r in range(2):
                held = weights[r] > 0
                for i in range(emotions):
                    truth = answered.truth[held, i]
                    if truth.all() or not truth.any():
                        continue  # scikit-learn has no value for some of them there
                    rest = (answered.probabilities[held, i], answered.decisions[held, i], weights[r, held])
                    for name, metric in ours.items():
                        assert values[name][r, i] == pytest.approx(metric(truth, *rest), abs=1e-9), name
                    checked += 1
    assert checked > 250


def test_a_resample_is_the_table_with_repeated_rows() -> None:
    rng = np.random.default_rng(4)
    for answered in tables(300, seed=5):
        size = len(answered.truth)
        cluster_of = rng.integers(0, 4, size)
        draws = rng.multinomial(4, [0.25] * 4, size=3).astype(float)
        draws[:, cluster_of[0]] += 1
        values = resampled(answered, draws, cluster_of)
        for r in range(3):
            rows = np.repeat(np.arange(size), draws[r, cluster_of].astype(int))
            again = measure(
                Answered(
                    truth=answered.truth[rows],
                    probabilities=answered.probabilities[rows],
                    decisions=answered.decisions[rows],
                )
            )
            for name in (*MEASURES, MICRO):
                assert values[name][r] == pytest.approx(again[name][0], abs=1e-9), name


def test_undefined_cases_have_the_documented_values() -> None:
    constant = np.full((4, 1), 0.3)
    never = np.zeros((4, 1), dtype=bool)
    some = np.array([[1], [0], [0], [0]], dtype=bool)

    def of(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
        return per_emotion(measure(Answered(truth=truth, probabilities=constant, decisions=said)), ["e"])[1].to_json()

    no_positive, no_negative, same_score = of(never, never), of(~never, never), of(some, never)
    assert (no_positive["f1"], no_positive["auroc"], no_positive["average_precision"]) == (0, 0.5, 0)
    assert (no_positive["weighted_accuracy"], no_positive["calibration_error"]) == (1, pytest.approx(0.3))
    assert (no_negative["f1"], no_negative["auroc"], no_negative["average_precision"]) == (0, 0.5, 1)
    assert no_negative["weighted_accuracy"] == no_negative["balanced_accuracy"] == 0
    assert (same_score["auroc"], same_score["average_precision"]) == (0.5, 0.25)
    assert same_score["calibration_error"] == pytest.approx(0.05)


def test_what_cannot_be_scored_is_refused() -> None:
    good = {"truth": np.ones((2, 1), bool), "probabilities": np.ones((2, 1)), "decisions": np.ones((2, 1), bool)}
    for changed, words in [
        ({"truth": np.ones((2, 2), bool)}, "do not meet"),
        ({"truth": EMPTY > 0, "probabilities": EMPTY, "decisions": EMPTY > 0}, "no utterance"),
        ({"probabilities": np.array([[0.5], [1.5]])}, r"not in \[0, 1\]"),
        ({"probabilities": np.array([[0.5], [np.nan]])}, r"not in \[0, 1\]"),
    ]:
        with pytest.raises(DataError, match=words):
            Answered(**{**good, **changed})
