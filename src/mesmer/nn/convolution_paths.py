"""Four ways to compute one submanifold 3x3 convolution; the values agree up to rounding.

``masked`` convolves densely over maps that are zero outside the active sites. ``torch`` gathers the nine neighbours of each
row and multiplies once, in chunks that stay in the cache. ``native`` is the compiled kernel that skips absent neighbours.
Shape letters: N active sites, C_in and C_out channels, R rows of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites, dense_from_rows
from mesmer.nn.native import Kernels, native_kernels

Backend = Literal["auto", "masked", "torch", "native"]
Path = Literal["masked", "torch", "native"]

TORCH_BREAK_EVEN = 0.72
"""Density from which on the masked-dense path is faster than the torch path on a CPU (``benchmarks/extraction.py``)."""

NATIVE_BREAK_EVEN = 1.0
"""The same for the compiled kernel: only where every site is active."""

_CHUNK_FLOATS_CPU = 9 * 65_536  # gathered floats at a time: 1024 rows of 64 channels; they stay in the L2 cache
_CHUNK_FLOATS_OTHER = 9 * 16_777_216  # 0.6 GB on an accelerator, where launches cost more than memory


def kernels_for(backend: Backend, example: Tensor) -> Kernels | None:
    """Return the compiled kernels where ``backend`` allows them and they take tensors like ``example``."""
    if backend not in ("auto", "native") or example.device.type != "cpu":
        return None
    if example.dtype not in (torch.float32, torch.bfloat16):
        return None
    kernels = native_kernels()
    return kernels if kernels is not None and kernels.takes(example.dtype) else None


def choose_path(backend: Backend, density: float, example: Tensor) -> Path:
    """Return how to convolve at this density. ``auto`` takes what is fastest on a CPU, and masked-dense elsewhere.

    ``native`` falls back to ``torch`` where there are no kernels.
    """
    if backend in ("masked", "torch"):
        return cast(Path, backend)
    if backend == "auto" and example.device.type != "cpu":
        return "masked"
    native = kernels_for(backend, example) is not None
    if backend == "auto" and density >= (NATIVE_BREAK_EVEN if native else TORCH_BREAK_EVEN):
        return "masked"
    return "native" if native else "torch"


def convolve(rows: Tensor, sites: ActiveSites, weight: Tensor, path: Path) -> Tensor:
    """Return rows (N, C_out) of the submanifold convolution of ``rows`` (N, C_in) with ``weight`` (C_out, C_in, 3, 3).

    Differentiable in rows and weight on every path. What the compiled kernel has no gradient for (all but float32 on the
    CPU) is computed by the torch path.
    """
    if path == "masked":
        return masked_convolution(rows, sites, weight)
    if path == "native" and rows.dtype == torch.float32 and rows.device.type == "cpu":
        return _NativeConvolution.apply(rows, weight, sites.neighbours)
    return _GatheredConvolution.apply(rows, weight, sites.neighbours)


def masked_convolution(rows: Tensor, sites: ActiveSites, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The masked path: convolve all sites, keep the active ones."""
    dense = dense_from_rows(rows, None if sites.is_full else sites.flat, sites.shape)
    out = F.conv2d(dense, weight, bias, padding=1).permute(0, 2, 3, 1).reshape(-1, weight.shape[0])
    return out if sites.is_full else out.index_select(0, sites.flat)


def gathered_convolution(
    rows: Tensor, neighbours: Tensor, matrix: Tensor, *, bias: Tensor | None = None, relu: bool = False
) -> Tensor:
    """The torch path: ``matrix`` (9 * C_in, C_out) is the weight in the order of the neighbour table."""
    out = rows.new_empty(neighbours.shape[0], matrix.shape[1])
    for start, stop, gathered in _gathered_chunks(rows, neighbours):
        if bias is None:
            torch.mm(gathered, matrix, out=out[start:stop])
        else:
            torch.addmm(bias, gathered, matrix, out=out[start:stop])
        if relu:
            out[start:stop].relu_()
    return out


def weight_matrix(weight: Tensor) -> Tensor:
    """Return (9 * C_in, C_out) from (C_out, C_in, 3, 3)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])


def _gathered_chunks(rows: Tensor, neighbours: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (start, stop, (R, 9 * C_in)): the neighbours' features side by side, zero where there is none."""
    count, channels = neighbours.shape[0], rows.shape[1]
    most = _CHUNK_FLOATS_CPU if rows.device.type == "cpu" else _CHUNK_FLOATS_OTHER
    size = min(max(most // (9 * channels), 64), max(count, 1))
    with_zero = torch.cat([rows, rows.new_zeros(1, channels)])  # the row that absent neighbours point to
    buffer = rows.new_empty(9 * size, channels)
    for start in range(0, count, size):
        stop = min(count, start + size)
        part = buffer[: 9 * (stop - start)]
        torch.index_select(with_zero, 0, neighbours[start:stop].reshape(-1), out=part)
        yield start, stop, part.view(stop - start, 9 * channels)


class _GatheredConvolution(torch.autograd.Function):
    """The torch path with its gradient: the same routine with mirrored, swapped weights, and one product per chunk."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight, neighbours)
        return gathered_convolution(rows, neighbours, weight_matrix(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        rows, weight, neighbours = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_rows = to_weight = None
        if ctx.needs_input_grad[0]:
            mirrored = weight.flip(2, 3).transpose(0, 1)
            to_rows = gathered_convolution(gradient, neighbours, weight_matrix(mirrored))
        if ctx.needs_input_grad[1]:
            c_out, c_in = weight.shape[:2]
            total = weight.new_zeros(9 * c_in, c_out)
            for start, stop, gathered in _gathered_chunks(rows, neighbours):
                total.addmm_(gathered.t(), gradient[start:stop])
            to_weight = total.view(3, 3, c_in, c_out).permute(3, 2, 0, 1).contiguous()
        return to_rows, to_weight, None


class _NativeConvolution(torch.autograd.Function):
    """The compiled kernel with its gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, neighbours: Tensor) -> Tensor:
        kernels = _required()
        ctx.save_for_backward(rows, weight, neighbours)
        return kernels.convolve(rows, neighbours, kernels.pack(weight), out_channels=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        kernels = _required()
        rows, weight, neighbours = ctx.saved_tensors
        to_rows = to_weight = None
        if ctx.needs_input_grad[0]:
            mirrored = kernels.pack(weight, backward=True)
            to_rows = kernels.convolve(gradient, neighbours, mirrored, out_channels=weight.shape[1])
        if ctx.needs_input_grad[1]:
            to_weight = kernels.weight_gradient(rows, neighbours, gradient)
        return to_rows, to_weight, None


def _required() -> Kernels:
    kernels = native_kernels()
    assert kernels is not None, "the native path is chosen only where there are kernels"
    return kernels
