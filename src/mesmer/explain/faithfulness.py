"""Are the sites that a model kept the ones that matter to its answer? Deletion and insertion (Petsiuk et al. 2018).

Detail is blurred away under a growing share of the sites (deletion), or a blurred map gets its detail back under it
(insertion): first where the first block attended most, beside a random order and one from the centre out. What is followed
is the share of the modality in the emotion it speaks for most. Shape letters: n maps, H W sites, F fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mesmer.explain.controls import CONTROLS, Order, control_mask, control_order, first_sites
from mesmer.explain.seeing import Seen, blurred, maps_of, shares_of, shares_with, without
from mesmer.models.end_to_end import EndToEndModel
from mesmer.records import MODALITIES, Batch, ModelOutput

FRACTIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
ORDERS = ("attention", *get_args(Order))

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What became of one modality's share in one emotion, in log-odds; 0 is the share of the clip as it is.

    Attributes:
        deletion, insertion: order -> float64 (F,), the change of the share when so much is deleted, or has come back.
        kept: mask -> the loss of the share when exactly as much as the model kept is blurred: ``kept`` and each control.
    """

    deletion: Mapping[str, _Array]
    insertion: Mapping[str, _Array]
    kept: Mapping[str, float]


@torch.no_grad()
def curves_of(
    model: EndToEndModel, batch: Batch, output: ModelOutput, modality: Seen, generator: torch.Generator
) -> Curves:
    """Return the curves of one clip.

    Args:
        model: in evaluation mode, with sparse blocks.
        batch: one clip in which the modality is present.
        output: the model's answer to it, with traces.
        generator: draws the random orders and masks.
    """
    maps, trace = maps_of(batch, modality), output.traces[(modality, 0)]
    kept, attention = trace.kept.cpu(), trace.attention.double().cpu()
    emotion = int(shares_of(model, output)[0, MODALITIES.index(modality)].argmax())
    blank = blurred(maps)
    orders = {"attention": attention}
    for name in get_args(Order):
        orders[name] = control_order(name, kept.shape, generator)
    variants: list[Tensor] = [maps]
    for values in orders.values():
        for fraction in FRACTIONS:
            count = torch.full((len(kept),), round(fraction * kept[0].numel()))
            sites = first_sites(values, count)
            variants += [without(maps, blank, sites), without(maps, blank, ~sites)]
    masks = {"kept": kept}
    for kind in CONTROLS:
        masks[kind] = control_mask(kind, kept, generator)
    variants += [without(maps, blank, mask) for mask in masks.values()]
    share = shares_with(model, batch, output, modality, variants)[:, emotion].numpy()
    change = share[1:] - share[0]
    pairs = change[: 2 * len(ORDERS) * len(FRACTIONS)].reshape(len(ORDERS), len(FRACTIONS), 2)
    losses = -change[pairs.size :]
    return Curves(
        deletion={name: pairs[i, :, 0] for i, name in enumerate(orders)},
        insertion={name: pairs[i, :, 1] for i, name in enumerate(orders)},
        kept=dict(zip(masks, losses.tolist(), strict=True)),
    )


def area(curve: _Array) -> float:
    """Return the mean height of a curve over the fractions, from none to all."""
    return float(np.trapezoid(curve, FRACTIONS))
