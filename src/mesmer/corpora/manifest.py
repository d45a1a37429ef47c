"""The rows of a manifest file, CSV or JSONL, as untrusted text: bounded, UTF-8, with line numbers for error messages.

Which values a row may hold is the business of :mod:`mesmer.corpora.folder`; this file knows only the two syntaxes.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.errors import DataError, suggest
from mesmer.storage.reading import parse_json

COLUMNS: tuple[str, ...] = ("path", "id", "start_s", "end_s", "speaker", "dialogue", "text", "labels", "split")
"""Every column a manifest may have; only ``path`` must be there."""

MAX_FILE_BYTES = 512 * 1024**2
MAX_LINE_BYTES = 1024**2
MAX_ROWS = 2_000_000
_MAX_DEPTH = 3

_DELIMITERS = (",", ";", "\t")
_CSV_SUFFIXES = (".csv", ".tsv")
_JSONL_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a manifest.

    Attributes:
        line: number of the line it starts in, from 1.
        values: column -> value; strings from CSV, any JSON value from JSONL. Empty CSV cells and JSON nulls are left out.
    """

    line: int
    values: dict[str, Any]


def read_rows(manifest: Path) -> list[Row]:
    """Read every row of a manifest. The syntax follows the suffix: ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``.

    Raises:
        DataError: the file is missing, too large, empty, not UTF-8, of another kind, malformed, or has an unknown column.
    """
    suffix = manifest.suffix.lower()
    if suffix not in _CSV_SUFFIXES + _JSONL_SUFFIXES:
        raise DataError("this is not a manifest", file=manifest, remedy="name it .csv, .tsv or .jsonl")
    if not os.path.isfile(manifest):  # unlike Path.is_file, no error for a name that is too long
        kind = "is a folder" if os.path.isdir(manifest) else "does not exist"
        raise DataError(f"the manifest {kind}", file=manifest, remedy="give the path of a CSV or JSONL file")
    if manifest.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"the manifest is larger than {MAX_FILE_BYTES} bytes", file=manifest, remedy="split it in parts")
    read = _csv_rows if suffix in _CSV_SUFFIXES else _json_rows
    rows: list[Row] = []
    for row in read(manifest):
        if len(rows) == MAX_ROWS:
            raise DataError(f"the manifest has more than {MAX_ROWS} rows", file=manifest, remedy="split it in parts")
        rows.append(row)
    if not rows:
        raise DataError("the manifest has no rows", file=manifest, remedy="add one row per utterance")
    return rows


def _lines(manifest: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each line, with its line end, decoded strictly; a byte order mark is dropped."""
    try:
        opened = manifest.open("rb")
    except OSError as error:
        raise DataError(f"the manifest cannot be opened ({error.strerror})", file=manifest) from None
    with opened as stream:
        number = 0
        while raw := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"line {number}"
            if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError("the file is UTF-16", file=manifest, field=where, remedy="save it as UTF-8")
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if len(raw) > MAX_LINE_BYTES:
                raise DataError(f"the line is longer than {MAX_LINE_BYTES} bytes", file=manifest, field=where)
            if b"\0" in raw:
                raise DataError("the line holds a zero byte", file=manifest, field=where, remedy="give a text file")
            try:
                yield number, raw.decode("utf-8")
            except UnicodeDecodeError as error:
                problem = f"byte {error.start + 1} is not UTF-8"
                raise DataError(problem, file=manifest, field=where, remedy="save the file as UTF-8") from None


def _check_columns(names: list[str], *, manifest: Path, where: str) -> None:
    for name in names:
        if name not in COLUMNS:
            shown = name if len(name) <= 60 else name[:60] + "..."
            raise DataError(f"unknown column '{shown}'", file=manifest, field=where, remedy=suggest(name[:60], COLUMNS))
        if names.count(name) > 1:
            raise DataError(f"the column '{name}' stands twice", file=manifest, field=where, remedy="keep one of them")
    if "path" not in names:
        raise DataError("there is no column 'path'", file=manifest, field=where, remedy="known: " + ", ".join(COLUMNS))


# --- CSV -----------------------------------------------------------------------------------------------------------


def _header_fields(line: str, delimiter: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _delimiter(header: str) -> str:
    """The delimiter under which the header names the most known columns; a comma where they tie."""
    return max(_DELIMITERS, key=lambda mark: sum(name in COLUMNS for name in _header_fields(header, mark)))


def _csv_rows(manifest: Path) -> Iterator[Row]:
    lines = _lines(manifest)
    header_line, header = next(((number, text) for number, text in lines if text.strip()), (0, ""))
    if not header:
        raise DataError("the manifest is empty", file=manifest, remedy="add a header line and one row per utterance")
    try:
        delimiter = _delimiter(header)
        names = _header_fields(header, delimiter)
    except csv.Error as error:
        raise DataError(f"malformed CSV ({error})", file=manifest, field=f"line {header_line}") from None
    _check_columns(names, manifest=manifest, where=f"line {header_line}")
    reader = csv.reader((text for _, text in lines), delimiter=delimiter, strict=True)
    while True:
        line = header_line + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            remedy = "is a quote never closed, or one inside a field not doubled?"
            raise DataError(f"malformed CSV ({error})", file=manifest, field=f"line {line}", remedy=remedy) from None
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            shown = {",": "a comma", ";": "a semicolon", "\t": "a tab"}[delimiter]
            problem = f"{len(cells)} fields where the header has {len(names)}"
            remedy = f'put a field that holds {shown} in "double quotes"'
            raise DataError(problem, file=manifest, field=f"line {line}", remedy=remedy)
        yield Row(line=line, values={name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()})


# --- JSONL ---------------------------------------------------------------------------------------------------------


def _json_rows(manifest: Path) -> Iterator[Row]:
    for number, text in _lines(manifest):
        if not text.strip():
            continue
        where = f"line {number}"
        values = parse_json(text.encode(), max_depth=_MAX_DEPTH, file=manifest, field=where)
        if not isinstance(values, dict):
            raise DataError("the line is not a JSON object", file=manifest, field=where, remedy='write {"path": ..., ...}')
        _check_columns(list(values), manifest=manifest, where=where)
        yield Row(line=number, values={name: value for name, value in values.items() if value is not None})
