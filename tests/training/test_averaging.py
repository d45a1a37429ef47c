"""The average of the weights: its written formula, the model untouched by it, and the same bits after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mesmer.storage.weights import load_tensors
from mesmer.training.averaging import WeightAverage


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_the_average_is_its_written_formula() -> None:
    model = small()
    average = WeightAverage(model, decay=0.7)
    expected = {name: value.clone().double() for name, value in model.state_dict().items()}
    for step in range(1, 30):
        model.train()
        model(torch.randn(5, 3))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update(step)
        decay = min(0.7, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            counts = not value.is_floating_point()
            expected[name] = value.double() if counts else decay * expected[name] + (1 - decay) * value.double()
    for name, value in average.state().items():
        assert torch.allclose(value.double(), expected[name], atol=1e-5), name
    assert int(average.state()["1.num_batches_tracked"]) == 29


def test_the_models_own_weights_come_back_to_the_bit() -> None:
    model = small()
    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    average.update(1)
    own = {name: value.clone() for name, value in model.state_dict().items()}
    with average.in_place():
        assert not torch.equal(model[0].weight, own["0.weight"])
        assert torch.equal(model[0].weight, average.state()["0.weight"])
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


class Stopped(Exception):
    pass


class StopsAt:
    """A listener that ends the process, as it were, after so many steps."""

    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, facts: dict[str, Any]) -> None:
        if facts["step"] == self._step:
            raise Stopped

    def epoch(self, facts: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("stop", [1, 4, 5])
def test_a_stopped_run_ends_with_the_same_bits(stop: int, tmp_path: Path, road: Path) -> None:
    from test_choice import settings_with

    from mesmer.training.run import train_model

    settings = settings_with(average_weights=0.6, epochs=3, save_every_steps=1, length_window=2)
    whole = train_model(settings=settings, data=road / "out", folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        train_model(settings=settings, data=road / "out", folder=tmp_path / "run", listeners=[StopsAt(stop)])
    gone_on = train_model(settings=settings, data=road / "out", folder=tmp_path / "run", resume=True)
    assert gone_on.history == whole.history
    for part in ("model/model.safetensors", "state/step-00000009-0003.safetensors"):
        one, other = (load_tensors(tmp_path / run / part) for run in ("whole", "run"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), part
    assert any(name.startswith("average/") for name in other)
    best, plain = load_tensors(tmp_path / "whole/model/model.safetensors"), {}
    if whole.best_epoch == 3:
        plain = {name.removeprefix("model/"): value for name, value in other.items() if name.startswith("model/")}
        assert any(not torch.equal(best[name], value) for name, value in plain.items())  # the average was saved, not these


def test_without_an_average_nothing_of_it_is_saved(tmp_path: Path, road: Path) -> None:
    from test_choice import settings_with

    from mesmer.training.run import train_model

    settings = settings_with(epochs=1)
    train_model(settings=replace(settings), data=road / "out", folder=tmp_path / "run")
    (state,) = (tmp_path / "run" / "state").glob("step-00000003-*.safetensors")
    assert not any(name.startswith("average/") for name in load_tensors(state))
