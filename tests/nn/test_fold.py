"""Folding for inference: the function computed stays the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from mesmer.config import SparseSettings
from mesmer.errors import ConfigError
from mesmer.nn.fold import fold_for_inference
from mesmer.nn.folded_stem import FoldedStem, phase_weight
from mesmer.nn.native import native_kernels
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.submanifold import SubmanifoldLayer
from mesmer.nn.vgg import ConvolutionBranch, ConvolutionStem, DenseTrunk

QUERY = 6
BACKENDS = ["masked", "torch", "auto", *(["native"] if native_kernels() else [])]


def branch(kind: str, channels: int = 3, **changes: Any) -> ConvolutionBranch:
    """A small branch whose batch norms hold statistics of something."""
    torch.manual_seed(0)
    trunk: nn.Module = DenseTrunk(width=8)
    if kind != "dense":
        settings = SparseSettings(**{"backend": kind, "top_p": 0.6, **changes})
        trunk = SparseTrunk(width=8, query_width=QUERY, settings=settings)
    whole = ConvolutionBranch(
        in_channels=channels, height=48, width=32, stem_width=8, trunk=trunk, feature_width=16, dim=8, dropout=0.1
    )
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
    return whole.eval()


def inputs(channels: int = 3, maps: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(maps, channels, 48, 32), torch.randn(maps, QUERY)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["dense", *BACKENDS])
def test_folded_branch_computes_the_same(kind: str, channels: int, native: bool) -> None:
    plain = branch(kind, channels)
    maps, query = inputs(channels)
    with torch.no_grad():
        expected = plain(maps, query, traces=True)
        found = fold_for_inference(plain, native=native)(maps, query, traces=True)
    assert (found.features - expected.features).abs().max() < 1e-5
    assert torch.equal(found.multiply_adds, expected.multiply_adds)
    assert torch.equal(found.dense_multiply_adds, expected.dense_multiply_adds)
    for mine, theirs in zip(found.traces, expected.traces, strict=True):
        assert torch.equal(mine.kept, theirs.kept)
        # Standardising a few logits that are nearly equal magnifies their rounding.
        assert (mine.attention - theirs.attention).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["dense", *BACKENDS])
def test_bfloat16_stays_near(kind: str) -> None:
    plain = branch(kind, top_p=1.0) if kind != "dense" else branch(kind)  # all sites: rounding cannot choose others
    maps, query = inputs()
    with torch.no_grad():
        expected = plain(maps, query).features
        folded = fold_for_inference(plain, dtype=torch.bfloat16)
        found = folded(maps, query).features
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()
    assert (found - expected).abs().max() > 0


def test_the_model_itself_stays_as_it_was() -> None:
    plain = branch("auto").train()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    folded = fold_for_inference(plain)
    assert plain.training
    assert not folded.training
    assert any(isinstance(module, SubmanifoldLayer) for module in plain.modules())
    assert not any(isinstance(module, (SubmanifoldLayer, nn.BatchNorm2d)) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_folded_model_that_has_run_can_be_copied(kind: str) -> None:
    folded = fold_for_inference(branch(kind))
    maps, query = inputs()
    with torch.no_grad():
        expected = folded(maps, query).features
        assert torch.equal(copy.deepcopy(folded)(maps, query).features, expected)


def test_p_stays_a_dial() -> None:
    folded = fold_for_inference(branch("auto"))
    maps, query = inputs()
    costs = []
    with torch.no_grad():
        for top_p in (0.2, 0.9):
            folded.trunk.top_p = top_p
            costs.append(int(folded(maps, query).multiply_adds.sum()))
    assert costs[0] < costs[1]


@pytest.mark.parametrize("kind", ["auto", "torch"])
def test_a_map_does_not_depend_on_its_batch(kind: str) -> None:
    folded = fold_for_inference(branch(kind))
    maps, query = inputs(maps=9)
    with torch.no_grad():
        together = folded(maps, query)
        for m in range(9):
            alone = folded(maps[m : m + 1], query[m : m + 1])
            assert (alone.features - together.features[m]).abs().max() < 1e-5
            assert torch.equal(alone.multiply_adds, together.multiply_adds[m : m + 1])


def test_other_types_are_refused() -> None:
    with pytest.raises(ConfigError, match="dtype"):
        fold_for_inference(branch("dense"), dtype=torch.float16)


def test_five_by_five_as_three_by_three_between_blocks_of_pixels() -> None:
    weight = torch.randn(3, 2, 5, 5, dtype=torch.float64)
    x = torch.randn(1, 2, 8, 6, dtype=torch.float64)
    expected = nn.functional.conv2d(x, weight, padding=2)
    blocks = x.view(1, 2, 4, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).reshape(1, 8, 4, 3)
    found = nn.functional.conv2d(blocks, phase_weight(weight), padding=1)
    phases = found.view(1, 2, 2, 3, 4, 3).permute(0, 3, 4, 1, 5, 2).reshape(1, 3, 8, 6)
    assert (found.numel(), (phases - expected).abs().max() < 1e-12) == (expected.numel(), True)


def test_torch_stem_takes_odd_sizes_and_many_maps() -> None:
    stem = ConvolutionStem(in_channels=1, width=8).eval()
    folded = FoldedStem(stem, dtype=torch.float32, native=False)
    for shape in ((70, 1, 12, 8), (2, 1, 11, 9)):
        maps = torch.randn(shape)
        with torch.no_grad():
            assert (folded(maps) - stem(maps)).abs().max() < 1e-5
