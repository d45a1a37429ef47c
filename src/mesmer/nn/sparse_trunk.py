"""The sparse trunk: three cross-modal sparse blocks in the place of the three dense pairs (paper section 4.3, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesmer.config import SparseSettings
from mesmer.errors import ModelError
from mesmer.nn.active_sites import SparseMaps
from mesmer.nn.sparse_block import CrossModalSparseBlock
from mesmer.nn.vgg import PAIR_WIDENING, TrunkOutput
from mesmer.records import BlockTrace


class SparseTrunk(nn.Module):
    """Three cross-modal sparse blocks.

    The attention of each is as wide as its input: 64, 128 and 256 for a stem of 64, as in the published code.

    Args:
        width: channels of the maps that come in.
        query_width: width of the query, the text encoder's CLS state.
    """

    def __init__(self, *, width: int, query_width: int, settings: SparseSettings) -> None:
        super().__init__()
        channels = (width, *(factor * width for factor in PAIR_WIDENING))
        self.blocks: Sequence[CrossModalSparseBlock] = nn.ModuleList(  # type: ignore[assignment]
            CrossModalSparseBlock(
                in_channels=channels[k],
                out_channels=channels[k + 1],
                attention_width=channels[k],
                query_width=query_width,
                settings=settings,
                random_seed=k,
                tile=max(1, settings.attention_tile >> k),
                chooses=k < settings.choosing_blocks,
            )
            for k in range(len(PAIR_WIDENING))
        )

    @property
    def top_p(self) -> float:
        """The attention mass every block keeps (eq. 3); may be changed at any time."""
        return self.blocks[0].top_p

    @top_p.setter
    def top_p(self, value: float) -> None:
        for block in self.blocks:
            block.top_p = value

    def forward(self, maps: Tensor, query: Tensor | None, *, traces: bool = False) -> TrunkOutput:
        """Return (n, 8 width, H / 8, W / 8), zero at sites not active, from maps (n, width, H, W) and query (n, D)."""
        if query is None:
            raise ModelError("the sparse blocks need a query for each map")
        sparse = SparseMaps.from_dense(maps)
        executed = torch.zeros(len(maps), dtype=torch.int64, device=maps.device)
        dense = torch.zeros_like(executed)
        kept: list[BlockTrace] = []
        for block in self.blocks:
            sparse, trace, cost, dense_cost = block(sparse, query, trace=traces)
            executed, dense = executed + cost, dense + dense_cost
            if trace is not None:
                kept.append(trace)
        return TrunkOutput(maps=sparse.to_dense(), multiply_adds=executed, dense_multiply_adds=dense, traces=tuple(kept))
