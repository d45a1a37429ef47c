"""What ``mesmer models`` prints: the models at hand, in plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from mesmer.models.catalogue import MODELS_VARIABLE, Entry


def print_models(entries: Sequence[Entry], *, file: TextIO) -> None:
    """Print each model with where it is, its size, what it reads and tells apart, its data and what it may be used for."""
    for entry in entries:
        mark = " (default)" if entry.is_default else ""
        print(f"{entry.name}{mark}: {_summary(entry)}", file=file)
        for key, words in _lines(entry):
            print(f"  {key + ':':<12} {words}", file=file)
    if not any(entry.is_default for entry in entries):
        print(
            "No default model is installed: this version of MESMER comes without weights.\n`make demo` trains one on drawn "
            f"faces; ${MODELS_VARIABLE} names a folder of models of your own.",
            file=file,
        )


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain types, ready for ``json.dumps``."""
    outline, provenance = entry.outline, entry.provenance
    return {
        "name": entry.name,
        "default": entry.is_default,
        "origin": entry.origin,
        "folder": str(entry.folder),
        "size_bytes": entry.size_bytes,
        "network": None if outline is None else outline.network,
        "modalities": None if outline is None else outline.modalities,
        "emotions": None if outline is None else list(outline.emotions),
        "precision": None if outline is None else outline.precision,
        "trained_on": None if provenance is None else list(provenance.trained_on),
        "license": None if provenance is None else provenance.license,
        "use": None if provenance is None else provenance.use,
        "problem": entry.problem,
    }


def _summary(entry: Entry) -> str:
    if entry.problem is not None:
        return f"cannot be read: {_line(entry.problem)}"
    told = None if entry.provenance is None else entry.provenance.summary
    return _line(told or "no summary")


def _lines(entry: Entry) -> list[tuple[str, str]]:
    outline, provenance = entry.outline, entry.provenance
    lines = [("where", f"{entry.folder} ({'came with MESMER' if entry.origin == 'packaged' else 'yours'})")]
    lines.append(("size", f"{entry.size_bytes / 1e6:.1f} MB" + (f", {outline.precision}" if outline else "")))
    if outline is not None:
        read = {"T": "words", "A": "voice", "V": "face"}
        lines.append(("reads", ", ".join(read.get(letter, letter) for letter in outline.modalities)))
        lines.append(("emotions", _line(", ".join(outline.emotions))))
    unsaid = "not said: it was not packed"
    lines.append(("trained on", unsaid if provenance is None else _line(", ".join(provenance.trained_on)) or "not said"))
    lines.append(("licence", unsaid if provenance is None else _line(provenance.license)))
    lines.append(("for", unsaid if provenance is None else _line(provenance.use) or "not said"))
    return lines


def _line(text: str) -> str:
    """Text of a stranger's file on one line, without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))[:500]
