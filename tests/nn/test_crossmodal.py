"""Crossmodal attention against one written out from eq. 1, and what a target may and may not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mesmer.evaluation.cost import count_multiply_adds
from mesmer.nn.crossmodal import CrossmodalLayer, CrossmodalTransformer
from mesmer.nn.transformer import Norm

DIM, HEADS = 6, 2


def written_out(layer: CrossmodalLayer, target: Tensor, source: Tensor) -> Tensor:
    """One layer on one pair of sequences (S, D) and (R, D), position by position and head by head."""
    pre = layer.pre_norm
    query = layer.query(layer.norm_target(target) if pre else target)
    key, value = layer.key_value(layer.norm_source(source)).chunk(2, dim=1)
    read = torch.zeros_like(target)
    width = DIM // HEADS
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        for s in range(len(target)):
            scores = torch.stack([query[s, part] @ key[r, part] / math.sqrt(width) for r in range(len(source))])
            read[s, part] = sum(weight * value[r, part] for r, weight in enumerate(scores.softmax(0)))
    mixed = target + functional.linear(read, layer.mix.weight, layer.mix.bias)
    if pre:
        return mixed + layer.feed_forward(layer.norm_feed_forward(mixed))
    mixed = layer.norm_target(mixed)
    return layer.norm_feed_forward(mixed + layer.feed_forward(mixed))


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_is_eq_1_written_out(norm: Norm) -> None:
    torch.manual_seed(0)
    layer = CrossmodalLayer(dim=DIM, heads=HEADS, dropout=0.2, norm=norm).eval()
    target, source = torch.randn(3, 4, DIM), torch.randn(3, 5, DIM)
    mask = torch.arange(5)[None] < torch.tensor([5, 2, 1])[:, None]
    answer = layer(target, source, mask)
    for b, length in enumerate((5, 2, 1)):
        assert torch.allclose(answer[b], written_out(layer, target[b], source[b, :length]), atol=1e-5)


@torch.no_grad()
def test_without_a_source_the_attention_adds_nothing() -> None:
    torch.manual_seed(1)
    layer = CrossmodalLayer(dim=DIM, heads=HEADS, dropout=0.0, norm="pre").eval()
    target = torch.randn(2, 3, DIM)
    mask = torch.tensor([[True, True], [False, False]])
    answer = layer(target, torch.randn(2, 2, DIM), mask)
    alone = target[1] + layer.feed_forward(layer.norm_feed_forward(target[1]))
    assert torch.allclose(answer[1], alone, atol=1e-6)
    assert torch.allclose(
        layer(target[1:], torch.zeros(1, 0, DIM), torch.zeros(1, 0, dtype=torch.bool))[0], alone, atol=1e-6
    )


@torch.no_grad()
def test_products_are_those_the_counter_sees() -> None:
    reader = CrossmodalTransformer(dim=DIM, heads=HEADS, layers=3, dropout=0.0, norm="pre").eval()
    for targets, sources in ((4, 5), (1, 1), (3, 0)):
        target, source, mask = torch.randn(1, targets, DIM), torch.randn(1, sources, DIM), torch.ones(1, sources) > 0
        seen = count_multiply_adds(reader, lambda t=target, s=source, m=mask: reader(t, s, m))
        assert int(reader.multiply_adds(torch.tensor([targets]), torch.tensor([sources]))) == seen
    assert int(reader.multiply_adds(torch.tensor([0]), torch.tensor([7]))) == 0
