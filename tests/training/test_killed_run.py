"""A run killed with SIGKILL at any step and resumed ends with the bits of a run that was never stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import start

from mesmer.config import ModelSettings, PrepareSettings, RunSettings, SparseSettings, TextSettings, TrainSettings
from mesmer.dataset.prepare import prepare
from mesmer.storage.hashes import sha256_file
from mesmer.training.run import train_model
from mesmer.training.settings_file import write_settings

SETTINGS = RunSettings(
    model=ModelSettings(
        width=2,
        feature_width=8,
        dim=8,
        heads=2,
        layers=1,
        text=TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80),
        sparse=SparseSettings(warm_epochs=1, top_p=0.6),
    ),
    train=TrainSettings(
        learning_rate=5e-3,
        batch_size=4,
        epochs=4,
        patience=4,
        warmup_share=0.1,
        schedule="cosine",
        augment_faces=True,
        augment_sound=True,
        threads=1,
    ),
)


class KillAt:
    """A listener that kills its own process at a step, as ``kill -9`` would."""

    def __init__(self, step: int | None) -> None:
        self._step = step

    def step(self, facts: dict[str, Any]) -> None:
        if facts["step"] == self._step:
            os.kill(os.getpid(), signal.SIGKILL)

    def epoch(self, facts: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def go_on(data: Path, run: Path, settings: RunSettings, kill_at: int | None) -> None:
    torch.set_num_threads(1)
    torch.rand(kill_at or 1)  # a process has its own past
    train_model(settings=settings, data=data, folder=run, resume=True, listeners=[KillAt(kill_at)])


def outcome(run: Path) -> dict[str, Any]:
    """What a run leaves, by hash: weights, thresholds, history, the last state; and its log but for the clock."""
    clock = ("seconds", "utterances_per_s")
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    files = [*sorted((run / "model").iterdir()), run / "history.json", max((run / "state").glob("step-*"))]
    left = {path.name: sha256_file(path) for path in files if path.name not in ("config.json", "hashes.json")}
    config = json.loads((run / "model" / "config.json").read_text())
    config["extra"].pop("run")
    return left | {"config": config, "log": [{k: v for k, v in line.items() if k not in clock} for line in log]}


def with_train(**changes: Any) -> RunSettings:
    return replace(SETTINGS, train=replace(SETTINGS.train, **changes))


def torchrun(data: Path, run: Path) -> subprocess.Popen[bytes]:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "3"]
    words += ["--monitor-interval", "0.1", "-m", "--", "mesmer.cli.main", "train", "--data", str(data), "--run", str(run)]
    words += ["--config", str(run.parent / "settings.yaml"), "--train.save_every_steps", "2"]
    return subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[1] / "dataset"))
    from made_parts import made_corpus, made_parts

    folder = tmp_path_factory.mktemp("killed")
    made: list[dict[str, Any]] = [
        {"split": split, "seconds": 0.4 + 0.3 * (n % 3), "picture": n % 4 != 1, "sound": n % 5 != 2}
        for split, size in (("train", 18), ("valid", 8))
        for n in range(size)
    ]
    prepare(made_corpus(folder / "raw", made), folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return folder / "out"


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    go_on(data, run, SETTINGS, None)
    return outcome(run)


def killed(data: Path, run: Path, settings: RunSettings, kill_at: int) -> None:
    process = start(go_on, data, run, settings, kill_at)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def test_killed_within_epochs_and_resumed_is_bit_equal(data: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Five steps make an epoch. Saved at every second step, or by a clock; read here, and by two processes ahead."""
    run = tmp_path / "run"
    killed(data, run, with_train(save_every_steps=2), 1)  # before anything but the first state was saved
    killed(data, run, with_train(save_every_s=1e-9), 4)
    killed(data, run, with_train(save_every_steps=2, workers=2), 9)
    steps = [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines() if '"step"' in line]
    assert max(steps) >= 8
    assert json.loads((run / "state" / "state.json").read_text())["epoch_steps"] == 3
    go_on(data, run, with_train(save_every_steps=3), None)
    assert outcome(run) == undisturbed
    assert not list(run.glob("**/.tmp-*"))


def test_saving_in_between_changes_nothing(data: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    go_on(data, tmp_path / "run", with_train(save_every_steps=1, tensorboard=True), None)
    assert outcome(tmp_path / "run") == undisturbed
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_forty_kills_at_random_moments(data: Path, tmp_path: Path) -> None:
    """From outside, at any moment: while it computes, saves, validates, or replaces the best model."""
    settings = with_train(epochs=14, patience=14)
    go_on(data, tmp_path / "whole", settings, None)
    draw, run, kills = random.Random(4), tmp_path / "run", 0
    while kills < 40:
        ahead = 2 if kills % 10 == 9 else 0
        saved = replace(settings, train=replace(settings.train, save_every_steps=draw.choice((1, 2, 3)), workers=ahead))
        until = lines(run) + draw.choice((1, 2, 3))
        process = start(go_on, data, run, saved, None)
        wait_for_lines(run, until, process)
        time.sleep(draw.uniform(0, 0.05))
        if not process.is_alive():
            assert process.exitcode == 0
            break
        process.kill()
        process.join()
        kills += 1
    assert kills == 40
    go_on(data, run, settings, None)
    assert outcome(run) == outcome(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the processes of torchrun")
def test_a_process_killed_under_torchrun_changes_nothing(data: Path, tmp_path: Path) -> None:
    """torchrun ends the others and starts all anew; they go on by themselves, without --resume."""
    write_settings(tmp_path / "settings.yaml", SETTINGS)
    whole = torchrun(data, tmp_path / "whole")
    assert whole.wait(300) == 0, whole.communicate()
    run = tmp_path / "run"
    process = torchrun(data, run)
    for kill, until in enumerate((3, 9)):
        end = time.monotonic() + 200
        while lines(run) < until:
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(workers_of(process)[kill], signal.SIGKILL)
    assert process.wait(300) == 0, process.communicate()
    assert outcome(run) == outcome(tmp_path / "whole")


def lines(run: Path) -> int:
    log = run / "log.jsonl"
    return len(log.read_bytes().splitlines()) if log.is_file() else 0


def wait_for_lines(run: Path, number: int, process: ForkServerProcess) -> None:
    end = time.monotonic() + 120
    while lines(run) < number and process.is_alive():
        assert time.monotonic() < end
        time.sleep(0.002)
