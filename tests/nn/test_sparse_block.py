"""The cross-modal sparse block against a masked dense network: values, gradient, cost, independence of the batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mesmer.config import SparseSettings
from mesmer.errors import ConfigError, ModelError
from mesmer.nn.active_sites import ActiveSites, SparseMaps
from mesmer.nn.native import native_kernels
from mesmer.nn.sparse_block import CrossModalSparseBlock

BACKENDS = ["masked", "torch", "auto", *(["native"] if native_kernels() else [])]
QUERY = 6


def build(c_in: int = 4, c_out: int = 6, **changes: Any) -> CrossModalSparseBlock:
    torch.manual_seed(0)
    settings = dataclasses.replace(SparseSettings(), **changes)
    return CrossModalSparseBlock(
        in_channels=c_in, out_channels=c_out, attention_width=5, query_width=QUERY, settings=settings
    )


def sparse_input(maps: int = 5, channels: int = 4, height: int = 7, width: int = 6, density: float = 0.6) -> SparseMaps:
    torch.manual_seed(2)
    kept = torch.rand(maps, height, width) < density
    kept[:, 1, 1] = True
    return SparseMaps(torch.randn(int(kept.sum()), channels).relu(), kept)


def network(block: CrossModalSparseBlock, x: Tensor, kept: Tensor, *, training: bool) -> Tensor:
    """Two masked dense convolutions with batch norm over the kept sites, and pooling; an independent writing of both."""
    mask = kept[:, None].to(x.dtype)
    x = x * mask
    for layer in (block.first, block.second):
        x = F.conv2d(x, layer.conv.weight, padding=1)
        if training:
            mean = (x * mask).sum((0, 2, 3)) / mask.sum()
            variance = ((x - mean[:, None, None]) ** 2 * mask).sum((0, 2, 3)) / mask.sum()
        else:
            mean, variance = layer.norm.running_mean, layer.norm.running_var
        x = (x - mean[:, None, None]) / (variance[:, None, None] + layer.norm.eps).sqrt()
        x = (x * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]).relu() * mask
    return F.max_pool2d(x, 2, ceil_mode=True)  # features are not negative, so zeros never win


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_block_equals_a_masked_dense_network(backend: str, training: bool, first: bool) -> None:
    block = build(backend=backend).train(training)
    maps = SparseMaps.from_dense(torch.randn(5, 4, 7, 6).relu()) if first else sparse_input()
    query = torch.randn(5, QUERY)
    out, trace, _, _ = block(maps, query)
    assert trace is not None
    assert not (trace.kept & ~maps.kept).any()
    expected = network(block, maps.to_dense(), trace.kept, training=training) if not training else None
    if training:
        fresh = build(backend=backend).train()
        expected = network(fresh, maps.to_dense(), trace.kept, training=True)
    assert (out.to_dense() - expected).abs().max() < 1e-5
    assert torch.equal(out.kept, F.max_pool2d(trace.kept[:, None].float(), 2, ceil_mode=True)[:, 0] > 0)
    with torch.no_grad():
        again = build(backend=backend).train(training)(maps, query, trace=False)
    assert (again[0].to_dense() - expected).abs().max() < 1e-5
    assert again[1] is None


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_straight_through_gradient_is_that_of_the_renormalised_attention(backend: str, detach: bool) -> None:
    maps, query = sparse_input(), torch.randn(5, QUERY)
    block = build(backend=backend, top_p=0.7, detach_features=detach)
    rows = maps.rows.clone().requires_grad_()
    out, trace, _, _ = block(SparseMaps(rows, maps.kept), query)
    factor = torch.randn_like(out.rows)
    (out.rows * factor).sum().backward()
    found = {name: parameter.grad.clone() for name, parameter in block.named_parameters()}

    # The same with every kept feature multiplied by w / w.detach(): the value 1, the gradient of the renormalised w.
    same = build(backend=backend, top_p=0.7)
    leaf = maps.rows.clone().requires_grad_()
    seen = leaf.detach() if detach else leaf
    attention = same.attention(SparseMaps(seen, maps.kept), query).view(maps.kept.shape)
    mass = (attention * trace.kept).sum((1, 2), keepdim=True)
    share = attention / mass * trace.kept.sum((1, 2), keepdim=True)
    factor_of_site = 1 + (share - share.detach())
    dense = SparseMaps(leaf, maps.kept).to_dense() * factor_of_site[:, None]
    expected = network(same, dense, trace.kept, training=True).permute(0, 2, 3, 1)[out.kept]
    assert (out.rows - expected).abs().max() < 1e-5
    (expected * factor).sum().backward()
    assert (rows.grad - leaf.grad).abs().max() < 1e-4
    for name, parameter in same.named_parameters():
        assert (found[name] - parameter.grad).abs().max() < 1e-4, name
        assert found[name].abs().max() > 0, name


def test_the_paper_as_written_gives_the_attention_no_gradient() -> None:
    block = build(attention_gradient="none")
    block(sparse_input(), torch.randn(5, QUERY))[0].rows.sum().backward()
    assert all(parameter.grad is None for parameter in block.attention.parameters())
    assert block.first.conv.weight.grad.abs().sum() > 0


def test_value_is_the_same_with_and_without_the_gradient() -> None:
    maps, query = sparse_input(), torch.randn(5, QUERY)
    values = [build(attention_gradient=kind).eval()(maps, query)[0].rows for kind in ("straight_through", "none")]
    assert torch.equal(*values)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_map_does_not_depend_on_its_batch(backend: str) -> None:
    block = build(8, 32, backend=backend, logit_scale=1.0).eval()
    x, query = torch.randn(12, 8, 10, 8).relu(), torch.randn(12, QUERY)
    with torch.no_grad():
        together, trace, cost, _ = block(SparseMaps.from_dense(x), query)
        order = torch.randperm(12)
        mixed, mixed_trace, mixed_cost, _ = block(SparseMaps.from_dense(x[order]), query[order])
        assert torch.equal(mixed_trace.kept, trace.kept[order])
        assert torch.equal(mixed_cost, cost[order])
        assert (mixed.to_dense() - together.to_dense()[order]).abs().max() < 1e-6
        for m in range(12):
            alone, _, alone_cost, _ = block(SparseMaps.from_dense(x[m : m + 1]), query[m : m + 1])
            assert (alone.to_dense() - together.to_dense()[m]).abs().max() < 1e-6
            assert torch.equal(alone_cost, cost[m : m + 1])


def executed_by_loops(block: CrossModalSparseBlock, maps: SparseMaps, kept: Tensor) -> list[int]:
    """An instrumented kernel: it walks over maps, sites, taps and channels and counts the products it would execute."""
    counts = []
    for before, after in zip(maps.kept.tolist(), kept.tolist(), strict=True):
        executed = 0
        for _ in range(QUERY):  # W_q q
            executed += block.attention.query.out_features
        for line in before:
            for active in line:
                if active:  # W_m m, then w_i
                    executed += block.attention.feature.in_features * block.attention.feature.out_features
                    executed += block.attention.feature.out_features
        height, width = len(after), len(after[0])
        for layer in (block.first, block.second):
            for y in range(height):
                for x in range(width):
                    for v in range(max(y - 1, 0), min(y + 2, height)):
                        for u in range(max(x - 1, 0), min(x + 2, width)):
                            if after[y][x] and after[v][u]:
                                executed += layer.in_channels * layer.out_channels
        counts.append(executed)
    return counts


def test_count_equals_an_instrumented_kernel_on_200_inputs() -> None:
    generator = torch.Generator().manual_seed(0)
    block = build().eval()
    for case in range(200):
        maps, height, width = (int(torch.randint(1, high, (), generator=generator)) for high in (4, 10, 10))
        kept = torch.rand(maps, height, width, generator=generator) < [0.0, 0.2, 0.5, 0.8, 1.0][case % 5]
        kept.flatten(1)[:, 0] = True
        rows = torch.randn(int(kept.sum()), 4, generator=generator)
        block.top_p = [0.1, 0.4, 0.7, 1.0][case % 4]
        query = torch.randn(maps, QUERY, generator=generator)
        _, trace, executed, dense = block(SparseMaps(rows, kept), query)
        assert executed.tolist() == executed_by_loops(block, SparseMaps(rows, kept), trace.kept)
        assert dense.tolist() == [9 * height * width * (4 * 6 + 6 * 6)] * maps
        assert executed.dtype == dense.dtype == torch.int64


def test_count_is_what_the_neighbour_table_holds() -> None:
    sites = ActiveSites(torch.rand(6, 9, 5) < 0.5)
    present = (sites.neighbours < sites.count).sum(1)
    assert sites.taps_per_map.tolist() == [int(present[sites.map_of_site == m].sum()) for m in range(6)]


def test_top_p_is_a_dial() -> None:
    block, maps, query = build().eval(), sparse_input(), torch.randn(5, QUERY)
    costs = []
    for top_p in (0.05, 0.3, 0.6, 0.9, 1.0):
        block.top_p = top_p
        costs.append(block(maps, query)[2].sum())
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    assert torch.equal(block(maps, query)[1].kept, maps.kept)
    with pytest.raises(ConfigError):
        block.top_p = 0.0


def test_attention_nobody_asks_for_is_neither_computed_nor_counted() -> None:
    block, maps, query = build(top_p=1.0).eval(), sparse_input(), torch.randn(5, QUERY)
    with torch.no_grad():
        asked, trace, cost, _ = block(maps, query)
        left, none, cheaper, _ = block(maps, query, trace=False)
    assert none is None
    assert torch.equal(asked.rows, left.rows)
    assert torch.equal(cost - cheaper, block.attention.multiply_adds(maps.kept.flatten(1).sum(1)))
    assert trace.attention.shape == maps.kept.shape


def test_dense_mask_keeps_everything() -> None:
    block, maps = build(mask="dense"), sparse_input()
    out, trace, cost, _ = block(maps, torch.randn(5, QUERY))
    assert trace is None
    expected = network(build(mask="dense"), maps.to_dense(), maps.kept, training=True)
    assert (out.to_dense() - expected).abs().max() < 1e-5
    assert (cost > 0).all()


def test_random_mask_keeps_as_many_elsewhere() -> None:
    maps, query = sparse_input(height=12, width=12), torch.randn(5, QUERY)
    chosen = build(logit_scale=1.0)(maps, query)[1].kept
    drawn = build(logit_scale=1.0, mask="random")(maps, query)[1].kept
    assert torch.equal(drawn.flatten(1).sum(1), chosen.flatten(1).sum(1))
    assert not (drawn & ~maps.kept).any()
    assert not torch.equal(drawn, chosen)


def test_one_site_and_no_maps() -> None:
    for backend in BACKENDS:
        block = build(backend=backend)
        out, _, _, _ = block(SparseMaps.from_dense(torch.rand(1, 4, 1, 1)), torch.randn(1, QUERY))
        assert out.rows.shape == (1, 6)
        empty, _, cost, _ = block.eval()(SparseMaps.from_dense(torch.zeros(0, 4, 6, 6)), torch.zeros(0, QUERY))
        assert empty.to_dense().shape == (0, 6, 3, 3)
        assert cost.shape == (0,)


def test_nan_features_are_refused() -> None:
    x = torch.rand(2, 4, 6, 6)
    x[1, 2, 3, 3] = float("nan")
    with pytest.raises(ModelError, match="NaN"):
        build()(SparseMaps.from_dense(x), torch.randn(2, QUERY))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_block_on_a_gpu_equals_the_cpu() -> None:
    maps, query = sparse_input(), torch.randn(5, QUERY)
    for backend in ("masked", "torch", "auto"):
        block = build(backend=backend)
        expected = block(maps, query)[0].to_dense()
        there = build(backend=backend).cuda()
        found = there(SparseMaps(maps.rows.cuda(), maps.kept.cuda()), query.cuda())[0].to_dense()
        assert (found.cpu() - expected).abs().max() < 1e-4
