"""What people coded in a file: who expressed which emotion from when to when. Read from CSV here, from ELAN beside it.

CSV: one header line; ``start_s``, ``end_s`` (seconds from the start of the file); ``person`` and ``coder``, if there are
several; then either a column for each emotion (1 expressed, 0 not, empty not rated), or one column ``emotion`` with what is
expressed (several with ``;``; ``none``, ``neutral`` or an empty cell: nothing). Files come from strangers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mesmer.corpora.text_files import TableRow, read_table, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import DataError, suggest

MAX_CODES = 200_000
MAX_CODERS = 20
MAX_NAME_CHARS = 100
MAX_TIME_S = 1e6
NOTHING = frozenset({"", "none", "neutral", "nothing", "no emotion", "-"})
"""Words that say a stretch was looked at and shows no emotion (``neutral`` unless the model knows it as an emotion)."""

_COLUMNS = ("start_s", "end_s", "person", "coder", "emotion")
_SEPARATORS = re.compile(r"[;,|+/]")
_PROBABILITY = re.compile(r"\s+[01]\.\d+$")
_DOUBTS = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, kw_only=True)
class Code:
    """One stretch that a coder has rated.

    Attributes:
        coder: who rated it.
        person: whom it is about, as the coder calls them; None is whoever speaks.
        start_s, end_s: in seconds from the start of the file.
        named: the emotions expressed.
        rated: the emotions that were rated; None is all that the coder could choose from.
    """

    coder: str
    person: str | None
    start_s: float
    end_s: float
    named: frozenset[str]
    rated: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Codes:
    """All that one file of codes holds.

    Attributes:
        codes: in the file's order.
        throughout: (coder, person, emotion) rated in the whole file: what is not coded there shows nothing.
        notes: sentences about what was read how, and what was not.
    """

    codes: Sequence[Code]
    throughout: frozenset[tuple[str, str | None, str]] = frozenset()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def coders(self) -> list[str]:
        """Names of the coders, in order of appearance."""
        return list(dict.fromkeys([code.coder for code in self.codes] + sorted(one[0] for one in self.throughout)))


class EmotionWords:
    """What a coder's word means: an emotion the model knows, nothing, or something else.

    Args:
        emotions: those the model knows.
        meanings: further words -> emotion, as the user gives them.

    Raises:
        DataError: a meaning is no emotion the model knows.
    """

    def __init__(self, emotions: Sequence[str], meanings: dict[str, str] | None = None) -> None:
        self.emotions = tuple(emotions)
        self._known = {name.lower(): name for name in emotions}
        self._meanings = {word.strip().lower(): name for word, name in (meanings or {}).items()}
        for word, name in self._meanings.items():
            if name not in self.emotions:
                problem = f"'{shorten(name)}' is no emotion of the model"
                raise DataError(problem, field=shorten(word), remedy=suggest(name, self.emotions))

    def emotion(self, word: str) -> str | None:
        """Return the emotion that a word means; None for any other word."""
        plain = word.strip().lower()
        return self._meanings.get(plain) or self._known.get(plain) or self._known.get(emotion_name(plain))

    def read(self, text: str) -> tuple[frozenset[str], list[str]]:
        """Return the emotions that a cell or an annotation names, and its words that mean none and are not "nothing".

        What ``mesmer analyze`` writes into its own ELAN files is read too: ``anger 0.84, fear 0.61 (unsure: fear)``.
        """
        words = [_PROBABILITY.sub("", part.strip()) for part in _SEPARATORS.split(_DOUBTS.sub("", text))]
        meant = {word: self.emotion(word) for word in words}
        return (
            frozenset(name for name in meant.values() if name is not None),
            [word for word, name in meant.items() if name is None and word.lower() not in NOTHING],
        )


def read_code_file(path: str | Path, *, words: EmotionWords, coder: str, tiers: Sequence[str] = ()) -> Codes:
    """Read codes from ``.csv`` or ELAN's ``.eaf``, told by the file's ending.

    Args:
        path: of the file.
        words: what the codes mean.
        coder: who coded, where the file does not say.
        tiers: of an ELAN file, those that hold codes; none given: those whose annotations do.

    Raises:
        DataError: the file is missing, too large, malformed, of another kind, or holds no codes.
    """
    from mesmer.analysis.codes_elan import read_elan_codes

    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".csv", ".eaf"):
        raise DataError("this is no file of codes", file=path, remedy="give a .csv or an ELAN .eaf")
    if ending == ".eaf":
        found = read_elan_codes(path, words=words, coder=coder, tiers=tiers)
    else:
        found = _read_csv_codes(path, words=words, coder=coder)
    return replace(found, notes=[f"{shorten(path.name)}: {note}" for note in found.notes])


def checked_name(text: str, *, file: Path, field: str) -> str | None:
    """Return the name of a person or coder; None where the text is empty. Raises DataError where it is no name."""
    name = " ".join(text.split())
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        remedy = f"use up to {MAX_NAME_CHARS} printable characters"
        raise DataError(f"'{shorten(text)}' is not a name", file=file, field=field, remedy=remedy)
    return name or None


def strange_words_note(strange: Sequence[str]) -> list[str]:
    """Return a sentence on words that mean no emotion of the model, if there are any."""
    if not strange:
        return []
    counts = {word: strange.count(word) for word in dict.fromkeys(strange)}
    often = sorted(counts, key=lambda word: -counts[word])[:5]
    listed = ", ".join(f"{shorten(word, 30)} ({counts[word]})" for word in often)
    return [f"codes that are no emotion of the model were read as none of them: {listed}"]


def _read_csv_codes(path: Path, *, words: EmotionWords, coder: str) -> Codes:
    table = read_table(path, columns=("start_s", "end_s"))
    if not table:
        raise DataError("there are no codes in it", file=path, remedy="give one row per coded stretch")
    if len(table) > MAX_CODES:
        raise DataError(f"it holds more than {MAX_CODES} codes", file=path, remedy="split the file")
    header = [name for name in table[0].cells if name not in _COLUMNS]
    columns: dict[str, str] = {}
    for name in header:
        emotion = words.emotion(name)
        if emotion in columns.values():
            table[0].place.fail("header", f"two columns mean '{emotion}'", "keep one of them")
        if emotion is not None:
            columns[name] = emotion
    by_word = "emotion" in table[0].cells
    if by_word == bool(columns):
        table[0].place.fail(
            "header",
            "there are columns of emotions and a column 'emotion'" if by_word else "no column says what is expressed",
            f"give either a column 'emotion', or one for each of: {', '.join(words.emotions)}",
        )
    strange: list[str] = []
    codes = []
    for row in table:
        if by_word:
            named, others = words.read(row.cells["emotion"])
            rated = None
            strange += others
        else:
            named, rated = _rated(row, columns)
        start_s, end_s = _times(row)
        codes.append(
            Code(
                coder=_name(row, "coder") or coder,
                person=_name(row, "person"),
                start_s=start_s,
                end_s=end_s,
                named=named,
                rated=rated,
            )
        )
    unused = [shorten(name, 30) for name in header if name not in columns]
    notes = [f"columns that were not read: {', '.join(unused)}"] if unused else []
    return Codes(codes=codes, notes=[*notes, *strange_words_note(strange)])


def _rated(row: TableRow, columns: dict[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the emotions expressed and those rated, of a row with one column for each."""
    values = {
        emotion: row.place.whole(name, row.cells[name], high=1) for name, emotion in columns.items() if row.cells[name]
    }
    return frozenset(name for name, value in values.items() if value), frozenset(values)


def _name(row: TableRow, column: str) -> str | None:
    return checked_name(row.cells.get(column, ""), file=row.place.file, field=f"line {row.place.line}, {column}")


def _times(row: TableRow) -> tuple[float, float]:
    start_s, end_s = (row.place.number(name, row.cells[name], high=MAX_TIME_S) for name in ("start_s", "end_s"))
    if end_s <= start_s:
        row.place.fail("end_s", f"the end {end_s:g} s is not after the start {start_s:g} s", "correct the times")
    return start_s, end_s
