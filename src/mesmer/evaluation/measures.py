"""All metrics of one answerer at once, per emotion, for many weightings of the utterances: one code for the value in the
table, for its interval and for a paired test.

Everything but the rank metrics is a function of sums over utterances, so sums over clusters (speakers) are made once and
every resample is one matrix product. Shape letters: N utterances, L emotions, C clusters, R weightings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.evaluation.metrics import Counts
from mesmer.evaluation.ranking import rank_metrics

MEASURES: tuple[str, ...] = (
    "accuracy",
    "weighted_accuracy",
    "balanced_accuracy",
    "f1",
    "average_precision",
    "auroc",
    "calibration_error",
)
"""Every metric of an emotion. The average over emotions has ``micro_f1`` beside them."""

MICRO = "micro_f1"
SUMMED: tuple[str, ...] = ("accuracy", "weighted_accuracy", "balanced_accuracy", "f1", "calibration_error")
"""The metrics that sums over utterances determine; the other two need ranks."""

BINS = 10
"""Bins of the calibration error: [0, 0.1), [0.1, 0.2), ... [0.9, 1]."""

_PER_EMOTION = 4 + BINS

Values = Mapping[str, NDArray[np.float64]]
"""Metric -> (R, L); ``micro_f1`` -> (R,)."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The metrics of one emotion, or their mean over emotions; every number lies in [0, 1].

    Attributes:
        accuracy, weighted_accuracy, f1: of the decisions (paper section 5.1).
        balanced_accuracy: mean of sensitivity and specificity; equal to ``weighted_accuracy``.
        average_precision, auroc: of the probabilities' order.
        calibration_error: expected calibration error of the probabilities, 10 bins of equal width; low is good.
    """

    accuracy: float
    weighted_accuracy: float
    balanced_accuracy: float
    f1: float
    average_precision: float
    auroc: float
    calibration_error: float

    def to_json(self) -> dict[str, Any]:
        """Return metric -> value."""
        return {name: getattr(self, name) for name in MEASURES}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What an answerer said, beside the truth.

    Attributes:
        truth: bool (N, L).
        probabilities: float64 (N, L) in [0, 1].
        decisions: bool (N, L).
    """

    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shapes = {self.truth.shape, self.probabilities.shape, self.decisions.shape}
        if len(shapes) > 1 or self.truth.ndim != 2:
            raise DataError(f"truth, probabilities and decisions do not meet: {sorted(shapes)}", field="probabilities")
        if not self.truth.size:
            raise DataError("there is no utterance to score", field="labels", remedy="choose a split that is not empty")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise DataError("a probability is not in [0, 1]", field="probabilities")


def measure(answered: Answered, weights: NDArray[np.float64] | None = None) -> dict[str, NDArray[np.float64]]:
    """Return every metric, metric -> (R, L), and ``micro_f1`` -> (R,).

    Args:
        weights: (R, N), how often each utterance counts; None is once each, R = 1.
    """
    size = len(answered.truth)
    weighting = np.ones((1, size)) if weights is None else weights
    values = measures_of_sums(weighting @ utterance_sums(answered), answered.truth.shape[1])
    return values | _ranked(answered, weighting)


def resampled(
    answered: Answered, draws: NDArray[np.float64], cluster_of: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return what :func:`measure` does for weights that are the same within a cluster.

    Args:
        draws: (R, C), how often each cluster counts.
        cluster_of: (N,), the cluster of each utterance.
    """
    sums = cluster_sums(answered, cluster_of, draws.shape[1])
    return measures_of_sums(draws @ sums, answered.truth.shape[1]) | _ranked(answered, draws[:, cluster_of])


def cluster_sums(answered: Answered, cluster_of: NDArray[np.int64], clusters: int) -> NDArray[np.float64]:
    """Return the sums that decide all metrics but the rank metrics, per cluster: (C, K)."""
    rows = utterance_sums(answered)
    sums = np.zeros((clusters, rows.shape[1]))
    np.add.at(sums, cluster_of, rows)
    return sums


def utterance_sums(answered: Answered) -> NDArray[np.float64]:
    """Return what each utterance adds to the sums, (N, K): four counts per emotion, and per emotion and bin p - truth."""
    true, said, p = answered.truth, answered.decisions, answered.probabilities
    counts = [true & said, ~true & said, true & ~said, ~true & ~said]
    bins = np.arange(BINS) == bin_of(p)[..., None]
    gaps = bins * (p - true)[..., None]
    stacked = np.concatenate([np.stack(counts, axis=2), gaps], axis=2)  # (N, L, 4 + BINS)
    return np.asarray(stacked.reshape(len(true), -1), dtype=np.float64)


def bin_of(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each probability, 0 to 9; 1 belongs to the last."""
    return np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)


def measures_of_sums(sums: NDArray[np.float64], emotions: int) -> dict[str, NDArray[np.float64]]:
    """Return the metrics that the sums (R, K) determine: metric -> (R, L), and ``micro_f1`` -> (R,).

    The calibration error is the sum over bins of |sum of p - number of positives| / utterances: bins weigh what they hold.
    """
    table = sums.reshape(len(sums), emotions, _PER_EMOTION)
    counts = Counts(**{name: table[..., i] for i, name in enumerate(("tp", "fp", "fn", "tn"))})
    total = table[..., :4].sum(-1)
    pooled = Counts(tp=counts.tp.sum(1), fp=counts.fp.sum(1), fn=counts.fn.sum(1), tn=counts.tn.sum(1))
    return {
        "accuracy": counts.accuracy(),
        "weighted_accuracy": counts.weighted_accuracy(),
        "balanced_accuracy": counts.balanced_accuracy(),
        "f1": counts.f1(),
        "calibration_error": np.abs(table[..., 4:]).sum(-1) / total,
        MICRO: pooled.f1(),
    }


def per_emotion(values: Values, emotions: Sequence[str]) -> tuple[dict[str, Measures], Measures, float]:
    """Return the first weighting of ``values`` by emotion, the mean over emotions, and micro F1."""
    each = {e: Measures(**{m: float(values[m][0, i]) for m in MEASURES}) for i, e in enumerate(emotions)}
    mean = Measures(**{m: float(values[m][0].mean()) for m in MEASURES})
    return each, mean, float(values[MICRO][0])


def _ranked(answered: Answered, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    pairs = [
        rank_metrics(answered.truth[:, i], answered.probabilities[:, i], weights) for i in range(answered.truth.shape[1])
    ]
    return {
        "auroc": np.stack([auroc for auroc, _ in pairs], axis=1),
        "average_precision": np.stack([precision for _, precision in pairs], axis=1),
    }
