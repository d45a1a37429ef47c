"""The analysis of one file as one HTML page that opens from the disk: for people who look rather than read.

Everything in it is there without the script, which only brings the words to where one points. Nothing that a stranger said
or named can act in it (see :mod:`mesmer.report.html_pages`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.report.face_pictures import blurred, data_uri
from mesmer.report.html_pages import page_script, page_template, plain
from mesmer.report.page_facts import cost_rows, made_rows, model_rows, source_rows, thresholds_told
from mesmer.report.page_lanes import Lanes, make_lines, make_overview
from mesmer.report.page_rows import NUM_COLOURS, Row, clock, count, length, make_rows, note_counts, person_name
from mesmer.report.page_shares import Card, make_cards, make_shares, mostly

MAX_ROWS = 10_000
"""Utterances in one page; of more, the first ones are shown and the page says so."""
MAX_OVERVIEWS = 8
MAX_CARDS = 100

Faces = Mapping[int, NDArray[np.uint8]]


def analysis_page(value: Mapping[str, Any], *, faces: Faces, blur_faces: bool = False, blurred_before: bool = False) -> str:
    """Return the page.

    Args:
        value: an analysis as :meth:`mesmer.analysis.result.Analysis.to_json` gives it.
        faces: pictures by the number of the person, uint8 (H, W, 3); a person may have none.
        blur_faces: blur them.
        blurred_before: they are blurred already.
    """
    everything = make_rows(value)
    rows, emotions = everything[:MAX_ROWS], used_emotions(everything, value["model"]["emotions"])
    duration_s = _duration(value, everything)
    lines = make_lines(rows, duration_s=duration_s, emotions=emotions)
    cards, silent = make_cards(value, everything, most=MAX_CARDS)
    script, policy = page_script("analysis_script.html")
    page = page_template("analysis.html").render(
        title=f"Report of {plain(value['source']['name'], 200)}",
        facts=_facts(value, everything, duration_s),
        headline=_headline(cards, everything, value["model"]["emotions"]),
        complete=value["complete"],
        analyzed=clock(value["analyzed_s"]),
        warnings=[plain(warning, 400) for warning in value["warnings"]],
        row_notes=[(note, _in_how_many(times, len(everything))) for note, times in note_counts(everything)],
        left_out=len(everything) - len(rows),
        total=len(everything),
        cards=cards,
        more_people=len({row.person for row in everything}) - len(cards),
        silent=[(number, person_name(number)) for number in silent if number in faces][:MAX_CARDS],
        num_silent=len(silent),
        pictures=pictures(faces, blur=blur_faces),
        blurred=blur_faces or blurred_before,
        overviews=_overviews(cards, everything, duration_s, emotions) if len(lines) > 1 else [],
        lines=lines,
        unused=[plain(name, 60) for name in value["model"]["emotions"] if plain(name, 60) not in emotions],
        emotions=[plain(name, 60) for name in value["model"]["emotions"]],
        num_colours=NUM_COLOURS,
        thresholds=thresholds_told(value),
        source=source_rows(value),
        model=model_rows(value),
        made=made_rows(value),
        cost=cost_rows(value["cost"]),
        script=script,
        script_policy=policy,
    )
    return page.lstrip() + "\n"


def used_emotions(rows: Sequence[Row], emotions: Sequence[str]) -> list[str]:
    """Return the emotions that any row has, or may have, as they are shown; all of them if none has any."""
    found = {cell.emotion for row in rows for cell in row.cells if cell.state != "no"}
    shown = list(dict.fromkeys(plain(name, 60) for name in emotions))
    return [name for name in shown if name in found] or shown


def pictures(faces: Faces, *, blur: bool) -> dict[int | None, str]:
    """Return the pictures of the people as addresses that hold them."""
    return {number: data_uri(blurred(face) if blur else face) for number, face in faces.items()}


def _duration(value: Mapping[str, Any], rows: Sequence[Row]) -> float:
    return max([float(value["source"]["duration_s"]), float(value["analyzed_s"]), *(row.end_s for row in rows)])


def _facts(value: Mapping[str, Any], rows: Sequence[Row], duration_s: float) -> str:
    people = count(len(value["people"]), "person") + " seen" if value["source"]["has_video"] else "sound only"
    return f"{length(duration_s)} long, {people}, {count(len(rows), 'utterance')}"


def _headline(cards: Sequence[Card], rows: Sequence[Row], emotions: Sequence[str]) -> str:
    """Return in one sentence who expresses what for longest."""
    if not rows:
        return "Nothing was found in it that could be read."
    if len(cards) > 3:
        return f"Expressed for longest: {mostly(make_shares(rows, emotions))}."
    return "Expressed for longest: " + "; ".join(f"{card.name} {card.mostly}" for card in cards) + "."


def _overviews(cards: Sequence[Card], rows: Sequence[Row], duration_s: float, emotions: Sequence[str]) -> list[Lanes]:
    shown = cards[:MAX_OVERVIEWS]
    return [
        make_overview([row for row in rows if row.person == card.person], card.name, duration_s, emotions) for card in shown
    ]


def _in_how_many(times: int, total: int) -> str:
    return f"in all {total:,} utterances" if times == total > 1 else f"in {times:,} of {count(total, 'utterance')}"
