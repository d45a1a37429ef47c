"""Masks to hold a model's own against: as many sites, but chosen without looking.

``scattered``: drawn one by one. ``shifted``: the map's own mask laid elsewhere, round the edges, so that size and clumps
stay. ``centre``: the sites nearest to the middle. Shape letters: n maps, H W sites.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Control = Literal["scattered", "shifted", "centre"]
Order = Literal["scattered", "centre"]
CONTROLS: tuple[Control, ...] = get_args(Control)


def control_mask(kind: Control, kept: Tensor, generator: torch.Generator) -> Tensor:
    """Return bool (n, H, W) with as many sites in each map as ``kept``, bool (n, H, W), on the CPU."""
    if kind == "shifted":
        return torch.stack([_shifted(mask, generator) for mask in kept.cpu()])
    return first_sites(control_order(kind, kept.shape, generator), kept.flatten(1).sum(1).cpu())


def control_order(kind: Order, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return a value for each site, float64 (n, H, W): sites are taken from the largest on."""
    if kind == "scattered":
        return torch.rand(shape, generator=generator, dtype=torch.float64)
    y, x = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in shape[1:])
    return -(y[:, None] ** 2 + x[None, :] ** 2).expand(shape)


def first_sites(values: Tensor, counts: Tensor) -> Tensor:
    """Return bool (n, H, W), in each map the ``counts`` (n,) sites of largest ``values``; of equal ones the first."""
    rank = values.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (rank < counts[:, None]).view(values.shape)


def _shifted(mask: Tensor, generator: torch.Generator) -> Tensor:
    height, width = mask.shape
    place = int(torch.randint(1, height * width, (1,), generator=generator))  # 0 would leave it where it is
    return mask.roll((place // width, place % width), dims=(0, 1))
