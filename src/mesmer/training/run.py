"""One training run from prepared data to a saved model: everything the loop needs is made here and passed in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import ModelSettings, RunSettings
from mesmer.config_dict import settings_hash
from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.prepared import PreparedDataset
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.device import choose_device
from mesmer.models.registry import build_model
from mesmer.signals.text import TextTokenizer, load_tokenizer, train_tokenizer
from mesmer.storage.atomic import write_json
from mesmer.training.loop import train
from mesmer.training.loss import positive_weights
from mesmer.training.optimizer import make_optimizer
from mesmer.training.progress import JsonLog, Screen
from mesmer.training.run_folder import RunFolder
from mesmer.training.state import Progress, load_progress, load_state, save_state


def train_run(
    *, settings: RunSettings, data: Path, folder: Path, resume: bool, screen: TextIO
) -> tuple[RunFolder, Progress]:
    """Train a model on the prepared dataset ``data`` in the run folder ``folder``.

    Nothing is written before the data are open and the folder is known to be ours.

    Args:
        settings: the label set is taken from the data; a label set of its own that differs is refused.
        resume: go on with the run if it was begun.
        screen: told how it goes.

    Raises:
        MesmerError: data, settings or folder cannot be used, or a loss is not finite.
    """
    dataset = PreparedDataset.open(data)
    settings = replace(settings, model=_with_emotions(settings, dataset.emotions))
    run = RunFolder(folder)
    run.check(settings, resume=resume)
    fresh = Progress(settings_hash=settings_hash(settings), data_hash=dataset.fingerprint)
    progress = load_progress(run.state) or fresh
    if progress.data_hash != fresh.data_hash:
        raise ConfigError("the run was begun with other data", file=run.root, remedy="name a new folder with --run")
    if progress.settings_hash != fresh.settings_hash:
        raise ConfigError("the settings were changed since the run was begun", file=run.settings, remedy="undo that")
    if progress.finished:
        return run, progress

    train_labels = _labels(dataset, "train")
    _labels(dataset, "valid")
    if settings.train.threads:
        torch.set_num_threads(settings.train.threads)
    torch.manual_seed(settings.train.seed)
    device = choose_device()
    tokenizer = _tokenizer(settings, dataset)
    model = build_model(settings.model, tokenizer_size=tokenizer.size).to(device)
    optimizer = make_optimizer(model, settings.train)
    if progress.epoch:
        load_state(run.state, model=model, optimizer=optimizer)
    run.create(settings)

    batches = {name: _loader(name, settings, dataset, tokenizer) for name in ("train", "valid")}
    log = JsonLog(run.log, keep_bytes=progress.log_bytes)
    watcher = Screen(
        screen, epochs=settings.train.epochs, steps_per_epoch=len(batches["train"]), done_epochs=progress.epoch
    )

    origin = {"run": run.root.name, "data": dataset.fingerprint}

    def save_best() -> None:
        run.replace_model(lambda to: model.save_pretrained(to, tokenizer=tokenizer, prepare=dataset.settings, extra=origin))

    def save_progress(now: Progress) -> None:
        now.log_bytes = log.size_bytes
        write_json(run.history, {"best_epoch": now.best_epoch, "best_f1": now.best_f1, "epochs": now.history})
        save_state(run.state, progress=now, model=model, optimizer=optimizer)

    weighted = settings.train.positive_weight == "ratio"
    try:
        train(
            model=model,
            optimizer=optimizer,
            train_batches=batches["train"],
            valid_batches=batches["valid"],
            positive_weight=positive_weights(train_labels).to(device) if weighted else None,
            settings=settings.train,
            progress=progress,
            listeners=(log, watcher),
            save_best=save_best,
            save_progress=save_progress,
            device=device,
        )
    finally:
        watcher.close()
        log.close()
    return run, progress


def _with_emotions(settings: RunSettings, emotions: tuple[str, ...]) -> ModelSettings:
    """Return the model's settings with the label set of the data.

    Raises:
        ConfigError: the settings name another label set.
    """
    named = settings.model.emotions
    if named not in (SIX_EMOTIONS, emotions):  # six is the default: as good as not named
        raise ConfigError(
            f"the data speak of {', '.join(emotions)}", field="model.emotions", remedy="leave model.emotions out"
        )
    return replace(settings.model, emotions=emotions)


def _labels(dataset: PreparedDataset, name: str) -> NDArray[np.float32]:
    """Return the labels of a split.

    Raises:
        DataError: it is empty, or an utterance of it is unlabelled.
    """
    split = dataset.split(name)
    if not len(split):
        raise DataError(f"the {name} split is empty", file=dataset.folder, field="split", remedy="prepare with one")
    return split.labels


def _tokenizer(settings: RunSettings, dataset: PreparedDataset) -> TextTokenizer:
    """Return the tokenizer of the settings' text encoder; the small encoder's is trained on the training transcripts."""
    text = settings.model.text
    if text.encoder == "small":
        return train_tokenizer(dataset.split("train").texts, text.vocabulary_size)
    return load_tokenizer(text.encoder)


def _loader(name: str, settings: RunSettings, dataset: PreparedDataset, tokenizer: TextTokenizer) -> BatchLoader:
    training = name == "train"
    return BatchLoader(
        dataset.split(name),
        tokenizer=tokenizer,
        mel=settings.model.mel,
        max_tokens=settings.model.text.max_tokens,
        batch_size=settings.train.batch_size,
        shuffle=training,
        seed=settings.train.seed,
        augment_faces=training and settings.train.augment_faces,
        augment_sound=training and settings.train.augment_sound,
        workers=settings.train.workers if training else 0,
    )
