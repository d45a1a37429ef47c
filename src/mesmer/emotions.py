"""Label sets: the emotions a corpus or a model speaks of, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mesmer.errors import DataError, suggest

SIX_EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The six basic emotions (CMU-MOSEI, paper Table 2; the synthetic corpus; the default model)."""

IEMOCAP_EMOTIONS: tuple[str, ...] = ("anger", "excitement", "frustration", "happiness", "neutral", "sadness")
"""The six main categories of IEMOCAP (paper Table 1)."""

LABEL_SETS: Mapping[str, tuple[str, ...]] = {"six": SIX_EMOTIONS, "iemocap": IEMOCAP_EMOTIONS}

_SPELLINGS: Mapping[str, str] = {
    "angry": "anger", "ang": "anger",
    "disgusted": "disgust", "dis": "disgust",
    "fearful": "fear", "afraid": "fear", "fea": "fear",
    "happy": "happiness", "joy": "happiness", "hap": "happiness",
    "sad": "sadness",
    "surprised": "surprise", "sur": "surprise",
    "excited": "excitement", "exc": "excitement",
    "frustrated": "frustration", "fru": "frustration",
    "neu": "neutral",
}  # fmt: skip


def emotion_name(word: str) -> str:
    """Return the canonical name of an emotion word: ``Angry`` -> ``anger``. Unknown words come back lower-cased."""
    lowered = word.strip().lower()
    return _SPELLINGS.get(lowered, lowered)


def spellings(name: str) -> tuple[str, ...]:
    """Return an emotion's name and the words that mean it: ``anger`` -> ``anger``, ``angry``, ``ang``."""
    return (name, *(word for word, meant in _SPELLINGS.items() if meant == name))


def label_vector(labels: Mapping[str, float], emotions: Sequence[str]) -> list[float]:
    """Scores of ``labels`` in the order of ``emotions``; absent emotions score 0.

    Raises:
        DataError: a label is not among ``emotions``.
    """
    unknown = [name for name in labels if name not in emotions]
    if unknown:
        raise DataError(f"label '{unknown[0]}' is unknown", field="labels", remedy=suggest(unknown[0], emotions))
    return [float(labels.get(name, 0.0)) for name in emotions]


def check_label_set(emotions: Iterable[str]) -> tuple[str, ...]:
    """Return the emotions as a tuple; refuse an empty set, empty names and repeated names.

    Raises:
        DataError: the set cannot be used.
    """
    names = tuple(emotions)
    if not names or not all(name.strip() for name in names):
        raise DataError("an emotion has no name or the label set is empty", field="emotions")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"'{repeated[0]}' stands twice in the label set", field="emotions", remedy="name each once")
    return names
