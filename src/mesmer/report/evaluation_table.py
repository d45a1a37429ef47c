"""An evaluation as a table that can be read on a terminal or in a log."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.table import Table as RichTable

from mesmer.evaluation.table import Table


def print_table(table: Table, *, file: TextIO, width: int | None = None) -> None:
    """Print ``table``: a row per answerer; the average metrics, then the F1 of each emotion.

    Args:
        file: where to print; colours and lines adapt to whether it is a terminal.
        width: columns of text; None asks the terminal (120 where there is none).
    """
    console = Console(file=file, highlight=False)
    if width is not None or not console.is_terminal:
        console = Console(file=file, highlight=False, width=width or 120)
    grid = RichTable(
        title=f"{table.split} split, {table.utterances} utterances", title_justify="left", caption_justify="left"
    )
    grid.add_column("answer", no_wrap=True)
    for heading in ("Acc", "WAcc", "F1"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for emotion in table.emotions:
        grid.add_column(f"F1 {emotion}\n({table.positives[emotion]})", justify="right")
    for number, row in enumerate(table.rows):
        cells = [row.average.accuracy, row.average.weighted_accuracy, row.average.f1]
        cells += [row.per_emotion[emotion].f1 for emotion in table.emotions]
        style = "bold" if number == 0 else None
        grid.add_row(row.title, *(f"{100 * cell:.1f}" for cell in cells), style=style)
    console.print(grid)
    console.print("Percent. In brackets: utterances that carry the emotion. " + table.caption, style="dim")
    unread = [f"{row.title}: {row.unread}" for row in table.rows if row.unread]
    if unread:
        console.print("Utterances with nothing to read, answered 'none': " + ", ".join(unread) + ".", style="dim")
    if table.dense_multiply_adds:
        share = table.multiply_adds / table.dense_multiply_adds
        console.print(
            "Convolution branches (of a model on hand-crafted features: all of it): "
            f"{table.multiply_adds / 1e6:.1f} M multiply-adds per utterance, "
            f"{100 * share:.0f} % of {table.dense_multiply_adds / 1e6:.1f} M if nothing were skipped."
        )
