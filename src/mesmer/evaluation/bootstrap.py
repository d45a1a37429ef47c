"""How far a number would move with other speakers: 95 % intervals by resampling whole speakers with replacement.

Utterances of one speaker are alike. Drawing utterances as if they were independent makes intervals too narrow, so what is
drawn is the speaker, with all that he or she said. Where no speaker is known, an utterance is a cluster of its own.
Shape letters: N utterances, C clusters, R resamples.

Few speakers still make intervals too narrow: a resample of five knows only those five.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import ConfigError
from mesmer.evaluation.measures import MEASURES, MICRO, Answered, Values, resampled

RESAMPLES = 1000
FEW_CLUSTERS = 20
"""Below this many speakers the table says that intervals are too narrow."""

MOST_RESAMPLES = 100_000
_CELLS_AT_ONCE = 2**24

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Which utterances are drawn together.

    Attributes:
        of: int64 (N,), the cluster of each utterance, from 0.
        count: C.
        speakers: how many of the clusters are known speakers; the others are single utterances.
    """

    of: NDArray[np.int64] = field(repr=False)
    count: int
    speakers: int


def clusters_of(speakers: Sequence[str | None]) -> Clusters:
    """Return the clusters of N utterances: one per speaker, and one per utterance whose speaker is unknown."""
    known: dict[str, int] = {}
    of = np.empty(len(speakers), dtype=np.int64)
    alone = 0
    for row, speaker in enumerate(speakers):
        if speaker is None:
            alone += 1
            of[row] = -alone
        else:
            of[row] = known.setdefault(speaker, len(known))
    of[of < 0] = len(known) - 1 - of[of < 0]
    return Clusters(of=of, count=len(known) + alone, speakers=len(known))


def draw(clusters: int, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each cluster is drawn, (R, C): C draws with replacement in every row.

    Raises:
        ConfigError: ``resamples`` is not between 1 and 100,000.
    """
    if not 1 <= resamples <= MOST_RESAMPLES:
        raise ConfigError(f"{resamples} resamples", field="resamples", remedy=f"use 1 to {MOST_RESAMPLES}")
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, clusters))
    block = max(1, _CELLS_AT_ONCE // clusters)
    for first in range(0, resamples, block):
        rows = min(block, resamples - first)
        drawn = rng.integers(0, clusters, size=(rows, clusters)) + np.arange(rows)[:, None] * clusters
        counts[first : first + rows] = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
    return counts


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """95 % intervals of one answerer.

    Attributes:
        average: metric -> (low, high) of the mean over emotions; ``micro_f1`` too.
        per_emotion: emotion -> metric -> (low, high).
    """

    average: Mapping[str, Interval]
    per_emotion: Mapping[str, Mapping[str, Interval]]

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "average": {name: list(ends) for name, ends in self.average.items()},
            "per_emotion": {e: {name: list(ends) for name, ends in of.items()} for e, of in self.per_emotion.items()},
        }


def replicate(answered: Answered, clusters: Clusters, draws: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return every metric in every resample, in blocks that fit in memory: metric -> (R, L), ``micro_f1`` -> (R,)."""
    block = max(1, _CELLS_AT_ONCE // max(1, len(answered.truth)))
    parts = [resampled(answered, draws[first : first + block], clusters.of) for first in range(0, len(draws), block)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def intervals_of(values: Values, emotions: Sequence[str]) -> Intervals:
    """Return the 2.5 and 97.5 percentiles of the resampled ``values``."""
    return Intervals(
        average={**{name: percentiles(values[name].mean(1)) for name in MEASURES}, MICRO: percentiles(values[MICRO])},
        per_emotion={
            emotion: {name: percentiles(values[name][:, i]) for name in MEASURES} for i, emotion in enumerate(emotions)
        },
    )


def resampled_means(
    values: NDArray[np.float64], speakers: Sequence[str | None], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Return the mean of a number per run and utterance, (K, N), in every resample, (R,).

    Whole speakers are resampled, and whole runs where there are several.
    """
    clusters = clusters_of(speakers)
    drawn = draw(clusters.count, resamples=resamples, seed=seed)
    runs = draw(len(values), resamples=resamples, seed=seed + 1) if len(values) > 1 else np.ones((resamples, 1))
    sums = np.stack([np.bincount(clusters.of, weights=row, minlength=clusters.count) for row in values])
    sizes = np.bincount(clusters.of, minlength=clusters.count)
    totals: NDArray[np.float64] = np.einsum("rs,rc,sc->r", runs, drawn, sums, optimize=True)
    return totals / (runs.sum(1) * (drawn @ sizes))


def percentiles(values: NDArray[np.float64]) -> Interval:
    """Return the middle 95 % of ``values``."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
