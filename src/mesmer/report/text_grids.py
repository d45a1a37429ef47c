"""Rows of cells as Markdown, as LaTeX, and on a terminal. Cells may hold anybody's text: nothing in them is markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from mesmer.report.audit_grids import Grid, shown


def markdown_grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; the first column is text, the others numbers."""
    lines = [[markdown_text(cell) for cell in line] for line in (headings, *rows)]
    lines.insert(1, ["---", *["---:"] * (len(headings) - 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex_grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a ``tabular`` environment (package ``booktabs``)."""
    body = [" & ".join(latex_text(cell) for cell in line) + r" \\" for line in rows]
    head = " & ".join(latex_text(cell) for cell in headings) + r" \\"
    columns = "l" + "r" * (len(headings) - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def markdown_text(text: str) -> str:
    """Return a text in which Markdown sees no mark of its own."""
    for mark in "\\|`*_<>[]":
        text = text.replace(mark, "\\" + mark)
    return text


def latex_text(text: str) -> str:
    """Return a text in which LaTeX sees no mark of its own."""
    marks = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--"}
    marks |= {mark: "\\" + mark for mark in "&%$#_{}"}
    return "".join(marks.get(mark, mark) for mark in text)


def print_grid(console: Console, grid: Grid) -> None:
    """Print a grid with its title and its note; cells fold where the terminal is narrow."""
    table = RichTable(title=grid.title, title_justify="left")
    for place, heading in enumerate(grid.headings):
        right = grid.numeric and place > 0
        table.add_column(shown(heading), justify="right" if right else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*(shown(cell, 300) for cell in row))
    console.print(table)
    if grid.note:
        console.print(grid.note, style="dim")
