"""The result of an experiment as files: Markdown, LaTeX, CSV and JSON, side by side."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from mesmer.dataset.audit_record import Audit
from mesmer.evaluation.measures import MEASURES, MICRO
from mesmer.evaluation.seed_intervals import Number
from mesmer.experiments.dial import Dial
from mesmer.experiments.result import Result, ResultRow
from mesmer.report.audit_grids import Grid, label_grid, size_grid
from mesmer.report.experiment_grids import dial_grids, result_grids
from mesmer.report.text_grids import latex_grid, markdown_grid, markdown_text, print_grid
from mesmer.storage.atomic import write_text

AVERAGE = "average"
_ENDS = ("mean", "deviation", "low", "high")


def write_result(result: Result | Dial, folder: Path, *, command: str) -> list[Path]:
    """Write ``NAME.md``, ``NAME.tex``, ``NAME.csv`` and ``NAME.json``, and return the files.

    Args:
        command: what made them; stands in the Markdown and the LaTeX.

    Raises:
        MesmerError: a file cannot be written.
    """
    if isinstance(result, Dial):
        title, grids, rows = "MESM against p", dial_grids(result), _dial_rows(result)
    else:
        title = f"{result.title}, {result.utterances} utterances of the test split"
        grids, rows = result_grids(result), _result_rows(result)
    return write_grids(
        folder / result.name,
        title=title,
        grids=grids,
        notes=result.notes,
        warnings=result.warnings,
        command=command,
        rows=rows,
        told=result.to_json(),
    )


def write_grids(
    stem: Path,
    *,
    title: str,
    grids: Sequence[Grid],
    notes: Sequence[str],
    warnings: Sequence[str],
    command: str,
    rows: Sequence[Sequence[Any]],
    told: dict[str, Any],
) -> list[Path]:
    """Write grids as Markdown and LaTeX, ``rows`` as CSV, ``told`` as JSON. Returns and raises as :func:`write_result`."""
    texts = _texts(title, grids, notes=notes, warnings=warnings, command=command)
    return _write(stem, texts | {".csv": _csv(rows), ".json": _json(told | {"command": command})})


def grid_rows(grids: Sequence[Grid]) -> list[tuple[str, ...]]:
    """Return grids as rows of one CSV file: the headings of each, and its rows behind its title."""
    return [line for grid in grids for line in [("table", *grid.headings), *((grid.title, *row) for row in grid.rows)]]


def write_counts(name: str, audit: Audit, folder: Path, *, command: str) -> list[Path]:
    """Write the counts of a prepared dataset as the paper's Table 1 or 2. Returns and raises as :func:`write_result`."""
    grids = count_grids(audit)
    texts = _texts(f"Counts of {audit.corpus}", grids, notes=(), warnings=(), command=command)
    told = audit.to_json()
    kept = {key: told[key] for key in ("corpus", "emotions", "splits", "labels", "paper", "made")}
    tables = {".csv": _csv(grid_rows(grids)), ".json": _json({"name": name, **kept, "command": command})}
    return _write(folder / name, texts | tables)


def count_grids(audit: Audit) -> list[Grid]:
    """Return the counts by emotion, beside the paper's where it has them, and by split."""
    by_emotion = label_grid(audit)
    return [size_grid(audit)] if by_emotion is None else [by_emotion, size_grid(audit)]


def print_grids(grids: Sequence[Grid], notes: Sequence[str], warnings: Sequence[str], *, file: TextIO) -> None:
    """Print grids between the warnings and the notes; 120 columns where the width is not known."""
    console = Console(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, markup=False, emoji=False, width=120)
    for warning in warnings:
        console.print(f"warning: {warning}", style="bold")
    for grid in grids:
        print_grid(console, grid)
    if notes:
        console.print(" ".join(notes), style="dim")


def _texts(
    title: str, grids: Sequence[Grid], *, notes: Sequence[str], warnings: Sequence[str], command: str
) -> dict[str, str]:
    """Return suffix -> text, for Markdown and LaTeX."""
    markdown = [f"## {markdown_text(title)}", f"    {command}"]
    markdown += [f"> **Warning:** {markdown_text(warning)}" for warning in warnings]
    latex = [f"% {title}", f"% {command}", *(f"% warning: {warning}" for warning in warnings)]
    for grid in grids:
        told = [*notes, grid.note] if grid is grids[0] else [grid.note]
        note = " ".join(text for text in told if text)
        markdown += [f"**{markdown_text(grid.title)}**", markdown_grid(grid.headings, grid.rows), markdown_text(note)]
        latex += [f"% {grid.title}", latex_grid(grid.headings, grid.rows) + (f"% {note}" if note else "")]
    return {".md": "\n\n".join(part for part in markdown if part) + "\n", ".tex": "\n".join(latex) + "\n"}


def _result_rows(result: Result) -> list[Sequence[Any]]:
    """Return a row per answer and emotion, and per answer for the average; shares from 0 to 1, the paper's too."""
    columns = [f"{metric}_{end}" for metric in (*MEASURES, MICRO) for end in _ENDS]
    printed = [f"paper_{metric}" for metric in result.metrics]
    costs = ["multiply_adds", "dense_multiply_adds", "multiply_adds_per_second"]
    rows: list[Sequence[Any]] = [["answer", "emotion", "positives", "runs", *costs, *columns, *printed, "note"]]
    for row in result.rows:
        for emotion in (AVERAGE, *result.emotions) if row.average else (AVERAGE,):
            count = "" if emotion == AVERAGE else result.positives[emotion]
            cells = [row.title, emotion, count, row.runs, *_cost(row)]
            rows.append([*cells, *_numbers(row, emotion), *_printed(row, emotion, result.metrics), row.note or ""])
    for one in result.differences:
        cells = [_cells(one.average.get(metric)) for metric in (*MEASURES, MICRO)]
        empty = [""] * len(costs)
        numbers = [cell for four in cells for cell in four]
        rows.append([one.title, AVERAGE, "", "", *empty, *numbers, *[""] * len(printed), "difference"])
    return rows


def _dial_rows(dial: Dial) -> list[Sequence[Any]]:
    columns = [f"{metric}_{end}" for metric in (*MEASURES, MICRO) for end in _ENDS]
    rows: list[Sequence[Any]] = [["model", "p", "multiply_adds", *columns]]
    named = [("MESM, dial turned", dial.turned), ("MESM, trained with each p", dial.retrained), ("FE2E", (dial.level,))]
    for title, points in named:
        for point in points:
            cells = [_cells(point.average[metric]) for metric in (*MEASURES, MICRO)]
            rows.append([title, point.top_p, point.multiply_adds, *(cell for four in cells for cell in four)])
    return rows


def _cost(row: ResultRow) -> list[Any]:
    if row.cost is None:
        return [""] * 3
    return [row.cost.multiply_adds, row.cost.dense_multiply_adds, row.cost.per_second]


def _numbers(row: ResultRow, emotion: str) -> list[Any]:
    of = row.average if emotion == AVERAGE else row.per_emotion.get(emotion, {})
    return [cell for metric in (*MEASURES, MICRO) for cell in _cells(of.get(metric))]


def _cells(number: Number | None) -> list[Any]:
    if number is None:
        return [""] * len(_ENDS)
    deviation = "" if number.deviation is None else number.deviation
    return [number.mean, deviation, *(number.interval or ("", ""))]


def _printed(row: ResultRow, emotion: str, metrics: Sequence[str]) -> list[Any]:
    if row.paper is None:
        return [""] * len(metrics)
    of = row.paper.average if emotion == AVERAGE else row.paper.per_emotion.get(emotion, {})
    return [round(of[metric] / 100, 6) if metric in of else "" for metric in metrics]


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(stem: Path, texts: dict[str, str]) -> list[Path]:
    paths = [stem.with_suffix(suffix) for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text(path, text)
    return paths
