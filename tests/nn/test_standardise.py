from __future__ import annotations

import numpy as np
import pytest
import torch

from mesmer.models.feature_model import FeatureSums
from mesmer.nn.standardise import LARGEST_DEVIATIONS, Standardise


def fitted(values: torch.Tensor, parts: int = 3) -> Standardise:
    sums = FeatureSums.of_width(values.shape[1])
    for part in values.tensor_split(parts):
        sums.add(part)
    layer = Standardise(values.shape[1])
    layer.fit(total=sums.total, squares=sums.squares, steps=sums.steps)
    return layer


def test_mean_and_deviation_are_numpys() -> None:
    values = torch.randn(200, 4) * torch.tensor([1.0, 1e-4, 30.0, 1e3]) + torch.tensor([0.0, 5e-4, -7.0, 1e5])
    layer = fitted(values)
    numbers = values.numpy().astype(np.float64)
    assert layer.mean.numpy() == pytest.approx(numbers.mean(0), rel=1e-5, abs=1e-7)
    assert layer.deviation.numpy() == pytest.approx(numbers.std(0), rel=1e-4)
    assert layer(values).numpy() == pytest.approx(((numbers - numbers.mean(0)) / numbers.std(0)), abs=2e-2)


def test_a_constant_becomes_nothing() -> None:
    for value in (0.0, 0.1, -3e4):
        layer = fitted(torch.full((50, 1), value))
        assert layer(torch.full((3, 1), value)).abs().max() < 1e-2
        assert layer.deviation.item() == 1.0


def test_far_out_values_are_cut() -> None:
    layer = fitted(torch.randn(100, 1))
    assert layer(torch.tensor([[1e6], [-1e6]])).flatten().tolist() == [LARGEST_DEVIATIONS, -LARGEST_DEVIATIONS]


def test_without_steps_nothing_changes() -> None:
    layer = fitted(torch.zeros(0, 2))
    assert torch.equal(layer(torch.ones(1, 2)), torch.ones(1, 2))
