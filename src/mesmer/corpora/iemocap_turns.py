"""The turns of an IEMOCAP dialogue, line by line: what its evaluation says of each, and how it was transcribed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mesmer.corpora.text_files import Place, read_lines, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import suggest

_CODES = ("ang", "hap", "sad", "neu", "exc", "fru")
OTHER_CODES = {"sur": "surprise", "fea": "fear", "dis": "disgust", "oth": "other", "xxx": "no majority"}
_RATER_WORDS = (
    "neutral", "neutral state", "happiness", "excited", "sadness", "anger", "frustration", "surprise", "fear", "disgust",
    "other",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluated turn; ``votes`` holds the emotions each outside rater named."""

    place: Place
    turn: str
    start_s: float
    end_s: float
    code: str
    votes: list[frozenset[str]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Transcription:
    """One transcribed turn."""

    place: Place
    turn: str
    start_s: float
    end_s: float
    text: str


def read_evaluations(path: Path, dialogue: str) -> list[Evaluation]:
    """Return the evaluated turns of a dialogue, in the order of the file.

    Raises:
        DataError: a line is damaged (with its number and field), or a turn is evaluated twice.
    """
    turns: dict[str, Evaluation] = {}
    last: Evaluation | None = None
    for place, line in read_lines(path, fallback="latin-1"):
        if not line.strip() or line.startswith("%"):
            continue
        if line.startswith("["):
            last = read_evaluation(place, line, dialogue)
            if last.turn in turns:
                place.fail("turn", f"'{last.turn}' was evaluated in line {turns[last.turn].place.line} already")
            turns[last.turn] = last
        elif line.startswith(("C-", "A-")):
            if last is None:
                place.fail("rater", "a rater's line stands before the first turn")
            _add_vote(place, line, last)
        else:
            place.fail("line", f"'{shorten(line)}' is neither a turn nor a rater's line")
    return list(turns.values())


def read_transcriptions(path: Path, dialogue: str) -> list[Transcription]:
    """Return the transcribed turns of a dialogue, in the order of the file; one may come twice.

    Raises:
        DataError: a line is damaged (with its number and field).
    """
    found = []
    for place, line in read_lines(path, fallback="latin-1"):
        # Some answers stand between the turns as "M: Yeah.", with neither a name nor times.
        if not line.strip() or line.lstrip().startswith(("F:", "M:")):
            continue
        head, mark, text = line.partition("]:")
        name, bracket, times = head.partition("[")
        if not mark or not bracket:
            place.fail("line", f"'{shorten(line)}' is not a turn", "expected: turn [start-end]: words")
        start_s, end_s = _times(place, f"[{times}]")
        turn = _turn_name(place, name, dialogue)
        found.append(Transcription(place=place, turn=turn, start_s=start_s, end_s=end_s, text=place.text("text", text)))
    return found


def read_evaluation(place: Place, line: str, dialogue: str) -> Evaluation:
    """Return the turn of one line of an evaluation, without votes. Raises as :func:`read_evaluations`."""
    cells = line.rstrip().split("\t")
    if len(cells) != 4:
        place.fail("cells", f"{len(cells)} cells instead of 4", "expected: [start - end] TAB turn TAB label TAB [v, a, d]")
    times, name, code, dimensions = (cell.strip() for cell in cells)
    start_s, end_s = _times(place, times)
    if code not in _CODES and code not in OTHER_CODES:
        place.fail("label", f"unknown label '{shorten(code)}'", suggest(code[:60], (*_CODES, *OTHER_CODES)))
    values = dimensions.removeprefix("[").removesuffix("]").split(",", 3)
    if len(dimensions) < 2 or dimensions[0] + dimensions[-1] != "[]" or len(values) != 3:
        place.fail("dimensions", f"'{shorten(dimensions)}' is not [valence, activation, dominance]")
    for value in values:
        place.number("dimensions", value, low=-10, high=10)
    return Evaluation(place=place, turn=_turn_name(place, name, dialogue), start_s=start_s, end_s=end_s, code=code)


def _add_vote(place: Place, line: str, turn: Evaluation) -> None:
    rater, tab, rest = line.partition("\t")
    if not tab or not rater.endswith(":"):
        place.fail("rater", f"'{shorten(line)}' is not a rater's line", "expected: C-E1: TAB emotion; TAB (comment)")
    if not rater.startswith("C-E"):  # A-: valence, activation, dominance; C-F and C-M: the actors on themselves
        return
    words = [word.strip().lower() for word in rest.partition("\t")[0].split(";")]
    for word in filter(None, words):
        if word not in _RATER_WORDS:
            place.fail("rater", f"unknown category '{shorten(word)}'", suggest(word[:60], _RATER_WORDS))
    turn.votes.append(_emotions(words))


def _emotions(words: Iterable[str]) -> frozenset[str]:
    return frozenset("neutral" if word == "neutral state" else emotion_name(word) for word in words if word)


def _turn_name(place: Place, text: str, dialogue: str) -> str:
    """Check a turn's name: the dialogue, then F or M with a number or an irregular ending such as ``XX0``."""
    name = place.name("turn", text)
    stem, _, last = name.rpartition("_")
    if stem != dialogue:
        place.fail("turn", f"'{shorten(name)}' is not a turn of {dialogue}")
    if last[:1] not in ("F", "M") or len(last) < 2 or not last.isalnum():
        place.fail("turn", f"'{shorten(name)}' does not say who speaks", "names end in _F000 or _M000")
    return name


def _times(place: Place, text: str) -> tuple[float, float]:
    """The two times of ``[6.2901 - 8.2357]``, in seconds."""
    first, dash, second = text.removeprefix("[").removesuffix("]").partition("-")
    if not dash or len(text) < 2 or text[0] + text[-1] != "[]":
        place.fail("times", f"'{shorten(text)}' is not [start - end]")
    return place.number("times", first), place.number("times", second)
