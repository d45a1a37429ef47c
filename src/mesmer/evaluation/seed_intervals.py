"""Several runs of one recipe on the same utterances as one answerer: mean, deviation, and how far the mean would move.

The interval of the mean holds two kinds of luck: in each resample the speakers are drawn with replacement, and so are the
runs. Of one run only the speakers are drawn. Two recipes are compared by the same draws of speakers; each has draws of runs
of its own, for runs of two recipes with one seed have nothing in common but the number.
Shape letters: S runs, N utterances, L emotions, R resamples.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.evaluation.answers import Answer, Truth
from mesmer.evaluation.bootstrap import Interval, percentiles, replicate
from mesmer.evaluation.measures import MEASURES, MICRO, Values, measure
from mesmer.evaluation.table import Resampling


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number over runs.

    Attributes:
        mean: over the runs.
        deviation: of the runs (divided by S - 1); None of a single one.
        interval: 95 %, of the mean; None where nothing could be drawn.
    """

    mean: float
    deviation: float | None = None
    interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "mean": self.mean,
            "deviation": self.deviation,
            "interval": None if self.interval is None else list(self.interval),
        }


@dataclass(frozen=True, kw_only=True)
class OverRuns:
    """The runs of one recipe.

    Attributes:
        runs: S.
        average: metric -> number, of the mean over emotions; ``micro_f1`` too.
        per_emotion: emotion -> metric -> number.
        resampled: metric -> (R, L), ``micro_f1`` -> (R,): the mean of the runs drawn, in each resample; None without any.
    """

    runs: int
    average: Mapping[str, Number]
    per_emotion: Mapping[str, Mapping[str, Number]]
    resampled: Values | None = field(default=None, repr=False)


def over_runs(truth: Truth, answers: Sequence[Answer], *, name: str, resampling: Resampling | None = None) -> OverRuns:
    """Return mean, deviation and intervals of one or more runs' answers about the same utterances.

    Args:
        name: of the recipe; with the seed it decides which runs are drawn.
        resampling: None is 1,000 resamples with seed 0; 0 resamples make no intervals.

    Raises:
        DataError: there is no answer, or one does not meet the truth.
    """
    if not answers:
        raise DataError("there is no run to take a mean of", field="runs")
    how = resampling or Resampling()
    answered = [answer.against(truth) for answer in answers]
    values = _stacked([measure(one) for one in answered])
    drawn: dict[str, NDArray[np.float64]] | None = None
    clusters = truth.clusters
    if (draws := how.draws(clusters)) is not None:
        each = _stacked([replicate(one, clusters, draws) for one in answered])
        shares = _shares_of_runs(len(answers), resamples=how.resamples, seed=how.seed, name=name)
        drawn = {metric: np.einsum("rs,sr...->r...", shares, of) for metric, of in each.items()}

    def number(metric: str, column: int | None) -> Number:
        of_runs = _pick(values[metric][:, 0], column)
        ends = None if drawn is None else percentiles(_pick(drawn[metric], column))
        deviation = float(np.std(of_runs, ddof=1)) if len(of_runs) > 1 else None
        return Number(mean=float(of_runs.mean()), deviation=deviation, interval=ends)

    return OverRuns(
        runs=len(answers),
        average={metric: number(metric, None) for metric in (*MEASURES, MICRO)},
        per_emotion={e: {metric: number(metric, i) for metric in MEASURES} for i, e in enumerate(truth.emotions)},
        resampled=drawn,
    )


def difference_of(first: OverRuns, second: OverRuns) -> dict[str, Number]:
    """Return metric -> first - second, of the means over emotions. Both must have been resampled alike."""
    found = {}
    for metric in first.average:
        ends = None
        if first.resampled is not None and second.resampled is not None:
            ends = percentiles(_pick(first.resampled[metric], None) - _pick(second.resampled[metric], None))
        mean = first.average[metric].mean - second.average[metric].mean
        found[metric] = Number(mean=mean, interval=ends)
    return found


def _stacked(parts: Sequence[Values]) -> dict[str, NDArray[np.float64]]:
    """Return metric -> (S, R, L), ``micro_f1`` -> (S, R)."""
    return {metric: np.stack([part[metric] for part in parts]) for metric in parts[0]}


def _shares_of_runs(runs: int, *, resamples: int, seed: int, name: str) -> NDArray[np.float64]:
    """Return how large a share each run has in each resample, (R, S); rows add up to 1."""
    rng = np.random.default_rng([seed, 2, zlib.crc32(name.encode())])
    return rng.multinomial(runs, [1 / runs] * runs, size=resamples) / runs


def _pick(values: NDArray[np.float64], column: int | None) -> NDArray[np.float64]:
    """Return one emotion's values, or the mean over emotions; pooled metrics as they are."""
    if values.ndim == 1:
        return values
    return values.mean(axis=1) if column is None else values[:, column]
