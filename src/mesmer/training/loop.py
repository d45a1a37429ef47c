"""The training loop, from top to bottom: epochs of steps, a look at the validation split, the best model kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from mesmer.config import TrainSettings
from mesmer.dataset.batches import Step
from mesmer.errors import DataError
from mesmer.evaluation.calibration import settle_decisions
from mesmer.evaluation.confusion import score_one_answers
from mesmer.evaluation.metrics import positives, score_emotions
from mesmer.evaluation.predictions import answer_split
from mesmer.evaluation.thresholds import decide
from mesmer.models.base import EmotionModel
from mesmer.records import Batch
from mesmer.training.averaging import WeightAverage
from mesmer.training.branches import hold_branches
from mesmer.training.progress import Listener
from mesmer.training.schedule import SavingTimes, rate_factor, warm_top_p
from mesmer.training.state import Progress
from mesmer.training.step import take_step
from mesmer.training.team import Team


class Steps(Protocol):
    """The train split as steps; the same epoch number gives the same steps, whoever asks and when."""

    def __len__(self) -> int:
        """Steps in an epoch."""

    def steps(self, number: int, *, first: int = 0) -> Iterator[Step]:
        """Return the steps of epoch ``number``, from step ``first`` on (0 is the first)."""


class Batches(Protocol):
    """A split as batches."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of epoch ``number`` (0 is the first)."""


def train(
    *,
    model: EmotionModel,
    optimizer: torch.optim.Optimizer,
    train_steps: Steps,
    valid_batches: Batches,
    positive_weight: Tensor | None,
    settings: TrainSettings,
    progress: Progress,
    team: Team,
    listeners: Sequence[Listener],
    save_best: Callable[[], None],
    save_progress: Callable[[Progress], None],
    report: Callable[[int, float], bool] | None = None,
    average: WeightAverage | None = None,
) -> Progress:
    """Train ``model`` until its validation average F1 has not risen for ``settings.patience`` epochs.

    Calibration and thresholds are chosen on the validation split after every epoch and set in the model. Validation runs at
    the model's own ``top_p``, also while training is still on its way down to it, and in float32: what is compared is what
    will be used. In a team every process calls this; the first alone validates.

    Args:
        progress: where to start, which may be within an epoch; changed as training goes.
        listeners: of the first process.
        save_best: is called in the first process while the model is the best so far.
        save_progress: is called in every process, after every epoch (after ``save_best``) and as often in between as the
            settings say.
        average: of the weights of ``model``; it is what is validated and saved as the best, if there is one.
        report: is told epoch (1 is the first) and validation F1 in the first process; True stops training.

    Raises:
        MesmerError: a loss or gradient is not finite; names the step and the utterances.
        DataError: there is nothing to train on or to validate on.
    """
    if not len(train_steps) or not len(valid_batches):
        raise DataError("a split is empty", field="split", remedy="training needs utterances in both train and valid")
    top_p = model.top_p
    total_steps = settings.epochs * len(train_steps)
    mended = nullcontext if average is None else average.in_place
    saving = SavingTimes(every_s=settings.save_every_s, every_steps=settings.save_every_steps)

    while not progress.finished:
        start, utterances_before = time.monotonic(), progress.epoch_utterances
        hold_branches(model, progress.epoch < settings.freeze_branches_epochs)
        model.train()
        model.top_p = warm_top_p(progress.epoch, top_p=top_p, warm_epochs=model.settings.sparse.warm_epochs)
        facts: dict[str, Any] = {"epoch": progress.epoch + 1, "top_p": model.top_p}
        for step in train_steps.steps(progress.epoch, first=progress.epoch_steps):
            step_facts, to_save = take_step(
                step,
                number=progress.step + 1,
                model=model,
                optimizer=optimizer,
                positive_weight=positive_weight,
                settings=settings,
                rate=rate_factor(progress.step, total_steps=total_steps, settings=settings),
                team=team,
                wish=team.is_first and saving.due(progress.step + 1),
            )
            progress.step += 1
            if average is not None:
                average.update(progress.step)
            progress.epoch_steps += 1
            progress.epoch_loss += step_facts["loss"] * step.utterances
            progress.epoch_utterances += step.utterances
            for listener in listeners:
                listener.step({"step": progress.step, **facts, **step_facts, "utterances": step.utterances})
            if to_save and progress.epoch_steps < len(train_steps):  # the epoch's end saves anyway
                save_progress(progress)
                saving.saved()
        facts["train_loss"] = progress.epoch_loss / progress.epoch_utterances
        speed = (progress.epoch_utterances - utterances_before) / (time.monotonic() - start)

        model.top_p = top_p
        with mended():
            facts |= team.tell(lambda: _validate(model, valid_batches, team.device))
            _end_epoch(progress, facts, settings)
            if progress.best_epoch == progress.epoch:
                team.tell(save_best)
        if report and team.tell(partial(report, progress.epoch, facts["valid_f1"])) and not progress.finished:
            progress.finished, progress.stopped = True, "report"
        for listener in listeners:
            listener.epoch(progress.history[-1] | {"step": progress.step, "utterances_per_s": speed})
        save_progress(progress)
        saving.saved()
    return progress


def _end_epoch(progress: Progress, facts: dict[str, Any], settings: TrainSettings) -> None:
    """Write the epoch into the history, and settle whether it was the best and whether it was the last."""
    progress.epoch += 1
    progress.epoch_steps, progress.epoch_utterances, progress.epoch_loss = 0, 0, 0.0
    if facts["valid_f1"] > progress.best_f1:
        progress.best_f1, progress.best_epoch = facts["valid_f1"], progress.epoch
    progress.history.append(facts | {"best_epoch": progress.best_epoch, "best_f1": progress.best_f1})
    if progress.epoch >= settings.epochs:
        progress.finished, progress.stopped = True, "epochs"
    elif progress.epoch - progress.best_epoch >= settings.patience:
        progress.finished, progress.stopped = True, "patience"


def _validate(model: EmotionModel, batches: Batches, device: torch.device | str) -> dict[str, Any]:
    """Fit calibration and thresholds on the validation split, set them in the model, and return the metrics there.

    Where the emotions exclude each other ``valid_f1`` is the macro F1 of the one answer; accuracy and unweighted average
    recall of it stand beside.
    """
    emotions = model.settings.emotions
    answers = answer_split(model=model, batches=batches.epoch(0), subsets=("TAV",), device=device)
    probabilities = settle_decisions(model, answers)
    _, mean = score_emotions(answers.labels, decide(probabilities, model.thresholds, emotions), emotions)
    facts = {**{f"valid_{name}": value for name, value in mean.to_json().items()}, "thresholds": model.thresholds}
    if model.settings.exclusive:  # what counts is the one answer
        one = score_one_answers(positives(answers.labels), probabilities)
        facts |= {"valid_f1": one.macro_f1, "valid_one_accuracy": one.accuracy, "valid_one_recall": one.balanced_accuracy}
    return facts
