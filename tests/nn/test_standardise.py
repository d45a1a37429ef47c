from __future__ import annotations

import torch

from mesmer.nn.standardise import LARGEST_DEVIATIONS, Standardise


def test_mean_and_deviation_are_taken_over_and_saved() -> None:
    layer = Standardise(2)
    x = torch.tensor([[1.0, 10.0], [3.0, -10.0]])
    assert torch.equal(layer(x), x)
    layer.fit(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 5.0]))
    assert torch.equal(layer(x), torch.tensor([[0.0, 2.0], [1.0, -2.0]]))
    other = Standardise(2)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), layer(x))
    assert list(layer.parameters()) == []


def test_far_out_values_are_cut() -> None:
    layer = Standardise(1)
    assert layer(torch.tensor([[1e6], [-1e6]])).flatten().tolist() == [LARGEST_DEVIATIONS, -LARGEST_DEVIATIONS]
