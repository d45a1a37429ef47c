"""Four ways to compute one submanifold 3x3 convolution; the values agree up to rounding.

``masked`` convolves densely over maps that are zero outside the active sites. ``torch`` gathers the neighbours of each row
side by side and multiplies once, in chunks that stay in the cache; sites that lack a whole side of their neighbourhood are
taken together and spared its three taps. ``native`` is the compiled kernel that skips every absent neighbour.
Shape letters: N active sites, C_in and C_out channels, R rows of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites, TapGroup, dense_from_rows
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
    if torch.is_autocast_enabled(rows.device.type):  # our own routines compute in float32
        with torch.autocast(rows.device.type, enabled=False):
            return convolve(rows.float(), sites, weight.float(), path)
    if path == "native" and rows.dtype == torch.float32 and rows.device.type == "cpu":
        return _NativeConvolution.apply(rows, weight, sites.neighbours)
    return _GatheredConvolution.apply(rows, weight, sites)


def masked_convolution(rows: Tensor, sites: ActiveSites, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The masked path: convolve all sites, keep the active ones."""
    dense = dense_from_rows(rows, None if sites.is_full else sites.flat, sites.shape)
    out = F.conv2d(dense, weight, bias, padding=1).permute(0, 2, 3, 1).reshape(-1, weight.shape[0])
    return out if sites.is_full else out.index_select(0, sites.flat)


@dataclass(frozen=True)
class TapMatrices:
    """A weight as the torch path multiplies by it, (9 * C_in, C_out): taps row by row, and column by column.

    ``prepacked`` is oneDNN's own order of the former, for inference; None where it is not wanted or cannot be had.
    """

    by_rows: Tensor
    by_columns: Tensor
    prepacked: Tensor | None = None

    @classmethod
    def of(cls, weight: Tensor) -> TapMatrices:
        """Return the matrices of a weight (C_out, C_in, 3, 3)."""
        c_out = weight.shape[0]
        return cls(weight.permute(2, 3, 1, 0).reshape(-1, c_out), weight.permute(3, 2, 1, 0).reshape(-1, c_out))

    def packed(self) -> TapMatrices:
        """Return the same with weights packed by oneDNN, whose products are up to a tenth faster on a CPU.

        The operators are those torch's own compiler uses; where a version of torch has them not, nothing changes.
        """
        lines, c_out = self.by_rows.shape
        try:
            rows = _CHUNK_FLOATS_CPU // lines
            order = torch.ops.mkldnn._reorder_linear_weight(self.by_rows.t().contiguous(), rows)
            _prepacked_product(self.by_rows.new_zeros(2, lines), order, self.by_rows.new_zeros(c_out), relu=True)
        except (AttributeError, RuntimeError, TypeError):
            return self
        return replace(self, prepacked=order)

    def part(self, group: TapGroup, channels: int) -> Tensor:
        """Return the lines of the group's taps, without copying."""
        matrix = self.by_columns if group.columns else self.by_rows
        return matrix[group.first * channels : group.last * channels]


def gathered_convolution(
    rows: Tensor, sites: ActiveSites, matrices: TapMatrices, *, bias: Tensor | None = None, relu: bool = False
) -> Tensor:
    """The torch path: rows (N, C_out) from ``rows`` (N, C_in)."""
    groups, place = sites.tap_groups
    out = rows.new_empty(sites.count, matrices.by_rows.shape[1])
    for group, start, stop, gathered in _gathered_chunks(rows, groups):
        matrix, target = matrices.part(group, rows.shape[1]), out[start:stop]
        if bias is not None and matrices.prepacked is not None and len(matrix) == len(matrices.by_rows):
            target.copy_(_prepacked_product(gathered, matrices.prepacked, bias, relu=relu))
            continue
        if bias is None:
            torch.mm(gathered, matrix, out=target)
        else:
            torch.addmm(bias, gathered, matrix, out=target)
        if relu:
            target.relu_()
    return out if len(groups) < 2 else out.index_select(0, place)


def _prepacked_product(gathered: Tensor, order: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(gathered, order, bias, "relu" if relu else "none", [], "")


def _gathered_chunks(rows: Tensor, groups: Sequence[TapGroup]) -> Iterator[tuple[TapGroup, int, int, Tensor]]:
    """Yield (group, start, stop, (R, taps * C_in)): the neighbours' features side by side, zero where there is none.

    ``start`` and ``stop`` count the sites in the order of the groups.
    """
    channels = rows.shape[1]
    most = _CHUNK_FLOATS_CPU if rows.device.type == "cpu" else _CHUNK_FLOATS_OTHER
    largest = max((len(group.table) for group in groups), default=0)
    size = min(max(most // (9 * channels), 64), max(largest, 1))
    with_zero = torch.cat([rows, rows.new_zeros(1, channels)])  # the row that absent neighbours point to
    buffer = rows.new_empty(9 * size, channels)
    begin = 0
    for group in groups:
        count, taps = group.table.shape
        for start in range(0, count, size):
            stop = min(count, start + size)
            part = buffer[: taps * (stop - start)]
            torch.index_select(with_zero, 0, group.table[start:stop].reshape(-1), out=part)
            yield group, begin + start, begin + stop, part.view(stop - start, taps * channels)
        begin += count


class _GatheredConvolution(torch.autograd.Function):
    """The torch path with its gradient: the same routine with mirrored, swapped weights, and one product per chunk."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, sites: ActiveSites) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.sites = sites
        return gathered_convolution(rows, sites, TapMatrices.of(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        rows, weight = ctx.saved_tensors
        to_rows = to_weight = None
        if ctx.needs_input_grad[0]:
            mirrored = TapMatrices.of(weight.flip(2, 3).transpose(0, 1))
            to_rows = gathered_convolution(gradient.contiguous(), ctx.sites, mirrored)
        if ctx.needs_input_grad[1]:
            to_weight = _weight_gradient(rows, ctx.sites, gradient)
        return to_rows, to_weight, None


def _weight_gradient(rows: Tensor, sites: ActiveSites, gradient: Tensor) -> Tensor:
    """Return (C_out, C_in, 3, 3)."""
    c_in, c_out = rows.shape[1], gradient.shape[1]
    groups, place = sites.tap_groups
    if len(groups) > 1:
        gradient = torch.empty_like(gradient).index_copy_(0, place, gradient)
    totals = TapMatrices(rows.new_zeros(9 * c_in, c_out), rows.new_zeros(9 * c_in, c_out))
    for group, start, stop, gathered in _gathered_chunks(rows, groups):
        totals.part(group, c_in).addmm_(gathered.t(), gradient[start:stop])
    by_rows, by_columns = (total.view(3, 3, c_in, c_out) for total in (totals.by_rows, totals.by_columns))
    return (by_rows + by_columns.transpose(0, 1)).permute(3, 2, 0, 1).contiguous()


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
