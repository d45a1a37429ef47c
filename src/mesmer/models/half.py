"""Weights in half the bytes: float16 in the file, float32 in the network.

Matrices and kernels hold nearly all bytes and are rounded to 11 significant bits. Vectors stay float32: batch-norm
statistics and scales, biases, the weights of the fusion, the learned query; they cost next to nothing, and all activations
pass them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["fp32", "fp16"]

LARGEST_ERROR = 2.0**-10
"""A tensor is rounded only if no value moves by more than this share of the largest. Usual weights move by at most half of
it; values that float16 cannot hold (beyond 65,504, or all of them tiny) stay as they are."""


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, matrices and kernels in float16 where that loses next to nothing."""
    return {name: _rounded(tensor) for name, tensor in tensors.items()}


def widened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, float16 as float32; every float16 is one."""
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}


def _rounded(tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.float32 or tensor.ndim < 2 or not tensor.numel():
        return tensor
    half = tensor.half()
    error = (half.float() - tensor).abs().amax()  # infinite where a value is beyond float16
    return half if bool(error <= LARGEST_ERROR * tensor.abs().amax()) else tensor
