from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mesmer.nn.packing import pad_steps, select_steps, step_owners, sum_steps
from mesmer.nn.sequence import SequenceEncoder
from mesmer.nn.transformer import TransformerLayer, sinusoidal_positions

COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


def encoder(**changes: object) -> SequenceEncoder:
    torch.manual_seed(0)
    parts = {"dim": 8, "heads": 2, "layers": 2, "dropout": 0.0, "positions": "sinusoidal", "norm": "pre", **changes}
    return SequenceEncoder(**parts).eval()  # type: ignore[arg-type]


@settings(deadline=None, max_examples=30)
@given(counts=COUNTS)
def test_packing_against_plain_loops(counts: list[int]) -> None:
    steps = torch.arange(float(sum(counts) * 2)).view(-1, 2) + 1
    counted = torch.tensor(counts)
    owners = [k for k, count in enumerate(counts) for _ in range(count)]
    assert step_owners(counted).tolist() == owners
    padded, mask = pad_steps(steps, counted)
    start = 0
    for k, count in enumerate(counts):
        assert torch.equal(padded[k, :count], steps[start : start + count])
        assert (padded[k, count:] == 0).all()
        assert mask[k].tolist() == [True] * count + [False] * (max(counts) - count)
        start += count
    keep = torch.tensor([k % 2 == 0 for k in range(len(counts))])
    kept, kept_counts = select_steps(steps, counted, keep)
    assert kept.tolist() == [steps[i].tolist() for i, owner in enumerate(owners) if owner % 2 == 0]
    assert kept_counts.tolist() == [count if k % 2 == 0 else 0 for k, count in enumerate(counts)]
    sums = [sum(int(steps[i, 0]) for i, owner in enumerate(owners) if owner == k) for k in range(len(counts))]
    assert sum_steps(steps[:, 0].long(), counted).tolist() == sums


@settings(deadline=None, max_examples=20)
@given(counts=COUNTS)
@pytest.mark.parametrize("positions", ["sinusoidal", "none"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_alone_as_together(positions: str, norm: str, counts: list[int]) -> None:
    made = encoder(positions=positions, norm=norm)
    steps = torch.randn(sum(counts), 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = made(steps, torch.tensor(counts))
        for k, part in enumerate(steps.split(counts)):
            assert torch.allclose(together[k], made(part, torch.tensor([counts[k]]))[0], atol=1e-5)
            assert bool((together[k] == 0).all()) == (counts[k] == 0)


def test_only_positions_know_the_order() -> None:
    steps = torch.randn(4, 8)
    count = torch.tensor([4])
    with torch.no_grad():
        assert not torch.allclose(encoder()(steps, count), encoder()(steps.flip(0), count), atol=1e-3)
        free = encoder(positions="none")
        assert torch.allclose(free(steps, count), free(steps.flip(0), count), atol=1e-6)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_layer_is_that_of_torch(norm: str) -> None:
    torch.manual_seed(0)
    ours = TransformerLayer(dim=12, heads=3, dropout=0.0, norm=norm)  # type: ignore[arg-type]
    theirs = nn.TransformerEncoderLayer(12, 3, 48, 0.0, batch_first=True, norm_first=norm == "pre")
    for parameter in ours.parameters():  # biases and norms too, so that a mix-up shows
        nn.init.normal_(parameter, std=0.5)
    pairs = {
        "self_attn.in_proj_weight": ours.query_key_value.weight,
        "self_attn.in_proj_bias": ours.query_key_value.bias,
        "self_attn.out_proj.weight": ours.mix.weight,
        "self_attn.out_proj.bias": ours.mix.bias,
        "linear1.weight": ours.feed_forward[0].weight,
        "linear1.bias": ours.feed_forward[0].bias,
        "linear2.weight": ours.feed_forward[3].weight,
        "linear2.bias": ours.feed_forward[3].bias,
        "norm1.weight": ours.norm_attention.weight,
        "norm1.bias": ours.norm_attention.bias,
        "norm2.weight": ours.norm_feed_forward.weight,
        "norm2.bias": ours.norm_feed_forward.bias,
    }
    theirs.load_state_dict(pairs)
    x = torch.randn(3, 5, 12)
    mask = torch.arange(5)[None] < torch.tensor([5, 1, 3])[:, None]
    expected = theirs.train()(x, src_key_padding_mask=~mask)  # the training path; dropout is 0
    assert torch.allclose(ours(x, mask)[mask], expected[mask], atol=1e-5)


def test_sinusoids() -> None:
    table = sinusoidal_positions(50, 6)
    for position, unit in ((0, 0), (7, 1), (49, 2)):
        rate = 10_000 ** (-unit / 3)
        assert table[position, unit].item() == pytest.approx(math.sin(position * rate), abs=1e-5)
        assert table[position, unit + 3].item() == pytest.approx(math.cos(position * rate), abs=1e-5)
    assert sinusoidal_positions(3, 5).shape == (3, 5)
