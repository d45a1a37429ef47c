"""The table of an evaluation as a file: CSV with everything, or Markdown or LaTeX to put into a text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mesmer.errors import ConfigError
from mesmer.evaluation.measures import MEASURES, MICRO
from mesmer.evaluation.seeds import SeedRow, SeedTable
from mesmer.evaluation.table import Row, Table
from mesmer.report.evaluation_table import HEADINGS, ONE_ANSWER_HEADINGS, interval_text, percent
from mesmer.report.text_grids import latex_grid, markdown_grid, markdown_text
from mesmer.storage.atomic import write_text

AVERAGE = "average"
_COLUMNS = (*MEASURES, MICRO)


def write_table(table: Table | SeedTable, path: str | Path) -> None:
    """Write a table; the suffix of ``path`` says how: ``.csv``, ``.md``, ``.tex`` or ``.json``.

    Raises:
        ConfigError: another suffix.
        MesmerError: it cannot be written.
    """
    file = Path(path)
    check_suffix(file)
    write_text(file, _FORMATS[file.suffix](table))


def check_suffix(path: Path) -> None:
    """Refuse a name whose suffix stands for no format, before anything is computed.

    Raises:
        ConfigError: it does.
    """
    if path.suffix not in _FORMATS:
        raise ConfigError("the suffix says no format", file=path, field="--out", remedy="use " + ", ".join(_FORMATS))


def table_csv(table: Table | SeedTable) -> str:
    """Return a row per answer and emotion, and per answer for the average; shares from 0 to 1.

    Of one table every metric has its value and its interval, of several its mean and its deviation.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("mean", "deviation") if isinstance(table, SeedTable) else ("value", "low", "high")
    writer.writerow(["answer", "emotion", "positives", *(f"{name}_{end}" for name in _COLUMNS for end in ends)])
    for row in table.rows:
        for emotion in (AVERAGE, *table.emotions):
            numbers = _numbers(row, emotion)
            count = "" if emotion == AVERAGE else table.positives[emotion]
            cells = [_padded(numbers.get(name, ()), len(ends)) for name in _COLUMNS]
            writer.writerow([row.title, emotion, count, *(cell for three in cells for cell in three)])
    return text.getvalue()


def table_markdown(table: Table | SeedTable) -> str:
    """Return the averages, then F1 by emotion, in Markdown and percent; warnings above, notes below."""
    warnings = [f"> **Warning:** {markdown_text(warning)}" for warning in table.warnings]
    parts = [markdown_grid(*grid) for grid in _grids(table)]
    notes = markdown_text(_notes(table))
    return "\n\n".join(["\n>\n".join(warnings), *parts, notes] if warnings else [*parts, notes]) + "\n"


def table_latex(table: Table | SeedTable) -> str:
    """Return the same as LaTeX ``tabular`` environments (package ``booktabs``), warnings as comments above."""
    warnings = "".join(f"% warning: {warning}\n" for warning in table.warnings)
    parts = [latex_grid(*grid) for grid in _grids(table)]
    return warnings + "\n".join(parts) + f"% {_notes(table)}\n"


def table_json(table: Table | SeedTable) -> str:
    """Return everything, as ``mesmer evaluate --json`` prints it."""
    return json.dumps(table.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_FORMATS: Mapping[str, Callable[[Table | SeedTable], str]] = {
    ".csv": table_csv,
    ".md": table_markdown,
    ".tex": table_latex,
    ".json": table_json,
}


def _grids(table: Table | SeedTable) -> list[tuple[list[str], list[list[str]]]]:
    """Return the averages, F1 by emotion, and the one answer where every utterance has one."""
    one = _one_answers(table) if isinstance(table, Table) and table.rows[0].one_answer is not None else None
    return [_averages(table), _f1_by_emotion(table), *([one] if one else [])]


def _one_answers(table: Table) -> tuple[list[str], list[list[str]]]:
    rows = []
    for row in table.rows:
        values, ends = row.one_answer.to_json() if row.one_answer else {}, row.one_answer_intervals or {}
        cells = [_shown((value, *ends.get(name, ())), spread=False) for name, value in values.items()]
        rows.append([row.title, *cells])
    return ["one answer", *ONE_ANSWER_HEADINGS.values()], rows


def _averages(table: Table | SeedTable) -> tuple[list[str], list[list[str]]]:
    rows = []
    for row in table.rows:
        numbers = _numbers(row, AVERAGE)
        rows.append([row.title, *(_shown(numbers[name], spread=isinstance(row, SeedRow)) for name in HEADINGS)])
    return ["answer", *HEADINGS.values()], rows


def _f1_by_emotion(table: Table | SeedTable) -> tuple[list[str], list[list[str]]]:
    rows = []
    for row in table.rows:
        cells = [_shown(_numbers(row, e)["f1"], spread=isinstance(row, SeedRow)) for e in table.emotions]
        rows.append([row.title, *cells])
    return ["F1", *(f"{emotion} ({table.positives[emotion]})" for emotion in table.emotions)], rows


def _numbers(row: Row | SeedRow, emotion: str) -> dict[str, tuple[float, ...]]:
    """Return metric -> value, low and high, or the value alone where there is no interval; over seeds mean, deviation."""
    if isinstance(row, SeedRow):
        spreads = row.average if emotion == AVERAGE else row.per_emotion[emotion]
        return {name: (one.mean, one.deviation) for name, one in spreads.items()}
    if emotion == AVERAGE:
        values = {**row.average.to_json(), MICRO: row.micro_f1}
        ends = {} if row.intervals is None else row.intervals.average
    else:
        values = row.per_emotion[emotion].to_json()
        ends = {} if row.intervals is None else row.intervals.per_emotion[emotion]
    return {name: (value, *ends.get(name, ())) for name, value in values.items()}


def _shown(numbers: Sequence[float], *, spread: bool) -> str:
    """``64.2 (58.1-69.9)``, or ``64.2 ± 1.3`` over seeds."""
    first, *rest = numbers
    if spread:
        return f"{percent(first)} ± {percent(rest[0])}"
    return percent(first) + (f" ({interval_text((rest[0], rest[1]))})" if rest else "")


def _padded(numbers: Sequence[float], length: int) -> list[float | str]:
    return [*numbers, *[""] * (length - len(numbers))]


def _notes(table: Table | SeedTable) -> str:
    if isinstance(table, SeedTable):
        return f"{table.title}, {table.utterances} utterances, percent; mean and standard deviation over {table.runs} runs."
    return f"{table.title}, {table.utterances} utterances, percent. {table.caption}"
