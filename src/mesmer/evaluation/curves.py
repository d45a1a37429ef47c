"""The curves of an evaluation: reliability (are probabilities what they say?) and coverage-risk (does doubt know best?)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.evaluation.abstention import CoverageRisk, coverage_risk, distances
from mesmer.evaluation.evaluate import Evaluation
from mesmer.evaluation.measures import BINS, bin_of


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Bins of probability of one emotion, those that hold an utterance; K of at most 10.

    Attributes:
        confidence: (K,) mean probability in the bin.
        rate: (K,) share of its utterances that express the emotion.
        counts: (K,) utterances in it.
        starts: (K,) its lower end.
        error: expected calibration error: mean over utterances of |confidence - rate| of their bin.
    """

    confidence: NDArray[np.float64]
    rate: NDArray[np.float64]
    counts: NDArray[np.int64]
    starts: NDArray[np.float64]
    error: float

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {name: getattr(self, name).tolist() for name in ("starts", "confidence", "rate", "counts")}


def reliability(truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> Reliability:
    """Return the curve of one emotion, from labels (N,) and probabilities (N,)."""
    bins = bin_of(probabilities)
    counts = np.bincount(bins, minlength=BINS)
    held = counts > 0
    confidence = np.bincount(bins, weights=probabilities, minlength=BINS)[held] / counts[held]
    rate = np.bincount(bins, weights=truth, minlength=BINS)[held] / counts[held]
    return Reliability(
        confidence=confidence,
        rate=rate,
        counts=counts[held],
        starts=np.flatnonzero(held) / BINS,
        error=float(np.abs(confidence - rate) @ counts[held] / len(truth)),
    )


def coverage_curves(evaluation: Evaluation) -> dict[str, CoverageRisk] | None:
    """Return emotion -> coverage-risk curve of the answer the table is about; None where it has no thresholds."""
    answer, truth = evaluation.answers[0], evaluation.truth
    if answer.thresholds is None:
        return None
    far = distances(answer.probabilities, answer.thresholds, truth.emotions)
    wrong = answer.decisions != truth.labels
    margins = evaluation.margins
    return {
        emotion: coverage_risk(wrong[:, i], far[:, i], margin=None if margins is None else margins[emotion])
        for i, emotion in enumerate(truth.emotions)
    }


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the table with reliability and abstention by emotion, as plain types, ready for ``json.dumps``."""
    truth, answer = evaluation.truth, evaluation.answers[0]
    curves = coverage_curves(evaluation)
    reliable = {
        emotion: reliability(truth.labels[:, i], answer.probabilities[:, i]).to_json()
        for i, emotion in enumerate(truth.emotions)
    }
    abstention = None if curves is None else {emotion: curve.to_json() for emotion, curve in curves.items()}
    return {**evaluation.table.to_json(), "reliability": reliable, "abstention": abstention}
