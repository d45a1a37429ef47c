"""What a resumed run needs, on disk: weights, optimizer, random state and counters, as safetensors and JSON.

The tensors go to a file of their own step first; then ``state.json``, which names that file and its hash, is replaced in
one rename. So at any moment, whatever is killed, ``state.json`` speaks of a complete file. The state before it is kept as
``state.last.json`` with its tensors, for the day on which the disk spoils the newer one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mesmer.errors import ModelError
from mesmer.storage.atomic import plain_error, write_bytes, write_json
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_bytes, read_json
from mesmer.storage.weights import load_tensors, save_tensors
from mesmer.training.averaging import WeightAverage
from mesmer.training.team import random_state, set_random_state

NEWEST, BEFORE = "state.json", "state.last.json"
_LARGEST_JSON_BYTES = 64 * 1024 * 1024
_REMEDY = "name a new folder with --run to train anew"


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: epochs done.
        step: optimizer steps done.
        epoch_steps, epoch_utterances: steps and utterances done of the epoch that is not done.
        epoch_loss: sum of their losses.
        best_epoch: the epoch (1 is the first) of ``model/``; 0 before the first.
        best_f1: its validation average F1.
        finished: nothing is left to do.
        stopped: why: ``epochs`` (all done), ``patience`` (no better for long) or ``report`` (who watches it said so).
        processes: how many train together.
        log_bytes: length of ``log.jsonl`` at this point.
        settings_hash, data_hash: what the run is of.
        history: one mapping per epoch.
    """

    epoch: int = 0
    step: int = 0
    epoch_steps: int = 0
    epoch_utterances: int = 0
    epoch_loss: float = 0.0
    best_epoch: int = 0
    best_f1: float = -1.0
    finished: bool = False
    stopped: str = ""
    processes: int = 1
    log_bytes: int = 0
    settings_hash: str = ""
    data_hash: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    folder: Path,
    *,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    random_states: Sequence[dict[str, Tensor]] | None = None,
    average: WeightAverage | None = None,
) -> None:
    """Write the state; older ones than the one before are removed once the new one stands.

    Args:
        random_states: of every process that trains; None is this one's.
        average: of the weights, if there is one.

    Raises:
        MesmerError: the folder cannot be written; what was saved before stays.
    """
    tensors = folder / f"step-{progress.step:08d}-{progress.epoch:04d}.safetensors"
    newest, before = folder / NEWEST, folder / BEFORE
    with _plainly(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = _tensors_of(model, optimizer, random_states or [random_state()])
    if average is not None:
        held |= {f"average/{name}": value for name, value in average.state().items()}
    save_tensors(tensors, held)
    values = {**asdict(progress), "tensors": tensors.name, "tensors_sha256": sha256_file(tensors)}
    if newest.is_file():
        write_bytes(before, read_bytes(newest, max_bytes=_LARGEST_JSON_BYTES, error=ModelError))
    write_json(newest, values)
    with _plainly(folder):
        kept = {tensors.name, _read(before)["tensors"] if before.is_file() else None}
        for old in folder.glob("step-*.safetensors"):
            if old.name not in kept:
                old.unlink()


def load_progress(folder: Path) -> Progress | None:
    """Return how far the run in ``folder`` is; None where nothing was saved yet.

    A damaged state gives way to the one before it. The outcome is the same: what lies between is done again.

    Raises:
        ModelError: the state is damaged, and so is the one before it, if there is one.
    """
    if not (folder / NEWEST).is_file():
        return None
    try:
        return _check(folder / NEWEST)
    except ModelError:
        if not (folder / BEFORE).is_file():
            raise
        progress = _check(folder / BEFORE)
        write_bytes(folder / NEWEST, read_bytes(folder / BEFORE, max_bytes=_LARGEST_JSON_BYTES, error=ModelError))
        return progress


def load_state(
    folder: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rank: int = 0,
    average: WeightAverage | None = None,
) -> None:
    """Put the saved weights, optimizer and random state back, and the average of the weights if there is one.

    Args:
        rank: number of the process whose random state it is.

    Raises:
        ModelError: the state is damaged, or of another model.
    """
    values = _read(folder / NEWEST)
    file = _tensor_file(folder / NEWEST, values)
    tensors = load_tensors(file, sha256=str(values.get("tensors_sha256")))
    try:
        model.load_state_dict(_under("model/", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimizer/", tensors).items():
            number, _, moment = key.partition("/")
            moments.setdefault(int(number), {})[moment] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        if average is not None:
            average.load(_under("average/", tensors))
        set_random_state(_under(f"random/{rank}/", tensors))
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"the saved state does not fit: {error}", file=file, remedy=_REMEDY) from None


def _check(file: Path) -> Progress:
    """Return the progress that a state file tells of, whose tensors are whole.

    Raises:
        ModelError: it or its tensors are damaged.
    """
    values = _read(file)
    known = {f.name: f for f in fields(Progress)}
    kinds = {name: type(f.default) for name, f in known.items() if name != "history"} | {"history": list}
    if any(not isinstance(values.get(name), kind) for name, kind in kinds.items()):
        raise ModelError("the saved state is damaged", file=file, remedy=_REMEDY)
    tensors = _tensor_file(file, values)
    if sha256_file(tensors, error=ModelError) != values.get("tensors_sha256"):
        raise ModelError("the weights are damaged: their hash differs", file=tensors, remedy=_REMEDY)
    return Progress(**{name: values[name] for name in known})


def _tensor_file(file: Path, values: dict[str, Any]) -> Path:
    name = values.get("tensors")
    if not isinstance(name, str) or Path(name).name != name or not (file.parent / name).is_file():
        raise ModelError("the saved state names no tensor file", file=file, remedy=_REMEDY)
    return file.parent / name


def _tensors_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, random_states: Sequence[dict[str, Tensor]]
) -> dict[str, Tensor]:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": value for name, value in moments.items()}
    for rank, state in enumerate(random_states):
        tensors |= {f"random/{rank}/{name}": value for name, value in state.items()}
    return tensors


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(file: Path) -> dict[str, Any]:
    values = read_json(file, max_bytes=_LARGEST_JSON_BYTES, error=ModelError)
    if not isinstance(values, dict):
        raise ModelError("the saved state is damaged", file=file, remedy=_REMEDY)
    return values


@contextlib.contextmanager
def _plainly(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise plain_error(error, folder) from error
