"""The training loop, from top to bottom: epochs of steps, a look at the validation split, the best model kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from mesmer.config import TrainSettings
from mesmer.errors import DataError, MesmerError
from mesmer.evaluation.calibration import settle_decisions
from mesmer.evaluation.metrics import score_emotions
from mesmer.evaluation.predictions import answer_split
from mesmer.evaluation.thresholds import decide
from mesmer.models.base import EmotionModel
from mesmer.records import Batch
from mesmer.training.loss import utterance_losses
from mesmer.training.optimizer import clip_gradient, set_rate
from mesmer.training.progress import Listener
from mesmer.training.schedule import rate_factor, warm_top_p
from mesmer.training.state import Progress


class Batches(Protocol):
    """A split as batches; the same epoch number gives the same batches, whoever asks and when."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of epoch ``number`` (0 is the first)."""


def train(
    *,
    model: EmotionModel,
    optimizer: torch.optim.Optimizer,
    train_batches: Batches,
    valid_batches: Batches,
    positive_weight: Tensor | None,
    settings: TrainSettings,
    progress: Progress,
    listeners: Sequence[Listener],
    save_best: Callable[[], None],
    save_progress: Callable[[Progress], None],
    device: torch.device | str = "cpu",
) -> Progress:
    """Train ``model`` until its validation average F1 has not risen for ``settings.patience`` epochs.

    Thresholds are chosen on the validation split after every epoch and set in the model. Validation runs at the model's own
    ``top_p``, also while training is still on its way down to it: what is compared is what will be used.

    Args:
        progress: where to start; changed as training goes.
        save_best: is called while the model is the best so far.
        save_progress: is called after every epoch, after ``save_best``.

    Raises:
        MesmerError: a loss or gradient is not finite; names the step and the utterances.
        DataError: there is nothing to train on or to validate on.
    """
    if not len(train_batches) or not len(valid_batches):
        raise DataError("a split is empty", field="split", remedy="training needs utterances in both train and valid")
    top_p = model.top_p
    warm_epochs = model.settings.sparse.warm_epochs
    total_steps = settings.epochs * len(train_batches)
    while not progress.finished:
        start = time.monotonic()
        model.train()
        model.top_p = warm_top_p(progress.epoch, top_p=top_p, warm_epochs=warm_epochs)
        facts: dict[str, Any] = {"epoch": progress.epoch + 1, "top_p": model.top_p}
        loss_sum, utterances = 0.0, 0
        for batch in train_batches.epoch(progress.epoch):
            factor = rate_factor(progress.step, total_steps=total_steps, settings=settings)
            step_facts = _step(model, optimizer, batch.to(device), positive_weight, settings, factor, progress.step + 1)
            progress.step += 1
            loss_sum += step_facts["loss"] * len(batch)
            utterances += len(batch)
            for listener in listeners:
                listener.step({"step": progress.step, **facts, **step_facts})
        seconds = time.monotonic() - start
        facts["train_loss"] = loss_sum / utterances

        model.top_p = top_p
        facts |= _validate(model, valid_batches, device)
        progress.epoch += 1
        if facts["valid_f1"] > progress.best_f1:
            progress.best_f1, progress.best_epoch = facts["valid_f1"], progress.epoch
            save_best()
        progress.history.append(facts | {"best_epoch": progress.best_epoch, "best_f1": progress.best_f1})
        stale = progress.epoch - progress.best_epoch >= settings.patience
        progress.finished = stale or progress.epoch >= settings.epochs
        for listener in listeners:
            listener.epoch(progress.history[-1] | {"step": progress.step, "utterances_per_s": utterances / seconds})
        save_progress(progress)
    return progress


def _step(
    model: EmotionModel,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    positive_weight: Tensor | None,
    settings: TrainSettings,
    factor: float,
    number: int,
) -> dict[str, float]:
    """Take one optimizer step and return its loss, rate and gradient norm."""
    if batch.labels is None:
        raise DataError(
            "an utterance has no labels", field=f"utterances {_names(batch.ids)}", remedy="label the train split"
        )
    optimizer.zero_grad(set_to_none=True)
    _check_inputs(batch, number)
    try:
        output = model(batch)
    except MesmerError as error:
        raise MesmerError(f"{error.message} (utterances {_names(batch.ids)})", field=f"step {number}") from error
    losses = utterance_losses(output, batch.labels, positive_weight=positive_weight, branch_loss=settings.branch_loss)
    loss = losses.mean()
    if not math.isfinite(loss.item()):
        culprits = [name for name, value in zip(batch.ids, losses.tolist(), strict=True) if not math.isfinite(value)]
        raise _not_finite("the loss", number, culprits)
    loss.backward()
    norm = clip_gradient(model.parameters(), settings.gradient_clip)
    if not math.isfinite(norm.item()):
        raise _not_finite("the gradient", number, list(batch.ids))
    set_rate(optimizer, factor)
    optimizer.step()
    return {
        "loss": loss.item(),
        "learning_rate": settings.learning_rate * factor,
        "gradient_norm": norm.item(),
    }


def _validate(model: EmotionModel, batches: Batches, device: torch.device | str) -> dict[str, Any]:
    """Fit calibration and thresholds on the validation split, set them in the model, and return the metrics there."""
    emotions = model.settings.emotions
    answers = answer_split(model=model, batches=batches.epoch(0), subsets=("TAV",), device=device)
    probabilities = settle_decisions(model, answers)
    _, mean = score_emotions(answers.labels, decide(probabilities, model.thresholds, emotions), emotions)
    return {**{f"valid_{name}": value for name, value in mean.to_json().items()}, "thresholds": model.thresholds}


def _check_inputs(batch: Batch, step: int) -> None:
    """Refuse sound that is not finite (faces are bytes and always are); it would be a loss that is not, a little later."""
    if bool(torch.isfinite(batch.chunks).all()):
        return
    owners = torch.arange(len(batch), device=batch.chunks.device).repeat_interleave(batch.num_chunks)
    bad = owners[~torch.isfinite(batch.chunks).flatten(1).all(1)].unique().tolist()
    raise _not_finite("the sound", step, [batch.ids[row] for row in bad])


def _not_finite(what: str, step: int, ids: Sequence[str]) -> MesmerError:
    return MesmerError(
        f"{what} is not finite with utterances {_names(ids)}",
        field=f"step {step}",
        remedy="lower train.learning_rate, or look at these utterances; the last saved epoch is kept",
    )


def _names(ids: Sequence[str], most: int = 5) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
