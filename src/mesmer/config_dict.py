"""Settings to and from plain dictionaries, as saved in JSON beside weights and datasets.

Files come from strangers: unknown keys, wrong types and refused values each end in one clear error.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from typing import Any

from mesmer.errors import ConfigError, suggest


def to_dict(settings: Any) -> dict[str, Any]:
    """Return a settings dataclass as plain, JSON-ready types."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def settings_hash(settings: Any) -> str:
    """Return 16 hex digits that change whenever any setting changes."""
    text = json.dumps(hashed(settings), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashed(settings: Any) -> Any:
    """Return the settings as plain types, without those that came later and are at their default."""
    if not dataclasses.is_dataclass(settings):
        return settings
    return {
        field.name: hashed(value)
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
        if not (field.metadata.get("unhashed_default") and value == field.default)
    }


def from_dict(cls: type[Any], values: Any, *, file: str | None = None, path: str = "") -> Any:
    """Build a settings dataclass from nested plain dictionaries, as saved by :func:`to_dict`.

    Raises:
        ConfigError: unknown key (with a suggestion), wrong type, or a value the settings refuse.
    """
    if not isinstance(values, dict):
        raise ConfigError("a mapping is expected here", file=file, field=path or cls.__name__)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    built: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in fields:
            raise ConfigError(f"unknown key '{key}'", file=file, field=where, remedy=suggest(str(key), fields))
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            built[key] = from_dict(hint, value, file=file, path=where)  # type: ignore[arg-type]
        else:
            built[key] = _checked(value, hint, file=file, where=where)
    try:
        return cls(**built)
    except ConfigError as error:
        if error.file is None and file is not None:
            place = ".".join(part for part in (path, error.field) if part)
            raise ConfigError(error.message, file=file, field=place or None, remedy=error.remedy) from None
        raise


def _checked(value: Any, hint: Any, *, file: str | None, where: str) -> Any:
    """Return ``value`` if it has the type ``hint``; whole numbers are taken for floats, lists for tuples of names."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value in args and not isinstance(value, bool):
            return value
        raise ConfigError(f"{value!r} is not one of " + ", ".join(map(repr, args)), file=file, field=where)
    if origin in (typing.Union, types.UnionType):
        option = next(a for a in args if a is not type(None))
        if value is not None and dataclasses.is_dataclass(option):
            return from_dict(option, value, file=file, path=where)  # type: ignore[arg-type]
        return None if value is None else _checked(value, option, file=file, where=where)
    if origin is tuple:
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError("a list of names is expected", file=file, field=where)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if value != value or value in (float("inf"), float("-inf")):
            raise ConfigError("the number is not finite", file=file, field=where)
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{value!r} is not of type {hint.__name__}", file=file, field=where)
