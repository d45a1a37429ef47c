"""An evaluation as tables that can be read on a terminal of 80 columns, or in a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from mesmer.evaluation.bootstrap import Interval
from mesmer.evaluation.confusion import Confusion
from mesmer.evaluation.curves import coverage_curves
from mesmer.evaluation.evaluate import Evaluation
from mesmer.evaluation.table import Row, Table

WIDTH = 80

HEADINGS: dict[str, str] = {
    "accuracy": "Acc",
    "weighted_accuracy": "WAcc",
    "f1": "F1",
    "micro_f1": "micro F1",
    "average_precision": "AP",
    "auroc": "AUROC",
    "calibration_error": "ECE",
}
"""Metric -> heading, in the order of every table."""

ONE_ANSWER_HEADINGS: dict[str, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "mean recall (UAR)",
    "macro_f1": "macro F1",
}
"""Metric of the one answer -> heading."""

_WITH_INTERVALS = ("accuracy", "weighted_accuracy", "f1")
_MOST_EMOTIONS_ACROSS = 8


def print_table(table: Table, *, file: TextIO, width: int | None = None) -> None:
    """Print ``table``: warnings first; the averages of every answerer; the metrics of each emotion; F1 by emotion and
    answerer; what is taken for what.

    Args:
        file: where to print; colours adapt to whether it is a terminal.
        width: columns of text; None asks the terminal, and is 80 where there is none.
    """
    console = make_console(file, width)
    for warning in table.warnings:
        console.print(Text(f"warning: {warning}", style="bold"))
    _print_averages(console, table)
    _print_emotions(console, table)
    _print_f1(console, table)
    if table.rows[0].one_answer is not None:
        _print_one_answers(console, table)
    _print_confusion(console, table.confusion)
    _print_notes(console, table)


def print_evaluation(evaluation: Evaluation, *, file: TextIO, width: int | None = None) -> None:
    """Print the table of an evaluation, and what its rule of "unsure" buys, where it has one."""
    print_table(evaluation.table, file=file, width=width)
    curves = coverage_curves(evaluation)
    if evaluation.margins is None or curves is None:
        return
    kept = [(curve.stored_coverage or 0.0, curve.stored_risk or 0.0, float(curve.risk[-1])) for curve in curves.values()]
    coverage, risk, before = (sum(numbers) / len(kept) for numbers in zip(*kept, strict=True))
    make_console(file, width).print(
        f"Unsure, by the rule stored in the model: {percent(1 - coverage)} % of the decisions. "
        f"Wrong among all: {percent(before)} %, among the sure: {percent(risk)} %."
    )


def make_console(file: TextIO, width: int | None = None) -> Console:
    """Return a console that prints text as it is: no markup, no highlighting."""
    console = Console(file=file, highlight=False, markup=False)
    if width is not None or not console.is_terminal:
        console = Console(file=file, highlight=False, markup=False, width=width or WIDTH)
    return console


def percent(value: float) -> str:
    """``0.642`` -> ``64.2``."""
    return f"{100 * value:.1f}"


def interval_text(ends: Interval | None) -> str:
    """``(0.581, 0.699)`` -> ``58.1-69.9``; nothing where there is none."""
    return "" if ends is None else f"{percent(ends[0])}-{percent(ends[1])}"


def make_grid(title: str, columns: Sequence[str]) -> Grid:
    """Return a grid whose first column is text and whose others are numbers."""
    grid = Grid(
        title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )
    for number, name in enumerate(columns):
        if number:
            grid.add_column(Text(name.replace(" ", "\n"), justify="right"), justify="right", no_wrap=True)
        else:
            grid.add_column(Text(name), overflow="fold", min_width=10)  # the one that gives way
    return grid


def _print_averages(console: Console, table: Table) -> None:
    grid = make_grid(f"{table.title}: {table.utterances} utterances", ["answer", *HEADINGS.values()])
    for number, row in enumerate(table.rows):
        values = {**row.average.to_json(), "micro_f1": row.micro_f1}
        ends = {} if row.intervals is None else row.intervals.average
        cells = [_cell(values[name], ends.get(name) if name in _WITH_INTERVALS else None) for name in HEADINGS]
        grid.add_row(Text(row.title), *cells, style="bold" if number == 0 else None)
    console.print(grid)
    console.print()


def _print_emotions(console: Console, table: Table) -> None:
    first = table.rows[0]
    names = [name for name in HEADINGS if name != "micro_f1"]
    grid = make_grid(f"{first.title}, by emotion", ["emotion", "n", "thr.", *(HEADINGS[name] for name in names)])
    for emotion in table.emotions:
        scores, ends = first.per_emotion[emotion].to_json(), _of_emotion(first, emotion)
        cells = [_cell(scores[name], ends.get(name) if name in _WITH_INTERVALS else None) for name in names]
        limit = "" if first.thresholds is None else f"{first.thresholds[emotion]:.2f}"
        grid.add_row(Text(emotion), Text(str(table.positives[emotion])), Text(limit), *cells)
    console.print(grid)
    console.print()


def _print_f1(console: Console, table: Table) -> None:
    grid = make_grid("F1, by emotion and answer", ["emotion", *(_short(row) for row in table.rows)])
    for emotion in table.emotions:
        grid.add_row(Text(emotion), *(Text(percent(row.per_emotion[emotion].f1)) for row in table.rows))
    console.print(grid)
    console.print()


def _print_one_answers(console: Console, table: Table) -> None:
    title = "One answer each: the emotion of highest probability"
    grid = make_grid(title, ["answer", *ONE_ANSWER_HEADINGS.values()])
    for row in table.rows:
        if row.one_answer is not None:
            values, ends = row.one_answer.to_json(), row.one_answer_intervals or {}
            grid.add_row(Text(row.title), *(_cell(values[name], ends.get(name)) for name in ONE_ANSWER_HEADINGS))
    console.print(grid)
    console.print()


def _print_confusion(console: Console, confusion: Confusion) -> None:
    """Print shares of each row; columns in several tables where there are many."""
    titles = {
        "confusion": "Confusion: expressed (row), answered (column), percent of the row",
        "co-occurrence": "Co-occurrence: where this is expressed (row), that is decided (column), percent of the row",
    }
    shares = confusion.shares()
    for first in range(0, len(confusion.columns), _MOST_EMOTIONS_ACROSS):
        part = slice(first, first + _MOST_EMOTIONS_ACROSS)
        headings = [name if len(name) <= 8 else name[:7] + "." for name in confusion.columns[part]]
        grid = make_grid(titles[confusion.kind], ["", "n", *headings])
        for i, name in enumerate(confusion.rows):
            cells = [f"{100 * value:.0f}" for value in shares[i, part]]
            grid.add_row(Text(name), Text(str(confusion.totals[i])), *(Text(cell) for cell in cells))
        console.print(grid)
    console.print()


def _print_notes(console: Console, table: Table) -> None:
    console.print(Text("Percent. n: utterances that carry the emotion. " + table.caption, style="dim"))
    unread = [f"{row.title}: {row.unread}" for row in table.rows if row.unread]
    if unread:
        console.print(Text("Utterances with nothing to read, answered 'none': " + ", ".join(unread) + ".", style="dim"))
    if table.multiply_adds is not None and table.dense_multiply_adds:
        share = table.multiply_adds / table.dense_multiply_adds
        console.print(
            "Computed (of an end-to-end model: in its convolution branches): "
            f"{table.multiply_adds / 1e6:.1f} M multiply-adds per utterance, "
            f"{100 * share:.0f} % of {table.dense_multiply_adds / 1e6:.1f} M if nothing were skipped."
        )


def _cell(value: float, ends: Interval | None) -> Text:
    text = Text(percent(value), justify="right", no_wrap=True)
    return text if ends is None else text + Text("\n" + interval_text(ends), style="dim")


def _of_emotion(row: Row, emotion: str) -> dict[str, Interval]:
    return {} if row.intervals is None else dict(row.intervals.per_emotion[emotion])


def _short(row: Row) -> str:
    """A heading for a column: the name of the row, in few letters."""
    return {"most_frequent": "most frequent"}.get(row.name, row.name)
