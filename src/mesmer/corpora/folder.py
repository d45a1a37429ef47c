"""Your own clips: a CSV or JSONL manifest of ``path, id?, start_s?, end_s?, speaker?, dialogue?, text?, labels?, split?``.

Paths: a relative path starts at the manifest's folder and may not leave it through ``..``, so that a folder moved
elsewhere as a whole never points at other files by accident; an absolute path is taken as it is. Addresses such as
``http://...`` are refused: only files are read.

Labels: ``happiness;surprise:0.5`` in CSV (``|`` separates too), a list or a mapping in JSONL. ``none`` (CSV) or an empty
list or mapping (JSONL) says that no emotion is expressed; an empty cell says that the utterance is unlabelled.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mesmer.corpora.base import Corpus
from mesmer.corpora.manifest import Row, read_rows
from mesmer.emotions import SIX_EMOTIONS, check_label_set, emotion_name
from mesmer.errors import DataError, suggest
from mesmer.records import SPLITS, Utterance

MAX_NAME_CHARS = 300
MAX_EMOTIONS = 64
_LABELS_REMEDY = "write happiness;surprise:0.5 in CSV, a list or a mapping in JSONL"


def read_folder(manifest: Path, *, emotions: Sequence[str] | None = None, name: str = "folder") -> Corpus:
    """Read a manifest of one's own clips; every media file it names must exist.

    Args:
        manifest: a ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson`` file.
        emotions: the label set. None takes the six basic emotions where they cover every label, else the labels found,
            sorted.
        name: name of the corpus.

    Raises:
        DataError: with the file, the line and the column in which something is wrong, and what to do about it.
    """
    manifest = Path(manifest)
    label_set = None if emotions is None else check_label_set(emotions)
    rows = read_rows(manifest)
    readers = [_RowReader(manifest=manifest, row=row, emotions=label_set) for row in rows]
    utterances = tuple(reader.utterance(corpus=name) for reader in readers)
    _check_ids(manifest, rows, utterances)
    _check_splits(manifest, rows, utterances)
    _check_media(manifest, rows, utterances)
    if label_set is None:
        label_set = _found_label_set(manifest, utterances)
    return Corpus(name=name, emotions=label_set, utterances=utterances, root=manifest.parent)


class _RowReader:
    """Turns one row into an utterance; every complaint names the file, the line and the column."""

    def __init__(self, *, manifest: Path, row: Row, emotions: tuple[str, ...] | None) -> None:
        self.manifest = manifest
        self.row = row
        self.emotions = emotions

    def utterance(self, *, corpus: str) -> Utterance:
        media = self.media()
        start_s, end_s = self.seconds("start_s"), self.seconds("end_s")
        if end_s is not None and end_s <= (start_s or 0.0):
            self.fail(
                "end_s", f"the end {end_s:g} s is not after the start {start_s or 0:g} s", "swap or correct the times"
            )
        return Utterance(
            id=self.name("id") or self.default_id(start_s, end_s),
            corpus=corpus,
            media=str(media),
            start_s=start_s,
            end_s=end_s,
            speaker=self.name("speaker"),
            dialogue=self.name("dialogue"),
            text=self.text(),
            labels=self.labels(),
            split=self.split(),
        )

    def fail(self, column: str, problem: str, remedy: str | None = None) -> NoReturn:
        raise DataError(problem, file=self.manifest, field=f"line {self.row.line}, {column}", remedy=remedy)

    def media(self) -> Path:
        path = self.row.values.get("path")
        if not isinstance(path, str) or not path.strip():
            self.fail("path", "there is no path", "name the media file")
        if len(path) > 4096 or any(ord(mark) < 32 for mark in path):
            self.fail("path", "the path is too long or holds control characters")
        if "://" in path:
            self.fail("path", f"'{path[:100]}' is an address, not a file", "download it and give its path")
        if Path(path).is_absolute():
            return Path(path)
        depth = 0
        for part in Path(path).parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                self.fail("path", f"'{path[:100]}' leaves the manifest's folder", "give an absolute path")
        return self.manifest.parent / path

    def default_id(self, start_s: float | None, end_s: float | None) -> str:
        path = Path(self.row.values["path"])
        stem = path.with_suffix("").as_posix().strip("/") if not path.is_absolute() else path.stem
        if start_s is None and end_s is None:
            return stem
        return f"{stem}@{start_s or 0:g}-" + ("" if end_s is None else f"{end_s:g}")

    def name(self, column: str) -> str | None:
        value = self.row.values.get(column)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            self.fail(column, "this is not a name", "write it as text")
        value = value.strip()
        if len(value) > MAX_NAME_CHARS or not value.isprintable():
            self.fail(column, f"the name is longer than {MAX_NAME_CHARS} characters or holds control characters")
        return value

    def text(self) -> str | None:
        value = self.row.values.get("text")
        if value is not None and not isinstance(value, str):
            self.fail("text", "the transcript is not text")
        return (value or "").strip() or None

    def seconds(self, column: str) -> float | None:
        value = self.row.values.get(column)
        if value is None:
            return None
        number = self.number(column, value, "write seconds such as 12.5, with a decimal point")
        if number < 0:
            self.fail(column, f"{number:g} s is negative", "times count from the start of the media file")
        return number

    def number(self, column: str, value: Any, remedy: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            self.fail(column, f"{str(value)[:60]!r} is not a number", remedy)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            self.fail(column, f"{str(value)[:60]!r} is not a number", remedy)
        if not math.isfinite(number):
            self.fail(column, f"{str(value)[:60]!r} is not a finite number", remedy)
        return number

    def split(self) -> str | None:
        split = self.name("split")
        if split is not None and split not in SPLITS:
            close = {"val": "valid", "dev": "valid", "development": "valid", "eval": "test"}.get(split.lower())
            self.fail("split", f"unknown split '{split}'", f"did you mean '{close}'?" if close else suggest(split, SPLITS))
        return split

    def labels(self) -> dict[str, float] | None:
        value = self.row.values.get("labels")
        if value is None:
            return None
        scored: list[tuple[Any, Any]]
        if isinstance(value, str):
            if value.strip().lower() == "none":
                return {}
            parts = [part.strip() for part in re.split(r"[;|]", value)]
            scored = [
                (word.strip(), score if colon else 1.0) for word, colon, score in (p.partition(":") for p in parts if p)
            ]
            if not scored:
                self.fail("labels", "there is no label between the separators", _LABELS_REMEDY)
        elif isinstance(value, dict):
            scored = list(value.items())
        elif isinstance(value, list):
            scored = [(word, 1.0) for word in value]
        else:
            self.fail("labels", "the labels are neither text, a list nor a mapping", _LABELS_REMEDY)
        labels: dict[str, float] = {}
        for word, score in scored:
            label = self.label(word)
            if label in labels:
                self.fail("labels", f"the label '{label}' stands twice", "name each emotion once")
            number = self.number("labels", score, "write a score from 0 to 1, such as happiness:0.5")
            if not 0.0 <= number <= 1.0:
                self.fail("labels", f"the score {number:g} of '{label}' is outside [0, 1]", "scale the scores to 0..1")
            labels[label] = number
        return labels

    def label(self, word: Any) -> str:
        if not isinstance(word, str) or not word.strip() or len(word) > 60 or not word.isprintable():
            self.fail("labels", f"{str(word)[:60]!r} is not the name of an emotion", _LABELS_REMEDY)
        label = emotion_name(word)
        if self.emotions is not None and label not in self.emotions:
            self.fail("labels", f"unknown label '{label}'", suggest(label, self.emotions))
        if self.emotions is None and label not in SIX_EMOTIONS:
            # Without a label set any word is a label, but one letter off a known emotion is a slip, not a new emotion.
            close = difflib.get_close_matches(label, SIX_EMOTIONS, n=1, cutoff=0.85)
            if close:
                self.fail("labels", f"unknown label '{label}'", f"did you mean '{close[0]}'?")
        return label


def _check_ids(manifest: Path, rows: Sequence[Row], utterances: Sequence[Utterance]) -> None:
    first_line: dict[str, int] = {}
    for row, utterance in zip(rows, utterances, strict=True):
        if utterance.id in first_line:
            problem = f"the id '{utterance.id}' was used in line {first_line[utterance.id]}"
            remedy = (
                "give each row its own id" if "id" in row.values else "the same stretch stands twice: remove one or add ids"
            )
            raise DataError(problem, file=manifest, field=f"line {row.line}, id", remedy=remedy)
        first_line[utterance.id] = row.line


def _check_splits(manifest: Path, rows: Sequence[Row], utterances: Sequence[Utterance]) -> None:
    without = [row.line for row, utterance in zip(rows, utterances, strict=True) if utterance.split is None]
    if without and len(without) < len(utterances):
        problem = f"{len(without)} of {len(utterances)} rows have no split"
        remedy = "give every row a split, or none"
        raise DataError(problem, file=manifest, field=f"line {without[0]}, split", remedy=remedy)


def _check_media(manifest: Path, rows: Sequence[Row], utterances: Sequence[Utterance]) -> None:
    known: dict[str, bool] = {}
    missing: list[tuple[int, str]] = []
    for row, utterance in zip(rows, utterances, strict=True):
        if utterance.media not in known:
            known[utterance.media] = os.path.isfile(utterance.media)
        if not known[utterance.media]:
            missing.append((row.line, utterance.media))
    if missing:
        line, media = missing[0]
        kind = "is a folder" if os.path.isdir(media) else "does not exist"
        more = f" (and {len(missing) - 1} more rows have no file)" if len(missing) > 1 else ""
        remedy = "relative paths start at the manifest's folder"
        raise DataError(f"'{media}' {kind}{more}", file=manifest, field=f"line {line}, path", remedy=remedy)


def _found_label_set(manifest: Path, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    found = sorted({label for utterance in utterances for label in utterance.labels or ()})
    if set(found) <= set(SIX_EMOTIONS):
        return SIX_EMOTIONS
    if len(found) > MAX_EMOTIONS:
        problem = f"{len(found)} different labels were found, more than {MAX_EMOTIONS}"
        raise DataError(problem, file=manifest, field="labels", remedy="is the column of labels the right one?")
    return tuple(found)
