"""How well decisions meet the labels: accuracy, weighted accuracy and binary F1, per emotion and on average.

Every emotion is its own yes-or-no question (paper section 5.1). Shape letters: N utterances, L emotions.

Undefined cases have fixed values, so that a table never holds a gap and never gains from one:

- F1 with no positive label and no positive decision is 0;
- weighted accuracy, which is balanced accuracy, is without positive labels the share of negatives recognised, without
  negative labels the share of positives recognised (the mean of the rates that exist);
- an average is the plain mean over all emotions, undefined ones included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesmer.errors import DataError

METRICS: tuple[str, ...] = ("accuracy", "weighted_accuracy", "f1")
"""The metrics of section 5.1, in the order of every table."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The metrics of one emotion, or their average over emotions; every number lies in [0, 1].

    Attributes:
        accuracy: share of right decisions.
        weighted_accuracy: (TP x N/P + TN) / 2N with P positive and N negative labels (section 5.1).
        f1: binary F1 of the positive class, 2TP / (2TP + FP + FN).
    """

    accuracy: float
    weighted_accuracy: float
    f1: float

    def to_json(self) -> dict[str, float]:
        """Return metric -> value."""
        return {name: getattr(self, name) for name in METRICS}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Decisions counted against the truth, as arrays of one shape (or plain numbers); they may be sums of weights.

    Attributes:
        tp, fp, fn, tn: true positives, false positives, false negatives, true negatives.
    """

    tp: NDArray[np.float64]
    fp: NDArray[np.float64]
    fn: NDArray[np.float64]
    tn: NDArray[np.float64]

    def accuracy(self) -> NDArray[np.float64]:
        """Return the share of right decisions."""
        return (self.tp + self.tn) / (self.tp + self.fp + self.fn + self.tn)

    def f1(self) -> NDArray[np.float64]:
        """Return binary F1, 2TP / (2TP + FP + FN); 0 where nothing is positive."""
        return share(2 * self.tp, 2 * self.tp + self.fp + self.fn, otherwise=0.0)

    def weighted_accuracy(self) -> NDArray[np.float64]:
        """Return (TP x N/P + TN) / 2N (section 5.1); with one class missing, the recall of the other."""
        positive, negative = self.tp + self.fn, self.fp + self.tn
        formula = share(self.tp * share(negative, positive) + self.tn, 2 * negative)
        return np.where(positive == 0, share(self.tn, negative), np.where(negative == 0, share(self.tp, positive), formula))

    def balanced_accuracy(self) -> NDArray[np.float64]:
        """Return the mean recall of the classes that occur; the same number as the weighted accuracy, another road."""
        positive, negative = self.tp + self.fn, self.fp + self.tn
        recalls = share(self.tp, positive) + share(self.tn, negative)
        return share(recalls, (positive > 0).astype(np.float64) + (negative > 0))


def share(part: ArrayLike, whole: ArrayLike, *, otherwise: float = 0.0) -> NDArray[np.float64]:
    """Return ``part / whole``, and ``otherwise`` where ``whole`` is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.divide(parts, wholes, out=np.full(parts.shape, otherwise), where=wholes != 0)


def positives(labels: ArrayLike) -> NDArray[np.bool_]:
    """Return which labels count as positive: those with a score above 0, whatever their intensity.

    Raises:
        DataError: a label is not a finite number of at least 0.
    """
    scores = np.asarray(labels, dtype=np.float64)
    if not np.isfinite(scores).all() or (scores < 0).any():
        raise DataError("a label score is negative or not a number", field="labels", remedy="use scores from 0 to 1")
    return scores > 0


def score_emotion(truth: ArrayLike, decisions: ArrayLike) -> Scores:
    """Return the metrics of one emotion.

    Args:
        truth: bool (N,), whether the emotion is expressed.
        decisions: bool (N,), whether it was decided.

    Raises:
        DataError: there is no utterance, or the lengths differ.
    """
    true, said = np.asarray(truth, dtype=bool), np.asarray(decisions, dtype=bool)
    if true.shape != said.shape or true.ndim != 1:
        raise DataError(f"{true.shape} labels and {said.shape} decisions do not meet", field="decisions")
    if true.size == 0:
        raise DataError("there is no utterance to score", field="labels", remedy="choose a split that is not empty")
    cells = (true & said, ~true & said, true & ~said, ~true & ~said)
    tp, fp, fn, tn = (np.array(cell.sum(), dtype=np.float64) for cell in cells)
    counts = Counts(tp=tp, fp=fp, fn=fn, tn=tn)
    return Scores(**{name: float(getattr(counts, name)()) for name in METRICS})


def score_emotions(labels: ArrayLike, decisions: ArrayLike, emotions: Sequence[str]) -> tuple[dict[str, Scores], Scores]:
    """Return the metrics of every emotion, and their average over emotions.

    Args:
        labels: bool (N, L), or scores of which those above 0 count.
        decisions: bool (N, L).
        emotions: L names.

    Raises:
        DataError: the shapes do not meet, or there is no utterance.
    """
    truth, said = positives(labels), np.asarray(decisions, dtype=bool)
    if truth.ndim != 2 or truth.shape != said.shape or truth.shape[1] != len(emotions):
        raise DataError(
            f"labels {truth.shape}, decisions {said.shape} and {len(emotions)} emotions do not meet", field="decisions"
        )
    per_emotion = {name: score_emotion(truth[:, i], said[:, i]) for i, name in enumerate(emotions)}
    return per_emotion, average(per_emotion)


def average(per_emotion: Mapping[str, Scores]) -> Scores:
    """Return the plain mean of each metric over the emotions."""
    return Scores(**{name: float(np.mean([getattr(s, name) for s in per_emotion.values()])) for name in METRICS})
