"""What a sweep tries: a base of settings, the values of some keys, and how the next trial is chosen.

A file of it::

    config: ../demo.yaml        # the base, seen from this file; or preset: mesmer
    method: tpe                 # or random, grid
    trials: 30
    pruning: median             # or none
    keys:
      train.learning_rate: {low: 1e-4, high: 1e-2, log: true}
      model.dim: {values: [32, 64]}
      model.sparse.top_p: {low: 0.3, high: 0.9, step: 0.1}
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mesmer.config import RunSettings
from mesmer.config_dict import from_dict, to_dict
from mesmer.errors import ConfigError, suggest
from mesmer.storage.reading import read_bytes
from mesmer.training.settings_file import LARGEST_FILE_BYTES, parse_yaml, read_settings, setting_names, with_values

Value = str | int | float | bool | None
MOST_TRIALS = 10_000
MOST_VALUES = 1_000


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    @property
    def grid(self) -> tuple[Value, ...]:
        """All values."""
        return self.values


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number from ``low`` to ``high``, ends included: whole if all its numbers are; in steps or, evenly in its logarithm,
    anywhere between.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step) if number is not None)

    @property
    def grid(self) -> tuple[Value, ...] | None:
        """All values; None where there is no end of them."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        count = int((self.high - self.low) / step + 1e-9) + 1
        return tuple(exact(self.low + step * number) for number in range(min(count, MOST_TRIALS + 1)))


@dataclass(frozen=True, kw_only=True)
class _Told:
    """The part of a file that is checked by its types."""

    config: str | None = None
    preset: str | None = None
    method: Literal["tpe", "random", "grid"] = "tpe"
    trials: int | None = None
    seed: int = 0
    pruning: Literal["median", "none"] = "median"
    startup_trials: int = 5
    warmup_epochs: int = 2


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """A sweep.

    Attributes:
        base: settings of every trial, but for the keys.
        keys: dotted name of a setting -> its values.
        method: ``tpe`` (tree-structured Parzen estimator), ``random``, or ``grid`` (every combination).
        trials: how many.
        seed: of what is drawn.
        pruning: ``median``: a trial ends early where its best validation F1 so far lies below the median of the others at
            the same epoch; ``none``.
        startup_trials: so many are never pruned.
        warmup_epochs: nor is any within so many epochs.
    """

    base: RunSettings
    keys: Mapping[str, Choice | Range]
    method: Literal["tpe", "random", "grid"] = "tpe"
    trials: int = 20
    seed: int = 0
    pruning: Literal["median", "none"] = "median"
    startup_trials: int = 5
    warmup_epochs: int = 2
    points: tuple[Mapping[str, Value], ...] = field(default=(), repr=False)

    def settings(self, values: Mapping[str, Value]) -> RunSettings:
        """Return the settings of the trial with these values. Raises ConfigError where they are refused."""
        return with_values(self.base, values, file="trial")

    @property
    def deciding(self) -> dict[str, Any]:
        """All but the number of trials, in plain types: a sweep may be gone on with if only that differs."""
        keys = {name: {"kind": type(of).__name__, **to_dict(of)} for name, of in self.keys.items()}
        plain = ("method", "seed", "pruning", "startup_trials", "warmup_epochs")
        return {"base": to_dict(self.base), "keys": keys, **{name: getattr(self, name) for name in plain}}


def read_spec(file: str | Path) -> SweepSpec:
    """Return the sweep of a YAML file.

    Raises:
        ConfigError: unreadable file, unknown key (with a suggestion), or a value that is refused; names file and field.
    """
    file = Path(file)
    try:
        return _spec_of(parse_yaml(_text_of(file)), file)
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.message, file=file, field=error.field, remedy=error.remedy) from None


def _spec_of(values: Any, file: Path) -> SweepSpec:
    if not isinstance(values, dict) or not isinstance(values.get("keys"), dict) or not values["keys"]:
        raise ConfigError("nothing is to be tried", field="keys", remedy="such as `keys: {model.dim: {values: [32, 64]}}`")
    told: _Told = from_dict(_Told, {name: value for name, value in values.items() if name != "keys"})
    if told.config is not None and told.preset is not None:
        raise ConfigError("config and preset exclude each other", field="preset", remedy="a config names its preset")
    base = read_settings(None if told.config is None else file.parent / told.config, preset_name=told.preset)
    for name, number in (
        ("seed", told.seed),
        ("startup_trials", told.startup_trials),
        ("warmup_epochs", told.warmup_epochs),
    ):
        if number < 0:
            raise ConfigError(f"{name} is negative", field=name, remedy="use 0 or more")
    keys = {str(name): _key(str(name), of, base) for name, of in values["keys"].items()}
    points = _grid_points(keys) if told.method == "grid" else ()
    trials = told.trials if told.trials is not None else len(points) or 20
    if not 1 <= trials <= MOST_TRIALS:
        raise ConfigError(f"{trials} trials", field="trials", remedy=f"use 1 to {MOST_TRIALS}")
    return SweepSpec(
        base=base,
        keys=keys,
        method=told.method,
        trials=min(trials, len(points)) if points else trials,
        seed=told.seed,
        pruning=told.pruning,
        startup_trials=told.startup_trials,
        warmup_epochs=told.warmup_epochs,
        points=points,
    )


def _key(name: str, told: Any, base: RunSettings) -> Choice | Range:
    """Return the values of a key that are to be tried; at least one must be such as the setting takes.

    Raises:
        ConfigError: there is no such setting, or the values are refused.
    """
    field_name = f"keys.{name}"
    names = setting_names()
    if name not in names:
        raise ConfigError(f"there is no setting '{name}'", field=field_name, remedy=suggest(name, names)[:200])
    if not isinstance(told, dict):
        raise ConfigError("values are expected", field=field_name, remedy="use {values: [...]} or {low: ..., high: ...}")
    found = _choice(told, field_name) if "values" in told else _range(told, field_name)
    ends = found.values if isinstance(found, Choice) else (found.low, found.high)
    refused = []
    for value in ends:
        try:
            with_values(base, {name: value})
        except ConfigError as error:
            refused.append(error.message)
    if len(refused) == len(ends):
        raise ConfigError(refused[0], field=field_name)
    return found


def _choice(told: dict[str, Any], field_name: str) -> Choice:
    values = told["values"]
    if set(told) != {"values"} or not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise ConfigError(f"a list of 1 to {MOST_VALUES} values is expected, and nothing else", field=field_name)
    if not all(value is None or isinstance(value, (str, int, float, bool)) for value in values):
        raise ConfigError("a value is no text, number, true, false or null", field=field_name)
    if len({(type(value), value) for value in values}) < len(values):
        raise ConfigError("a value stands twice", field=field_name)
    return Choice(values=tuple(values))


def _range(told: dict[str, Any], field_name: str) -> Range:
    names = ("low", "high", "step", "log")
    for key in told:
        if key not in names:
            raise ConfigError(f"unknown key '{key}'", field=field_name, remedy=suggest(str(key), ("values", *names)))
    numbers = {name: told[name] for name in names[:3] if told.get(name) is not None}
    if not {"low", "high"} <= set(numbers) or not all(_is_number(number) for number in numbers.values()):
        raise ConfigError("low and high must be finite numbers, and step too", field=field_name)
    log = told.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError("log is true or false", field=field_name)
    found = Range(low=numbers["low"], high=numbers["high"], step=numbers.get("step"), log=log)
    if not found.low < found.high or (found.step is not None and not 0 < found.step <= found.high - found.low):
        raise ConfigError("high must be above low, and step fit between them", field=field_name)
    if log and (found.low <= 0 or found.step is not None):
        raise ConfigError("log needs a low above 0, and no step", field=field_name)
    return found


def _grid_points(keys: Mapping[str, Choice | Range]) -> tuple[Mapping[str, Value], ...]:
    """Return every combination, the last key changing fastest.

    Raises:
        ConfigError: a key has no end of values, or there are too many combinations.
    """
    columns = []
    total = 1
    for name, of in keys.items():
        grid = of.grid
        if grid is None:
            raise ConfigError("a grid needs values, or a step", field=f"keys.{name}", remedy="use {values: [...]}")
        columns.append(grid)
        total *= len(grid)
        if total > MOST_TRIALS:
            raise ConfigError(f"the grid has more than {MOST_TRIALS} points", field="keys", remedy="use method: tpe")
    return tuple(dict(zip(keys, point, strict=True)) for point in itertools.product(*columns))


def exact(number: float) -> int | float:
    """Return a sum of steps without the last bits that come from adding up: 0.6, not 0.6000000000000001."""
    return number if isinstance(number, int) else float(f"{number:.12g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _text_of(file: Path) -> str:
    try:
        return read_bytes(file, max_bytes=LARGEST_FILE_BYTES, error=ConfigError).decode()
    except UnicodeDecodeError:
        raise ConfigError("this is not a text in UTF-8", file=file) from None
