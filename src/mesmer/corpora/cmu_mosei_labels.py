"""The labels of CMU-MOSEI in their two forms: the csd file (HDF5) and the annotators' own tables (CSV).

``CMU_MOSEI_Labels.csd``: ``All Labels/data/VIDEO/features`` (n, 7) with sentiment, happy, sad, anger, surprise, disgust,
fear, the emotions from 0 to 3, and ``intervals`` (n, 2) in seconds; it knows no clip numbers.

``Labels/*.csv``: one row per annotator and segment with ``Input.VIDEO_ID``, ``Input.CLIP`` and ``Answer.anger`` to
``Answer.surprise``. An annotator who is found again under the same ``AssignmentId`` is counted once; the score of a
segment is the mean over its annotators.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesmer.corpora import csd_child
from mesmer.corpora.text_files import read_table
from mesmer.errors import DataError, DependencyError

MAX_SCORE = 3.0
TIMEOUT_S = 300.0

Scores = Mapping[str, float]
"""Emotion -> score from 0 to 3."""

_CSD_EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
_ANSWERS = {f"Answer.{name}": name for name in ("anger", "disgust", "fear", "happiness", "sadness", "surprise")}


@dataclass(frozen=True, kw_only=True)
class LabelledStretch:
    """One row of the csd file: a stretch of a video in seconds and its scores."""

    start_s: float
    end_s: float
    scores: Scores


def read_csd(path: Path) -> dict[str, list[LabelledStretch]]:
    """Read a csd file: video -> its rows, in the order of the file.

    HDF5 is a large format with a large library; a file from a stranger is opened in a process of its own, with bounded
    memory and time, which hands back plain numbers (``-P``: no module is taken from the working folder).

    Raises:
        DataError: the file is missing or damaged, or a value is out of range (with the group and the row).
        DependencyError: h5py is not installed.
    """
    if not path.is_file():
        raise DataError("the csd file does not exist", file=path, remedy="give CMU_MOSEI_Labels.csd")
    if importlib.util.find_spec("h5py") is None:
        remedy = "pip install 'mesmer-emotion[features]'"
        raise DependencyError("reading csd files needs the package h5py", file=path, remedy=remedy)
    command = [sys.executable, "-P", "-m", csd_child.__name__, str(path.absolute())]
    try:
        child = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise DataError(f"the file was not read within {TIMEOUT_S:g} s", file=path, field="HDF5") from None
    try:
        answer = json.loads(child.stdout)
    except ValueError:
        remedy = "fetch the file again"
        raise DataError("the HDF5 library broke down on this file", file=path, field="HDF5", remedy=remedy) from None
    if "problem" in answer:
        raise DataError(answer["problem"], file=path, field=answer["field"], remedy="is this CMU_MOSEI_Labels.csd, whole?")
    return {video: [_stretch(row) for row in rows] for video, rows in answer["videos"].items()}


def _stretch(row: Sequence[float]) -> LabelledStretch:
    start_s, end_s, _, *scores = row
    return LabelledStretch(start_s=start_s, end_s=end_s, scores=dict(zip(_CSD_EMOTIONS, scores, strict=True)))


def read_annotations(tables: Sequence[Path]) -> dict[tuple[str, int], tuple[Path, Scores]]:
    """Read the annotators' tables: (video, clip) -> the first table that names it, and the mean scores.

    An empty answer is no answer; an emotion that nobody answered for scores 0.

    Raises:
        DataError: a table lacks a column, or a row is damaged (with file, line and field).
    """
    answers: dict[tuple[str, int], tuple[Path, dict[str, list[float]]]] = {}
    assignments: set[str] = set()
    for table in tables:
        for row in read_table(table, columns=("Input.VIDEO_ID", "Input.CLIP", *_ANSWERS), fallback="cp1252"):
            place, cells = row.place, row.cells
            video = place.name("Input.VIDEO_ID", cells["Input.VIDEO_ID"])
            segment = (video, place.whole("Input.CLIP", cells["Input.CLIP"]))
            given = {
                emotion: place.number(column, cells[column], high=MAX_SCORE)
                for column, emotion in _ANSWERS.items()
                if cells[column]
            }
            assignment = cells.get("AssignmentId", "")
            if assignment and assignment in assignments:
                continue
            assignments.add(assignment)
            _, collected = answers.setdefault(segment, (table, {emotion: [] for emotion in _ANSWERS.values()}))
            for emotion, score in given.items():
                collected[emotion].append(score)
    return {
        segment: (table, {emotion: sum(found) / len(found) if found else 0.0 for emotion, found in collected.items()})
        for segment, (table, collected) in answers.items()
    }
