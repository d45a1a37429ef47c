"""GoEmotions: 54,263 comments of Reddit with what their writers expressed, one or several emotions each.

Read are ``train.tsv``, ``dev.tsv`` and ``test.tsv`` as published: text, label numbers joined by commas, and id, with tabs
between. The numbers count the lines of ``emotions.txt`` (27 fine emotions and neutral, as published) or of ``labels.txt``
(other labels, such as Ekman's six and neutral). Fine emotions are brought to Ekman's by the published mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.raw_files import find_root
from mesmer.corpora.ready_clips import EKMAN_EMOTIONS, words_clip
from mesmer.corpora.text_files import Place, read_lines, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import DataError
from mesmer.records import Utterance

FILES: Mapping[str, str] = {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}
LABEL_FILES = ("emotions.txt", "labels.txt")

FINE: Mapping[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "happiness": (
        "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride", "admiration",
        "desire", "caring",
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}  # fmt: skip
"""Emotion -> the fine emotions of GoEmotions that belong to it (``ekman_mapping.json`` as published)."""
_OF_FINE = {fine: name for name, several in FINE.items() for fine in several}

EMPTY = "the text is empty"


def read_goemotions(root: str | Path) -> Corpus:
    """Read the corpus, seven emotions, with its own splits.

    Args:
        root: the folder of the three files and of ``emotions.txt`` or ``labels.txt``.

    Raises:
        DataError: a file is missing, or a line is damaged: names it.
    """
    base = find_root(root, is_root=_holds_it, expected=f"{', '.join(FILES.values())} beside {' or '.join(LABEL_FILES)}")
    labels = _labels(next(base / name for name in LABEL_FILES if (base / name).is_file()))
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    seen: dict[str, Place] = {}
    for split, name in FILES.items():
        for place, line in read_lines(base / name):
            if not line.strip():
                continue
            cells = line.split("\t")
            if len(cells) != 3:
                place.fail(
                    "cells", f"{len(cells)} cells where 3 are expected", "text, label numbers and id, with tabs between"
                )
            key = place.name("id", cells[2])
            if key in seen:
                place.fail("id", f"'{shorten(key)}' stands twice", f"see {seen[key].file.name}, line {seen[key].line}")
            seen[key] = place
            text = place.text("text", cells[0])
            if not text:
                left_out.append(LeftOut(id=key, file=str(base / name), rule=EMPTY))
                continue
            utterances.append(
                Utterance(
                    id=key,
                    corpus="goemotions",
                    media=str(base / name),
                    text=text,
                    labels={labels[number]: 1.0 for number in _numbers(place, cells[1], len(labels))},
                    split=split,
                )
            )
    return Corpus(
        name="goemotions",
        emotions=EKMAN_EMOTIONS,
        utterances=tuple(utterances),
        root=base,
        left_out=tuple(left_out),
        ready=words_clip,
    )


def _holds_it(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES.values()) and any(
        (folder / name).is_file() for name in LABEL_FILES
    )


def _labels(path: Path) -> list[str]:
    """Return the emotion that each number stands for."""
    names = []
    for place, line in read_lines(path):
        word = line.strip().lower()
        if not word:
            continue
        name = _OF_FINE.get(word, emotion_name(word))
        if name not in EKMAN_EMOTIONS:
            place.fail("label", f"'{shorten(word)}' is none of the emotions of GoEmotions", "give the file as published")
        names.append(name)
    if not names:
        raise DataError("there is no label", file=path, remedy="give the file as published")
    return names


def _numbers(place: Place, text: str, labels: int) -> list[int]:
    if not text.strip():
        place.fail("labels", "there is none", "an utterance without an emotion is neutral")
    return [place.whole("labels", number, high=labels - 1) for number in text.split(",")]
