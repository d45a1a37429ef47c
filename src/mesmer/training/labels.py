"""What a training takes from the labels of its data: the label set, the weights of the loss, and that they fit the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mesmer.config import ModelSettings, RunSettings
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError
from mesmer.training.loss import class_weights, positive_weights


def with_emotions(settings: ModelSettings, emotions: tuple[str, ...]) -> ModelSettings:
    """Return the model's settings with the label set of the data.

    Raises:
        ConfigError: the settings name another label set.
    """
    if settings.emotions not in (SIX_EMOTIONS, emotions):  # six is the default: as good as not named
        raise ConfigError(
            f"the data speak of {', '.join(emotions)}", field="model.emotions", remedy="leave model.emotions out"
        )
    return replace(settings, emotions=emotions)


def filled_split(dataset: PreparedDataset, name: str) -> PreparedSplit:
    """Return a split that holds utterances.

    Raises:
        DataError: it is empty.
    """
    split = dataset.split(name)
    if not len(split):
        raise DataError(f"the {name} split is empty", file=dataset.folder, field="split", remedy="prepare with one")
    return split


def loss_weights(settings: RunSettings, dataset: PreparedDataset) -> Tensor | None:
    """Return the positive weights of the training labels, None where all count alike.

    Raises:
        DataError: the train or valid split is empty, an utterance of it is unlabelled, or its labels do not fit the loss.
    """
    labels = {name: filled_split(dataset, name).labels for name in ("train", "valid")}
    choice = settings.train.loss == "choice"
    if choice:
        for name in labels:
            _check_one_each(labels[name], dataset, name)
    if settings.train.positive_weight == "none":
        return None
    return class_weights(labels["train"]) if choice else positive_weights(labels["train"])


def _check_one_each(labels: NDArray[np.float32], dataset: PreparedDataset, name: str) -> None:
    """Refuse labels that do not exclude each other.

    Raises:
        DataError: an utterance carries none, or several.
    """
    counts = (labels > 0).sum(axis=1)
    odd = np.flatnonzero(counts != 1)
    if len(odd):
        first = dataset.split(name).ids[odd[0]]
        raise DataError(
            f"{len(odd):,} of {len(labels):,} utterances of the {name} split do not carry exactly one emotion; "
            f"'{first}' carries {counts[odd[0]]}",
            file=dataset.folder,
            field="labels",
            remedy="train with train.loss: binary",
        )
