"""Results that go into a model card: tables that ``mesmer evaluate --out FILE.json`` wrote, or numbers written down by
hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mesmer.errors import ConfigError
from mesmer.evaluation.table import title_of
from mesmer.storage.reading import read_json

SHOWN: Mapping[str, str] = {
    "weighted_accuracy": "weighted accuracy",
    "f1": "macro F1",
    "auroc": "AUROC",
    "calibration_error": "expected calibration error",
}
"""Measures of an evaluation that a card shows, and their names there."""

_MOST_ROWS = 200


def read_numbers(file: str | Path) -> dict[str, Any]:
    """Return results as ``{"title": ..., "rows": [{"name", "metric", "value", "low", "high"}]}``; without an interval
    ``low`` and ``high`` are None.

    Args:
        file: JSON of that form (``low`` and ``high`` may be left out), or the table of an evaluation.

    Raises:
        ConfigError: it is neither.
    """
    values = read_json(file, error=ConfigError)
    if isinstance(values, dict) and isinstance(values.get("rows"), list) and len(values["rows"]) <= _MOST_ROWS:
        rows = [row for one in values["rows"] for row in _rows_of(one)]
        title = values.get("title") or _title(values)
        if isinstance(title, str) and rows and all(row is not None for row in rows):
            return {"title": title, "rows": rows}
    raise ConfigError(
        "these are no results",
        file=file,
        field="--numbers",
        remedy="write them with: mesmer evaluate ... --out results.json",
    )


def _title(values: Mapping[str, Any]) -> str:
    return f"{title_of(str(values.get('split')))}: {values.get('utterances')} utterances, {values.get('speakers')} speakers"


def _rows_of(row: Any) -> list[dict[str, Any] | None]:
    """Return a row for each measure shown of an evaluation's row, or the plain row that it is; None for what is neither."""
    if not isinstance(row, dict) or "average" not in row:
        return [_plain(row)]
    average, intervals, name = row["average"], row.get("intervals") or {}, row.get("title")
    ends = intervals.get("average") if isinstance(intervals, dict) else None
    if not isinstance(average, dict) or not isinstance(ends, dict | None):
        return [None]
    found = []
    for metric, words in SHOWN.items():
        pair = (ends or {}).get(metric)
        low, high = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
        found.append(_plain({"name": name, "metric": words, "value": average.get(metric), "low": low, "high": high}))
    return found


def _plain(row: Any) -> dict[str, Any] | None:
    """Return one row of plain types; None where it is none."""
    if not isinstance(row, dict):
        return None
    told = {"low": None, "high": None, **row}
    numbers = [told.get("value"), *(told[end] for end in ("low", "high") if told[end] is not None)]
    good = all(isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one) for one in numbers)
    words = all(isinstance(told.get(key), str) for key in ("name", "metric"))
    if not good or not words or (told["low"] is None) != (told["high"] is None):
        return None
    return {key: told[key] for key in ("name", "metric", "value", "low", "high")}
