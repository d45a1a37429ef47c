"""Submanifold convolution layer and 2x2 max-pooling on rows of active sites (paper section 4.3.2).

A submanifold convolution computes at active sites only and sees active sites only: it equals a dense convolution of maps
that are zero elsewhere, of which only the active sites are kept.
Shape letters: N active sites, P pooled sites, C channels (C_in, C_out).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites
from mesmer.nn.batch_norm import BatchNorm
from mesmer.nn.convolution_paths import Path, convolve


def max_pool(rows: Tensor, sites: ActiveSites) -> Tensor:
    """Return the rows (P, C) of the pooled sites: the largest feature among the active sites of each 2x2 window."""
    if rows.requires_grad and torch.is_grad_enabled():
        return _MaxPool.apply(rows, sites)
    return _windows(rows, sites).amax(1)


def _windows(rows: Tensor, sites: ActiveSites) -> Tensor:
    """Return (P, 4, C), the features in each window; minus infinity where a site is not active."""
    padded = torch.cat([rows, rows.new_full((1, rows.shape[1]), float("-inf"))])
    return padded.index_select(0, sites.children.flatten()).view(-1, 4, rows.shape[1])


class _MaxPool(torch.autograd.Function):
    """Max-pooling whose gradient is gathered: every row has one parent, so nothing needs adding up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sites: ActiveSites) -> Tensor:
        largest, winner = _windows(rows, sites).max(1)
        ctx.save_for_backward(winner.to(torch.int8), *sites.parents)
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        winner, parent, place = ctx.saved_tensors
        won = winner.index_select(0, parent) == place[:, None]
        return gradient.index_select(0, parent) * won, None


class SubmanifoldLayer(nn.Module):
    """Submanifold convolution 3x3, batch norm over the active sites, ReLU.

    The convolution has no bias: batch norm would take it away. Parameters are named and shaped as those of ``nn.Conv2d``
    and ``nn.BatchNorm2d``, so the weights of a dense layer fit in.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm = BatchNorm(out_channels)

    def forward(self, rows: Tensor, sites: ActiveSites, path: Path = "masked") -> Tensor:
        """Return (N, C_out) from ``rows`` (N, C_in)."""
        return self.norm(convolve(rows, sites, self.conv.weight, path)).relu_()

    def dense(self, maps: Tensor) -> Tensor:
        """Return (n, C_out, H, W) from dense ``maps`` (n, C_in, H, W), in evaluation only."""
        norm = self.norm
        out = F.batch_norm(self.conv(maps), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return out.relu_()

    def multiply_adds(self, taps_per_map: Tensor) -> Tensor:
        """int64 (maps,), multiply-adds executed for maps whose active sites see so many active taps."""
        return taps_per_map * (self.in_channels * self.out_channels)
