"""Convolution, bias and ReLU in one pass over memory, where torch's own compiler would do the same."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F


def convolution_relu(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``relu(conv2d(maps, weight, bias))``, the size kept, without gradient; all of one type, kernel sides odd.

    On a CPU oneDNN applies the ReLU before a result leaves the cache. The values are the same to the last bit.
    """
    padding = [weight.shape[2] // 2, weight.shape[3] // 2]
    if maps.device.type == "cpu" and _fuses(maps.dtype):
        return _fused(maps, weight, bias, padding)
    return F.conv2d(maps, weight, bias, padding=padding).relu_()


def _fused(maps: Tensor, weight: Tensor, bias: Tensor, padding: list[int]) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(maps, weight, bias, padding, [1, 1], [1, 1], 1, "relu", [], "")


@cache
def _fuses(dtype: torch.dtype) -> bool:
    """Whether this version of torch has the operator, under this name, for this type; it is one its compiler calls."""
    maps = torch.linspace(-1, 1, 32).view(1, 2, 4, 4).to(dtype, memory_format=torch.channels_last)
    weight = torch.linspace(-1, 1, 54).view(3, 2, 3, 3).to(dtype, memory_format=torch.channels_last)
    bias = torch.linspace(-1, 1, 3).to(dtype)
    try:
        found = _fused(maps, weight, bias, [1, 1])
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found.float(), F.conv2d(maps, weight, bias, padding=1).relu().float(), rtol=1e-2, atol=1e-2)
