"""The drawing of who expressed what, when: a lane for each emotion, in lines of equal length like those of a score.

Lengths along the time are percentages of a line, heights are pixels; the height of a block is the probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from mesmer.report.page_rows import Cell, Row, clock, person_name

LANE_PX, VOICE_PX, AXIS_PX, BLOCK_PX = 20, 16, 18, 16
"""Heights: of an emotion's lane, of the lane of the voice, of the axis of time, and of a block of probability 1."""
LINE_LENGTHS_S = (30, 60, 120, 300, 600)
MOST_LINES = 15
"""A line is as short as it can be for so many lines; longer than the longest of the lengths it never is."""
BINS = 60
_TICK_LENGTHS_S = (0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 864000)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A bar of one emotion; ``style``: ``c3`` (its colour, solid), ``h3`` (hatched: unsure), ``h3 not`` (and rather no)."""

    style: str
    top_px: float
    height_px: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One utterance in a line: where, its number in the page, its words, its blocks; ``first`` where it begins here."""

    at: str
    wide: str
    number: int
    title: str
    blocks: Sequence[Block]
    first: bool = True


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """One person's part of one line."""

    who: str
    label: str
    names: Sequence[str]
    height_px: int
    least_px: int
    ticks: Sequence[tuple[str, str]]
    marks: Sequence[Mark]
    foots_px: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stretch of a file: the lanes of those who are in it, and the rows that begin in it."""

    number: int
    title: str
    lanes: Sequence[Lanes]
    rows: Sequence[Row]


def make_lines(rows: Sequence[Row], *, duration_s: float, emotions: Sequence[str]) -> list[Line]:
    """Return the lines in which something is said or shown, in order of time.

    Args:
        rows: in order of time.
        duration_s: of the file.
        emotions: those that get a lane.
    """
    length_s = line_length(duration_s)
    lines: dict[int, list[Row]] = {}
    for row in rows:
        for number in range(
            floor(row.start_s / length_s), max(floor(row.start_s / length_s) + 1, ceil(row.end_s / length_s))
        ):
            lines.setdefault(number, []).append(row)
    made: list[Line] = []
    for number, inside in sorted(lines.items()):
        start_s, end_s = number * length_s, (number + 1) * length_s
        people = sorted({row.person for row in inside}, key=lambda person: (person is None, person or 0))
        title = f"{clock(start_s)[:-2]} to {clock(min(end_s, max(duration_s, start_s)))[:-2]}"
        lanes = [
            make_lanes(
                [row for row in inside if row.person == person], person_name(person), title, start_s, end_s, emotions
            )
            for person in people
        ]
        begin = [row for row in inside if row.start_s >= start_s]
        made.append(Line(number=len(made) + 1, title=title, lanes=lanes, rows=begin))
    return made


def line_length(duration_s: float) -> float:
    """Return how many seconds a line holds: all of a file of up to a minute and a half, else a round number."""
    if duration_s <= 90:
        return float(max(1, ceil(duration_s)))
    return next((one for one in LINE_LENGTHS_S if ceil(duration_s / one) <= MOST_LINES), LINE_LENGTHS_S[-1])


def make_lanes(rows: Sequence[Row], who: str, when: str, start_s: float, end_s: float, emotions: Sequence[str]) -> Lanes:
    """Return the lanes of some rows within a stretch of time, each row cut at its borders."""
    length_s = end_s - start_s
    marks = []
    for row in rows:
        begin_s, stop_s = max(row.start_s, start_s), min(row.end_s, end_s)
        marks.append(
            Mark(
                at=f"{100 * (begin_s - start_s) / length_s:.2f}%",
                wide=f"{max(100 * (stop_s - begin_s) / length_s, 0.05):.2f}%",
                number=row.number,
                title="\n".join(row.lines),
                blocks=_blocks(row.cells, emotions),
                first=row.start_s >= start_s,
            )
        )
    return Lanes(
        who=who,
        label=f"{who}, {when}",
        names=emotions,
        height_px=VOICE_PX + LANE_PX * len(emotions) + AXIS_PX,
        least_px=round(min(max(4 * length_s, 160), 900)),
        ticks=ticks(start_s, end_s),
        marks=marks,
        foots_px=_foots(emotions),
    )


def make_overview(rows: Sequence[Row], who: str, duration_s: float, emotions: Sequence[str]) -> Lanes:
    """Return lanes in which a block is as high as the part of the answered time, in a sixtieth of the file, of its emotion.

    Solid blocks are of sure decisions; hatched ones, on top of these, of unsure ones.
    """
    bin_s = max(duration_s, 1e-3) / BINS
    sums: list[dict[tuple[str, int], list[float]]] = [{} for _ in range(BINS)]
    answered = [0.0] * BINS
    for row in rows:
        if not row.cells:
            continue
        for place in range(min(BINS - 1, floor(row.start_s / bin_s)), min(BINS, max(1, ceil(row.end_s / bin_s)))):
            part_s = max(0.0, min(row.end_s, (place + 1) * bin_s) - max(row.start_s, place * bin_s))
            answered[place] += part_s
            for cell in row.cells:
                if cell.state != "no":
                    both = sums[place].setdefault((cell.emotion, cell.colour), [0.0, 0.0])
                    both[cell.state != "yes"] += part_s
    marks, feet = [], dict(zip(emotions, _foots(emotions), strict=True))
    for place, found in enumerate(sums):
        blocks = []
        for (emotion, colour), (sure_s, unsure_s) in found.items():
            foot = feet[emotion]
            sure, unsure = (BLOCK_PX * part_s / max(answered[place], 1e-9) for part_s in (sure_s, unsure_s))
            if sure > 0:
                blocks.append(Block(style=f"c{colour}", top_px=round(foot - sure, 1), height_px=round(sure, 1)))
            if unsure > 0:
                blocks.append(Block(style=f"h{colour}", top_px=round(foot - sure - unsure, 1), height_px=round(unsure, 1)))
        if answered[place] > 0:
            at, wide = f"{100 * place / BINS:.2f}%", f"{80 / BINS:.2f}%"
            marks.append(Mark(at=at, wide=wide, number=0, title="", blocks=blocks))
    return Lanes(
        who=who,
        label=f"{who}, over the whole file",
        names=emotions,
        height_px=VOICE_PX + LANE_PX * len(emotions) + AXIS_PX,
        least_px=240,
        ticks=ticks(0.0, duration_s),
        marks=marks,
        foots_px=_foots(emotions),
    )


def ticks(start_s: float, end_s: float) -> list[tuple[str, str]]:
    """Return place and text of two to six marks of an axis of time, at round times."""
    length_s = max(end_s - start_s, 1e-3)
    step_s = next((one for one in _TICK_LENGTHS_S if length_s / one <= 5), length_s / 5)
    found = []
    for number in range(ceil(start_s / step_s), floor(end_s / step_s) + 1):
        text = clock(number * step_s)
        found.append((f"{100 * (number * step_s - start_s) / length_s:.2f}%", text if step_s < 1 else text[:-2]))
    return found


def _blocks(cells: Sequence[Cell], emotions: Sequence[str]) -> list[Block]:
    """Return the bars of the emotions that are expressed, or may be."""
    feet = dict(zip(emotions, _foots(emotions), strict=True))
    blocks = []
    for cell in cells:
        if cell.state != "no":
            height = max(2.0, round(BLOCK_PX * cell.level, 1))
            style = f"{'c' if cell.state == 'yes' else 'h'}{cell.colour}" + (" not" if cell.state == "no?" else "")
            blocks.append(Block(style=style, top_px=feet[cell.emotion] - height, height_px=height))
    return blocks


def _foots(emotions: Sequence[str]) -> list[int]:
    """Return the lower edge of each lane."""
    return [VOICE_PX + LANE_PX * (place + 1) - 1 for place in range(len(emotions))]
