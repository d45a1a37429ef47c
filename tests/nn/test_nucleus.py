"""Laws of the nucleus (eq. 3) against brute force, and of the random control."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import ConfigError, ModelError
from mesmer.nn.nucleus import nucleus, random_sites

GRAIN = 1024
"""Attention and p are multiples of 1 / 1024: every sum is exact, so brute force needs no tolerance."""


@st.composite
def attention_map(draw: st.DrawFn, most: int = 9) -> list[int]:
    """Whole numbers that add up to GRAIN, some of them zero, some equal."""
    cuts = draw(st.lists(st.integers(0, GRAIN), min_size=0, max_size=most - 1))
    edges = [0, *sorted(cuts), GRAIN]
    return [b - a for a, b in itertools.pairwise(edges)]


def kept_of(weights: list[int], top_p: float) -> list[bool]:
    return nucleus(torch.tensor([weights], dtype=torch.float64) / GRAIN, top_p)[0].tolist()


def smallest_sets(weights: list[int], need: int) -> int:
    """Size of the smallest set of positions whose weights reach ``need``, by trying all sets."""
    return next(
        size
        for size in range(1, len(weights) + 1)
        if any(sum(chosen) >= need for chosen in itertools.combinations(weights, size))
    )


@settings(max_examples=200, deadline=None)
@given(attention_map(), st.integers(1, GRAIN - 1))
def test_nucleus_is_the_smallest_set_that_reaches_p(weights: list[int], need: int) -> None:
    kept = kept_of(weights, need / GRAIN)
    chosen = [w for w, k in zip(weights, kept, strict=True) if k]
    left = [w for w, k in zip(weights, kept, strict=True) if not k]
    assert sum(chosen) >= need
    assert len(chosen) == smallest_sets(weights, need)
    assert not left or min(chosen) >= max(left)


@settings(max_examples=100, deadline=None)
@given(attention_map(30), st.integers(1, GRAIN), st.integers(1, GRAIN))
def test_nucleus_grows_with_p_and_keeps_at_least_one(weights: list[int], a: int, b: int) -> None:
    small, large = kept_of(weights, min(a, b) / GRAIN), kept_of(weights, max(a, b) / GRAIN)
    assert any(small)
    assert all(big or not little for little, big in zip(small, large, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=30, unique=True), st.floats(0.01, 0.99), st.randoms())
def test_nucleus_follows_a_permutation_of_the_positions(weights: list[int], top_p: float, random) -> None:  # type: ignore[no-untyped-def]
    attention = torch.tensor([weights], dtype=torch.float64) / sum(weights)
    order = list(range(len(weights)))
    random.shuffle(order)
    assert nucleus(attention[:, order], top_p)[0].tolist() == nucleus(attention, top_p)[0, order].tolist()


def test_p_of_one_keeps_every_active_position_even_without_mass() -> None:
    attention = torch.tensor([[0.7, 0.0, 0.3 - 1e-4, 0.0]])
    active = torch.tensor([[True, True, True, False]])
    assert nucleus(attention, 1.0, active=active).tolist() == active.tolist()
    assert nucleus(attention, 1.0).all()


def test_mass_that_rounding_keeps_below_p_takes_all() -> None:
    attention = torch.full((1, 7), 1 / 7 - 1e-6)
    assert nucleus(attention, 0.9999999).all()


def test_of_equal_positions_the_first_are_taken() -> None:
    attention = torch.full((1, 8), 1 / 8)
    assert nucleus(attention, 0.5)[0].tolist() == [True] * 4 + [False] * 4
    assert nucleus(attention, 1e-9)[0].tolist() == [True] + [False] * 7


def test_inactive_positions_are_never_kept() -> None:
    attention = torch.tensor([[0.5, 0.0, 0.5, 0.0]])
    active = torch.tensor([[True, False, True, False]])
    assert nucleus(attention, 0.9, active=active).tolist() == [[True, False, True, False]]


def test_maps_do_not_know_one_another() -> None:
    torch.manual_seed(0)
    attention = torch.randn(40, 50).softmax(1)
    together = nucleus(attention, 0.6)
    assert torch.equal(together, torch.cat([nucleus(attention[i : i + 1], 0.6) for i in range(40)]))


def test_no_maps_give_no_maps() -> None:
    assert nucleus(torch.zeros(0, 9), 0.5).shape == (0, 9)


def test_nan_is_refused() -> None:
    attention = torch.full((2, 3), 1 / 3)
    attention[1, 2] = float("nan")
    for top_p in (0.5, 1.0):
        with pytest.raises(ModelError, match="NaN"):
            nucleus(attention, top_p)


@pytest.mark.parametrize("top_p", [0.0, -0.1, 1.01, float("nan")])
def test_p_out_of_range_is_refused(top_p: float) -> None:
    with pytest.raises(ConfigError, match="top_p"):
        nucleus(torch.full((1, 4), 0.25), top_p)


def many_masks(maps: int = 400, sites: int = 36) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    active = torch.rand(maps, sites) < 0.7
    active[:, 0] = True
    attention = (torch.randn(maps, sites) * 0.5).masked_fill(~active, float("-inf")).softmax(1)
    return nucleus(attention, 0.5, active=active), active


def test_random_sites_are_as_many_and_active() -> None:
    kept, active = many_masks()
    drawn = random_sites(kept, active=active)
    assert torch.equal(drawn.sum(1), kept.sum(1))
    assert not (drawn & ~active).any()
    assert (drawn != kept).any(1).float().mean() > 0.8


def test_random_sites_of_a_map_do_not_depend_on_the_batch() -> None:
    kept, active = many_masks()
    order = torch.randperm(len(kept))
    drawn = random_sites(kept, active=active, seed=3)
    assert torch.equal(random_sites(kept[order], active=active[order], seed=3), drawn[order])
    assert torch.equal(random_sites(kept[7:8], active=active[7:8], seed=3), drawn[7:8])
    assert not torch.equal(random_sites(kept, active=active, seed=4), drawn)


def test_random_sites_prefer_no_position() -> None:
    kept, _ = many_masks(maps=4000)
    drawn = random_sites(kept).double()
    expected = kept.sum(1).double().mean() / kept.shape[1]
    spread = (expected * (1 - expected) / len(kept)).sqrt()
    assert ((drawn.mean(0) - expected).abs() < 5 * spread).all()
    # Neighbouring positions are drawn independently: their correlation is that of drawing without replacement.
    correlation = torch.corrcoef(drawn.t()).fill_diagonal_(0)
    assert correlation.abs().max() < 0.12
