"""One training run from prepared data to a saved model: everything the loop needs is made here and passed in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from mesmer.config import RunSettings
from mesmer.config_dict import settings_hash
from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError
from mesmer.models.registry import build_model, reads_tokens
from mesmer.nn.batch_norm import share_statistics
from mesmer.signals.text import NoTokens, TextTokenizer, load_tokenizer, train_tokenizer
from mesmer.storage.atomic import write_json
from mesmer.training.averaging import WeightAverage
from mesmer.training.branches import open_branches, origin_of, take_over
from mesmer.training.features import fit_features
from mesmer.training.labels import loss_weights, with_emotions
from mesmer.training.loop import train
from mesmer.training.optimizer import make_optimizer
from mesmer.training.progress import JsonLog, Listener, Screen
from mesmer.training.run_folder import RunFolder
from mesmer.training.state import Progress, load_progress, load_state, save_state
from mesmer.training.team import Team, random_state
from mesmer.training.tensorboard import TensorBoardLog


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training run came to.

    Attributes:
        folder: the run folder.
        model: the folder of the best epoch's model.
        epochs: how many were trained.
        best_epoch: the one whose model was saved (1 is the first).
        best_f1: its validation average F1.
        stopped: why training ended: ``epochs``, ``patience`` or ``report``.
        history: one mapping per epoch: ``epoch``, ``train_loss``, ``valid_f1`` and the other metrics, ``thresholds``, ...
    """

    folder: Path
    model: Path
    epochs: int
    best_epoch: int
    best_f1: float
    stopped: str
    history: Sequence[Mapping[str, Any]]


def train_model(
    *,
    settings: RunSettings,
    data: str | Path | PreparedDataset,
    folder: str | Path,
    resume: bool = False,
    screen: TextIO | None = None,
    listeners: Sequence[Listener] = (),
    report: Callable[[int, float], bool] | None = None,
) -> TrainResult:
    """Train a model on the prepared dataset ``data`` in the run folder ``folder``.

    Nothing is written before the data are open and the folder is known to be ours. The first state is saved before the
    first step: a disk that is full or may not be written to says so before anything was computed. Several processes under
    ``torchrun`` that all call this train one model together.

    Args:
        settings: the label set is taken from the data; a label set of its own that differs is refused. The seed of
            everything random is ``settings.train.seed``.
        resume: go on with the run if it was begun; a finished one comes back as it is.
        screen: told how it goes; None tells nobody.
        listeners: are told of every step and epoch too, in the first process.
        report: is called after every epoch with its number (1 is the first) and its validation average F1; training stops
            for good where it returns True. A resumed run reports only the epochs that it trains itself.

    Raises:
        MesmerError: data, settings or folder cannot be used, or a loss is not finite.
    """
    dataset = data if isinstance(data, PreparedDataset) else PreparedDataset.open(data)
    settings = replace(settings, model=with_emotions(settings.model, dataset.emotions))
    if settings.model.features is not None:
        dataset = dataset.with_features(settings.model.features)
    run = RunFolder(folder)
    team = Team(precision=settings.train.precision)
    begun = team.tell(lambda: _begun(run, settings, dataset, team, resume=resume))
    if begun is not None and begun.finished:
        return _result(run, begun)

    weights = loss_weights(settings, dataset)
    if settings.train.threads:
        torch.set_num_threads(settings.train.threads)
    torch.manual_seed(settings.train.seed)
    branches = open_branches(settings)
    tokenizer = _tokenizer(settings, dataset) if "text" not in branches else branches["text"].tokenizer
    model = build_model(settings.model, tokenizer_size=tokenizer.size)
    take_over(model, branches, prepare=dataset.settings)
    model = model.to(team.device)
    resources = fit_features(model, dataset)
    if team.size > 1:
        share_statistics(model)
        team.draw_apart(settings.train.seed)
    optimizer = make_optimizer(model, settings.train)
    decay = settings.train.average_weights
    average = WeightAverage(model, decay=decay) if decay else None
    if begun is not None:
        load_state(run.state, model=model, optimizer=optimizer, rank=team.rank, average=average)
    progress = begun or _fresh(settings, dataset, team)
    steps = _loader("train", settings, dataset, tokenizer, team)

    origin = {"run": run.root.name, "data": dataset.fingerprint, "trained_on": [dataset.facts.corpus]}
    extra = {**origin, **origin_of(dataset.facts, branches)}

    def save_best() -> None:
        run.replace_model(
            lambda to: model.save_pretrained(
                to, tokenizer=tokenizer, prepare=dataset.settings, extra=extra, resources=resources
            )
        )

    team.tell(lambda: _make_folder(run, settings, model, begun=begun is not None))
    with _told(run, settings, progress, steps_per_epoch=len(steps), screen=screen, first=team.is_first) as (log, ours):

        def save_progress(now: Progress) -> None:
            states = team.gather(random_state())
            team.tell(lambda: _save(run, now, model, optimizer, states, log, average))

        if begun is None:
            save_progress(progress)
        train(
            model=model,
            optimizer=optimizer,
            train_steps=steps,
            valid_batches=_loader("valid", settings, dataset, tokenizer),
            positive_weight=None if weights is None else weights.to(team.device),
            settings=settings.train,
            progress=progress,
            team=team,
            listeners=(*ours, *(listeners if team.is_first else ())),
            save_best=save_best,
            save_progress=save_progress,
            report=report,
            average=average,
        )
    return _result(run, progress)


def _fresh(settings: RunSettings, dataset: PreparedDataset, team: Team) -> Progress:
    return Progress(settings_hash=settings_hash(settings.deciding), data_hash=dataset.fingerprint, processes=team.size)


def _begun(run: RunFolder, settings: RunSettings, dataset: PreparedDataset, team: Team, *, resume: bool) -> Progress | None:
    """Return how far the run is, None if it has yet to begin; refuse a folder, data or settings that are not its own."""
    if run.finetuned.is_file():  # its settings are the same kind of file, but its training is another one
        raise ConfigError("this run was fine-tuned", file=run.root, remedy="use mesmer finetune, or name a new folder")
    run.check(settings, resume=resume)
    progress, fresh = load_progress(run.state), _fresh(settings, dataset, team)
    if progress is None:
        return None
    if progress.data_hash != fresh.data_hash:
        raise ConfigError("the run was begun with other data", file=run.root, remedy="name a new folder with --run")
    if progress.settings_hash != fresh.settings_hash:
        raise ConfigError("the settings were changed since the run was begun", file=run.settings, remedy="undo that")
    if progress.processes != fresh.processes and not progress.finished:
        raise ConfigError(
            f"the run was begun with {progress.processes} processes, and these are {fresh.processes}",
            file=run.root,
            remedy=f"go on with torchrun --nproc-per-node {progress.processes}, or name a new folder with --run",
        )
    return progress


def _make_folder(run: RunFolder, settings: RunSettings, model: nn.Module, *, begun: bool) -> None:
    """Make the folder and see that there is room for what will be saved: weights, and weights with two moments each."""
    run.create(settings)
    weight_bytes = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    copies = 4 if settings.train.average_weights else 3
    run.check_room(weight_bytes=weight_bytes, state_bytes=copies * weight_bytes, begun=begun)


@contextlib.contextmanager
def _told(
    run: RunFolder, settings: RunSettings, progress: Progress, *, steps_per_epoch: int, screen: TextIO | None, first: bool
) -> Iterator[tuple[JsonLog | None, list[Listener]]]:
    """Give the log and all listeners of our own; they are closed at the end. Only the first process has any."""
    if not first:
        yield None, []
        return
    with contextlib.ExitStack() as closing:
        log = JsonLog(run.log, keep_bytes=progress.log_bytes)
        ours: list[Listener] = [log]
        closing.callback(log.close)
        if settings.train.tensorboard:
            ours.append(TensorBoardLog(run.tensorboard, done_steps=progress.step))
            closing.callback(ours[-1].close)
        if screen is not None:
            epochs = settings.train.epochs
            ours.append(Screen(screen, epochs=epochs, steps_per_epoch=steps_per_epoch, done_steps=progress.step))
            closing.callback(ours[-1].close)
        yield log, ours


def _save(
    run: RunFolder,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    random_states: Sequence[dict[str, Tensor]],
    log: JsonLog | None,
    average: WeightAverage | None,
) -> None:
    progress.log_bytes = log.size_bytes if log else 0
    told = {"best_epoch": progress.best_epoch, "best_f1": progress.best_f1, "epochs": progress.history}
    write_json(run.history, told)
    save_state(run.state, progress=progress, model=model, optimizer=optimizer, random_states=random_states, average=average)


def _result(run: RunFolder, progress: Progress) -> TrainResult:
    return TrainResult(
        folder=run.root,
        model=run.model,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        best_f1=progress.best_f1,
        stopped=progress.stopped,
        history=tuple(progress.history),
    )


def _tokenizer(settings: RunSettings, dataset: PreparedDataset) -> TextTokenizer:
    """Return the tokenizer of the settings' text encoder; the small encoder's is trained on the training transcripts."""
    text = settings.model.text
    if not reads_tokens(settings.model):
        return NoTokens()
    if text.encoder == "small":
        return train_tokenizer(dataset.split("train").texts, text.vocabulary_size)
    return load_tokenizer(text.encoder)


def _loader(
    name: str, settings: RunSettings, dataset: PreparedDataset, tokenizer: TextTokenizer, team: Team | None = None
) -> BatchLoader:
    """Return the loader of a split: with a ``team``, of this process's share of each step; else of all of it."""
    training = name == "train"
    return BatchLoader(
        dataset.split(name),
        tokenizer=tokenizer,
        mel=settings.model.mel,
        max_tokens=settings.model.text.max_tokens,
        batch_size=settings.train.batch_size,
        shuffle=training,
        seed=settings.train.seed,
        length_window=settings.train.length_window if training else 0,
        augment_faces=training and settings.train.augment_faces,
        augment_sound=training and settings.train.augment_sound,
        face_changes=settings.train.face_changes,
        sound_changes=settings.train.sound_changes,
        workers=settings.train.workers if training else 0,
        parts=settings.train.accumulate if team else 1,
        share=team.rank if team else 0,
        shares=team.size if team else 1,
    )
