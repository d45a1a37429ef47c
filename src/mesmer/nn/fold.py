"""Folding for inference: batch norm goes into the weights, which are packed once; the function computed stays the same.

What is folded: the dense stem, dense convolution triples (convolution, batch norm, ReLU), and the layers of the sparse
blocks. Offered in float32 and in bfloat16 (products in bfloat16, sums in float32: about three significant digits).
Shape letters: n maps, C channels, H height, W width, N active sites.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mesmer.errors import ConfigError
from mesmer.nn.active_sites import ActiveSites
from mesmer.nn.convolution_paths import Path, TapMatrices, gathered_convolution, kernels_for, masked_convolution
from mesmer.nn.folded_stem import FoldedStem, bias_of, fused
from mesmer.nn.fused_convolution import convolution_relu
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.submanifold import SubmanifoldLayer
from mesmer.nn.vgg import ConvolutionStem, DenseTrunk, TrunkOutput


def fold_for_inference(model: nn.Module, *, dtype: torch.dtype = torch.float32, native: bool = True) -> nn.Module:
    """Return a copy of a model in evaluation mode that computes the same, faster. The copy cannot be trained.

    Args:
        model: any module; the stems, dense trunks and sparse blocks in it are folded, the rest is copied.
        dtype: of the convolutions, float32 or bfloat16; everything around them stays float32.
        native: compute stems in the compiled kernel where there is one (how the sparse blocks are computed is a setting of
            theirs, ``SparseSettings.backend``).

    Raises:
        ConfigError: another dtype.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        raise ConfigError(f"inference in {dtype} is not offered", field="dtype", remedy="use float32 or bfloat16")
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    return _folded(copied, dtype, native)


def _folded(module: nn.Module, dtype: torch.dtype, native: bool) -> nn.Module:
    if isinstance(module, SubmanifoldLayer):
        return FoldedSubmanifoldLayer(module, dtype=dtype)
    if isinstance(module, ConvolutionStem):
        return FoldedStem(module, dtype=dtype, native=native)
    for name, child in list(module.named_children()):
        setattr(module, name, _folded(child, dtype, native))
    if isinstance(module, DenseTrunk):
        module.pairs = nn.ModuleList(_fused_pair(pair, dtype) for pair in module.pairs)
        module.register_forward_pre_hook(lambda _, args: (args[0].to(dtype), *args[1:]))
    if isinstance(module, (DenseTrunk, SparseTrunk)):
        module.register_forward_hook(_float_maps)
    return module


def _fused_pair(pair: nn.Module, dtype: torch.dtype) -> nn.Sequential:
    return nn.Sequential(*(ConvolutionReLU(fused(layer, dtype)) for layer in pair.children()))


class ConvolutionReLU(nn.Module):
    """A fused convolution and its ReLU, for inference."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, C_out, H, W) from (n, C_in, H, W)."""
        return convolution_relu(maps, self.convolution.weight, bias_of(self.convolution))


def _float_maps(_module: nn.Module, _args: Any, out: TrunkOutput) -> TrunkOutput:
    return replace(out, maps=out.maps.float())


class FoldedSubmanifoldLayer(nn.Module):
    """A :class:`SubmanifoldLayer` for inference: one convolution with bias and ReLU. Rows come out in ``dtype``."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: SubmanifoldLayer, *, dtype: torch.dtype) -> None:
        super().__init__()
        exact = fused(nn.Sequential(layer.conv, layer.norm), torch.float32)
        self.in_channels, self.out_channels, self.dtype = layer.in_channels, layer.out_channels, dtype
        self.register_buffer("weight", exact.weight.detach().contiguous())
        self.register_buffer("bias", bias_of(exact))
        self._prepared: dict[tuple[Path, torch.device], Any] = {}

    def forward(self, rows: Tensor, sites: ActiveSites, path: Path = "masked") -> Tensor:
        """Return (N, C_out) from ``rows`` (N, C_in)."""
        rows = rows.to(self.dtype)
        kernels = kernels_for("native", rows) if path == "native" else None
        if kernels is not None:
            packed = self._ready("native", lambda: kernels.pack(self.weight, dtype=self.dtype))
            return kernels.convolve(
                rows, sites.neighbours, packed, out_channels=self.out_channels, bias=self.bias, relu=True
            )
        bias = self.bias.to(self.dtype)
        if path == "masked":
            return masked_convolution(rows, sites, self._dense_weight(), bias).relu_()
        matrices = self._ready("torch", lambda: self._matrices(rows.device))
        return gathered_convolution(rows, sites, matrices, bias=bias, relu=True)

    def dense(self, maps: Tensor) -> Tensor:
        """Return (n, C_out, H, W) from dense ``maps`` (n, C_in, H, W)."""
        maps = maps.to(self.dtype)
        return convolution_relu(maps, self._dense_weight(), self.bias.to(self.dtype))

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles leave out the prepared weights: some orders cannot be copied, and all are made again."""
        return {**self.__dict__, "_prepared": {}}

    def multiply_adds(self, taps_per_map: Tensor) -> Tensor:
        """int64 (maps,), multiply-adds executed for maps whose active sites see so many active taps."""
        return taps_per_map * (self.in_channels * self.out_channels)

    def _matrices(self, device: torch.device) -> TapMatrices:
        matrices = TapMatrices.of(self.weight.to(self.dtype))
        return matrices.packed() if device.type == "cpu" else matrices

    def _dense_weight(self) -> Any:
        return self._ready("masked", lambda: self.weight.to(self.dtype, memory_format=torch.channels_last))

    def _ready(self, path: Path, make: Callable[[], Any]) -> Any:
        """Return the weight as ``path`` wants it, made on first use."""
        key = (path, self.bias.device)
        if key not in self._prepared:
            self._prepared[key] = make()
        return self._prepared[key]
