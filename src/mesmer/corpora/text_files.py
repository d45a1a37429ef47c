"""Lines and tables of a raw corpus, as untrusted text: bounded, cut at line ends only, with a place for every complaint.

What the lines mean is the business of each corpus; this file knows bytes, lines, CSV and numbers. Everything is cut with
``partition`` and ``split``, never matched with a pattern that could back-track, so the time is linear in the bytes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mesmer.errors import DataError, suggest
from mesmer.storage.reading import read_bytes

MAX_FILE_BYTES = 128 * 2**20
MAX_LINE_BYTES = 2**20
MAX_NAME_CHARS = 200
MAX_TEXT_CHARS = 20_000

# Old Windows characters that were taken for ISO 8859-1 on their way to UTF-8 (U+0092 is an apostrophe, and so on);
# the five that Windows does not have, and all control characters, become spaces.
_MENDED = {code: bytes([code]).decode("cp1252", "ignore") or " " for code in range(0x80, 0xA0)}
_SPACED = dict.fromkeys((*range(0x20), 0x7F, 0xA0), " ")
_TEXT_MARKS = str.maketrans(_MENDED | _SPACED)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of a file. Its methods read one field of it or raise a DataError that names file, line and field."""

    file: Path
    line: int

    def fail(self, field: str, problem: str, remedy: str | None = None) -> NoReturn:
        """Raise the DataError for a field of this line."""
        raise DataError(problem, file=self.file, field=f"line {self.line}, {field}", remedy=remedy)

    def number(self, field: str, text: str, *, low: float = 0.0, high: float = 1e7) -> float:
        """Return a plain decimal number within [low, high]."""
        plain = text.strip()
        shown = shorten(plain)
        # float() also takes nan, 1_000 and digits of other scripts; none of them is a number in a corpus.
        if not plain.isascii() or "_" in plain or len(plain) > 40:
            self.fail(field, f"'{shown}' is not a number")
        try:
            value = float(plain)
        except ValueError:
            self.fail(field, f"'{shown}' is not a number")
        if not math.isfinite(value) or not low <= value <= high:
            self.fail(field, f"'{shown}' is outside {low:g} to {high:g}")
        return value

    def whole(self, field: str, text: str, *, high: int = 10**7) -> int:
        """Return a whole number from 0 to ``high``; ``3.0`` counts as one."""
        value = self.number(field, text, high=high)
        if value != int(value):
            self.fail(field, f"'{shorten(text.strip())}' is not a whole number")
        return int(value)

    def name(self, field: str, text: str) -> str:
        """Return a name that may become part of an id or a path: printable, without separators of folders."""
        name = text.strip()
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            self.fail(field, f"'{shorten(text)}' is not a name")
        if "/" in name or "\\" in name or name in (".", ".."):
            self.fail(field, f"'{shorten(text)}' would lead to another folder")
        return name

    def text(self, field: str, text: str) -> str:
        """Return a transcript on one line, with single spaces and mended apostrophes."""
        if len(text) > MAX_TEXT_CHARS:
            self.fail(field, f"the transcript is longer than {MAX_TEXT_CHARS} characters")
        return " ".join(text.translate(_TEXT_MARKS).split())


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of a CSV table: the place it starts at, and column -> cell, stripped."""

    place: Place
    cells: dict[str, str]


def shorten(text: str, chars: int = 60) -> str:
    """Return ``text`` in a form that fits into an error message."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in text[:chars])
    return shown + "..." if len(text) > chars else shown


def read_lines(path: Path, *, fallback: str | None = None) -> list[tuple[Place, str]]:
    """Return each line with its place, without its end; a byte order mark is dropped.

    Args:
        path: the file.
        fallback: encoding of lines that are not UTF-8, for corpora older than UTF-8; None refuses such lines.

    Raises:
        DataError: the file is missing or too large, a line is too long, holds a zero byte or is in no known encoding.
    """
    data = read_bytes(path, max_bytes=MAX_FILE_BYTES)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the file is UTF-16", file=path, field="line 1, encoding", remedy="save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = []
    # bytes.splitlines cuts at \n, \r and \r\n only; that of str also cuts inside sentences, at U+0085 or U+2028.
    for number, raw in enumerate(data.splitlines(), start=1):
        place = Place(file=path, line=number)
        if len(raw) > MAX_LINE_BYTES:
            place.fail("length", f"the line is longer than {MAX_LINE_BYTES} bytes", "is this a text file?")
        if b"\0" in raw:
            place.fail("encoding", "the line holds a zero byte", "is this a text file?")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            if fallback is None:
                place.fail("encoding", f"byte {error.start + 1} is not UTF-8", "save the file as UTF-8")
            text = raw.decode(fallback, "replace")
        lines.append((place, text))
    return lines


def read_table(path: Path, *, columns: Sequence[str], fallback: str | None = None) -> list[TableRow]:
    """Return the rows of a CSV file with a header line; columns beyond ``columns`` are kept, blank lines are not.

    Raises:
        DataError: as :func:`read_lines`; the header lacks one of ``columns`` or names one twice, the CSV is malformed,
            or a row has another number of cells than the header.
    """
    lines = read_lines(path, fallback=fallback)
    rows = _csv_rows(path, lines)
    place, header = next(rows, (None, []))
    if place is None:
        raise DataError("the table is empty", file=path, field="line 1, header", remedy="give the file as published")
    names = [name.strip() for name in header]
    for column in columns:
        if names.count(column) != 1:
            problem = f"the column '{column}' " + ("stands twice" if column in names else "is missing")
            place.fail("header", problem, suggest(column, names) if column not in names else None)
    table = []
    for place, cells in rows:
        if len(cells) != len(names):
            place.fail("cells", f"{len(cells)} cells where the header has {len(names)}", "is a quote or a comma missing?")
        table.append(TableRow(place=place, cells={n: cell.strip() for n, cell in zip(names, cells, strict=True)}))
    return table


def _csv_rows(path: Path, lines: list[tuple[Place, str]]) -> Iterator[tuple[Place, list[str]]]:
    reader = csv.reader((text + "\n" for _, text in lines), strict=True)
    while True:
        place = Place(file=path, line=reader.line_num + 1)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            place.fail("cells", f"malformed CSV ({error})", "is a quote never closed, or not doubled inside a cell?")
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield place, cells
