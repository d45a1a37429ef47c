"""Does the map depend on what was learnt, and do two trainings agree on it? (Adebayo et al. 2018.)

Attention is compared by rank correlation over the sites of each map, kept sites by intersection over union beside what two
random masks of the same sizes share. A map that stays the same when weights are drawn anew shows the input, not the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.registry import build_model
from mesmer.records import BlockTrace

Part = Literal["attention", "stem", "all"]
PARTS: tuple[Part, ...] = get_args(Part)
"""What is drawn anew: the attention of the sparse blocks; the dense convolutions before them; every weight."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike two models' maps are; float64 (n,) each, one for each map.

    Attributes:
        rank: Spearman's correlation of the attention, -1 to 1; NaN where a map's attention is the same everywhere.
        overlap: intersection over union of the kept sites.
        chance: what two random masks of these sizes share.
    """

    rank: NDArray[np.float64]
    overlap: NDArray[np.float64]
    chance: NDArray[np.float64]


def likeness(one: BlockTrace, other: BlockTrace) -> Likeness:
    """Return how alike the maps of two models are, map by map."""
    first, second = (trace.kept.cpu().flatten(1).double() for trace in (one, other))
    both, sites = (first * second).sum(1), first.shape[1]
    expected = first.sum(1) * second.sum(1) / sites
    return Likeness(
        rank=_spearman(*(trace.attention.cpu().flatten(1).double().numpy() for trace in (one, other))),
        overlap=(both / (first.sum(1) + second.sum(1) - both)).numpy(),
        chance=(expected / (first.sum(1) + second.sum(1) - expected)).numpy(),
    )


def redrawn(model: EndToEndModel, part: Part, *, seed: int) -> EndToEndModel:
    """Return a copy of an end-to-end model with a part of its weights as before a training; in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = model.text_encoder
        assert encoder is not None
        fresh = build_model(model.settings, tokenizer_size=encoder.vocabulary_size, text_architecture=encoder.architecture)
    assert isinstance(fresh, EndToEndModel)
    if part != "all":
        new = {name: value.clone() for name, value in fresh.state_dict().items()}
        fresh.load_state_dict({name: new[name] if _of(name, part) else old for name, old in model.state_dict().items()})
    fresh.top_p = model.top_p
    return fresh.eval().to(next(model.parameters()).device)


def _of(name: str, part: Part) -> bool:
    return ".convolution." in name and f".{part}." in name


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = [rankdata(values, axis=1) for values in (one, other)]
    centred = [values - values.mean(1, keepdims=True) for values in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        answer: NDArray[np.float64] = (centred[0] * centred[1]).sum(1) / spread
    return answer
