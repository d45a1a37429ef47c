"""The utterances of a result as a page shows them: in words, in numbers, and how sure the answer is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mesmer.records import MODALITIES
from mesmer.report.html_pages import plain

State = Literal["yes", "yes?", "no?", "no"]
"""Expressed; expressed, but unsure; not expressed, but unsure; not expressed."""

PLAIN_MODALITIES = {"text": "words", "audio": "voice", "visual": "face"}
COLOURS = {
    "anger": 0, "disgust": 1, "fear": 2, "happiness": 3, "sadness": 4, "surprise": 5, "neutral": 6, "frustration": 7,
    "excitement": 1,
}  # fmt: skip
"""Number of the colour of each known emotion, so that it is the same in every page; others take theirs in turn."""
NUM_COLOURS = 8
_NUMBER = re.compile(r"[0-9.]+")
_WARNING_CHARS = 400
_KINDS_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is said of one emotion in one utterance: ``number`` as shown, ``level`` 0 to 1, and the decision."""

    emotion: str
    colour: int
    number: str
    level: float
    state: State


@dataclass(frozen=True, kw_only=True)
class Row:
    """One utterance, ready to be shown.

    Attributes:
        number: its place in the page, from 1; addresses within the page are made of it.
        id: as in the result.
        person: number of the face track; None for a voice without one.
        cells: one per emotion of the model; none where there was no answer.
        shares: per modality (words, voice, face) its part in percent as shown, or a dash.
        notes: warnings, and why a modality was not read.
    """

    number: int
    id: str
    start_s: float
    end_s: float
    person: int | None
    who: str
    spoken: bool
    text: str
    cells: Sequence[Cell]
    shares: Sequence[tuple[str, str]]
    notes: Sequence[str]

    @property
    def time(self) -> str:
        """From when to when."""
        return f"{clock(self.start_s)} to {clock(self.end_s)}"

    @property
    def lines(self) -> list[str]:
        """The utterance in words, line by line: for whoever points at it or hears the page."""
        said = f"“{self.text}”" if self.text else ("no words" if self.spoken else "nobody speaks")
        lines = [f"{self.time}, {self.who}", said]
        sure = [f"{cell.emotion} {cell.number}" for cell in _strongest(self.cells) if cell.state == "yes"]
        unsure = [
            f"{cell.emotion} {cell.number} ({'rather yes' if cell.state == 'yes?' else 'rather no'})"
            for cell in _strongest(self.cells)
            if cell.state in ("yes?", "no?")
        ]
        if not self.cells:
            lines.append("no answer")
        elif sure or not unsure:
            lines.append(f"expressed: {', '.join(sure) or 'none of these emotions'}")
        if unsure:
            lines.append(f"unsure: {', '.join(unsure)}")
        shares = [f"{name} {share} %" for name, share in self.shares if share != "–"]
        lines += [f"it rests on {', '.join(shares)}"] if shares else []
        return lines + [f"note: {note}" for note in self.notes]


def make_rows(value: Mapping[str, Any]) -> list[Row]:
    """Return the utterances of a result, in order of time."""
    ordered = sorted(value["utterances"], key=lambda one: (one["start_s"], one["end_s"], one["person"] or 0))
    emotions = value["model"]["emotions"]
    colours = colours_of(emotions)
    return [_row(one, number, emotions, colours) for number, one in enumerate(ordered, start=1)]


def colours_of(emotions: Sequence[str]) -> dict[str, int]:
    """Return the number of each emotion's colour, 0 to 7; known ones keep theirs, others take what is left, in turn."""
    known = {name: COLOURS[name] for name in emotions if name in COLOURS}
    left = [colour for colour in range(NUM_COLOURS) if colour not in known.values()] or list(range(NUM_COLOURS))
    others = [name for name in emotions if name not in COLOURS]
    return known | {name: left[place % len(left)] for place, name in enumerate(others)}


def person_name(number: int | None) -> str:
    """Return what a page calls a person; ``None`` is whoever is heard, but not seen to speak."""
    return "unseen voice" if number is None else f"person {number}"


def clock(time_s: float) -> str:
    """Return a time of a file to a tenth of a second, with hours only where there are any.

    >>> clock(75.25), clock(3600.0)
    ('1:15.2', '1:00:00.0')
    """
    tenths = round(max(0.0, time_s) * 10)
    hours, minutes, seconds = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def length(time_s: float) -> str:
    """Return a length of time in words.

    >>> length(4.2), length(75.0), length(7325)
    ('4.2 s', '1 min 15 s', '2 h 2 min')
    """
    if time_s < 59.95:
        return f"{time_s:.1f} s"
    seconds = round(time_s)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60} min"


def count(number: int, name: str) -> str:
    """Return a number of things: ``1 person``, ``2 utterances``."""
    plural = {"person": "people", "file": "files"}.get(name, f"{name}s")
    return f"{number:,} {name if number == 1 else plural}"


def note_counts(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Return each note of the rows and in how many of them it stands, the most frequent first; numbers in it may differ."""
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in rows:
        for note in dict.fromkeys(row.notes):
            kind = _NUMBER.sub("#", note)
            kinds[kind] += 1
            first.setdefault(kind, note)
    return [(first[kind], times) for kind, times in kinds.most_common(_KINDS_SHOWN)]


def _row(one: Mapping[str, Any], number: int, emotions: Sequence[str], colours: Mapping[str, int]) -> Row:
    reasons = [
        f"{PLAIN_MODALITIES[name]} not read: {plain(one['absent'][name], _WARNING_CHARS)}"
        for name in MODALITIES
        if name in one["absent"]
    ]
    shares = one["contributions"]
    return Row(
        number=number,
        id=plain(one["id"], 20),
        start_s=float(one["start_s"]),
        end_s=float(one["end_s"]),
        person=one["person"],
        who=person_name(one["person"]),
        spoken=one["kind"] == "speech",
        text=plain(one["text"] or ""),
        cells=[_cell(name, colours[name], one["emotions"][name]) for name in emotions] if one["emotions"] else [],
        shares=[(PLAIN_MODALITIES[name], f"{100 * shares[name]:.0f}" if name in shares else "–") for name in MODALITIES],
        notes=[*(plain(warning, _WARNING_CHARS) for warning in one["warnings"]), *reasons],
    )


def _cell(name: str, colour: int, told: Mapping[str, Any]) -> Cell:
    decided = "yes" if told["expressed"] else "no"
    state: Any = f"{decided}?" if told["unsure"] else decided
    level = float(told["probability"])
    return Cell(emotion=plain(name, 60), colour=colour, number=f"{level:.2f}", level=level, state=state)


def _strongest(cells: Sequence[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: -cell.level)
