"""Answering new labels without learning: each by the emotions of an existing model that come nearest, as stated or by name.

This is what fine-tuning has to beat. A label is expressed where any of its emotions is, so its probability is
1 - product of (1 - probability of each), as if they were independent; it is decided where the model decides for one of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mesmer.emotions import emotion_name
from mesmer.errors import ConfigError, suggest
from mesmer.evaluation.answers import Answer, thresholded
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.thresholds import choose_thresholds, decide
from mesmer.models.base import EmotionModel
from mesmer.storage.reading import read_bytes
from mesmer.training.settings_file import parse_yaml

LabelMap = Mapping[str, tuple[str, ...]]
"""New label -> the emotions of the existing model that stand for it; none where nothing does."""

_MOST_BYTES = 256 * 1024


def map_labels(labels: Sequence[str], emotions: Sequence[str], *, stated: Mapping[str, Any] | None = None) -> LabelMap:
    """Return, for each new label, the emotions that stand for it: those stated, else the one of its name or its spelling.

    Args:
        labels: of the new data.
        emotions: of the existing model.
        stated: new label -> an emotion, or a list of emotions, which may be empty.

    Raises:
        ConfigError: a label or an emotion is not known.
    """
    own = {emotion_name(name): name for name in emotions}
    found: dict[str, tuple[str, ...]] = {}
    given = stated or {}
    for label in given:
        if label not in labels:
            raise ConfigError("the data have no such label", field=str(label), remedy=suggest(str(label), labels))
    for label in labels:
        if label not in given:
            name = own.get(emotion_name(label))
            found[label] = () if name is None else (name,)
            continue
        value = given[label]
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigError("an emotion or a list of emotions is expected", field=label)
        for word in words:
            if emotion_name(word) not in own:
                raise ConfigError(f"the model does not know '{word}'", field=label, remedy=suggest(word, emotions))
        found[label] = tuple(dict.fromkeys(own[emotion_name(word)] for word in words))
    return found


def read_map(file: str | Path) -> dict[str, Any]:
    """Return what a YAML or JSON file states: ``tense: [anger, fear]``.

    Raises:
        ConfigError: it cannot be read, or is no mapping.
    """
    try:
        values = parse_yaml(read_bytes(file, max_bytes=_MOST_BYTES, error=ConfigError).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError("this is not a text in UTF-8", file=file, field="--map") from None
    except ConfigError as error:
        raise ConfigError(error.message, file=file, field=error.field, remedy=error.remedy) from None
    if not isinstance(values, dict) or not all(isinstance(label, str) for label in values):
        raise ConfigError("a mapping is expected", file=file, field="--map", remedy="write: new label: [emotion, emotion]")
    return values


def zero_shot_answers(
    model: EmotionModel, label_map: LabelMap, said: SplitAnswers, validation: SplitAnswers
) -> tuple[Answer, ...]:
    """Return the answers of the mapping alone: with the existing model's own decisions, and with thresholds of highest F1
    on the validation split of the new data, which is more than zero-shot. None where nothing is mapped.

    Args:
        model: the existing one.
        said, validation: its answers on the test and on the validation split of the new data, whose labels are the new
            ones.
    """
    if not any(label_map.values()):
        return ()
    subset = next(iter(said.probabilities))
    labels, emotions = tuple(label_map), model.settings.emotions
    columns = {label: [emotions.index(name) for name in names] for label, names in label_map.items()}

    def merged(answers: SplitAnswers) -> Any:
        rest = 1 - answers.probabilities[subset]
        return np.stack([1 - rest[:, columns[label]].prod(axis=1) for label in labels], axis=1).clip(0.0, 1.0)

    decided = decide(said.probabilities[subset], model.thresholds, emotions) & said.read[subset][:, None]
    own = Answer(
        name="zero_shot",
        title="zero-shot mapping",
        probabilities=merged(said),
        decisions=np.stack([decided[:, columns[label]].any(axis=1) for label in labels], axis=1),
    )
    chosen = choose_thresholds(validation.labels, merged(validation), labels)
    fitted = thresholded(
        name="zero_shot_fitted",
        title="the same, thresholds chosen on validation",
        probabilities=merged(said),
        emotions=labels,
        thresholds=chosen,
        thresholds_from="chosen on the validation split for highest F1",
        read=said.read[subset],
    )
    return own, fitted
