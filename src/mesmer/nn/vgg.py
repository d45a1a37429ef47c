"""The convolution branch: every face, or every spectrogram chunk, becomes one feature vector (paper section 4.2).

One class serves both modalities; what differs is passed in. The stem is dense in every model; the trunk behind it is
three pairs of convolutions, dense (:class:`DenseTrunk`) or sparse (:class:`mesmer.nn.sparse_trunk.SparseTrunk`).
Sizes follow the published code, which the paper's text ("11-layer VGG") leaves open.

Shape letters: n maps (faces or chunks), C channels, H W height and width (mel bands and frames for sound), D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from mesmer.errors import ConfigError
from mesmer.nn.batch_norm import BatchNorm
from mesmer.records import BlockTrace

FACE_CENTRE = 127.5
FACE_SCALE = 127.5
"""Faces arrive as bytes 0..255 and are brought to [-1, 1]."""

POOLINGS = 4
"""Halvings of height and width from the input to the last map: one in the stem, one behind each pair."""

PAIR_WIDENING = (2, 4, 8)
"""Output channels of the three pairs, in units of the stem's width."""

MAPS_AT_ONCE = 64
"""Outside training a branch works through its maps in groups of this size: the maps of a group stay in the cache, and
memory does not grow with the length of the recording."""


@dataclass(frozen=True, kw_only=True)
class TrunkOutput:
    """What a trunk made of n maps, and what it cost.

    Attributes:
        maps: float32 (n, C, H / 8, W / 8).
        multiply_adds, dense_multiply_adds: int64 (n,), executed, and the same if nothing were skipped.
        traces: one for each sparse block, if asked for.
    """

    maps: Tensor
    multiply_adds: Tensor
    dense_multiply_adds: Tensor
    traces: tuple[BlockTrace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BranchOutput:
    """Features float32 (n, D) of n maps; the other fields are those of :class:`TrunkOutput`, stem and linear included."""

    features: Tensor
    multiply_adds: Tensor
    dense_multiply_adds: Tensor
    traces: tuple[BlockTrace, ...] = ()


class Trunk(Protocol):
    """The three pairs behind the stem: ``trunk(maps, query, traces=...)``."""

    def __call__(self, maps: Tensor, query: Tensor | None, *, traces: bool) -> TrunkOutput: ...


def convolution(in_channels: int, out_channels: int, *, kernel: int = 3) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU; the size of the map is kept.

    The convolution has no bias: the normalisation behind it has one.
    """
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, BatchNorm(out_channels), nn.ReLU(inplace=True))


def channels_last(module: nn.Module) -> None:
    """Lay the weights of dense convolutions out channels-last, and with them the maps they make: a fifth faster on a CPU,
    and the rows of sites lie ready for the sparse blocks. Values, names and shapes stay what they are.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def convolution_multiply_adds(module: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of all convolutions in ``module`` on a map of this size: every tap, the zero border's included."""
    return sum(
        height * width * layer.kernel_size[0] * layer.kernel_size[1] * layer.in_channels * layer.out_channels
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d)
    )


class ConvolutionStem(nn.Module):
    """5 x 5 convolution and max-pooling, then four 3 x 3 convolutions of the same width."""

    def __init__(self, *, in_channels: int, width: int) -> None:
        super().__init__()
        self.first = convolution(in_channels, width, kernel=5)
        self.pool = nn.MaxPool2d(2)
        self.rest = nn.Sequential(*(convolution(width, width) for _ in range(4)))
        channels_last(self)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, width, H / 2, W / 2) from (n, in_channels, H, W)."""
        return self.rest(self.pool(self.first(maps)))

    def multiply_adds(self, height: int, width: int) -> int:
        """Multiply-adds for one input map of this size."""
        return convolution_multiply_adds(self.first, height, width) + convolution_multiply_adds(
            self.rest, height // 2, width // 2
        )


class DenseTrunk(nn.Module):
    """Three pairs of 3 x 3 convolutions, each followed by max-pooling. ``query`` has no effect."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        channels = (width, *(factor * width for factor in PAIR_WIDENING))
        self.pairs = nn.ModuleList(
            nn.Sequential(convolution(channels[k], channels[k + 1]), convolution(channels[k + 1], channels[k + 1]))
            for k in range(len(PAIR_WIDENING))
        )
        self.pool = nn.MaxPool2d(2)
        channels_last(self)

    def forward(self, maps: Tensor, query: Tensor | None = None, *, traces: bool = False) -> TrunkOutput:
        """Return (n, 8 width, H / 8, W / 8) from (n, width, H, W)."""
        cost = self.multiply_adds(*maps.shape[-2:])
        for pair in self.pairs:
            maps = self.pool(pair(maps))
        costs = torch.full((len(maps),), cost, dtype=torch.int64, device=maps.device)
        return TrunkOutput(maps=maps, multiply_adds=costs, dense_multiply_adds=costs)

    def multiply_adds(self, height: int, width: int) -> int:
        """Multiply-adds for one map of this size."""
        return sum(convolution_multiply_adds(pair, height >> step, width >> step) for step, pair in enumerate(self.pairs))


class ConvolutionBranch(nn.Module):
    """Stem, trunk, and two linear layers: one feature vector for each map.

    Args:
        in_channels, height, width: of the input maps: 3, 48, 48 for faces; 1, 128, 32 for chunks.
        stem_width: channels of the stem.
        trunk: the three pairs; it turns (n, stem_width, H / 2, W / 2) into (n, 8 stem_width, H / 16, W / 16).
        feature_width, dim: of the two linear layers.
        centre, scale: inputs are brought to ``(x - centre) / scale``.

    Raises:
        ConfigError: height or width is not a multiple of 16.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        height: int,
        width: int,
        stem_width: int,
        trunk: nn.Module,
        feature_width: int,
        dim: int,
        dropout: float,
        centre: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        step = 2**POOLINGS
        if height % step or width % step or not height or not width:
            raise ConfigError(
                f"maps of {height} x {width} do not halve {POOLINGS} times", remedy=f"use multiples of {step}"
            )
        self.in_shape = (in_channels, height, width)
        self.centre, self.scale = centre, scale
        self.stem = ConvolutionStem(in_channels=in_channels, width=stem_width)
        self.trunk = trunk
        flat = PAIR_WIDENING[-1] * stem_width * (height // step) * (width // step)
        self.project = nn.Sequential(
            nn.Linear(flat, feature_width), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(feature_width, dim)
        )
        self.dense_part_multiply_adds = self.stem.multiply_adds(height, width) + flat * feature_width + feature_width * dim

    def forward(self, maps: Tensor, query: Tensor | None = None, *, traces: bool = False) -> BranchOutput:
        """Return features float32 (n, D) of maps (n, C, H, W), n > 0; ``query`` (n, width of the query) or None."""
        if self.training or len(maps) <= MAPS_AT_ONCE:
            return self._all_at_once(maps, query, traces=traces)
        queries = [None] * -(-len(maps) // MAPS_AT_ONCE) if query is None else query.split(MAPS_AT_ONCE)
        groups = zip(maps.split(MAPS_AT_ONCE), queries, strict=True)
        return _joined([self._all_at_once(group, part, traces=traces) for group, part in groups])

    def _all_at_once(self, maps: Tensor, query: Tensor | None, *, traces: bool) -> BranchOutput:
        x = (maps.to(next(self.project.parameters()).dtype) - self.centre) / self.scale
        out: TrunkOutput = self.trunk(self.stem(x), query, traces=traces)
        return BranchOutput(
            features=self.project(out.maps.flatten(1)),
            multiply_adds=out.multiply_adds + self.dense_part_multiply_adds,
            dense_multiply_adds=out.dense_multiply_adds + self.dense_part_multiply_adds,
            traces=out.traces,
        )


def _joined(parts: list[BranchOutput]) -> BranchOutput:
    traces = tuple(
        BlockTrace(
            attention=torch.cat([trace.attention for trace in block]), kept=torch.cat([trace.kept for trace in block])
        )
        for block in zip(*(part.traces for part in parts), strict=True)
    )
    return BranchOutput(
        features=torch.cat([part.features for part in parts]),
        multiply_adds=torch.cat([part.multiply_adds for part in parts]),
        dense_multiply_adds=torch.cat([part.dense_multiply_adds for part in parts]),
        traces=traces,
    )
