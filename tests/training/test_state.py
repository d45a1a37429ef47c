"""The saved state: whole or not there, the one before it kept, damage told in one line."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mesmer.config import TrainSettings
from mesmer.errors import MesmerError, ModelError
from mesmer.models.base import EmotionModel
from mesmer.models.registry import build_model
from mesmer.training.optimizer import make_optimizer
from mesmer.training.state import Progress, load_progress, load_state, save_state
from mesmer.training.team import random_state


@pytest.fixture
def saving(toy_model: EmotionModel) -> dict[str, Any]:
    return {"model": toy_model, "optimizer": make_optimizer(toy_model, TrainSettings())}


def spoil(file: Path) -> None:
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))


@contextmanager
def files_end_at(size_bytes: int) -> Iterator[None]:
    """A limit on file size stands for the full disk: writing stops half-way."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_state_without_another_before_it_is_told_when_damaged(saving: dict[str, Any], tmp_path: Path) -> None:
    assert load_progress(tmp_path) is None
    save_state(tmp_path, progress=Progress(step=3), **saving)
    tensors, state = tmp_path / "step-00000003-0000.safetensors", tmp_path / "state.json"
    assert load_progress(tmp_path) == Progress(step=3)
    good = tensors.read_bytes()
    spoil(tensors)
    for load in (load_progress, lambda folder: load_state(folder, **saving)):
        with pytest.raises(ModelError, match="hash differs"):
            load(tmp_path)
    tensors.unlink()
    for load in (load_progress, lambda folder: load_state(folder, **saving)):
        with pytest.raises(ModelError, match="names no tensor file"):
            load(tmp_path)
    tensors.write_bytes(good)
    values = json.loads(state.read_text())
    for change in ({"tensors": "../x"}, {"tensors": 3}):
        state.write_text(json.dumps(values | change))
        with pytest.raises(ModelError, match="names no tensor file"):
            load_progress(tmp_path)
    for text in ("", "[]", "{}", json.dumps(values | {"epoch": "two"}), json.dumps(values | {"history": None})):
        state.write_text(text)
        with pytest.raises(ModelError, match=r"state\.json"):
            load_progress(tmp_path)


@pytest.mark.parametrize("damage", ["tensors", "tensors gone", "state"])
def test_a_damaged_state_gives_way_to_the_one_before_it(saving: dict[str, Any], tmp_path: Path, damage: str) -> None:
    for step in (1, 2, 3):
        with torch.no_grad():
            saving["model"].text_head.bias.fill_(step)
        save_state(tmp_path, progress=Progress(step=step, epoch=step // 2), **saving)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["state.json", "state.last.json", "step-00000002-0001.safetensors", "step-00000003-0001.safetensors"]
    newest = tmp_path / "step-00000003-0001.safetensors"
    if damage == "tensors":
        spoil(newest)
    elif damage == "tensors gone":
        newest.unlink()
    else:
        (tmp_path / "state.json").write_text("{")
    assert load_progress(tmp_path) == Progress(step=2, epoch=1)
    load_state(tmp_path, **saving)
    assert saving["model"].text_head.bias.tolist() == [2.0, 2.0]
    save_state(tmp_path, progress=Progress(step=3, epoch=1), **saving)  # and training goes on from there
    assert load_progress(tmp_path) == Progress(step=3, epoch=1)


def test_a_full_disk_is_told_and_what_was_saved_stays(saving: dict[str, Any], tmp_path: Path) -> None:
    save_state(tmp_path, progress=Progress(step=1), **saving)
    size = (tmp_path / "step-00000001-0000.safetensors").stat().st_size
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for limit in (size // 2, 100):
        with files_end_at(limit), pytest.raises(MesmerError, match="too large for this disk"):
            save_state(tmp_path, progress=Progress(step=2), **saving)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(MesmerError, match=r"a file, not a folder|something else of this name"):
        save_state(tmp_path / "file", progress=Progress(), **saving)


def test_every_process_gets_its_own_random_state_back(saving: dict[str, Any], tmp_path: Path) -> None:
    states, draws = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(random_state())
        draws.append(torch.rand(5).tolist())
    save_state(tmp_path, progress=Progress(processes=2), **saving, random_states=states)
    for rank in (0, 1):
        load_state(tmp_path, **saving, rank=rank)
        assert torch.rand(5).tolist() == draws[rank]
    with pytest.raises(ModelError, match="does not fit"):
        load_state(tmp_path, **saving, rank=2)


def test_the_state_of_another_model_does_not_fit(saving: dict[str, Any], tmp_path: Path) -> None:
    save_state(tmp_path, progress=Progress(), **saving)
    other = build_model(replace(saving["model"].settings, dim=16), tokenizer_size=20)
    with pytest.raises(ModelError, match="does not fit"):
        load_state(tmp_path, model=other, optimizer=make_optimizer(other, TrainSettings()))
