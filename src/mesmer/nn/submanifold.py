"""Submanifold 3x3 convolution with batch norm and ReLU, and 2x2 max-pooling, on rows of active sites (paper section 4.3.2).

A submanifold convolution computes at active sites only and sees active sites only: it equals a dense convolution of maps
that are zero elsewhere, of which only the active sites are kept.
Shape letters: N active sites, P pooled sites, C channels (C_in, C_out), taps of 3x3 = 9.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites, dense_from_rows


def masked_convolution(rows: Tensor, sites: ActiveSites, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve densely over maps that are zero elsewhere and return the rows (N, C_out) of the active sites.

    Args:
        rows: (N, C_in).
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).
    """
    dense = dense_from_rows(rows, None if sites.is_full else sites.flat, sites.shape)
    out = F.conv2d(dense, weight, bias, padding=1).permute(0, 2, 3, 1).reshape(-1, weight.shape[0])
    return out if sites.is_full else out.index_select(0, sites.flat)


def max_pool(rows: Tensor, sites: ActiveSites) -> Tensor:
    """Return the rows (P, C) of the pooled sites: the largest feature among the active sites of each 2x2 window."""
    if sites.is_full and sites.height % 2 == 0 and sites.width % 2 == 0:
        maps, height, width = sites.shape
        channels = rows.shape[1]
        return rows.view(maps, height // 2, 2, width // 2, 2, channels).amax((2, 4)).view(-1, channels)
    padded = torch.cat([rows, rows.new_full((1, rows.shape[1]), float("-inf"))])
    windows = padded.index_select(0, sites.children.flatten()).view(-1, 4, rows.shape[1])
    return windows.max(1).values


class SubmanifoldLayer(nn.Module):
    """Submanifold convolution 3x3, batch norm over the active sites, ReLU.

    The convolution has no bias: batch norm would take it away. Parameters are named and shaped as those of ``nn.Conv2d``
    and ``nn.BatchNorm2d``, so the weights of a dense layer fit in.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, rows: Tensor, sites: ActiveSites) -> Tensor:
        """Return (N, C_out) from ``rows`` (N, C_in)."""
        return self.normalised(masked_convolution(rows, sites, self.conv.weight)).relu()

    def normalised(self, rows: Tensor) -> Tensor:
        """Batch norm over rows. One row has no variance: it passes as in evaluation and leaves the statistics alone."""
        norm = self.norm
        training = norm.training and rows.shape[0] > 1
        if training and norm.num_batches_tracked is not None:
            norm.num_batches_tracked += 1
        momentum = 0.1 if norm.momentum is None else norm.momentum
        return F.batch_norm(rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, training, momentum, norm.eps)

    def multiply_adds(self, taps_per_map: Tensor) -> Tensor:
        """int64 (maps,), multiply-adds executed for maps whose active sites see so many active taps."""
        return taps_per_map * (self.conv.in_channels * self.conv.out_channels)
