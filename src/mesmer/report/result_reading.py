"""Results of ``mesmer analyze`` read back: held to the published schema, with bounds, for they may come from strangers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.result import schema
from mesmer.errors import DataError
from mesmer.report.analysis_files import RESULT_FILE
from mesmer.report.face_pictures import MAX_FACES, read_face
from mesmer.report.html_pages import plain
from mesmer.storage.reading import read_json

MAX_RESULT_BYTES = 128 * 2**20
MAX_RESULTS = 200
MAX_EMOTIONS = 64
MAX_PEOPLE = 10_000
MAX_TIME_S = 1e7
MAX_NUMBER = 2**63

_REMEDY = "analyse the file again, or give what `mesmer analyze` wrote"


@dataclass(frozen=True, kw_only=True)
class Result:
    """An analysis as it was written: ``value`` follows the JSON Schema; ``faces`` are uint8 (H, W, 3) by person."""

    value: Mapping[str, Any]
    faces: Mapping[int, NDArray[np.uint8]]

    @property
    def blurred(self) -> bool:
        """Whether the pictures were blurred when they were written."""
        return bool(self.value.get("faces_blurred", False))


def find_results(inputs: Sequence[str | Path]) -> list[Path]:
    """Return the ``analysis.json`` of each input: such a file, a folder that holds one, or a folder of such folders.

    Raises:
        DataError: an input holds no result, or there are more than can be compared.
    """
    found: list[Path] = []
    for path in map(Path, inputs):
        if not path.is_dir():
            found.append(path)
        elif (path / RESULT_FILE).exists():
            found.append(path / RESULT_FILE)
        else:
            inside = sorted(path.rglob(RESULT_FILE))
            if not inside:
                raise DataError(f"there is no {RESULT_FILE} in it", file=path, remedy="give what `mesmer analyze` wrote")
            found += inside
    results = list(dict.fromkeys(found))
    if len(results) > MAX_RESULTS:
        raise DataError(f"{len(results)} results are too many for one page", remedy=f"give at most {MAX_RESULTS}")
    return results


def read_result(path: str | Path, *, with_faces: bool = True) -> Result:
    """Read an ``analysis.json``, and the pictures beside it.

    Raises:
        DataError: it is missing, too large or damaged, does not follow the schema or contradicts itself; or a picture that
            it names lies elsewhere or is none.
    """
    file = Path(path)
    value = read_json(file, max_bytes=MAX_RESULT_BYTES)
    problem = next(_validator().iter_errors(value), None)
    if problem is not None:
        field = plain(".".join(map(str, problem.absolute_path)), 100) or None
        raise DataError(f"not by the schema: {plain(problem.message, 160)}", file=file, field=field, remedy=_REMEDY)
    for field, message in _contradictions(value):
        raise DataError(message, file=file, field=field, remedy=_REMEDY)
    faces = {}
    for person in value["people"][:MAX_FACES] if with_faces else ():
        if person["thumbnail_file"] is not None:
            face = read_face(file.parent, person["thumbnail_file"])
            if face is not None:
                faces[person["number"]] = face
    return Result(value=value, faces=faces)


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def _contradictions(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where, and how, a value that follows the schema still cannot be shown."""
    emotions, people = value["model"]["emotions"], value["people"]
    if len(emotions) > MAX_EMOTIONS:
        yield "model.emotions", f"{len(emotions)} emotions are more than the {MAX_EMOTIONS} that can be shown"
    if len(people) > MAX_PEOPLE:
        yield "people", f"{len(people)} people are more than the {MAX_PEOPLE} that can be shown"
    if len({person["number"] for person in people}) < len(people):
        yield "people", "two people have the same number"
    for field, number in _numbers(value):
        if not -MAX_NUMBER < number < MAX_NUMBER:
            yield field, "this number is too large"
    times = [value["source"]["duration_s"], value["analyzed_s"], *(person["last_s"] for person in people)]
    if max(times + [row["end_s"] for row in value["utterances"]]) > MAX_TIME_S:
        yield "duration_s", "a time of more than a hundred days"
    for row in value["utterances"]:
        if row["end_s"] < row["start_s"]:
            yield plain(row["id"], 20), "the utterance ends before it begins"
        if row["emotions"] and set(row["emotions"]) != set(emotions):
            yield plain(row["id"], 20), "its emotions are not those of the model"


def _numbers(value: Any) -> Iterator[tuple[str, float]]:
    """Yield every number below a value, with the nearest key above it."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        key, item = pending.pop()
        if isinstance(item, dict):
            pending += item.items()
        elif isinstance(item, list):
            pending += [(key, one) for one in item]
        elif isinstance(item, (int, float)):
            yield plain(key, 60), item
