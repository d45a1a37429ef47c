"""Settings of a run as YAML: a file from anybody in, the resolved settings of a run out.

A file names only what differs from its preset::

    preset: mesmer
    model: {width: 16, text: {width: 64}}
    train: {learning_rate: 1e-3}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from mesmer.config import BranchSizes, FeatureSettings, ModelSettings, RunSettings, preset
from mesmer.config_dict import from_dict, to_dict
from mesmer.errors import ConfigError, suggest
from mesmer.storage.atomic import write_text
from mesmer.storage.reading import read_bytes

LARGEST_FILE_BYTES = 256 * 1024
_KEYS = ("preset", "model", "train")


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases, which a few lines can blow up with, and which reads ``1e-3`` as a number."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ConfigError("aliases (*name) are not read", remedy="write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            raise ConfigError(f"key '{repeated[0]}' stands twice", remedy="keep one of them")
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever the loader would not read as text."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def parse_yaml(text: str) -> Any:
    """Return a YAML text as plain types; safe, bounded, without aliases or repeated keys.

    Raises:
        ConfigError: it is no such YAML.
    """
    if len(text) > LARGEST_FILE_BYTES:
        raise ConfigError(f"more than {LARGEST_FILE_BYTES} characters of settings")
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else None
        raise ConfigError(f"this is not YAML: {getattr(error, 'problem', None) or error}", field=where) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"this YAML cannot be read: {type(error).__name__}") from None


def read_settings(file: Path | None, *, preset_name: str | None = None) -> RunSettings:
    """Return the settings of ``file`` on top of its preset.

    Args:
        file: YAML with ``preset``, ``model`` and ``train``, each optional; None is the bare preset.
        preset_name: overrules the file's own ``preset``; ``mesmer`` where neither names one.

    Raises:
        ConfigError: missing or unreadable file, unknown key (with a suggestion), wrong type, refused value.
    """
    if file is None:
        return preset(preset_name or "mesmer")
    try:
        values = parse_yaml(_text_of(file))
    except ConfigError as error:
        raise ConfigError(error.message, file=file, field=error.field, remedy=error.remedy) from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError("a mapping is expected", file=file, remedy="start with `model:` or `train:`")
    for key in values:
        if key not in _KEYS:
            raise ConfigError(f"unknown key '{key}'", file=file, field=str(key), remedy=suggest(str(key), _KEYS))
    named = preset_name or values.get("preset", "mesmer")
    if not isinstance(named, str):
        raise ConfigError("a name is expected", file=file, field="preset", remedy="known: paper, mesmer")
    base = to_dict(preset(named))
    changes = {key: value for key, value in values.items() if key != "preset"}
    return from_dict(RunSettings, _merged(base, changes), file=str(file))


def with_values(settings: RunSettings, values: Mapping[str, Any], *, file: str = "command line") -> RunSettings:
    """Return settings with some put in by their dotted names, such as ``{"model.sparse.top_p": 0.3}``.

    Args:
        file: where the values come from, for errors.

    Raises:
        ConfigError: unknown name (with a suggestion), wrong type, refused value.
    """
    nested = to_dict(settings)
    for name, value in values.items():
        *path, last = name.split(".")
        inner: dict[str, Any] = {last: value}
        for part in reversed(path):
            inner = {part: inner}
        nested = _merged(nested, inner)
    return from_dict(RunSettings, nested, file=file)


def setting_names() -> tuple[str, ...]:
    """Return the dotted name of every setting of a run."""
    full = RunSettings(model=ModelSettings(features=FeatureSettings(), audio=BranchSizes(), visual=BranchSizes()))
    return tuple(_flat(to_dict(full)))


def write_settings(file: Path, settings: RunSettings) -> None:
    """Write every setting, defaults included, as YAML that :func:`read_settings` reads back to the same settings."""
    write_text(file, yaml.dump(to_dict(settings), Dumper=_Dumper, sort_keys=False))


def first_difference(one: RunSettings, other: RunSettings) -> str | None:
    """Return the dotted name of the first setting in which the two differ, or None."""
    left, right = _flat(to_dict(one)), _flat(to_dict(other))
    return next((name for name in left if left[name] != right.get(name)), None)


def _text_of(file: Path) -> str:
    try:
        return read_bytes(file, max_bytes=LARGEST_FILE_BYTES, error=ConfigError).decode()
    except UnicodeDecodeError:
        raise ConfigError("this is not a text in UTF-8", remedy="settings are a few lines of YAML") from None


def _merged(base: Any, changes: Any) -> Any:
    """Return ``base`` with the nested keys of ``changes`` put in; unknown ones too, for the check that follows."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return {**base, **{key: _merged(base.get(key), value) for key, value in changes.items()}}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
