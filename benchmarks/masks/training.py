"""Train one model of the study; stopped anywhere, it goes on from its last epoch and ends with the same weights."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from masks.examples import Examples, augmented, batch_of
from masks.variants import densities, mean, text_settings
from mesmer.config import SparseSettings, TrainSettings
from mesmer.explain.pointing import MapScores, point
from mesmer.models import EmotionModel
from mesmer.storage.weights import load_metadata, load_tensors, save_tensors

CALIBRATION_EXAMPLES = 128
_BISECTIONS = 9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast.

    Attributes:
        epochs: of this part of the training.
        density: wanted at the end, the mean over the blocks; None leaves the nucleus out (dense).
        falling: share of the epochs during which the density falls, in equal steps, from 1.
        final: let the learning rate fall to zero along half a cosine; else it stays.
        precision: ``fp32``, or ``bf16`` for products in bfloat16 while training; scores are of float32.
        patched: share of the training faces of which some patches are hidden.
    """

    epochs: int
    density: float | None
    falling: float = 0.5
    final: bool = True
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    batch_size: int = 64
    weight_decay: float = 1e-4
    precision: str = "fp32"
    patched: float = 0.0

    def density_in(self, epoch: int) -> float | None:
        """Return the density to train at; the last steps of the fall lie before the last ``1 - falling`` epochs."""
        if self.density is None:
            return None
        stairs = math.ceil(self.falling * self.epochs)
        return 1.0 - (1.0 - self.density) * min(1.0, (epoch + 1) / max(1, stairs))


@dataclass(frozen=True, kw_only=True)
class Score:
    """Share of right answers, of each answer whether it was right, and what the model looked at.

    ``pointing``: of the sites that the first block kept, the share that lies where the emotion shows; and the share that as
    many sites anywhere would reach. Both over faces that show one; None where nobody knows, or nothing is chosen.
    ``places``: how often each square of the first block's sites is kept, float (rows, columns); None where none is chosen.
    """

    accuracy: float
    recall: float
    right: Tensor
    density: list[float]
    multiply_adds: float
    pointing: tuple[float, float] | None = None
    places: Tensor | None = None


def set_density(model: EmotionModel, examples: Examples, density: float) -> float:
    """Choose top_p by bisection so that the mean density on these examples is the one wanted; return it."""
    if density >= 1.0:
        model.top_p = 1.0
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        model.top_p = (low + high) / 2
        low, high = (low, model.top_p) if mean(score(model, examples).density) > density else (model.top_p, high)
    model.top_p = (low + high) / 2
    return model.top_p


def score(model: EmotionModel, examples: Examples, *, batch_size: int = 256) -> Score:
    """Return how the model does on the examples, in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    right, kept, pointing, places, cost = [], [], [], [], 0.0
    with torch.no_grad():
        for rows in torch.arange(len(examples)).split(batch_size):
            part = examples.select(rows)
            output = model(batch_of(part, text=text_settings()).to(device), traces=True)
            right.append(output.logits.argmax(1).cpu() == part.labels)
            kept.append([share * len(part.steps) for share in densities(output, part.modality)])
            cost += float(output.multiply_adds.sum())
            if (part.modality, 0) in output.traces:
                first = output.traces[part.modality, 0].kept[:, None].float()
                places.append(F.avg_pool2d(first, SparseSettings().attention_tile)[:, 0].sum(0))
            if part.truth is not None and output.traces:
                pointing.append(point(output.traces[part.modality, 0], part.truth))
    hits = torch.cat(right)
    per_class = [float(hits[examples.labels == label].float().mean()) for label in examples.labels.unique()]
    return Score(
        accuracy=float(hits.float().mean()),
        recall=mean(per_class),
        right=hits,
        density=[sum(column) / len(examples.steps) for column in zip(*kept, strict=True)],
        multiply_adds=cost / len(examples),
        pointing=_pointing(pointing),
        places=sum(places) / len(examples.steps) if places else None,
    )


def _pointing(parts: list[MapScores]) -> tuple[float, float] | None:
    if not parts:
        return None
    scores = MapScores.joined(parts)
    return float(scores.hits[scores.known].mean()), float(scores.chance[scores.known].mean())


def train(
    model: EmotionModel,
    *,
    examples: Examples,
    valid: Examples,
    plan: Plan,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
) -> list[dict[str, object]]:
    """Train, one checkpoint and one line of history an epoch, and return the history. A finished run is only loaded."""
    groups = model.parameter_groups(plan.learning_rate, 1.0, TrainSettings().attention_learning_rate_factor)
    groups = [{**group, "full_lr": group["lr"]} for group in groups]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    history = _resume(model, optimizer, folder)
    calibration = examples.select(torch.arange(min(CALIBRATION_EXAMPLES, len(examples))))
    for epoch in range(len(history), plan.epochs):
        started, density, top_p = time.process_time(), plan.density_in(epoch), None
        if density is not None:
            top_p = set_density(model, calibration, density)
        loss = _epoch(model, optimizer, examples, plan, epoch, seed)
        seconds = time.process_time() - started
        if density is not None and epoch == plan.epochs - 1:
            top_p = set_density(model, calibration, density)  # what was learnt may have moved it
        reached = score(model, valid)
        history.append(
            {"epoch": epoch, "loss": loss, "top_p": top_p, "density": reached.density, "valid_accuracy": reached.accuracy,
             "valid_recall": reached.recall, "multiply_adds": reached.multiply_adds, "pointing": reached.pointing,
             "seconds": seconds}
        )  # fmt: skip
        _save(model, optimizer, history, folder)
        say(f"{folder.name} epoch {epoch}: loss {loss:.3f} p {top_p} {_short(reached)} {seconds:.0f} s")
    if history and isinstance(history[-1]["top_p"], float):
        model.top_p = history[-1]["top_p"]
    return history


def _short(reached: Score) -> str:
    kept = " ".join(f"{share:.2f}" for share in reached.density)
    hits = "" if reached.pointing is None else f" hits {reached.pointing[0]:.2f} (chance {reached.pointing[1]:.2f})"
    return f"valid {100 * reached.accuracy:.1f} % (recall {100 * reached.recall:.1f}) density {kept}{hits}"


def _epoch(
    model: EmotionModel, optimizer: torch.optim.Optimizer, examples: Examples, plan: Plan, epoch: int, seed: int
) -> float:
    """Return the mean loss. Everything drawn follows from seed and epoch alone."""
    device = next(model.parameters()).device
    torch.manual_seed(1_000_003 * seed + epoch)
    draw = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    batches = torch.randperm(len(examples), generator=draw).split(plan.batch_size)
    model.train()
    total = 0.0
    for step, rows in enumerate(batches):
        _set_rate(optimizer, plan, epoch * len(batches) + step, plan.epochs * len(batches))
        part = augmented(examples.select(rows), draw, patched=plan.patched)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
            logits = model(batch_of(part, text=text_settings()).to(device)).logits.float()
        loss = F.cross_entropy(logits, part.labels.to(device), label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += float(loss.detach()) * len(rows)
    return total / len(examples)


def _set_rate(optimizer: torch.optim.Optimizer, plan: Plan, step: int, steps: int) -> None:
    factor = min(1.0, (step + 1) / plan.warmup_steps)
    if plan.final:
        factor *= 0.5 * (1 + math.cos(math.pi * step / steps))
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_lr"]


def _save(model: EmotionModel, optimizer: torch.optim.Optimizer, history: list[dict[str, object]], folder: Path) -> None:
    tensors = {f"model.{name}": value.cpu() for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.cpu() for name, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / "state.safetensors", tensors, {"history": json.dumps(history)})


def _resume(model: EmotionModel, optimizer: torch.optim.Optimizer, folder: Path) -> list[dict[str, object]]:
    path = folder / "state.safetensors"
    if not path.exists():
        return []
    tensors, history = load_tensors(path), json.loads(load_metadata(path)["history"])
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    if state:
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return history
