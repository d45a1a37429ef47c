"""MESMER: which emotions are expressed in a video, from face, voice and words together.

The public names are few and imported on first use, so that ``import mesmer`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "MesmerError": "mesmer.errors",
    "Utterance": "mesmer.records",
    "Clip": "mesmer.records",
    "Batch": "mesmer.records",
    "ModelOutput": "mesmer.records",
    "Prediction": "mesmer.records",
    "load_model": "mesmer.models",
    "Analysis": "mesmer.analysis",
    "predict": "mesmer.analysis",
    "analyze": "mesmer.analysis",
    "explain": "mesmer.explain",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        module = import_module(_PUBLIC[name])
        return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)  # a room that can be called
    raise AttributeError(f"module 'mesmer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
