"""The compiled kernels as functions of tensors. Values are those of the torch path up to rounding.

Shape letters: N active sites, C channels. All tensors are contiguous CPU tensors; weights are (C_out, C_in, 3, 3).
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mesmer.nn.native.build import BuildError, build_library

logger = logging.getLogger(__name__)

_STEM_WIDEST = 128


class Kernels:
    """One loaded library.

    Args:
        path: of the compiled library.

    Raises:
        BuildError: it cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise BuildError(f"the compiled library cannot be loaded ({error})") from error
        self._library.mesmer_packed_bytes.restype = ctypes.c_int64
        self.lanes = int(self._library.mesmer_lanes())
        self.has_bfloat16 = bool(self._library.mesmer_has_bfloat16())

    def takes(self, dtype: torch.dtype) -> bool:
        """Whether inference is offered in this type."""
        return dtype == torch.float32 or (dtype == torch.bfloat16 and self.has_bfloat16)

    def pack(self, weight: Tensor, *, backward: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a float32 weight in the order :meth:`convolve` reads it; ``backward`` swaps channels and mirrors taps."""
        weight = _plain(weight, torch.float32)
        c_out, c_in = weight.shape[:2]
        narrow = int(dtype == torch.bfloat16)
        size = self._library.mesmer_packed_bytes(c_out, c_in, int(backward), narrow)
        packed = torch.empty(size // 4, dtype=torch.float32)
        self._library.mesmer_pack(_at(weight), _at(packed), c_out, c_in, int(backward), narrow, _threads())
        return packed

    def convolve(
        self,
        rows: Tensor,
        neighbours: Tensor,
        packed: Tensor,
        *,
        out_channels: int,
        bias: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """Return rows (N, out_channels) of a submanifold convolution; float32, or bfloat16 added up in float32."""
        rows, neighbours = _plain(rows, rows.dtype), _plain(neighbours, torch.int32)
        narrow = int(rows.dtype == torch.bfloat16)
        size = self._library.mesmer_packed_bytes(out_channels, rows.shape[1], 0, narrow)
        _agree(self.takes(rows.dtype), neighbours.shape == (rows.shape[0], 9), packed.numel() * 4 == size)
        _agree(bias is None or bias.shape == (out_channels,))
        out = rows.new_empty(rows.shape[0], out_channels)
        self._library.mesmer_convolve(
            _at(rows),
            _at(neighbours),
            _at(packed),
            _at(None if bias is None else _plain(bias, torch.float32)),
            _at(out),
            ctypes.c_int64(rows.shape[0]),
            rows.shape[1],
            out_channels,
            int(relu),
            narrow,
            _threads(),
        )
        return out

    def weight_gradient(self, rows: Tensor, neighbours: Tensor, gradient: Tensor) -> Tensor:
        """Return (C_out, C_in, 3, 3) from rows (N, C_in) and the gradient (N, C_out) of the convolution's result."""
        rows, gradient = _plain(rows, torch.float32), _plain(gradient, torch.float32)
        neighbours = _plain(neighbours, torch.int32)
        _agree(neighbours.shape == (rows.shape[0], 9), len(gradient) == len(rows))
        out = rows.new_empty(gradient.shape[1], rows.shape[1], 3, 3)
        self._library.mesmer_weight_gradient(
            _at(rows),
            _at(neighbours),
            _at(gradient),
            _at(out),
            ctypes.c_int64(rows.shape[0]),
            rows.shape[1],
            gradient.shape[1],
            _threads(),
        )
        return out

    def attend(self, rows: Tensor, map_of_row: Tensor, weight: Tensor, asked: Tensor, unit: Tensor) -> Tensor:
        """Return logits (N,): ``unit . tanh(weight m + asked)`` of rows m (N, C); ``asked`` (maps, K) of their map."""
        rows, weight = _plain(rows, torch.float32), _plain(weight, torch.float32)
        asked, map_of_row = _plain(asked, torch.float32), _plain(map_of_row, torch.int64)
        unit = _plain(unit, torch.float32)
        count, width = rows.shape[0], weight.shape[0]
        _agree(
            map_of_row.shape == (count,), weight.shape[1] == rows.shape[1], asked.shape[1] == width, unit.numel() == width
        )
        _agree(count == 0 or (int(map_of_row.min()) >= 0 and int(map_of_row.max()) < asked.shape[0]))
        out = rows.new_empty(count)
        self._library.mesmer_attend(
            _at(rows),
            _at(map_of_row),
            _at(weight),
            _at(asked),
            _at(unit),
            _at(out),
            ctypes.c_int64(count),
            rows.shape[1],
            width,
            _threads(),
        )
        return out

    def stem(self, images: Tensor, weights: StemWeights) -> Tensor:
        """Return (n, width, H // 2, W // 2) in channels-last memory from images (n, C, H, W)."""
        images = _plain(images, torch.float32)
        count, channels, height, width = images.shape
        _agree(channels == weights.channels, height > 1, width > 1)
        out = images.new_empty(count, height // 2, width // 2, weights.width)
        failed = self._library.mesmer_stem(
            _at(images),
            _at(weights.first),
            _at(weights.rest),
            _at(weights.bias),
            _at(out),
            ctypes.c_int64(count),
            channels,
            height,
            width,
            weights.rest.shape[0],
            weights.bias.shape[1],
            weights.width,
            _threads(),
        )
        _agree(not failed)
        return out.permute(0, 3, 1, 2)

    def pack_stem(self, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> StemWeights | None:
        """Return the stem's weights as :meth:`stem` reads them: (width, C, 5, 5), then (width, width, 3, 3) each.

        None where the kernel does not take this stem: it knows 1 or 3 input channels and at most 128 wide layers.
        """
        width, channels = weights[0].shape[:2]
        panel = 2 * self.lanes
        wide = -(-width // panel) * panel
        same = all(weight.shape == (width, width, 3, 3) for weight in weights[1:])
        if channels not in (1, 3) or wide > _STEM_WIDEST or not same or weights[0].shape[2:] != (5, 5):
            return None
        first = torch.zeros(wide, 25 * channels)
        first[:width] = weights[0].detach().permute(0, 2, 3, 1).reshape(width, -1)
        rest = torch.zeros(len(weights) - 1, 16, wide, wide)
        for layer, weight in enumerate(weights[1:]):
            rest[layer, :, :width, :width] = _winograd_weight(weight)
        bias = torch.zeros(len(weights), wide)
        bias[:, :width] = torch.stack([part.detach() for part in biases])
        return StemWeights(
            first=first.view(-1, panel, 25 * channels).transpose(1, 2).contiguous(),
            rest=rest.view(-1, 16, wide // panel, panel, wide).transpose(3, 4).contiguous(),
            bias=bias,
            channels=channels,
            width=width,
        )


@dataclass(frozen=True, kw_only=True)
class StemWeights:
    """Packed weights of the dense stem; made by :meth:`Kernels.pack_stem`."""

    first: Tensor
    rest: Tensor
    bias: Tensor
    channels: int
    width: int


def _winograd_weight(weight: Tensor) -> Tensor:
    """Return (16, C_out, C_in): G w G^T of F(2x2, 3x3), computed in float64 so that its rounding adds nothing."""
    matrix = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=torch.float64)
    points = torch.einsum("ij,ocjk,lk->iloc", matrix, weight.detach().double(), matrix)
    return points.reshape(16, *weight.shape[:2]).float()


@functools.lru_cache(maxsize=1)
def native_kernels() -> Kernels | None:
    """Return the kernels, built on first use; None where they cannot be had (one log line says why).

    ``MESMER_NATIVE=0`` in the environment leaves them out.
    """
    if os.environ.get("MESMER_NATIVE", "1") == "0":
        logger.info("compiled kernels are switched off (MESMER_NATIVE=0); the torch path computes the same")
        return None
    try:
        kernels = Kernels(build_library())
        with torch.autocast("cpu", enabled=False):  # the first use may be within autocast
            _check(kernels)
    except BuildError as error:
        logger.warning("no compiled kernels: %s; the torch path computes the same, slower", error)
        return None
    return kernels


def _check(kernels: Kernels) -> None:
    """Compute one small convolution and compare: a library that is wrong here must not be used.

    Raises:
        BuildError: the result is wrong.
    """
    rows = torch.arange(6.0).view(2, 3)
    weight = torch.arange(54.0).view(2, 3, 3, 3) / 54
    neighbours = torch.full((2, 9), 2, dtype=torch.int32)
    neighbours[:, 4] = torch.arange(2)
    neighbours[0, 5], neighbours[1, 3] = 1, 0
    expected = rows @ weight[:, :, 1, 1].t() + rows.flip(0) @ torch.zeros(3, 2)
    expected[0] += rows[1] @ weight[:, :, 1, 2].t()
    expected[1] += rows[0] @ weight[:, :, 1, 0].t()
    found = kernels.convolve(rows, neighbours, kernels.pack(weight), out_channels=2)
    if not torch.allclose(found, expected, atol=1e-4):
        raise BuildError("the compiled library computes wrong values")


def _plain(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Check the border to C, where a wrong type or device would read foreign memory; make contiguous."""
    if tensor.device.type != "cpu" or tensor.dtype != dtype:
        raise TypeError(f"expected a {dtype} tensor on the CPU, got {tensor.dtype} on {tensor.device}")
    return tensor.detach().contiguous()


def _agree(*conditions: bool) -> None:
    """The shapes that cross the border to C must agree: beyond it nobody checks."""
    if not all(conditions):
        raise ValueError("the shapes of the tensors do not agree")


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _threads() -> int:
    return torch.get_num_threads()
