"""How coders and the tool agree: as tables on a terminal, as CSV, and as plain types for JSON."""

from __future__ import annotations

import csv
import io
from typing import Any, TextIO

from rich.text import Text

from mesmer.analysis.agree import Agreement, Level
from mesmer.evaluation.agreement import Coefficient, GroupAgreement, PairAgreement
from mesmer.report.analysis_exports import cell
from mesmer.report.evaluation_table import make_console, make_grid

NOTHING = "–"
CSV_COLUMNS = (
    *("level", "emotion", "measure", "raters", "units", "value", "low", "high"),
    *("undefined", "same", "said_by_first", "said_by_second"),
)


def print_agreement(agreement: Agreement, *, file: TextIO, width: int | None = None) -> None:
    """Print, for each level, every pair of raters on every emotion, then the alpha of all of them.

    Args:
        agreement: what is printed.
        file: where to.
        width: columns of text; None asks the terminal, and is 80 where there is none.
    """
    console = make_console(file, width)
    for level in agreement.levels:
        title = _title(level)
        grid = make_grid(title, ["emotion", "raters", "n", "1st says", "2nd says", "same", "kappa", "interval"])
        for one in level.emotions:
            for pair, told in one.pairs.items():
                grid.add_row(Text(one.emotion), Text(" / ".join(pair)), *_pair_cells(told))
        console.print(grid)
        console.print()
        headings = ["emotion", "n", "alpha, all raters", "interval"]
        several = any(one.coders is not None for one in level.emotions)
        grid = make_grid(title, headings + (["alpha, coders alone", "interval"] if several else []))
        for one in level.emotions:
            cells = [str(one.everyone.units), *_coefficient_cells(one.everyone.alpha)]
            cells += [] if one.coders is None else _coefficient_cells(one.coders.alpha)
            grid.add_row(Text(one.emotion), *map(Text, cells))
        console.print(grid)
        console.print()
    for note in (*agreement.notes, _interval_note(agreement)):
        console.print(Text(f"note: {note}", style="dim"))


def agreement_csv(agreement: Agreement) -> str:
    """Return one line per number, after a line of names; RFC 4180. Empty cells are what is not defined."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for level in agreement.levels:
        for one in level.emotions:
            for pair, told in one.pairs.items():
                seen = ["", "", ""] if told.raw is None or told.prevalence is None else [told.raw, *told.prevalence]
                line = _csv_line(level, one.emotion, "kappa", pair, told.units, told.kappa)
                writer.writerow([*line, *(f"{value:.6f}" if value != "" else "" for value in seen)])
            groups = {tuple(agreement.raters): one.everyone, tuple(agreement.raters[1:]): one.coders}
            for raters, group in groups.items():
                if group is not None:
                    line = _csv_line(level, one.emotion, "alpha", raters, group.units, group.alpha)
                    writer.writerow([*line, "", "", ""])
    return out.getvalue()


def agreement_json(agreement: Agreement) -> dict[str, Any]:
    """Return plain types, ready for ``json.dumps``; what is not defined is null, with the reason beside it."""
    return {
        "raters": list(agreement.raters),
        "levels": {level.name: _level_json(level) for level in agreement.levels},
        "resamples": agreement.resampling.resamples,
        "seed": agreement.resampling.seed,
        "notes": list(agreement.notes),
    }


def _title(level: Level) -> str:
    if level.name == "utterances":
        return f"By utterance: {level.units} utterances"
    return f"By time: {level.units} stretches of 0.1 s"


def _level_json(level: Level) -> dict[str, Any]:
    emotions = {}
    for one in level.emotions:
        pairs = [
            {
                "raters": list(pair),
                "units": told.units,
                "same": told.raw,
                "prevalence": None if told.prevalence is None else list(told.prevalence),
                "kappa": told.kappa.to_json(),
            }
            for pair, told in one.pairs.items()
        ]
        emotions[one.emotion] = {
            "pairs": pairs,
            "everyone": _group_json(one.everyone),
            "coders": None if one.coders is None else _group_json(one.coders),
        }
    return {
        "units": level.units,
        "clusters": level.clusters,
        "clustered_by": level.clustered_by,
        "emotions": emotions,
    }


def _group_json(group: GroupAgreement) -> dict[str, Any]:
    return {"units": group.units, "ratings": group.ratings, "alpha": group.alpha.to_json()}


def _csv_line(
    level: Level, emotion: str, measure: str, raters: tuple[str, ...], units: int, told: Coefficient
) -> list[Any]:
    ends = told.interval or (None, None)
    numbers = ["" if value is None else f"{value:.6f}" for value in (told.value, *ends)]
    return [level.name, cell(emotion), measure, cell(" / ".join(raters)), units, *numbers, cell(told.undefined or "")]


def _pair_cells(told: PairAgreement) -> list[Text]:
    shares = [NOTHING] * 3
    if told.raw is not None and told.prevalence is not None:
        shares = [f"{100 * share:.0f} %" for share in (*told.prevalence, told.raw)]
    return [Text(text) for text in (str(told.units), *shares, *_coefficient_cells(told.kappa))]


def _coefficient_cells(told: Coefficient) -> list[str]:
    value = NOTHING if told.value is None else f"{told.value:.2f}"
    return [value, "" if told.interval is None else f"{told.interval[0]:.2f} to {told.interval[1]:.2f}"]


def _interval_note(agreement: Agreement) -> str:
    drawn = {level.clustered_by for level in agreement.levels if level.clusters > 1}
    if not agreement.resampling.resamples or not drawn:
        return "no intervals were made: they need two utterances or more, and resamples"
    what = " and ".join(sorted(drawn))
    return (
        f"intervals: 95 %, {agreement.resampling.resamples} draws of whole {what}; they tell of other {what} like these, "
        f"not of other videos. {NOTHING}: not defined"
    )
