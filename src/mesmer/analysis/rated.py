"""The rows of a result as the tool rated them, read back from its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.analysis.result import FORMAT, VERSION
from mesmer.errors import DataError
from mesmer.storage.reading import read_json

RESULT_FILE = "analysis.json"
MAX_RESULT_BYTES = 512 * 2**20
MAX_ROWS = 100_000
MAX_DURATION_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RatedRow:
    """An utterance as the tool rated it: ``expressed`` is None where it gave no answer; ``person`` None where unseen."""

    start_s: float
    end_s: float
    person: int | None
    expressed: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What of an analysis is compared."""

    path: Path
    emotions: tuple[str, ...]
    rows: Sequence[RatedRow]


def read_result(path: str | Path) -> Result:
    """Read the rows of an ``analysis.json``, or of the folder it lies in.

    Raises:
        DataError: it is missing, or no result of ``mesmer analyze``.
    """
    path = Path(path)
    file = path / RESULT_FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise DataError(f"there is no {RESULT_FILE} in it", file=path, remedy="give the folder of one analysed file")
    found: Any = read_json(file, max_bytes=MAX_RESULT_BYTES)
    try:
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise DataError("this is a result of another version", file=file, field="version")
        emotions = tuple(str(name) for name in found["model"]["emotions"])
        if len(found["utterances"]) > MAX_ROWS:
            raise DataError(f"it holds more than {MAX_ROWS} utterances", file=file)
        rows = [_row(one) for one in found["utterances"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError("this is no result of mesmer analyze", file=file, remedy=f"give its {RESULT_FILE}") from None
    if not emotions or any(not 0 <= row.start_s <= row.end_s <= MAX_DURATION_S for row in rows):
        raise DataError("this is no result of mesmer analyze", file=file, remedy=f"give its {RESULT_FILE}")
    return Result(path=file, emotions=emotions, rows=rows)


def _row(one: Any) -> RatedRow:
    told = one["emotions"]
    person = one["person"]
    return RatedRow(
        start_s=float(one["start_s"]),
        end_s=float(one["end_s"]),
        person=None if person is None else int(person),
        expressed=frozenset(name for name, of in told.items() if of["expressed"]) if told else None,
    )
