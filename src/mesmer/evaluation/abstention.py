"""When to say "unsure": a decision is as sure as its probability is far from its threshold, in log-odds.

The rule that a model stores is one margin per emotion. It is chosen on the validation split so that the tenth of the
utterances nearest to the threshold is unsure. A decision stays what it is; "unsure" is said beside it, and whoever acts on
decisions may leave those out. What that buys is the coverage-risk curve: the share of wrong decisions among those kept,
against the share kept. Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from mesmer.errors import DataError
from mesmer.evaluation.metrics import share
from mesmer.models.calibration import MOST_MARGIN

UNSURE_SHARE = 0.1
"""Share of the validation utterances that the stored rule calls unsure, per emotion."""

_NEAREST_TO_CERTAIN = 1e-12


def distances(probabilities: ArrayLike, thresholds: Mapping[str, float], emotions: Sequence[str]) -> NDArray[np.float64]:
    """Return how far each probability is from its emotion's threshold, in log-odds, (N, L); never negative.

    Probabilities and thresholds of 0 and 1 are taken for 1e-12 next to them.
    """
    limits = np.array([thresholds[name] for name in emotions])
    return np.abs(_log_odds(np.asarray(probabilities, dtype=np.float64)) - _log_odds(limits))


def unsure(
    probabilities: ArrayLike, thresholds: Mapping[str, float], margins: Mapping[str, float], emotions: Sequence[str]
) -> NDArray[np.bool_]:
    """Return which decisions are unsure, bool (N, L): nearer to the threshold than the emotion's margin."""
    limits = np.array([margins[name] for name in emotions])
    return np.asarray(distances(probabilities, thresholds, emotions) < limits)


def choose_margins(
    probabilities: ArrayLike,
    thresholds: Mapping[str, float],
    emotions: Sequence[str],
    *,
    unsure_share: float = UNSURE_SHARE,
) -> dict[str, float]:
    """Return emotion -> margin under which at most ``unsure_share`` of these utterances are unsure; 0 where there are none.

    Args:
        probabilities: float (N, L), calibrated, of the validation split.
        thresholds: that were chosen on it.
    """
    ordered = np.sort(distances(probabilities, thresholds, emotions), axis=0)
    left_out = int(unsure_share * len(ordered))
    row = ordered[left_out] if left_out < len(ordered) else np.zeros(len(emotions))
    return {name: float(min(row[i], MOST_MARGIN)) for i, name in enumerate(emotions)}


@dataclass(frozen=True, kw_only=True)
class CoverageRisk:
    """What leaving out the least sure decisions buys, for one emotion.

    Attributes:
        coverage: (K,) rising shares of decisions kept; the last is 1.
        risk: (K,) share of wrong decisions among those kept.
        area: mean risk over all coverages: low is good, and a random order has the risk at coverage 1.
        stored_coverage, stored_risk: at the margin stored with the model; None where no rule is stored. With nothing kept
            the risk is 0.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float
    stored_coverage: float | None
    stored_risk: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the scalars: ``risk`` with nothing left out, ``area``, and what the stored rule leaves."""
        return {
            "risk": float(self.risk[-1]),
            "area": self.area,
            "stored_coverage": self.stored_coverage,
            "stored_risk": self.stored_risk,
        }


def coverage_risk(wrong: ArrayLike, distance: ArrayLike, *, margin: float | None = None) -> CoverageRisk:
    """Return the curve of one emotion. Decisions equally far from the threshold are kept or left out together.

    Args:
        wrong: bool (N,), which decisions are wrong.
        distance: float (N,), from :func:`distances`.
        margin: the stored rule.

    Raises:
        DataError: there is no decision, or the lengths differ.
    """
    errors, far = np.asarray(wrong, dtype=bool), np.asarray(distance, dtype=np.float64)
    if errors.shape != far.shape or errors.ndim != 1 or not errors.size:
        raise DataError(f"{errors.shape} decisions and {far.shape} distances do not meet", field="distance")
    order = np.argsort(-far, kind="stable")
    last = np.flatnonzero(np.diff(far[order], append=-np.inf))  # the last of each distinct distance
    kept = last + 1.0
    risk = errors[order].cumsum()[last] / kept
    steps = np.diff(kept, prepend=0.0) / errors.size
    sure = None if margin is None else far >= margin
    return CoverageRisk(
        coverage=kept / errors.size,
        risk=risk,
        area=float(risk @ steps),
        stored_coverage=None if sure is None else float(sure.mean()),
        stored_risk=None if sure is None else float(share((errors & sure).sum(), sure.sum())),
    )


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(probabilities, _NEAREST_TO_CERTAIN, 1 - _NEAREST_TO_CERTAIN)))
