"""Convolution, bias and ReLU in one pass are what they are one after another."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mesmer.nn import fused_convolution
from mesmer.nn.fused_convolution import convolution_relu


@pytest.mark.parametrize("fuses", [True, False])
@pytest.mark.parametrize(("kernel", "size"), [(3, (7, 5)), (5, (6, 6)), (1, (1, 1))])
def test_equals_the_three_steps(monkeypatch: pytest.MonkeyPatch, fuses: bool, kernel: int, size: tuple[int, int]) -> None:
    if not fuses:
        monkeypatch.setattr(fused_convolution, "_fuses", lambda _: False)
    draw = torch.Generator().manual_seed(kernel)
    maps = torch.randn(3, 4, *size, generator=draw).to(memory_format=torch.channels_last)
    weight = torch.randn(6, 4, kernel, kernel, generator=draw).to(memory_format=torch.channels_last)
    bias = torch.randn(6, generator=draw)
    expected = F.conv2d(maps.double(), weight.double(), bias.double(), padding=kernel // 2).clamp_min(0)
    found = convolution_relu(maps, weight, bias)
    assert found.shape == expected.shape
    assert (found == 0).any()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_does_without_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(fused_convolution, "_fused", missing)
    fused_convolution._fuses.cache_clear()
    found = convolution_relu(torch.ones(1, 1, 2, 2), torch.full((1, 1, 1, 1), -2.0), torch.ones(1))
    fused_convolution._fuses.cache_clear()
    assert torch.equal(found, torch.zeros(1, 1, 2, 2))
