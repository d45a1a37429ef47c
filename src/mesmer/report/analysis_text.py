"""An analysis as lines on a terminal; and texts of strangers made safe to show."""

from __future__ import annotations

import re
from typing import TextIO

from mesmer.analysis.result import Analysis, AnalyzedUtterance

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]+")
_HALF = re.compile(r"[\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return a text as one line without anything that moves a cursor, turns the direction of writing or is no character."""
    return " ".join(_UNSEEN.sub(" ", _HALF.sub("�", text)).split())


def clock(time_s: float, *, mark: str = ".") -> str:
    """Return hours, minutes, seconds and thousandths."""
    ms = max(0, round(time_s * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{mark}{ms % 1000:03d}"


def who(row: AnalyzedUtterance) -> str:
    """Return who speaks, in words."""
    return f"person {row.person}" if row.person is not None else "unseen"


def expressed(row: AnalyzedUtterance) -> str:
    """Return what is expressed, in words, with the probabilities."""
    told = row.prediction
    if told is None:
        return "no answer"
    named = ", ".join(f"{name} {told.probabilities[name]:.2f}" for name in told.decisions) or "none"
    doubted = [name for name in told.unsure if name not in told.decisions]
    unsure = [name for name in told.decisions if name in told.unsure] + doubted
    return f"{named} (unsure: {', '.join(unsure)})" if unsure else named


def print_analysis(analysis: Analysis, *, file: TextIO) -> None:
    """Print a line for each utterance, what a user should know, and the share of each stage in the time it took."""
    cost = analysis.cost
    state = "" if analysis.complete else f" (up to {analysis.analyzed_s:.1f} s)"
    print(
        f"{one_line(analysis.source['name'])}{state}: {_count(len(analysis.utterances), 'utterance')}, "
        f"{_count(len(analysis.people), 'face')}, {analysis.analyzed_s:.1f} s",
        file=file,
    )
    for row in analysis.utterances:
        words = f' "{one_line(row.text)}"' if row.text else ""
        print(
            f"  {clock(row.start_s)[3:-2]} {row.end_s - row.start_s:4.1f} s  {who(row)}: {expressed(row)}{words}", file=file
        )
    if "budget" in analysis.made_by:
        print(f"budget: {budget_text(analysis)}", file=file)
    for warning in analysis.warnings:
        print(f"note: {one_line(warning)}", file=file)
    print(
        f"took {cost['seconds_total']:.1f} s, {cost['real_time_factor']:.1f} x real time: {stage_shares(analysis)}",
        file=file,
    )


def budget_text(analysis: Analysis) -> str:
    """Return what was chosen for a budget, and what it cost, in words."""
    budget = analysis.made_by["budget"]
    top_p = analysis.model["top_p"]
    dial = "" if top_p is None else f", top_p {top_p:g}"
    return (
        f"{budget['asked']:g}x asked, {analysis.cost['times_real_time']:.2f}x used: "
        f"{budget['looks_per_s']:g} looks a second{dial}, {budget['precision']}"
    )


def stage_shares(analysis: Analysis) -> str:
    """Return the share of each stage in the time an analysis took, in words.

    Faces followed by a process beside the rest take their share as well; then all shares add up to more than the whole.
    """
    cost = analysis.cost
    stages = {
        name.removeprefix("seconds_"): spent
        for name, spent in cost.items()
        if name.startswith("seconds_") and name != "seconds_total"
    }
    total = max(cost["seconds_total"], 1e-9)
    shares = {name: f"{name.replace('_', ' ')} {100 * spent / total:.0f} %" for name, spent in stages.items()}
    if "waiting_for_faces" in shares:
        shares["faces"] += " beside the rest"
    return ", ".join(shares.values())


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
