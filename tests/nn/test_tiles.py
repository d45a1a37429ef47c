"""Attention over squares of sites, against sums written out site by site."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mesmer.config import SparseSettings
from mesmer.nn.active_sites import SparseMaps
from mesmer.nn.sparse_block import CrossModalSparseBlock
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.tiles import shared_among_sites, sites_of_tiles, tile_means


def random_maps(height: int, width: int, *, full: bool, seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    active = torch.rand(3, height, width, generator=draw) < (1.1 if full else 0.4)
    active[:, height - 1, 0] = True
    return torch.randn(3, height, width, generator=draw).double() * active, active


@settings(max_examples=60, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    tile=st.integers(1, 4),
    full=st.booleans(),
    seed=st.integers(0, 99),
)
def test_means_and_shares_are_those_of_the_active_sites(sides: tuple[int, int], tile: int, full: bool, seed: int) -> None:
    height, width = sides
    logits, active = random_maps(height, width, full=full, seed=seed)
    means, tiles = tile_means(logits, None if full else active, tile)
    attention = torch.rand(means.shape, generator=torch.Generator().manual_seed(seed)).double()
    attention *= torch.ones_like(attention) if tiles is None else tiles
    shared = shared_among_sites(attention, None if full else active, (3, height, width), tile)
    spread = sites_of_tiles(attention, height, width, tile)
    for n in range(3):
        for y in range(means.shape[1]):
            for x in range(means.shape[2]):
                square = (n, slice(y * tile, (y + 1) * tile), slice(x * tile, (x + 1) * tile))
                inside = logits[square][active[square]]
                assert (tiles is None) or bool(tiles[n, y, x]) == bool(len(inside))
                assert bool((spread[square] == attention[n, y, x]).all())
                if len(inside):
                    torch.testing.assert_close(means[n, y, x], inside.mean())
                    torch.testing.assert_close(shared[square].sum(), attention[n, y, x])
    assert not shared[~active].any()


def test_kept_sites_are_whole_tiles_that_nest_in_the_pooling() -> None:
    torch.manual_seed(0)
    trunk = SparseTrunk(
        width=8, query_width=6, settings=SparseSettings(top_p=0.5, attention_tile=4, choosing_blocks=3)
    ).eval()
    assert [block.tile for block in trunk.blocks] == [4, 2, 1]
    out = trunk(torch.randn(5, 8, 24, 24).relu(), torch.randn(5, 6), traces=True)
    for trace, tile in zip(out.traces, (4, 2, 1), strict=True):
        squares = trace.kept.unfold(1, tile, tile).unfold(2, tile, tile).float().mean((3, 4))
        assert set(squares.unique().tolist()) == {0.0, 1.0}
        torch.testing.assert_close(trace.attention.sum((1, 2)), torch.ones(5))
    first, second = (trace.kept.float().mean() for trace in out.traces[:2])
    assert second < first < 0.6


@pytest.mark.parametrize("full", [True, False])
def test_tiles_of_one_site_are_no_tiles(full: bool) -> None:
    """The road through tiles, taken with tiles of one site, chooses what the road without them chooses."""
    torch.manual_seed(1)
    block = CrossModalSparseBlock(
        in_channels=4, out_channels=4, attention_width=4, query_width=3, settings=SparseSettings(top_p=0.4)
    )
    _, kept = random_maps(6, 7, full=full, seed=2)
    maps, query = SparseMaps(torch.randn(int(kept.sum()), 4), kept), torch.randn(3, 3)
    attention, chosen = block._attend(maps, query)
    assert block.attention is not None
    again, chosen_again = block._attend_tiles(maps, block.attention.logits(maps, query))
    assert torch.equal(chosen, chosen_again)
    torch.testing.assert_close(attention, again)


@pytest.mark.parametrize("choosing", [1, 2])
def test_blocks_that_do_not_choose_keep_what_is_active(choosing: Literal[1, 2]) -> None:
    """With p at 1 nothing tells the two networks apart but their attention; below, the first blocks alone lose sites."""
    sparse = SparseSettings(top_p=0.5, choosing_blocks=choosing)
    torch.manual_seed(3)
    some = SparseTrunk(width=8, query_width=6, settings=sparse).eval()
    all_ = SparseTrunk(width=8, query_width=6, settings=replace(sparse, choosing_blocks=3)).eval()
    all_.load_state_dict(all_.state_dict() | some.state_dict())
    maps, query = torch.randn(5, 8, 24, 24).relu(), torch.randn(5, 6)
    less, more = some(maps, query, traces=True), all_(maps, query, traces=True)
    for k in range(choosing):
        assert torch.equal(less.traces[k].kept, more.traces[k].kept)
    for k in range(choosing, 3):
        before = less.traces[k - 1].kept.float()
        assert torch.equal(less.traces[k].kept, F.max_pool2d(before, 2).bool())
        torch.testing.assert_close(less.traces[k].attention.sum((1, 2)), torch.ones(5))
        assert torch.equal(less.traces[k].attention > 0, less.traces[k].kept)
        assert not [name for name, _ in some.blocks[k].named_parameters() if "attention" in name]
    some.top_p = all_.top_p = 1.0
    less, more = some(maps, query), all_(maps, query)
    torch.testing.assert_close(less.maps, more.maps)
    assert torch.equal(less.dense_multiply_adds, more.dense_multiply_adds)


def test_gradient_reaches_the_attention_through_tiles() -> None:
    torch.manual_seed(2)
    trunk = SparseTrunk(width=4, query_width=3, settings=SparseSettings(top_p=0.7, attention_tile=4, choosing_blocks=3))
    trunk(torch.randn(2, 4, 24, 24).relu(), torch.randn(2, 3)).maps.square().sum().backward()
    for block in trunk.blocks:
        assert block.attention is not None
        gradient = block.attention.feature.weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0
