"""Attention (eqs. 1 and 2) against loops over maps and sites."""

from __future__ import annotations

import pytest
import torch

from mesmer.nn.active_sites import SparseMaps
from mesmer.nn.cross_modal_attention import CrossModalAttention
from mesmer.nn.native import native_kernels


def build(scale: float | None = None, *, channels: int = 5, width: int = 7, salient: bool = False) -> CrossModalAttention:
    torch.manual_seed(0)
    return CrossModalAttention(
        in_channels=channels, attention_width=width, query_width=3, logit_scale=scale, salient_start=salient
    )


def maps_of(density: float, *, channels: int = 5) -> SparseMaps:
    torch.manual_seed(1)
    kept = torch.rand(4, 6, 5) < density
    kept[:, 2, 2] = True
    return SparseMaps(torch.randn(int(kept.sum()), channels).relu(), kept)


def by_loops(attention: CrossModalAttention, maps: SparseMaps, query: torch.Tensor) -> torch.Tensor:
    """The text of the paper, one site at a time, in float64."""
    w_m, b_m = attention.feature.weight.double(), attention.feature.bias.double()
    w_q, w_i = attention.query.weight.double(), attention.unit.weight.double()[0]
    out = torch.zeros(maps.kept.shape, dtype=torch.float64)
    row = 0
    for m in range(len(out)):
        places = maps.kept[m].nonzero().tolist()
        logits = []
        for _ in places:
            logits.append(w_i @ torch.tanh(w_m @ maps.rows[row].double() + b_m + w_q @ query[m].double()))
            row += 1
        values = torch.stack(logits)
        if attention.logit_scale is not None:
            values = attention.logit_scale * (values - values.mean()) / (values.var(unbiased=False) + 1e-6).sqrt()
        for (y, x), value in zip(places, values.softmax(0), strict=True):
            out[m, y, x] = value
    return out


@pytest.mark.parametrize("scale", [None, 0.5, 2.0])
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_attention_equals_the_text_of_the_paper(scale: float | None, density: float) -> None:
    attention, maps, query = build(scale), maps_of(density), torch.randn(4, 3)
    expected = by_loops(attention, maps, query).flatten(1)
    with torch.no_grad():
        for kernels in {None, native_kernels()}:
            found = attention(maps, query, kernels=kernels)
            assert (found - expected).abs().max() < 2e-6
            assert not found[~maps.kept.flatten(1)].any()
    assert (attention(maps, query) - expected).abs().max() < 2e-6  # with gradient


@pytest.mark.skipif(native_kernels() is None, reason="no compiled kernels here")
def test_compiled_logits_do_not_depend_on_the_batch() -> None:
    attention, maps, query = build(channels=130, width=65), maps_of(0.6, channels=130), torch.randn(4, 3)
    with torch.no_grad():
        together = attention(maps, query, kernels=native_kernels())
        first = 0
        for m in range(4):
            count = int(maps.kept[m].sum())
            alone = SparseMaps(maps.rows[first : first + count], maps.kept[m : m + 1])
            asked = attention(alone, query[m : m + 1], kernels=native_kernels())
            assert (asked - together[m]).abs().max() < 1e-7  # the query's own product may round differently
            first += count


def test_gradients_reach_every_parameter_and_pass_gradcheck() -> None:
    attention = build(0.7).double()
    maps = maps_of(0.5)
    maps = SparseMaps(maps.rows.double().requires_grad_(), maps.kept)
    query = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, q: attention(SparseMaps(r, maps.kept), q), (maps.rows, query))
    (attention(maps, query) ** 2).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in attention.parameters())


def test_standardised_logits_do_not_depend_on_the_size_of_the_weights() -> None:
    attention, maps, query = build(0.5), maps_of(0.7), torch.randn(4, 3)
    before = attention(maps, query)
    with torch.no_grad():
        attention.unit.weight *= 50
    assert (attention(maps, query) - before).abs().max() < 1e-4
    attention.logit_scale = None
    assert (attention(maps, query) - before).abs().max() > 0.1


def test_a_map_of_equal_sites_attends_to_all_alike() -> None:
    kept = torch.ones(2, 3, 3, dtype=torch.bool)
    for scale in (None, 0.5):
        found = build(scale)(SparseMaps(torch.ones(18, 5), kept), torch.randn(2, 3))
        assert (found - 1 / 9).abs().max() < 1e-5


def test_salient_start_prefers_large_features_at_any_width() -> None:
    for channels in (16, 64, 256):
        attention = build(0.5, channels=channels, width=channels, salient=True)
        maps = SparseMaps.from_dense(torch.randn(6, channels, 12, 12).relu() * torch.rand(6, 1, 12, 12) * 3)
        found = attention(maps, torch.randn(6, 3))
        size = maps.rows.mean(1).view(6, -1)
        for m in range(6):
            assert torch.corrcoef(torch.stack([found[m], size[m]]))[0, 1] > 0.8
        plain = build(0.5, channels=channels, width=channels)(maps, torch.randn(6, 3))
        assert torch.corrcoef(torch.stack([plain.flatten(), size.flatten()]))[0, 1] < 0.8


def test_multiply_adds_are_the_products_of_the_three_matrices() -> None:
    assert build().multiply_adds(torch.tensor([1, 10])).tolist() == [1 * (5 * 7 + 7) + 3 * 7, 10 * (5 * 7 + 7) + 3 * 7]
