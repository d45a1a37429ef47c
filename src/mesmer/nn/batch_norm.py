"""Batch normalisation whose statistics can be shared by the processes of a training, on any device.

Several processes that each normalise by their own share of a batch learn something else than one process with all of it.
Here the statistics of the shares are added up, forwards and backwards, so that they learn the same. (torch's own
``SyncBatchNorm`` does this on GPUs only.) Every process must come by every layer the same number of times and in the same
order; one that has nothing to normalise sends :func:`stand_in`.

Shape letters: n maps, N rows, C channels, H height, W width, P processes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of maps (n, C, H, W) or of rows (N, C); names and shapes are those of ``nn.BatchNorm2d``.

    Attributes:
        shared: in training, take the statistics over the maps or rows of all processes; see :func:`share_statistics`.
    """

    shared = False

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` normalised. A single row has no variance: it passes as in evaluation, and moves no statistics."""
        if self.training and self.shared:
            return self._over_processes(x)
        if x.dim() == 4:
            return super().forward(x)
        training = self.training and x.shape[0] > 1
        if training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        return self._plain(x, training=training)

    def _plain(self, x: Tensor, *, training: bool) -> Tensor:
        momentum = 0.1 if self.momentum is None else self.momentum
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps)

    def _over_processes(self, x: Tensor) -> Tensor:
        count, mean, variance = _statistics(x.detach())
        if count <= 1:
            return self._plain(x, training=False) if len(x) else x
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            for running, now in ((self.running_mean, mean), (self.running_var, variance * (count / (count - 1)))):
                if running is not None:
                    running.lerp_(now.to(running.dtype), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        return _Normalise.apply(x, self.weight, self.bias, mean, (variance + self.eps).rsqrt(), count)


def share_statistics(module: nn.Module) -> None:
    """Let all batch norms in ``module`` take their statistics over all processes of the default process group."""
    for layer in module.modules():
        if isinstance(layer, BatchNorm):
            layer.shared = True


def stand_in(module: nn.Module) -> Tensor | None:
    """Go by all shared batch norms in ``module`` with nothing, in the order in which they are defined.

    Returns:
        A zero to be added to what the loss is made of, so that the way back is gone as well; None where nothing is shared.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, BatchNorm) and layer.shared and layer.training]
    if not norms:
        return None
    nothing = norms[0].weight.new_zeros(0, 1).requires_grad_()
    for norm in norms:
        nothing = norm(nothing[:, :1].expand(0, norm.num_features))
    return nothing.sum()


def _statistics(x: Tensor) -> tuple[float, Tensor, Tensor]:
    """Return how many values a channel has in all processes together, and their mean and variance, float64 (C,)."""
    channels = x.shape[1]
    table = torch.zeros(dist.get_world_size(), 1 + 2 * channels, dtype=torch.float64, device=x.device)  # (P, 1 + 2 C)
    count = x.numel() // channels
    if count:
        values = x.double()
        variance, mean = torch.var_mean(values, dim=_other_dims(x), correction=0)
        table[dist.get_rank()] = torch.cat([mean.new_tensor([count]), mean, variance])
    dist.all_reduce(table)
    counts, means, variances = table[:, :1], table[:, 1 : 1 + channels], table[:, 1 + channels :]
    total = counts.sum().clamp(min=1.0)
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return float(counts.sum()), mean, variance


class _Normalise(torch.autograd.Function):
    """``(x - mean) * scale * weight + bias``, where mean and scale depend on the ``x`` of all processes."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor, count: float
    ) -> Tensor:
        dtype = torch.promote_types(x.dtype, torch.float32)
        normalised = (x.to(dtype) - _wide(mean.to(dtype), x)) * _wide(scale.to(dtype), x)
        ctx.save_for_backward(normalised, weight, scale)
        ctx.count = count
        return (normalised * _wide(weight, x) + _wide(bias, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normalised, weight, scale = ctx.saved_tensors
        dtype, dims = normalised.dtype, _other_dims(gradient)
        exact = gradient.to(dtype)
        own = torch.stack([exact.sum(dims), (exact * normalised).sum(dims)])
        of_all = own.to(torch.float64, copy=True)
        dist.all_reduce(of_all)
        shift, slope = (of_all / ctx.count).to(dtype)
        to_x = exact - _wide(shift, gradient) - normalised * _wide(slope, gradient)
        to_x = to_x * _wide(weight * scale.to(dtype), gradient)
        return to_x.to(gradient.dtype), own[1], own[0], None, None, None


def _other_dims(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """Return ``values`` (C,) so that they meet the channels of ``x``."""
    return values.view(1, -1, *(1,) * (x.dim() - 2))
