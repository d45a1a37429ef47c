"""Attention that chooses squares of sites instead of single ones (``SparseSettings.attention_tile``).

A mask of scattered sites leaves a 3x3 convolution few neighbours to see; squares keep neighbourhoods whole. They nest in
the 2x2 pooling: a square of 4 x 4 sites in the first block is one of 2 x 2 in the second and a single site in the third.

Shape letters: n maps, H height, W width, and h, w = ceil(H / tile), ceil(W / tile) of the grid of tiles.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def tile_means(logits: Tensor, active: Tensor | None, tile: int) -> tuple[Tensor, Tensor | None]:
    """Return the mean logit of each tile's active sites, and which tiles have any.

    Args:
        logits: (n, H, W), zero where not active.
        active: bool (n, H, W); None where all sites are active.
        tile: sites along a side; the last tiles are cut off by the border.

    Returns:
        float (n, h, w), zero where no site is active; bool (n, h, w), None where every tile has one.
    """
    height, width = logits.shape[1:]
    border = (0, -width % tile, 0, -height % tile)
    if active is None and not any(border):
        return F.avg_pool2d(logits[:, None], tile)[:, 0], None
    here = torch.ones_like(logits) if active is None else active.to(logits.dtype)
    share = F.avg_pool2d(F.pad(here, border)[:, None], tile)[:, 0]
    means = F.avg_pool2d(F.pad(logits, border)[:, None], tile)[:, 0] / share.clamp_min(torch.finfo(share.dtype).tiny)
    return means, None if active is None else share > 0


def sites_of_tiles(values: Tensor, height: int, width: int, tile: int) -> Tensor:
    """Return (n, height, width): every site gets the value of its tile, from (n, h, w)."""
    return values.repeat_interleave(tile, 1)[:, :height].repeat_interleave(tile, 2)[:, :, :width]


def shared_among_sites(attention: Tensor, active: Tensor | None, shape: tuple[int, int, int], tile: int) -> Tensor:
    """Return the attention of each site, (n, H, W): its tile's, divided by the number of the tile's active sites.

    Args:
        attention: (n, h, w), of tiles; each map adds up to 1.
        active: bool (n, H, W), zero attention elsewhere; None where all sites are active.
        shape: (n, H, W).
    """
    _, height, width = shape
    border = (0, -width % tile, 0, -height % tile)
    here = attention.new_ones(shape) if active is None else active.to(attention.dtype)
    number = F.avg_pool2d(F.pad(here, border)[:, None], tile)[:, 0] * tile**2
    return sites_of_tiles(attention / number.clamp_min(1.0), height, width, tile) * here
