"""Do the sites that a sparse block keeps lie where the emotion was truly shown? The pointing game and its kin.

For every map (a face or a spectrogram chunk): the share of the kept sites that lie on the truth, beside the share that as
many sites drawn at random would reach on that very map (the area of the truth), whether the site of most attention lies on
the truth (pointing game; Zhang et al. 2018), and the overlap of the two (intersection over union). Intervals resample whole
speakers, and whole training runs where there are several. Shape letters: n maps, H W sites, R runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mesmer.errors import DataError
from mesmer.evaluation.bootstrap import RESAMPLES, Interval, clusters_of, percentiles, resampled_means
from mesmer.records import BlockTrace

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MapScores:
    """How well the kept sites of n maps meet the truth; float64 (n,) each, NaN where a map's truth is empty.

    Attributes:
        hits: share of the kept sites that lie on the truth.
        chance: the share that sites drawn at random reach: the area of the truth.
        pointed: 1 where the site of most attention lies on the truth, 0 where not; of equal sites their mean.
        overlap: intersection over union of kept sites and truth.
        density: share of all sites that is kept.
    """

    hits: _Array = field(repr=False)
    chance: _Array = field(repr=False)
    pointed: _Array = field(repr=False)
    overlap: _Array = field(repr=False)
    density: _Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.hits)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Bool (n,), the maps that have a truth."""
        return ~np.isnan(self.hits)

    @classmethod
    def joined(cls, parts: Sequence[MapScores]) -> MapScores:
        """Return the scores of several batches, one after another."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})


def point(trace: BlockTrace, truth: NDArray[np.bool_] | Tensor) -> MapScores:
    """Score what one sparse block did to the maps of a batch.

    Args:
        trace: of the first block, best; later blocks work too, only coarser.
        truth: bool (n, h, w) at any resolution; a site belongs to the truth where at least half of its area does. For
            :func:`mesmer.explain.truth.sound_masks` see :func:`sound_truth`.

    Raises:
        DataError: there are not as many truths as maps.
    """
    kept, attention = trace.kept.cpu(), trace.attention.double().cpu()
    truth = torch.as_tensor(truth)
    if truth.ndim != 3 or len(truth) != len(kept):
        raise DataError(f"truth of shape {tuple(truth.shape)} for {len(kept)} maps", field="truth")
    on = site_truth(truth, (kept.shape[1], kept.shape[2])).flatten(1)
    kept, attention = kept.flatten(1), attention.flatten(1)
    some = on.any(dim=1)
    strongest = attention == attention.amax(dim=1, keepdim=True)

    def known(values: Tensor) -> _Array:
        return torch.where(some, values.double(), torch.nan).numpy()

    both = (kept & on).sum(1)
    return MapScores(
        hits=known(both / kept.sum(1)),
        chance=known(on.double().mean(1)),
        pointed=known((strongest & on).sum(1) / strongest.sum(1)),
        overlap=known(both / (kept | on).sum(1)),
        density=known(kept.double().mean(1)),
    )


def site_truth(truth: Tensor, sites: tuple[int, int]) -> Tensor:
    """Return bool (n, H, W), the sites of which at least half belongs to ``truth``, bool (n, h, w).

    Raises:
        DataError: h and w are no multiples of H and W.
    """
    if truth.shape[1] % sites[0] or truth.shape[2] % sites[1]:
        raise DataError(f"truth of {tuple(truth.shape[1:])} does not divide into {sites} sites", field="truth")
    window = (truth.shape[1] // sites[0], truth.shape[2] // sites[1])
    return avg_pool2d(truth[:, None].double(), window)[:, 0] >= 0.5


def random_trace(trace: BlockTrace, generator: torch.Generator) -> BlockTrace:
    """Return the control: as many sites of each map, drawn at random among all, with an attention drawn at random.

    One generator serves all batches: the same draw for each of them would make their scores go up and down together.
    """
    drawn = torch.rand(trace.kept.shape, generator=generator, dtype=torch.float64).flatten(1)
    rank = drawn.argsort(dim=1, descending=True).argsort(dim=1)
    kept = rank < trace.kept.cpu().flatten(1).sum(1, keepdim=True)
    return BlockTrace(
        attention=(drawn / drawn.sum(1, keepdim=True)).view(trace.kept.shape), kept=kept.view(trace.kept.shape)
    )


def sound_truth(masks: NDArray[np.bool_], bands: int) -> Tensor:
    """Return bool (C, bands, T) from :func:`~mesmer.explain.truth.sound_masks` (C, T): at a time, all bands are true."""
    return torch.from_numpy(masks)[:, None, :].expand(-1, bands, -1)


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """The summary of one mask. Every value stands with its 95 % interval (low, high).

    Attributes:
        maps, speakers, runs: what it was measured on; maps without a truth are not counted.
        hits, chance, pointed, overlap, density: means over maps, as in :class:`MapScores`.
        ratio: ``hits`` over ``chance``: how many times more often than a random mask of that density it hits.
        pointed_ratio: ``pointed`` over ``chance``.
    """

    maps: int
    speakers: int
    runs: int
    hits: float
    chance: float
    pointed: float
    overlap: float
    density: float
    ratio: float
    pointed_ratio: float
    intervals: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "intervals"}
        return {**plain, "intervals": {name: list(ends) for name, ends in self.intervals.items()}}


_MEANS = ("hits", "chance", "pointed", "overlap", "density")


def summarise(
    runs: Sequence[MapScores], speakers: Sequence[str | None], *, resamples: int = RESAMPLES, seed: int = 0
) -> Pointing:
    """Return the means over all maps that have a truth, with 95 % intervals.

    Args:
        runs: the scores of one mask in each of R training runs, on the same n maps.
        speakers: the speaker of each map. Speakers are resampled, and runs too where R is above 1.
        resamples, seed: of the bootstrap.

    Raises:
        DataError: no map has a truth, or lengths differ.
    """
    means = _means_of(runs, speakers, resamples=resamples, seed=seed)
    values = _with_ratios({name: value for name, (value, _) in means.items()})
    spread = _with_ratios({name: drawn for name, (_, drawn) in means.items()})
    known = runs[0].known
    return Pointing(
        maps=int(known.sum()),
        speakers=clusters_of([who for who, some in zip(speakers, known, strict=True) if some]).count,
        runs=len(runs),
        **{name: float(value) for name, value in values.items()},
        intervals={name: percentiles(drawn) for name, drawn in spread.items()},
    )


def compare(
    runs: Sequence[MapScores],
    others: Sequence[MapScores],
    speakers: Sequence[str | None],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, Interval]]:
    """Return by what factor one mask's means exceed another's on the same maps: name -> (factor, 95 % interval).

    Both are resampled with the same draws, run r of the one beside run r of the other. Raises as :func:`summarise`.
    """
    if len(runs) != len(others):
        raise DataError(f"{len(runs)} runs beside {len(others)}", field="runs", remedy="give as many of each")
    one = _means_of(runs, speakers, resamples=resamples, seed=seed)
    other = _means_of(others, speakers, resamples=resamples, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            name: (float(one[name][0] / other[name][0]), percentiles(one[name][1] / other[name][1]))
            for name in ("hits", "pointed", "overlap")
        }


def _with_ratios(means: Mapping[str, Any]) -> dict[str, Any]:
    return {**means, "ratio": means["hits"] / means["chance"], "pointed_ratio": means["pointed"] / means["chance"]}


def _means_of(
    runs: Sequence[MapScores], speakers: Sequence[str | None], *, resamples: int, seed: int
) -> dict[str, tuple[Any, _Array]]:
    """Return the mean over maps, and the same in every resample: name -> (value, (resamples,))."""
    if not runs or any(len(scores) != len(speakers) for scores in runs):
        raise DataError("every run needs a score for each map, and each map a speaker", field="runs")
    known = runs[0].known
    if not known.any() or any((scores.known != known).any() for scores in runs):
        raise DataError("no map has a truth, or the runs differ in which have", field="truth")
    heard = [who for who, some in zip(speakers, known, strict=True) if some]
    means: dict[str, tuple[Any, _Array]] = {}
    for name in _MEANS:
        values = np.stack([getattr(scores, name)[known] for scores in runs])
        means[name] = (values.mean(), resampled_means(values, heard, resamples=resamples, seed=seed))
    return means
