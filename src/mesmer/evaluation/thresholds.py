"""The threshold of each emotion: from which probability on it is decided. Chosen on validation, stored in the model.

The published code tries 0.05, 0.10, ... 0.95. Here every threshold that changes a decision is tried: half-way between each
two neighbouring probabilities, and one below them all. Nothing is chosen on the test split, ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesmer.errors import DataError
from mesmer.evaluation.metrics import positives

DEFAULT_THRESHOLD = 0.5
"""Where validation says nothing: an emotion without a positive label there."""


def best_threshold(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the threshold of highest binary F1; ``probability >= threshold`` is a positive decision.

    Of several equally good ones the one nearest 0.5 is taken, then the lower, so that the answer is one number whatever
    the order of the utterances. Without a positive label every threshold scores 0, and the answer is 0.5.

    Args:
        truth: bool (N,).
        probabilities: float (N,), in [0, 1].

    Raises:
        DataError: the lengths differ, or a probability is not in [0, 1].
    """
    true, scores = np.asarray(truth, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    if true.shape != scores.shape or true.ndim != 1:
        raise DataError(f"{true.shape} labels and {scores.shape} probabilities do not meet", field="probabilities")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError("a probability is not in [0, 1]", field="probabilities")
    if not true.any():
        return DEFAULT_THRESHOLD
    distinct, rank = np.unique(scores, return_inverse=True)
    # Deciding everything from the k-th distinct score upwards: its true positives and its decisions.
    hits = np.bincount(rank, weights=true, minlength=distinct.size)[::-1].cumsum()[::-1]
    decided = np.bincount(rank, minlength=distinct.size)[::-1].cumsum()[::-1]
    f1 = 2 * hits / (decided + true.sum())
    candidates = _between(distinct)
    best = f1 == f1.max()
    order = np.lexsort((candidates[best], np.abs(candidates[best] - DEFAULT_THRESHOLD)))
    return float(candidates[best][order[0]])


def choose_thresholds(labels: ArrayLike, probabilities: ArrayLike, emotions: Sequence[str]) -> dict[str, float]:
    """Return emotion -> threshold of highest F1.

    Args:
        labels: bool (N, L), or scores of which those above 0 count; of the validation split.
        probabilities: float (N, L).
        emotions: L names.

    Raises:
        DataError: the shapes do not meet.
    """
    truth, scores = positives(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.shape != scores.shape or truth.ndim != 2 or truth.shape[1] != len(emotions):
        raise DataError(
            f"labels {truth.shape}, probabilities {scores.shape} and {len(emotions)} emotions do not meet",
            field="probabilities",
        )
    return {name: best_threshold(truth[:, i], scores[:, i]) for i, name in enumerate(emotions)}


def decide(probabilities: ArrayLike, thresholds: Mapping[str, float], emotions: Sequence[str]) -> NDArray[np.bool_]:
    """Return the decisions, bool (N, L): True where the probability reaches the emotion's threshold.

    Raises:
        DataError: an emotion has no threshold.
    """
    missing = [name for name in emotions if name not in thresholds]
    if missing:
        raise DataError(f"there is no threshold for '{missing[0]}'", field="thresholds")
    limits = np.array([thresholds[name] for name in emotions], dtype=np.float64)
    return np.asarray(np.asarray(probabilities, dtype=np.float64) >= limits)


def _between(distinct: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one threshold per distinct score: at most that score, and above the one before it."""
    below = np.concatenate([[0.0], distinct[:-1]])
    middle = (below + distinct) / 2
    middle[1:] = np.where(middle[1:] > below[1:], middle[1:], distinct[1:])  # neighbours without a number between them
    return middle
