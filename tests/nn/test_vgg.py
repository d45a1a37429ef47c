from __future__ import annotations

import pytest
import torch
from torch import nn

from mesmer.config import SparseSettings
from mesmer.errors import ConfigError, ModelError
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.vgg import FACE_CENTRE, FACE_SCALE, MAPS_AT_ONCE, ConvolutionBranch, DenseTrunk

FACES = {"in_channels": 3, "height": 48, "width": 48}
CHUNKS = {"in_channels": 1, "height": 128, "width": 32}


def branch(
    shape: dict[str, int], *, stem_width: int = 8, trunk: nn.Module | None = None, **changes: float
) -> ConvolutionBranch:
    torch.manual_seed(0)
    sizes = {"feature_width": 20, "dim": 12, **changes}
    made = ConvolutionBranch(
        **shape,
        stem_width=stem_width,
        trunk=trunk or DenseTrunk(width=stem_width),
        dropout=0.0,
        **sizes,  # type: ignore[arg-type]
    )
    return made.eval()


@pytest.mark.parametrize(("shape", "millions"), [(FACES, 483.0), (CHUNKS, 845.5)])
def test_published_sizes_cost_what_was_published(shape: dict[str, int], millions: float) -> None:
    dense = branch(shape, stem_width=64, feature_width=1024, dim=64)
    maps = torch.zeros(1, *dense.in_shape)
    with torch.no_grad():
        out = dense(maps)
    assert out.multiply_adds.tolist() == out.dense_multiply_adds.tolist()
    assert int(out.multiply_adds) / 1e6 == pytest.approx(millions, rel=1e-3)
    assert int(out.multiply_adds) == executed_multiply_adds(dense, maps)


@pytest.mark.parametrize("shape", [FACES, CHUNKS])
def test_sparse_trunk_costs_the_same_if_nothing_were_skipped(shape: dict[str, int]) -> None:
    sparse = branch(shape, trunk=SparseTrunk(width=8, query_width=5, settings=SparseSettings(top_p=0.4)))
    with torch.no_grad():
        out = sparse(torch.rand(3, *sparse.in_shape), torch.randn(3, 5))
        dense = branch(shape)(torch.rand(3, *sparse.in_shape))
    assert torch.equal(out.dense_multiply_adds, dense.dense_multiply_adds)
    assert (out.multiply_adds < out.dense_multiply_adds).all()
    assert (out.multiply_adds > sparse.dense_part_multiply_adds).all()


def executed_multiply_adds(module: nn.Module, maps: torch.Tensor) -> int:
    """Oracle: what every layer really did, from the shape of what it gave."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        counted.append(out.numel() * layer.weight[0].numel())

    handles = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        module(maps)
    for handle in handles:
        handle.remove()
    return sum(counted)


def test_layers_are_those_of_the_published_branch() -> None:
    made = branch(FACES, stem_width=64, feature_width=1024, dim=64)
    convolutions = [m for m in made.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64, 64, 64, 64, 64, 128, 128, 256, 256, 512, 512]
    assert [m.kernel_size[0] for m in convolutions] == [5] + [3] * 10
    assert [m.in_features for m in made.modules() if isinstance(m, nn.Linear)] == [512 * 3 * 3, 1024]


@pytest.mark.parametrize("shape", [FACES, CHUNKS])
@pytest.mark.parametrize("sparse", [False, True])
def test_groups_change_nothing(shape: dict[str, int], sparse: bool) -> None:
    trunk = SparseTrunk(width=8, query_width=5, settings=SparseSettings()) if sparse else None
    made = branch(shape, trunk=trunk)
    number = 2 * MAPS_AT_ONCE + 3
    maps, query = torch.rand(number, *made.in_shape), torch.randn(number, 5)
    with torch.no_grad():
        out = made(maps, query, traces=True)
        one_by_one = [made(maps[k : k + 1], query[k : k + 1], traces=True) for k in (0, MAPS_AT_ONCE, number - 1)]
    assert out.features.shape == (number, 12)
    assert len(out.traces) == (3 if sparse else 0)
    for k, single in zip((0, MAPS_AT_ONCE, number - 1), one_by_one, strict=True):
        assert torch.allclose(out.features[k], single.features[0], atol=1e-6)
        assert out.multiply_adds[k] == single.multiply_adds[0]
        for whole, part in zip(out.traces, single.traces, strict=True):
            assert torch.equal(whole.kept[k], part.kept[0])


def test_bytes_are_brought_to_one() -> None:
    scaled = branch(FACES, centre=FACE_CENTRE, scale=FACE_SCALE)
    plain = branch(FACES)
    faces = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(
            scaled(faces).features, plain(faces.double().sub(127.5).div(127.5).float()).features, atol=1e-6
        )


@pytest.mark.parametrize("sides", [(47, 48), (128, 24), (8, 48), (0, 16)])
def test_maps_that_cannot_be_halved_are_refused(sides: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="multiples of 16"):
        branch({"in_channels": 1, "height": sides[0], "width": sides[1]})


def test_sparse_trunk_needs_a_query() -> None:
    sparse = branch(FACES, trunk=SparseTrunk(width=8, query_width=5, settings=SparseSettings()))
    with pytest.raises(ModelError, match="query"):
        sparse(torch.rand(1, 3, 48, 48))


def test_top_p_reaches_every_block() -> None:
    trunk = SparseTrunk(width=4, query_width=5, settings=SparseSettings(top_p=0.6))
    assert trunk.top_p == 0.6
    trunk.top_p = 0.25
    assert [block.top_p for block in trunk.blocks] == [0.25] * 3
