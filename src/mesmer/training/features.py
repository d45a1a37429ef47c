"""What a model on hand-crafted features takes over from its training data before the first step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mesmer.dataset.features import feature_statistics
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.emotions import spellings
from mesmer.errors import DataError
from mesmer.models.base import EmotionModel
from mesmer.models.emo_embs import EmotionEmbeddings
from mesmer.models.feature_model import FeatureModel
from mesmer.signals.handcrafted.resources import FeatureResources
from mesmer.signals.handcrafted.words import WordTable, split_words


def fit_features(model: EmotionModel, dataset: PreparedDataset) -> FeatureResources | None:
    """Give a model on features mean and deviation of the training split, and EmoEmbs the word vectors of its emotions.

    Returns:
        What the features were made with, to be saved with the model; None for an end-to-end model.

    Raises:
        DataError: the dataset was opened without features, they are damaged, or nothing is known of an emotion.
    """
    if not isinstance(model, FeatureModel):
        return None
    if dataset.features is None:
        raise DataError("the dataset was opened without features", file=dataset.folder, field="features")
    resources, train = dataset.features.resources(), dataset.split("train")
    model.fit_features(feature_statistics(train))
    if isinstance(model, EmotionEmbeddings):
        model.set_emotion_vectors(emotion_vectors(model.settings.emotions, resources.words, train))
    return resources


def emotion_vectors(emotions: Sequence[str], words: WordTable, train: PreparedSplit) -> Tensor:
    """Return a vector of unit length for each emotion, float32 (L, W): the mean of the word vectors of its name.

    A name that the table does not know is looked up in its other spellings (happiness, happy). Where none is known, as may
    be with word vectors counted from a small corpus, stands what the words of the training utterances that carry the
    emotion have, on average, more than those of all.

    Args:
        train: the training split, opened with features.

    Raises:
        DataError: an emotion is in neither.
    """
    rows = [_of_name(name, words) for name in emotions]
    if any(row is None for row in rows):
        means, spoken = _means(train)
        carries = train.labels > 0
        for place, row in enumerate(rows):
            if row is None:
                rows[place] = _of_utterances(emotions[place], means[spoken], carries[spoken, place], train)
    table = np.stack([row / np.linalg.norm(row) for row in rows if row is not None])
    return torch.from_numpy(table.astype(np.float32))


def _of_name(name: str, words: WordTable) -> NDArray[np.float64] | None:
    for spelling in spellings(name):
        vectors, known = words.vectors_of(split_words(spelling))
        mean = vectors.astype(np.float64).mean(axis=0) if len(known) and known.all() else np.zeros(words.width)
        if np.linalg.norm(mean) > 0:
            return mean
    return None


def _means(train: PreparedSplit) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each utterance's mean over its words that have a vector, (N, W), and bool (N,), where there is one."""
    means = []
    for row in range(len(train)):
        steps = train.features_of(row)["text"].astype(np.float64)
        known = steps[(steps != 0).any(axis=1)]
        means.append(known.mean(axis=0) if len(known) else np.full(steps.shape[1], np.nan))
    table = np.stack(means)
    return table, ~np.isnan(table).any(axis=1)


def _of_utterances(
    name: str, means: NDArray[np.float64], carries: NDArray[np.bool_], train: PreparedSplit
) -> NDArray[np.float64]:
    difference = means[carries].mean(axis=0) - means.mean(axis=0) if carries.any() else np.zeros(1)
    if not np.linalg.norm(difference) > 0:
        raise DataError(
            f"no word vector is known for '{name}', and no training utterance tells it from the others",
            file=train.folder,
            field="features.text",
            remedy="use a table that knows the word: features.text: glove",
        )
    return difference
