"""Score files: anybody's answers as CSV, with the truth beside them. They come from strangers and are read as such.

Columns: ``id``; ``speaker``, if known; then for each emotion ``<emotion>_true`` (above 0 is expressed, whatever the
intensity) and ``<emotion>_score`` (a probability). UTF-8, comma-separated, one header line, in any column order.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.text_files import Place, shorten
from mesmer.errors import DataError, suggest
from mesmer.evaluation.answers import Truth
from mesmer.storage.atomic import write_text
from mesmer.storage.reading import read_bytes, read_json

MAX_FILE_BYTES = 64 * 2**20
MAX_LINES = 500_000
MAX_LINE_BYTES = 2**16
MAX_EMOTIONS = 64
MAX_NAME_CHARS = 200
MAX_THRESHOLD_BYTES = 2**16
MAX_TRUTH = 100.0

TRUE, SCORE = "_true", "_score"

_EMOTION = re.compile(r"\w[\w .+-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """A score file that was read.

    Attributes:
        path: of the file.
        truth: ids, speakers, emotions in the order of the header, labels.
        scores: float64 (N, L) in [0, 1].
    """

    path: Path
    truth: Truth
    scores: NDArray[np.float64]

    def reordered(self, other: ScoreFile) -> ScoreFile:
        """Return ``other`` in the order of this file: the same utterances, truth and emotions.

        Raises:
            DataError: ids, emotions or truth differ; names the first.
        """
        mine, theirs = self.truth, other.truth
        if set(mine.emotions) != set(theirs.emotions):
            raise DataError(
                f"other emotions than in {self.path}", file=other.path, field=_first_of(mine.emotions, theirs.emotions)
            )
        if set(mine.ids) != set(theirs.ids):
            raise DataError(
                f"other ids than in {self.path}", file=other.path, field=f"id {_first_of(mine.ids, theirs.ids)!r}"
            )
        row_of = {name: row for row, name in enumerate(theirs.ids)}
        rows = np.array([row_of[name] for name in mine.ids])
        columns = np.array([theirs.emotions.index(name) for name in mine.emotions])
        labels = theirs.labels[np.ix_(rows, columns)]
        if (labels != mine.labels).any():
            row, column = np.argwhere(labels != mine.labels)[0]
            field = f"id {mine.ids[row]!r}, {mine.emotions[column]}{TRUE}"
            raise DataError(f"another truth than in {self.path}", file=other.path, field=field)
        return ScoreFile(path=other.path, truth=mine, scores=other.scores[np.ix_(rows, columns)])


def read_scores(path: str | Path) -> ScoreFile:
    """Return the content of a score file.

    Raises:
        DataError: the file is missing, too large, or not such a table; names line and column, and the remedy.
    """
    file = Path(path)
    rows = _rows(file)
    place, header = next(rows, (Place(file=file, line=1), []))
    names = [name.strip() for name in header]
    emotions = _emotions(place, names)
    at = {name: column for column, name in enumerate(names)}
    ids: dict[str, int] = {}
    speakers: list[str | None] = []
    numbers = array("d")
    for place, cells in rows:
        if len(cells) != len(names):
            place.fail("cells", f"{len(cells)} cells where the header has {len(names)}", "is a quote or a comma missing?")
        name = _name(place, "id", cells[at["id"]])
        if name in ids:
            place.fail("id", f"'{shorten(name)}' stands on line {ids[name]} already", "name each utterance once")
        ids[name] = place.line
        speaker = cells[at["speaker"]].strip() if "speaker" in at else ""
        speakers.append(_name(place, "speaker", speaker) if speaker else None)
        numbers.extend(place.number(e + TRUE, cells[at[e + TRUE]], high=MAX_TRUTH) for e in emotions)
        numbers.extend(_score(place, e + SCORE, cells[at[e + SCORE]]) for e in emotions)
    if not ids:
        raise DataError("the table has no rows", file=file, remedy="give one row per utterance")
    table = np.array(numbers, dtype=np.float64).reshape(len(ids), 2 * len(emotions))
    truth = Truth(ids=tuple(ids), speakers=tuple(speakers), emotions=emotions, labels=table[:, : len(emotions)] > 0)
    return ScoreFile(path=file, truth=truth, scores=table[:, len(emotions) :])


def write_scores(path: str | Path, truth: Truth, scores: NDArray[np.float64]) -> None:
    """Write a score file that :func:`read_scores` reads back as it was.

    Raises:
        MesmerError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "speaker", *(name for e in truth.emotions for name in (e + TRUE, e + SCORE))])
    for row, name in enumerate(truth.ids):
        pairs = zip(truth.labels[row].tolist(), scores[row].tolist(), strict=True)
        writer.writerow([name, truth.speakers[row] or "", *(cell for t, p in pairs for cell in (int(t), repr(p)))])
    write_text(path, text.getvalue())


def read_thresholds(path: str | Path, emotions: tuple[str, ...]) -> dict[str, float]:
    """Return emotion -> threshold of a JSON file such as ``{"anger": 0.4, "joy": 0.6}``.

    Raises:
        DataError: the file is missing or no such object; an emotion is missing or unknown, or a number not in [0, 1].
    """
    values = read_json(path, max_bytes=MAX_THRESHOLD_BYTES)
    if not isinstance(values, dict):
        raise DataError("an object of emotion: threshold is expected", file=path)
    for name in values:
        if name not in emotions:
            raise DataError(
                "the scores do not speak of this emotion", file=path, field=shorten(name), remedy=suggest(name, emotions)
            )
    for name in emotions:
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            problem = "has no threshold" if name not in values else "is no number from 0 to 1"
            raise DataError(problem, file=path, field=name, remedy="give a number from 0 to 1 for every emotion")
    return {name: float(values[name]) for name in emotions}


def _rows(file: Path) -> Iterator[tuple[Place, list[str]]]:
    """Return each row with its line; blank lines are left out. A row is one line: no name in it holds a line end."""
    lines = io.BytesIO(read_bytes(file, max_bytes=MAX_FILE_BYTES).removeprefix(codecs.BOM_UTF8))
    for number in range(1, MAX_LINES + 2):
        place = Place(file=file, line=number)
        raw = lines.readline(MAX_LINE_BYTES + 1)
        if not raw:
            return
        if len(raw) > MAX_LINE_BYTES:
            place.fail("length", f"the line is longer than {MAX_LINE_BYTES} bytes", "is this a score file?")
        if number > MAX_LINES:
            place.fail("length", f"more than {MAX_LINES} lines", "split the file")
        try:
            cells = next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True), [])
        except UnicodeDecodeError as error:
            place.fail("encoding", f"byte {error.start + 1} is not UTF-8", "save the file as UTF-8")
        except csv.Error as error:
            place.fail("cells", f"malformed CSV ({error})", "is a quote never closed, or not doubled inside a cell?")
        if any(cell.strip() for cell in cells):
            yield place, cells


def _emotions(place: Place, names: list[str]) -> tuple[str, ...]:
    """Return the emotions of a header, in its order; refuse what is missing, stands twice or has no meaning."""
    if len(names) > 2 + 2 * MAX_EMOTIONS:
        place.fail("header", f"{len(names)} columns", f"give at most {MAX_EMOTIONS} emotions")
    if "id" not in names:
        place.fail(
            "header", "the column 'id' is missing", "the first line names: id, speaker, anger_true, anger_score, ..."
        )
    emotions = tuple(dict.fromkeys(n.removesuffix(TRUE) for n in names if n.endswith(TRUE)))
    expected = {"id", "speaker", *(e + end for e in emotions for end in (TRUE, SCORE))}
    for name in names:
        if names.count(name) > 1:
            place.fail("header", f"the column '{shorten(name)}' stands twice", "name each once")
        if name not in expected:
            known = [e + SCORE for e in emotions] or ["anger_true", "anger_score"]
            place.fail(
                "header", f"the column '{shorten(name)}' has no meaning here", suggest(name, known) + ", or leave it out"
            )
    for emotion in emotions:
        if emotion + SCORE not in names:
            place.fail("header", f"the column '{shorten(emotion)}{SCORE}' is missing", "every emotion has _true and _score")
        if not _EMOTION.fullmatch(emotion):
            place.fail("header", f"'{shorten(emotion)}' is not a name", "use up to 40 letters, digits, spaces, and . _ + -")
    if not 1 <= len(emotions) <= MAX_EMOTIONS:
        place.fail(
            "header", f"{len(emotions)} emotions", f"give 1 to {MAX_EMOTIONS}, each as <emotion>_true and <emotion>_score"
        )
    return emotions


def _name(place: Place, field: str, text: str) -> str:
    name = text.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        place.fail(field, f"'{shorten(text)}' is not a name", f"use 1 to {MAX_NAME_CHARS} printable characters")
    return name


def _score(place: Place, field: str, text: str) -> float:
    value = place.number(field, text, low=-1e300, high=1e300)
    if not 0 <= value <= 1:
        place.fail(field, f"'{shorten(text)}' is not in [0, 1]", "give probabilities; of logits, their sigmoid")
    return value


def _first_of(mine: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    """Return the first name that only one of the two has."""
    here, there = set(mine), set(theirs)
    return next(name for name in (*mine, *theirs) if (name in here) != (name in there))
