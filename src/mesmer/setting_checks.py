"""Checks that settings share: each refuses with the name of the field."""

from __future__ import annotations

from mesmer.errors import ConfigError


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
