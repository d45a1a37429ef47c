"""Models: FE2E, MESM and four baselines behind one registry; saving and loading. Names are imported on first use."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "MODELS": "mesmer.models.registry",
    "EmotionModel": "mesmer.models.base",
    "LoadedModel": "mesmer.models.loading",
    "build_model": "mesmer.models.registry",
    "load_model": "mesmer.models.loading",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mesmer.models' has no attribute {name!r}")
