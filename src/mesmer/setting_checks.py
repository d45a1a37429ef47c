"""What settings share: checks, each of which refuses with the name of the field, and what marks a field."""

from __future__ import annotations

from mesmer.errors import ConfigError

UNHASHED_DEFAULT = {"unhashed_default": True}
"""Metadata of a setting that came later: at its default it leaves the hash what it was, so that begun runs can go on."""


def positive(settings: object, *names: str) -> None:
    """Refuse fields that are not above 0.

    Raises:
        ConfigError: one is not.
    """
    for name in names:
        if not getattr(settings, name) > 0:
            raise ConfigError(f"{name} is {getattr(settings, name)}", field=name, remedy="use a number above 0")


def between(settings: object, low: float, high: float, *names: str) -> None:
    """Refuse fields that are not from ``low`` to ``high``.

    Raises:
        ConfigError: one is not.
    """
    for name in names:
        if not low <= getattr(settings, name) <= high:
            raise ConfigError(f"{name} is {getattr(settings, name)}", field=name, remedy=f"use {low:g} to {high:g}")
