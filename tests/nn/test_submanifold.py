"""Submanifold convolution and pooling against a masked dense network written here, on every path."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites, SparseMaps
from mesmer.nn.convolution_paths import choose_path, convolve
from mesmer.nn.native import native_kernels
from mesmer.nn.submanifold import SubmanifoldLayer, max_pool

PATHS = ["masked", "torch", *(["native"] if native_kernels() else [])]
CASES = 500


def masked_dense_layer(x: Tensor, kept: Tensor, weight: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Convolution of masked dense maps (by shifting, not by a library), batch norm over the active sites, ReLU, mask."""
    mask = kept[:, None].to(x.dtype)
    padded = F.pad(x * mask, (1, 1, 1, 1))
    height, width = x.shape[2:]
    out = sum(
        torch.einsum("nchw,oc->nohw", padded[:, :, a : a + height, b : b + width], weight[:, :, a, b])
        for a in range(3)
        for b in range(3)
    )
    number = mask.sum()
    mean = (out * mask).sum((0, 2, 3)) / number
    variance = ((out - mean[:, None, None]) ** 2 * mask).sum((0, 2, 3)) / number
    normal = (out - mean[:, None, None]) / (variance + 1e-5).sqrt()[:, None, None]
    return (normal * gain[:, None, None] + shift[:, None, None]).clamp_min(0) * mask


def masked_dense_pool(x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Largest active feature of each 2x2 window and whether there is one; the last window of an odd side is cut off."""
    low = torch.where(kept[:, None], x, torch.full_like(x, -1e30))
    pooled = F.max_pool2d(F.pad(low, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-1e30), 2)
    some = F.max_pool2d(F.pad(kept[:, None].float(), (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2)[:, 0] > 0
    return torch.where(some[:, None], pooled, torch.zeros_like(pooled)), some


def random_case(seed: int) -> tuple[Tensor, Tensor, int]:
    """Features and active sites of a random shape and density, with the extremes among them."""
    generator = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    maps, height, width, c_in, c_out = whole(1, 4), whole(1, 9), whole(1, 9), whole(1, 40), whole(1, 40)
    density = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0][seed % 7]
    kept = torch.rand(maps, height, width, generator=generator) < density
    if seed % 7 == 0:  # one site in each map, or one in all
        kept.flatten(1)[:, whole(0, height * width - 1)] = True
        if seed % 2:
            kept[1:] = False
    kept[0, 0, 0] |= not kept.any()
    return torch.randn(maps, c_in, height, width, generator=generator), kept, c_out


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    scale = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    return found.shape == expected.shape and bool(((found - expected).abs() <= tolerance * scale).all())


def test_layer_and_pool_equal_a_masked_dense_network_on_500_random_shapes() -> None:
    seen = set()
    for seed in range(CASES):
        x, kept, c_out = random_case(seed)
        seen.add((int(kept.sum()) == 1, bool(kept.all()), x.shape[2] % 2 == 1))
        layer = SubmanifoldLayer(x.shape[1], c_out)
        torch.nn.init.normal_(layer.norm.weight, 1.0, 0.2, generator=torch.Generator().manual_seed(seed))
        torch.nn.init.normal_(layer.norm.bias, 0.0, 0.2, generator=torch.Generator().manual_seed(seed + 1))
        layer.train(int(kept.sum()) >= 8)  # few rows make batch norm ill-conditioned, whoever computes it
        reference = [layer.conv.weight, layer.norm.weight, layer.norm.bias]
        leaves = [x.clone().requires_grad_(), *(part.detach().clone().requires_grad_() for part in reference)]
        if layer.training:
            expected = masked_dense_layer(leaves[0], kept, *leaves[1:])
        else:
            mask, weight = kept[:, None].float(), leaves[1]
            gain, shift = (part[:, None, None] for part in leaves[2:])
            out = F.conv2d(leaves[0] * mask, weight, padding=1) / (1 + 1e-5) ** 0.5
            expected = (out * gain + shift).clamp_min(0) * mask
        pooled, some = masked_dense_pool(expected, kept)
        factor = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(seed))
        (pooled * factor).sum().backward()
        for path in PATHS:
            sites = ActiveSites(kept)
            layer.zero_grad()
            rows = x.permute(0, 2, 3, 1)[kept].requires_grad_()
            out = layer(rows, sites, path)
            assert close(out, expected.permute(0, 2, 3, 1)[kept], 1e-5), (seed, path)
            result = SparseMaps(max_pool(out, sites), sites.pooled_kept)
            assert torch.equal(sites.pooled_kept, some)
            assert close(result.to_dense(), pooled, 1e-5), (seed, path)
            (result.to_dense() * factor).sum().backward()
            assert close(rows.grad, leaves[0].grad.permute(0, 2, 3, 1)[kept], 1e-4), (seed, path)
            for mine, theirs in zip(reference, leaves[1:], strict=True):
                assert close(mine.grad, theirs.grad, 1e-4), (seed, path)
    assert seen >= {(True, False, True), (False, True, True), (False, True, False), (False, False, False)}


@pytest.mark.parametrize("path", ["masked", "torch"])
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_gradients_pass_gradcheck(path: str, density: float) -> None:
    torch.manual_seed(3)
    kept = torch.rand(2, 5, 4) < density
    kept[0, 1, 1] = True
    sites = ActiveSites(kept)
    rows = torch.randn(sites.count, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, w: convolve(r, sites, w, path), (rows, weight))
    assert torch.autograd.gradcheck(lambda r: max_pool(r, sites), (rows,))


def test_statistics_of_batch_norm_come_from_active_sites_alone() -> None:
    torch.manual_seed(0)
    kept = torch.rand(3, 6, 6) < 0.3
    layer = SubmanifoldLayer(2, 5)
    rows = torch.randn(int(kept.sum()), 2)
    layer(rows, ActiveSites(kept), "torch")
    out = convolve(rows, ActiveSites(kept), layer.conv.weight, "torch")
    assert torch.allclose(layer.norm.running_mean, 0.1 * out.mean(0), atol=1e-6)
    assert torch.allclose(layer.norm.running_var, 0.9 + 0.1 * out.var(0), atol=1e-6)
    assert int(layer.norm.num_batches_tracked) == 1


def test_one_row_passes_training_as_it_passes_evaluation() -> None:
    torch.manual_seed(0)
    kept = torch.zeros(1, 3, 3, dtype=torch.bool)
    kept[0, 1, 2] = True
    layer = SubmanifoldLayer(2, 3)
    rows = torch.randn(1, 2)
    trained = layer.train()(rows, ActiveSites(kept), "torch")
    assert torch.equal(trained, layer.eval()(rows, ActiveSites(kept), "torch"))
    assert int(layer.norm.num_batches_tracked) == 0


def test_pool_knows_negative_features() -> None:
    kept = torch.tensor([[[True, False, True], [False, False, True], [False, False, False]]])
    sites = ActiveSites(kept)
    rows = torch.tensor([[-3.0], [-2.0], [-1.0]])
    assert max_pool(rows, sites).tolist() == [[-3.0], [-1.0]]


def test_choice_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    example = torch.zeros(1, 1)
    assert choose_path("masked", 0.1, example) == "masked"
    assert choose_path("torch", 1.0, example) == "torch"
    assert choose_path("auto", 1.0, example) == "masked"
    assert choose_path("native", 0.5, example.double()) == "torch"
    assert choose_path("auto", 0.5, torch.zeros(1, device="meta")) == "masked"
    monkeypatch.setattr("mesmer.nn.convolution_paths.native_kernels", lambda: None)
    assert choose_path("native", 0.99, example) == "torch"
    assert choose_path("auto", 0.5, example) == "torch"
    assert choose_path("auto", 0.9, example) == "masked"
