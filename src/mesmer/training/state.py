"""What a resumed run needs, on disk: weights, optimizer, random state and counters, as safetensors and JSON.

The tensors go to a file of their own step first; then ``state.json``, which names that file and its hash, is replaced in
one rename. So at any moment, whatever is killed, ``state.json`` speaks of a complete file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mesmer.errors import ModelError
from mesmer.storage.atomic import write_json
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json
from mesmer.storage.weights import load_tensors, save_tensors

_LARGEST_JSON_BYTES = 64 * 1024 * 1024
_REMEDY = "name a new folder with --run to train anew"


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: epochs done.
        step: optimizer steps done.
        best_epoch: the epoch (1 is the first) of ``model/``; 0 before the first.
        best_f1: its validation average F1.
        finished: nothing is left to do.
        log_bytes: length of ``log.jsonl`` at this point.
        settings_hash, data_hash: what the run is of.
        history: one mapping per epoch.
    """

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_f1: float = -1.0
    finished: bool = False
    log_bytes: int = 0
    settings_hash: str = ""
    data_hash: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(folder: Path, *, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the state; the one before is removed only once the new one stands."""
    folder.mkdir(exist_ok=True)
    tensors = folder / f"step-{progress.step:08d}.safetensors"
    save_tensors(tensors, _tensors_of(model, optimizer))
    write_json(folder / "state.json", {**asdict(progress), "tensors": tensors.name, "tensors_sha256": sha256_file(tensors)})
    for old in folder.glob("step-*.safetensors"):
        if old != tensors:
            old.unlink()


def load_progress(folder: Path) -> Progress | None:
    """Return how far the run in ``folder`` is; None where nothing was saved yet.

    Raises:
        ModelError: the state is damaged.
    """
    file = folder / "state.json"
    if not file.is_file():
        return None
    values = _read(file)
    known = {f.name: f for f in fields(Progress)}
    kinds = {name: type(f.default) for name, f in known.items() if name != "history"} | {"history": list}
    if any(not isinstance(values.get(name), kind) for name, kind in kinds.items()):
        raise ModelError("the saved state is damaged", file=file, remedy=_REMEDY)
    return Progress(**{name: values[name] for name in known})


def load_state(folder: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the saved weights, optimizer and random state back.

    Raises:
        ModelError: the state is damaged, or of another model.
    """
    values = _read(folder / "state.json")
    name = values.get("tensors")
    if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
        raise ModelError("the saved state names no tensor file", file=folder / "state.json", remedy=_REMEDY)
    file = folder / name
    tensors = load_tensors(file, sha256=str(values.get("tensors_sha256")))
    try:
        model.load_state_dict(_under("model/", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimizer/", tensors).items():
            number, _, moment = key.partition("/")
            moments.setdefault(int(number), {})[moment] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random/cuda"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"the saved state does not fit: {error}", file=file, remedy=_REMEDY) from None


def _tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": value for name, value in moments.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return tensors


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(file: Path) -> dict[str, Any]:
    values = read_json(file, max_bytes=_LARGEST_JSON_BYTES, error=ModelError)
    if not isinstance(values, dict):
        raise ModelError("the saved state is damaged", file=file, remedy=_REMEDY)
    return values
