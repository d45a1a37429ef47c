"""What people look at: tables, figures, files and pages. The Python side of ``mesmer report`` is :func:`write_report`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "write_report": "mesmer.report.result_report",
    "result_page": "mesmer.report.result_report",
    "read_result": "mesmer.report.result_reading",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:  # on first use: a command that prints one line needs no templates
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mesmer.report' has no attribute {name!r}")
