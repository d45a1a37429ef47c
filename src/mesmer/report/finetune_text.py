"""What ``mesmer finetune`` prints: what was learnt, in how long, and what it is worth beside answers that need no
learning.
"""

from __future__ import annotations

from typing import TextIO

from rich.text import Text

from mesmer.report.evaluation_table import interval_text, make_console, make_grid, percent
from mesmer.training.finetune import FinetuneResult
from mesmer.training.finetune_table import METRICS, ComparedRow

_HEADINGS = {"f1": "F1", "weighted_accuracy": "WAcc", "auroc": "AUROC", "calibration_error": "ECE"}


def print_finetune(result: FinetuneResult, *, file: TextIO, width: int | None = None) -> None:
    """Print warnings, the zero-shot mapping, the table of the test split, F1 by label, and where the model is.

    Args:
        file: where to print.
        width: columns of text; None asks the terminal, and is 80 where there is none.
    """
    console = make_console(file, width)
    for warning in result.warnings:
        console.print(Text(f"warning: {warning}", style="bold"))
    counts = ", ".join(f"{count} {name}" for name, count in result.utterances.items())
    console.print(
        f"{counts}; branch states in {result.seconds['states']:.1f} s, heads in {result.seconds['heads']:.1f} s "
        f"(best epoch {result.best_epoch} of {result.epochs}, validation F1 {percent(result.best_f1)})"
    )
    pairs = (f"{label} = {' or '.join(names) or 'nothing'}" for label, names in result.label_map.items())
    console.print("zero-shot mapping: " + ", ".join(pairs))
    if result.rows:
        _print_table(console, result)
    console.print(f"model: {result.model}")


def _print_table(console: object, result: FinetuneResult) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    columns = ["answer", *(_HEADINGS[name] for name in METRICS), "new-this", "p"]
    grid = make_grid(f"test split: {result.utterances['test']} utterances", columns)
    for number, row in enumerate(result.rows):
        cells = [_cell(row, name) for name in METRICS]
        grid.add_row(Text(row.title), *cells, *_difference(row), style="bold" if number == 0 else None)
    console.print(grid)
    console.print()
    grid = make_grid("F1, by label and answer", ["label", *(row.name.replace("_", " ") for row in result.rows)])
    for label in result.label_map:
        grid.add_row(Text(label), *(Text(percent(row.per_label[label])) for row in result.rows))
    console.print(grid)
    console.print()
    notes = (
        "Percent; new-this: F1 of the fine-tuned model less that of the answer. 95 % intervals and p by resampling and "
        "swapping whole speakers (utterances where none is known)."
    )
    console.print(Text(notes, style="dim"))


def _cell(row: ComparedRow, name: str) -> Text:
    text = Text(percent(row.average[name]), justify="right", no_wrap=True)
    return text if row.intervals is None else text + Text("\n" + interval_text(row.intervals[name]), style="dim")


def _difference(row: ComparedRow) -> tuple[Text, Text]:
    one = row.difference
    if one is None:
        return Text(""), Text("")
    text = Text(f"{100 * one.difference:+.1f}", justify="right", no_wrap=True)
    if one.interval is not None:
        text += Text(f"\n{100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f}", style="dim")
    return text, Text("" if one.p is None else f"{one.p:.3f}")
