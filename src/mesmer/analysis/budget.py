"""How much an analysis may cost: the best setting that a table of measured costs says fits.

Cost is in multiples of real time: 0.5 is half an hour of work for an hour of video. The table lies beside this file; it was
made by ``benchmarks/analyze_budget.py`` on one machine, which it names. What matters in it are the ratios: on a slower
machine all of it costs more, so a result tells what it did cost, and warns where that was more than was allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from mesmer.errors import ConfigError

TABLE_FILE = "budget_table.json"
LEAST, MOST = 0.001, 1000.0
_FORM = re.compile(r"(\d+(?:\.\d+)?|\.\d+)x?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to analyse.

    Attributes:
        looks_per_s: frames a second in which faces are looked for and mouths compared.
        top_p: nucleus mass of the sparse blocks; None leaves the model's own.
        precision: of the convolutions.
        cost: measured, in multiples of real time.
    """

    looks_per_s: float
    top_p: float | None
    precision: Literal["fp32", "bf16"]
    cost: float


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A setting that was chosen for what an analysis may cost. ``fits`` is False where no setting is that cheap."""

    asked: float
    setting: Setting
    fits: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain types, for the result."""
        return {"asked": self.asked, "fits": self.fits, **asdict(self.setting)}

    def warnings(self, cost: float) -> list[str]:
        """Return what to say of a budget after an analysis that did cost so much."""
        if cost <= self.asked and self.fits:
            return []
        told = [] if self.fits else [f"no setting is known to cost {self.asked:g}x or less: the cheapest was used"]
        if cost > self.asked:
            told.append(f"it cost {cost:.2f}x of the file's length, more than the budget of {self.asked:g}x")
        return told


def read_budget(text: str) -> float:
    """Return the number of ``0.5x`` or ``0.5``.

    Raises:
        ConfigError: this is no number, or none from 0.001 to 1000.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or len(text) > 20 or not LEAST <= float(found[1]) <= MOST:
        remedy = "write a multiple of real time, such as 0.5x"
        raise ConfigError(f"'{text[:20]}' is no budget", field="--budget", remedy=remedy)
    return float(found[1])


def choose(asked: float, table: Sequence[Setting] | None = None) -> Budget:
    """Return the best setting that costs at most so many multiples of real time; else the cheapest.

    Args:
        asked: the budget.
        table: settings, the best first; None takes the one that was measured.
    """
    table = table or settings()
    for setting in table:
        if setting.cost <= asked:
            return Budget(asked=asked, setting=setting, fits=True)
    return Budget(asked=asked, setting=min(table, key=lambda one: one.cost), fits=False)


@cache
def settings() -> tuple[Setting, ...]:
    """Return the settings that were measured, the best first."""
    found = json.loads(files("mesmer.analysis").joinpath(TABLE_FILE).read_text(encoding="utf-8"))
    return tuple(
        Setting(**{name: one[name] for name in ("looks_per_s", "top_p", "precision", "cost")}) for one in found["settings"]
    )
