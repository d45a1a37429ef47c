"""Is one answerer better than another on the same utterances? Paired by cluster: both are resampled, or swapped, together.

Interval: the same bootstrap draws of speakers for both, the difference in each (see :mod:`mesmer.evaluation.bootstrap`).
p-value: if the two were alike, swapping their answers for all utterances of a speaker would change nothing but chance. All
2^C ways of swapping are tried where they are few, else a seeded sample of them. Metrics of ranks (average precision,
AUROC) have an interval and no p-value: scores of two models do not lie on one scale, so mixtures of them rank nothing.
Shape letters: N utterances, L emotions, C clusters, R resamples or swaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.answers import Answer, Truth
from mesmer.evaluation.bootstrap import Clusters, Interval, percentiles, replicate
from mesmer.evaluation.measures import MEASURES, MICRO, SUMMED, Answered, Values, cluster_sums, measure, measures_of_sums
from mesmer.evaluation.table import Resampling

_SAME = 1e-12
"""Differences this near count as equal: sums in another order differ by less."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of two answerers.

    Attributes:
        first, second: the values.
        difference: ``first - second``.
        interval: 95 % of the difference; None with a single cluster.
        p: two-sided, of the swaps; None for rank metrics and with a single cluster.
    """

    first: float
    second: float
    difference: float
    interval: Interval | None
    p: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "p": self.p,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two answerers on the same utterances.

    Attributes:
        names: of the two.
        emotions: in order.
        utterances, clusters: how many there are.
        average: metric -> difference of the means over emotions; ``micro_f1`` too.
        per_emotion: emotion -> metric -> difference.
        swaps: how many ways of swapping were tried.
        exact: whether those were all there are.
        resampling: how intervals were made.
    """

    names: tuple[str, str]
    emotions: tuple[str, ...]
    utterances: int
    clusters: int
    average: Mapping[str, Difference]
    per_emotion: Mapping[str, Mapping[str, Difference]]
    swaps: int
    exact: bool
    resampling: Resampling

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "utterances": self.utterances,
            "clusters": self.clusters,
            "swaps": self.swaps,
            "exact": self.exact,
            "resamples": self.resampling.resamples,
            "seed": self.resampling.seed,
            "average": {name: one.to_json() for name, one in self.average.items()},
            "per_emotion": {
                emotion: {name: one.to_json() for name, one in of.items()} for emotion, of in self.per_emotion.items()
            },
        }


def compare(
    truth: Truth, first: Answer, second: Answer, *, names: tuple[str, str], resampling: Resampling | None = None
) -> Comparison:
    """Hold two answers to the same utterances against each other.

    Args:
        names: how the two are called.
        resampling: its ``resamples`` are those of the bootstrap and the largest number of swaps; None is 1,000, seed 0.

    Raises:
        DataError: an answer does not meet the truth.
        ConfigError: no resamples are asked for.
    """
    how = resampling or Resampling()
    if not how.resamples:
        raise ConfigError("a comparison needs resamples", field="resamples", remedy="use 1 or more")
    pair = (first.against(truth), second.against(truth))
    clusters = truth.clusters
    values = [measure(one) for one in pair]
    drawn: list[Values] | None = None
    swapped: Values | None = None
    swaps = 0
    if (draws := how.draws(clusters)) is not None:
        drawn = [replicate(one, clusters, draws) for one in pair]
        kept = swap_patterns(clusters.count, most=how.resamples, seed=how.seed)
        swapped, swaps = _swapped_differences(pair, clusters, kept), len(kept)

    def difference(name: str, column: int | None) -> Difference:
        a, b = (float(_pick(one[name], column)[0]) for one in values)
        ends = None if drawn is None else percentiles(_pick(drawn[0][name], column) - _pick(drawn[1][name], column))
        chance = None if swapped is None or name not in swapped else _pick(swapped[name], column)
        p = None if chance is None else _p_value(a - b, chance, exact=exact)
        return Difference(first=a, second=b, difference=a - b, interval=ends, p=p)

    exact = 2**clusters.count <= how.resamples
    return Comparison(
        names=names,
        emotions=truth.emotions,
        utterances=len(truth.ids),
        clusters=clusters.count,
        average={name: difference(name, None) for name in (*MEASURES, MICRO)},
        per_emotion={e: {name: difference(name, i) for name in MEASURES} for i, e in enumerate(truth.emotions)},
        swaps=swaps,
        exact=exact and swaps > 0,
        resampling=how,
    )


def swap_patterns(clusters: int, *, most: int, seed: int) -> NDArray[np.float64]:
    """Return which clusters keep their answers (1) and which are swapped (0), (R, C): all 2^C ways if those are at most
    ``most``, else ``most`` random ones.
    """
    if 2**clusters <= most:
        numbers = np.arange(2**clusters)
        return np.asarray((numbers[:, None] >> np.arange(clusters)) & 1, dtype=np.float64)
    return np.random.default_rng([seed, 1]).integers(0, 2, size=(most, clusters)).astype(np.float64)


def check_same_truth(first: Truth, second: Truth) -> None:
    """Refuse two truths that are not the same utterances in the same order with the same labels.

    Raises:
        DataError: they differ; names the first id.
    """
    if first.emotions != second.emotions:
        raise DataError("the two do not speak of the same emotions", field="emotions")
    if first.ids != second.ids:
        odd = next((a for a, b in zip(first.ids, second.ids, strict=False) if a != b), "the last")
        raise DataError(f"the two do not answer the same utterances: {odd} differs", field="id")
    if (first.labels != second.labels).any():
        row = int(np.argwhere(first.labels != second.labels)[0, 0])
        raise DataError("the two do not have the same truth", field=f"id {first.ids[row]}")


def _swapped_differences(
    pair: tuple[Answered, Answered], clusters: Clusters, kept: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the difference of every summed metric in every swap: metric -> (R, L), ``micro_f1`` -> (R,)."""
    first, second = (cluster_sums(one, clusters.of, clusters.count) for one in pair)
    emotions = pair[0].truth.shape[1]
    here = measures_of_sums(kept @ first + (1 - kept) @ second, emotions)
    there = measures_of_sums((1 - kept) @ first + kept @ second, emotions)
    return {name: here[name] - there[name] for name in (*SUMMED, MICRO)}


def _pick(values: NDArray[np.float64], column: int | None) -> NDArray[np.float64]:
    """Return one emotion's values (R,), or the mean over emotions; pooled metrics (R,) as they are."""
    if values.ndim == 1:
        return values
    return values.mean(axis=1) if column is None else values[:, column]


def _p_value(observed: float, chance: NDArray[np.float64], *, exact: bool) -> float:
    """Return the share of swaps with a difference at least as large; sampled ones count what is observed among them."""
    as_large = int((np.abs(chance) >= abs(observed) - _SAME).sum())
    return as_large / len(chance) if exact else (as_large + 1) / (len(chance) + 1)
