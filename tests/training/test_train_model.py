"""train_model as a library: what it returns, what stops it, and what it refuses before the first step."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
from collections import namedtuple
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mesmer.config import ModelSettings, PrepareSettings, RunSettings, TextSettings, TrainSettings
from mesmer.dataset.prepare import prepare
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, DependencyError, MesmerError
from mesmer.models.loading import load_model
from mesmer.storage.weights import load_tensors
from mesmer.training.run import train_model

SETTINGS = RunSettings(
    model=ModelSettings(
        name="fe2e",
        width=2,
        feature_width=8,
        dim=8,
        heads=2,
        layers=1,
        modalities="T",
        text=TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80),
    ),
    train=TrainSettings(learning_rate=5e-3, batch_size=8, epochs=3, patience=3, threads=1),
)


class Steps:
    """A listener that counts."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []

    def step(self, facts: dict[str, Any]) -> None:
        self.steps.append(facts)

    def epoch(self, facts: dict[str, Any]) -> None:
        self.epochs.append(facts)

    def close(self) -> None: ...


def with_train(**changes: Any) -> RunSettings:
    return replace(SETTINGS, train=replace(SETTINGS.train, **changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[1] / "dataset"))
    from made_parts import made_corpus, made_parts

    folder = tmp_path_factory.mktemp("library")
    made: list[dict[str, Any]] = [
        {"split": split, "seconds": 0.4} for split, size in (("train", 18), ("valid", 8)) for _ in range(size)
    ]
    prepare(made_corpus(folder / "raw", made), folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return folder / "out"


def test_what_comes_back(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []

    def report(epoch: int, f1: float) -> bool:
        told.append((epoch, f1))
        return False

    notes, screen = Steps(), StringIO()
    result = train_model(
        settings=SETTINGS,
        data=PreparedDataset.open(data),
        folder=tmp_path / "run",
        screen=screen,
        listeners=[notes],
        report=report,
    )
    assert (result.epochs, result.stopped, result.folder) == (3, "epochs", tmp_path / "run")
    assert told == [(epoch["epoch"], epoch["valid_f1"]) for epoch in result.history]
    assert result.best_f1 == max(f1 for _, f1 in told)
    assert result.best_f1 == dict(told)[result.best_epoch]
    assert (len(notes.steps), len(notes.epochs)) == (9, 3)
    assert sum(step["utterances"] for step in notes.steps) == 3 * 18
    assert load_model(result.model).model.thresholds == result.history[result.best_epoch - 1]["thresholds"]
    assert screen.getvalue().count("\n") == 3
    assert train_model(settings=SETTINGS, data=data, folder=tmp_path / "run", resume=True) == result


def test_who_watches_may_stop_it_for_good(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped = train_model(settings=SETTINGS, data=data, folder=run, report=lambda epoch, f1: epoch == 2)
    assert (stopped.epochs, stopped.stopped) == (2, "report")
    assert train_model(settings=SETTINGS, data=data, folder=run, resume=True) == stopped


def test_parts_of_a_step_are_one_step(data: Path, tmp_path: Path) -> None:
    """Without batch norm, which sees the parts one by one (here: words alone), and without draws, parts change nothing."""
    still = replace(SETTINGS, model=replace(SETTINGS.model, text=replace(SETTINGS.model.text, dropout=0.0)))
    told = []
    for parts in (1, 3):
        notes = Steps()
        settings = replace(still, train=replace(still.train, accumulate=parts))
        train_model(settings=settings, data=data, folder=tmp_path / str(parts), listeners=[notes])
        told.append([(step["loss"], step["gradient_norm"]) for step in notes.steps])
    assert np.allclose(*told, rtol=1e-4)
    assert told[0][0] != told[0][1]


def test_a_frozen_text_encoder_stays_as_it_was(data: Path, tmp_path: Path) -> None:
    frozen = replace(SETTINGS, model=replace(SETTINGS.model, text=replace(SETTINGS.model.text, frozen=True)))
    weights = []
    for epochs in (1, 3):
        settings = replace(frozen, train=replace(frozen.train, epochs=epochs, patience=9))
        train_model(settings=settings, data=data, folder=tmp_path / str(epochs))
        state = json.loads((tmp_path / str(epochs) / "state" / "state.json").read_text())
        weights.append(load_tensors(tmp_path / str(epochs) / "state" / state["tensors"]))
    same = {name for name, value in weights[0].items() if torch.equal(value, weights[1][name])}
    assert {name for name in weights[0] if name.startswith("model/text_encoder.")} <= same
    assert "model/text_head.weight" not in same


def test_what_does_not_decide_the_outcome_may_change(data: Path, tmp_path: Path) -> None:
    train_model(settings=SETTINGS, data=data, folder=tmp_path / "run")
    neutral = with_train(workers=1, save_every_s=5.0, save_every_steps=7, tensorboard=True)
    train_model(settings=neutral, data=data, folder=tmp_path / "run", resume=True)
    for name, value in (("seed", 5), ("precision", "bf16"), ("accumulate", 2), ("threads", 2)):
        with pytest.raises(ConfigError, match=f"train.{name}: the run was started with another value"):
            train_model(settings=with_train(**{name: value}), data=data, folder=tmp_path / "run", resume=True)


@pytest.mark.parametrize("limit_bytes", [20_000, 4_000, 100])
def test_a_disk_that_takes_no_state_is_told_before_the_first_step(data: Path, tmp_path: Path, limit_bytes: int) -> None:
    """A limit on file size stands for the full disk."""
    notes = Steps()
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        with pytest.raises(MesmerError, match=r"the file is too large for this disk; choose another folder"):
            train_model(settings=SETTINGS, data=data, folder=tmp_path / "run", listeners=[notes])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert notes.steps == []
    assert train_model(settings=SETTINGS, data=data, folder=tmp_path / "run", resume=True).epochs == 3  # room was made


def test_too_little_room_and_no_folder_are_told_before_the_first_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, options = Steps(), {"settings": SETTINGS, "data": data}
    (tmp_path / "file").write_text("")
    with pytest.raises(MesmerError, match="a file, not a folder"):
        train_model(**options, folder=tmp_path / "file" / "run", listeners=[notes])
    room = namedtuple("room", "total used free")(10**9, 10**9 - 4096, 4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    with pytest.raises(MesmerError, match=r"run: the disk has 0 MB free, and the run needs about \d+ MB; free some space"):
        train_model(**options, folder=tmp_path / "run", listeners=[notes])
    assert notes.steps == []


def test_tensorboard_missing_is_told_before_the_first_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    notes = Steps()
    with pytest.raises(DependencyError, match=r"pip install 'mesmer-emotion\[tracking\]'"):
        train_model(settings=with_train(tensorboard=True), data=data, folder=tmp_path / "run", listeners=[notes])
    assert notes.steps == []
