"""The dense stem for inference, batch norm folded in (see :mod:`mesmer.nn.fold`).

Shape letters: n maps, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mesmer.nn.convolution_paths import kernels_for
from mesmer.nn.fused_convolution import convolution_relu
from mesmer.nn.native import StemWeights
from mesmer.nn.vgg import ConvolutionStem

MAPS_AT_ONCE = 32
"""The torch path works through its maps in groups of this size: what passes between its layers stays in the cache."""


class FoldedStem(nn.Module):
    """Float32 maps (n, C, H, W) -> float32 (n, width, H // 2, W // 2) in channels-last memory.

    The compiled kernel keeps an image in the cache from the first layer to the last, and computes the 3x3 layers by
    Winograd's minimal filtering: the same sums from 16 products where the direct way takes 36. It works in float32. The
    torch path convolves in ``dtype``, channels-last. Both pool before bias and ReLU, which gives the same values sooner.

    Args:
        stem: in evaluation mode.
        dtype: of the torch path.
        native: use the compiled kernel where there is one and it takes this stem.
    """

    phases: Tensor

    def __init__(self, stem: ConvolutionStem, *, dtype: torch.dtype, native: bool) -> None:
        super().__init__()
        self.native, self.dtype = native, dtype
        layers = [stem.first, *stem.rest]
        exact = [fused(layer, torch.float32) for layer in layers]
        self._weights = [layer.weight.detach() for layer in exact]
        self._biases = [bias_of(layer) for layer in exact]
        self._packed: StemWeights | None = None
        self.layers: Sequence[nn.Conv2d] = nn.ModuleList(fused(layer, dtype) for layer in layers)  # type: ignore[assignment]
        # oneDNN is slow where a convolution has a single input channel: it is given four, the pixels of each 2x2.
        self.single_channel = self._weights[0].shape[1] == 1
        if self.single_channel:
            phases = phase_weight(self._weights[0]).to(dtype=dtype, memory_format=torch.channels_last)
            self.register_buffer("phases", phases)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, width, H // 2, W // 2)."""
        kernels = kernels_for("native", maps) if self.native else None
        if kernels is not None:
            if self._packed is None:
                self._packed = kernels.pack_stem(self._weights, self._biases)
            if self._packed is not None:
                return kernels.stem(maps, self._packed)
        groups = [self._in_torch(group) for group in maps.split(MAPS_AT_ONCE)]
        return groups[0] if len(groups) == 1 else torch.cat(groups)

    def _in_torch(self, maps: Tensor) -> Tensor:
        maps = maps.to(self.dtype)
        first, *rest = self.layers
        if self.single_channel and maps.shape[2] % 2 == 0 and maps.shape[3] % 2 == 0:
            maps = _pooled_phases(maps, self.phases, bias_of(first))
        else:
            maps = F.max_pool2d(first(maps.contiguous(memory_format=torch.channels_last)), 2).relu_()
        for layer in rest:
            maps = convolution_relu(maps, layer.weight, bias_of(layer))
        return maps.float()


def fused(layer: nn.Module, dtype: torch.dtype) -> nn.Conv2d:
    """Return one convolution, with bias, in the place of (convolution, batch norm, ...) in evaluation mode."""
    convolution, norm = list(layer.children())[:2]
    assert isinstance(convolution, nn.Conv2d), "a layer starts with its convolution"
    assert isinstance(norm, nn.BatchNorm2d), "and goes on with its batch norm"
    joined = fuse_conv_bn_eval(convolution, norm)
    return joined.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def phase_weight(weight: Tensor) -> Tensor:
    """Return a 5x5 convolution (C_out, C_in, 5, 5) as a 3x3 one between blocks of 2x2 pixels, (4 C_out, 4 C_in, 3, 3).

    Output channel (a, b, o) is pixel (a, b) of each 2x2 of outputs, input channel (i, j, c) pixel (i, j) of each 2x2 of
    inputs. Pixel i of the block at distance d lies 2 d + i - a from the output pixel a, where the 5x5 kernel has tap
    2 d + i - a + 2; where it has none the weight is 0.
    """
    c_out, c_in = weight.shape[:2]
    out = weight.new_zeros(2, 2, c_out, 2, 2, c_in, 3, 3)
    steps = [(a, i, d, 2 * (d - 1) + i - a + 2) for a in (0, 1) for i in (0, 1) for d in (0, 1, 2)]
    steps = [step for step in steps if 0 <= step[3] < 5]
    for a, i, dy, y in steps:
        for b, j, dx, x in steps:
            out[a, b, :, i, j, :, dy, dx] = weight[:, :, y, x]
    return out.view(4 * c_out, 4 * c_in, 3, 3)


def _pooled_phases(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """5x5 convolution, 2x2 max-pool, bias and ReLU of (n, C, H, W), H and W even: the pool is over the four phases."""
    count, channels, height, width = maps.shape
    tall, wide = height // 2, width // 2
    pixels = maps.reshape(count, channels, tall, 2, wide, 2).permute(0, 2, 4, 3, 5, 1)
    blocks = pixels.reshape(count, tall, wide, 4 * channels).permute(0, 3, 1, 2)
    phases = F.conv2d(blocks, weight, padding=1).permute(0, 2, 3, 1).reshape(count, tall, wide, 4, len(bias))
    return phases.amax(3).add_(bias).relu_().permute(0, 3, 1, 2)


def bias_of(layer: nn.Module) -> Tensor:
    """Return the bias of a fused convolution."""
    assert isinstance(layer.bias, Tensor), "a fused convolution has a bias"
    return layer.bias.detach()
