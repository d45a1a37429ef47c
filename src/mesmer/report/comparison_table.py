"""Two evaluations against each other, and several as one, as tables of 80 columns."""

from __future__ import annotations

from typing import TextIO

from rich.text import Text

from mesmer.evaluation.paired import Comparison, Difference
from mesmer.evaluation.seeds import SeedTable, Spread
from mesmer.report.evaluation_table import HEADINGS, make_console, make_grid, percent

_BY_EMOTION = ("f1", "weighted_accuracy", "auroc")


def print_comparison(comparison: Comparison, *, file: TextIO, width: int | None = None) -> None:
    """Print the difference of every average with its interval and p-value, then those of F1, WAcc and AUROC by emotion.

    Args:
        file: where to print.
        width: columns of text; None asks the terminal, and is 80 where there is none.
    """
    console = make_console(file, width)
    first, second = comparison.names
    console.print(Text(f"A: {first}\nB: {second}"))
    grid = make_grid("Averages", ["", "A", "B", "A-B", "interval", "p"])
    for name, heading in HEADINGS.items():
        grid.add_row(Text(heading), *_cells(comparison.average[name]))
    console.print(grid)
    console.print()
    for name in _BY_EMOTION:
        grid = make_grid(f"{HEADINGS[name]} by emotion", ["emotion", "A", "B", "A-B", "interval", "p"])
        for emotion in comparison.emotions:
            grid.add_row(Text(emotion), *_cells(comparison.per_emotion[emotion][name]))
        console.print(grid)
        console.print()
    console.print(Text(_notes(comparison), style="dim"))


def print_seeds(table: SeedTable, *, file: TextIO, width: int | None = None) -> None:
    """Print mean and standard deviation over runs: the averages of every answerer, then F1 by emotion. As above."""
    console = make_console(file, width)
    for warning in table.warnings:
        console.print(Text(f"warning: {warning}", style="bold"))
    grid = make_grid(f"{table.title}: {table.utterances} utterances, {table.runs} runs", ["answer", *HEADINGS.values()])
    for number, row in enumerate(table.rows):
        cells = [_spread(row.average[name]) for name in HEADINGS]
        grid.add_row(Text(row.title), *cells, style="bold" if number == 0 else None)
    console.print(grid)
    console.print()
    grid = make_grid("F1, by emotion and answer", ["emotion", "n", *(row.name.replace("_", " ") for row in table.rows)])
    for emotion in table.emotions:
        cells = [_spread(row.per_emotion[emotion]["f1"]) for row in table.rows]
        grid.add_row(Text(emotion), Text(str(table.positives[emotion])), *cells)
    console.print(grid)
    console.print()
    notes = "Percent: mean over runs, below it the standard deviation. It tells the luck of the seed, not of the speakers."
    console.print(Text(notes, style="dim"))


def _cells(one: Difference) -> list[Text]:
    difference = f"{100 * one.difference:+.1f}"
    p = "" if one.p is None else f"{one.p:.3f}"
    interval = "" if one.interval is None else f"{100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f}"
    return [Text(cell) for cell in (percent(one.first), percent(one.second), difference, interval, p)]


def _spread(spread: Spread) -> Text:
    return Text(percent(spread.mean)) + Text(f"\n± {percent(spread.deviation)}", style="dim")


def _notes(comparison: Comparison) -> str:
    text = (
        f"Percent. {comparison.utterances} utterances in {comparison.clusters} clusters (speakers, or single utterances). "
    )
    if not comparison.swaps:
        return text + "No intervals: they need two clusters or more."
    ways = f"all {comparison.swaps}" if comparison.exact else f"{comparison.swaps} random"
    return text + (
        f"Interval: 95 %, paired bootstrap, {comparison.resampling.resamples} resamples. p: two-sided, {ways} ways of "
        "swapping the two by cluster; it is not corrected for the number of lines read. Metrics of ranks have no p."
    )
