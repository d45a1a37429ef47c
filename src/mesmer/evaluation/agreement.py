"""How far raters agree on whether something is there: raw agreement, Cohen's kappa and Krippendorff's alpha (nominal).

Every number is a function of sums over units, so an interval needs only the sums of each cluster: clusters are drawn anew,
their sums added, the number made again. Shape letters: U units, Q raters, C clusters, R resamples.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales"; Krippendorff (2019), "Content Analysis", chapter 12
(the coincidence matrix, with missing ratings).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.evaluation.bootstrap import Clusters, Interval, draw, percentiles

MISSING = -1
"""A unit that a rater did not rate. The other ratings are 0 (not there) and 1 (there)."""
LEAST_DEFINED = 0.5
"""An interval is given where the number is defined in at least this share of the resamples."""

NO_PAIRS = "no unit has two ratings"
CONSTANT = "every rating is the same, so agreement by chance is complete"

_Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One coefficient with its interval.

    Attributes:
        value: None where it is not defined; ``undefined`` says why.
        interval: the middle 95 % of the resamples in which it is defined; None without a value, with less than two
            clusters, without resamples, or where it is defined in less than half of them.
        defined_share: of the resamples; None where there are none.
    """

    value: float | None
    undefined: str | None = None
    interval: Interval | None = None
    defined_share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types."""
        return {
            "value": self.value,
            "undefined": self.undefined,
            "interval": None if self.interval is None else list(self.interval),
            "defined_share": self.defined_share,
        }


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """Two raters on the units that both rated.

    Attributes:
        units: how many both rated.
        raw: share of them with the same rating; None without units.
        prevalence: for each rater, the share of them rated 1; None without units.
        kappa: Cohen's.
    """

    units: int
    raw: float | None
    prevalence: tuple[float, float] | None
    kappa: Coefficient


@dataclass(frozen=True, kw_only=True)
class GroupAgreement:
    """Two or more raters on the units that at least two of them rated.

    Attributes:
        units, ratings: how many such units, and ratings of them, there are.
        alpha: Krippendorff's, for nominal ratings.
    """

    units: int
    ratings: int
    alpha: Coefficient


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """How intervals are made: which units are drawn together, and how often each cluster is drawn, (R, C)."""

    clusters: Clusters
    draws: _Values | None


def resampled(clusters: Clusters, *, resamples: int, seed: int) -> Resampled:
    """Return how intervals are made; none are with less than two clusters or without resamples.

    Raises:
        ConfigError: ``resamples`` is below 0 or above 100,000.
    """
    some = resamples != 0 and clusters.count > 1
    return Resampled(clusters=clusters, draws=draw(clusters.count, resamples=resamples, seed=seed) if some else None)


def pair_agreement(first: NDArray[np.int8], second: NDArray[np.int8], how: Resampled) -> PairAgreement:
    """Return how two raters agree; ratings are int8 (U,) in {-1 missing, 0, 1}."""
    both = (first != MISSING) & (second != MISSING)
    cells = np.stack([both & (first == a) & (second == b) for a in (0, 1) for b in (0, 1)], axis=1).astype(np.float64)
    count = int(both.sum())
    none, only_second, only_first, shared = cells.sum(axis=0).tolist()
    return PairAgreement(
        units=count,
        raw=(none + shared) / count if count else None,
        prevalence=((only_first + shared) / count, (only_second + shared) / count) if count else None,
        kappa=_coefficient(cells, _kappa, how),
    )


def group_agreement(ratings: NDArray[np.int8], how: Resampled) -> GroupAgreement:
    """Return how all raters agree; ratings are int8 (U, Q) in {-1 missing, 0, 1}."""
    rated = (ratings != MISSING).sum(axis=1)
    paired = rated >= 2
    there = np.where(paired, (ratings == 1).sum(axis=1), 0).astype(np.float64)
    count = np.where(paired, rated, 0).astype(np.float64)
    differing = 2 * there * (count - there) / np.maximum(count - 1, 1)  # ordered pairs, each unit's weighing as its ratings
    parts = np.stack([count, there, differing], axis=1)
    return GroupAgreement(units=int(paired.sum()), ratings=int(count.sum()), alpha=_coefficient(parts, _alpha, how))


def _kappa(cells: _Values) -> _Values:
    """Cohen's kappa of (..., 4) counts: 00, 01, 10, 11; NaN where chance alone agrees fully, or nothing was counted."""
    none, only_second, only_first, shared = np.moveaxis(cells, -1, 0)
    total = none + only_second + only_first + shared
    chance = (none + only_second) * (none + only_first) + (shared + only_first) * (shared + only_second)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total * (none + shared) - chance) / (total * total - chance), dtype=np.float64)


def _alpha(parts: _Values) -> _Values:
    """Krippendorff's alpha of (..., 3) sums: ratings that can be paired, those that are 1, differing pairs; else NaN."""
    count, there, differing = np.moveaxis(parts, -1, 0)
    expected = 2 * there * (count - there)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - np.where(expected > 0, (count - 1) * differing / expected, np.nan), dtype=np.float64)


def _coefficient(parts: _Values, number: Callable[[_Values], _Values], how: Resampled) -> Coefficient:
    """Return a number made of sums over units, parts (U, any), with its interval."""
    value = float(number(parts.sum(axis=0)))
    if not np.isfinite(value):
        return Coefficient(value=None, undefined=CONSTANT if parts.any() else NO_PAIRS)
    if how.draws is None:
        return Coefficient(value=value)
    sums = np.zeros((how.clusters.count, parts.shape[1]))
    np.add.at(sums, how.clusters.of, parts)
    drawn = number(how.draws @ sums)
    defined = drawn[np.isfinite(drawn)]
    share = len(defined) / len(drawn)
    return Coefficient(value=value, interval=percentiles(defined) if share >= LEAST_DEFINED else None, defined_share=share)
