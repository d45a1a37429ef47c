"""What a model looked at and listened to, and how far that can be trusted.

The room can be called: ``mesmer.explain("talk.mp4", model="runs/mine")`` is :func:`mesmer.explain.explainer.explain`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A room and a function share the name; importing the room must not take the function away."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module("mesmer.explain.explainer").explain(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
