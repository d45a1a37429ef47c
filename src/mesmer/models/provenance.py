"""What a saved model says of itself, without loading it: where it comes from, what may be done with it, what it tells
apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mesmer.errors import ModelError
from mesmer.models.saving import CONFIG_FILE
from mesmer.storage.reading import read_json

PROVENANCE_FILE = "provenance.json"
FORMAT = "mesmer-provenance"
FORMAT_VERSION = 1

_MOST_BYTES = 4 * 2**20
_REMEDY = "fetch the model again, or pack it again"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a model comes from and what follows from it.

    Attributes:
        name: what it is called; ``[a-z0-9._-]``.
        summary: one sentence.
        license: of the weights, an SPDX identifier in small letters, or ``other``.
        use: what it may be used for, in one sentence.
        trained_on: names of the data, such as ``ravdess``.
        train: the settings of its training; empty where they are not known.
        numbers: results, each a mapping of ``title`` and ``rows`` of ``name``, ``metric``, ``value`` and, where there is an
            interval, ``low`` and ``high``.
        source: SHA-256 of the weights it was packed from, and of the prepared dataset's description.
        made_with: package -> version.
    """

    name: str
    summary: str = ""
    license: str = "other"
    use: str = ""
    trained_on: tuple[str, ...] = ()
    train: Mapping[str, Any] = field(default_factory=dict)
    numbers: Sequence[Mapping[str, Any]] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self), "trained_on": list(self.trained_on)}


def read_provenance(folder: Path) -> Provenance | None:
    """Return what a packed model says of itself; None for a saved model that says nothing.

    Raises:
        ModelError: the file is damaged.
    """
    file = folder / PROVENANCE_FILE
    if not file.is_file():
        return None
    values = _read_object(file)
    if values.get("format") != FORMAT or values.get("format_version") != FORMAT_VERSION:
        raise ModelError("this does not describe where a model comes from", file=file, remedy=_REMEDY)
    kinds = {"train": dict, "source": dict, "made_with": dict, "numbers": list, "trained_on": list}
    found: dict[str, Any] = {}
    for one in fields(Provenance):
        value = values.get(one.name)
        items = value if isinstance(value, list) else []
        item_kind = str if one.name == "trained_on" else dict
        if not isinstance(value, kinds.get(one.name, str)) or not all(isinstance(item, item_kind) for item in items):
            raise ModelError("the description is damaged", file=file, field=one.name, remedy=_REMEDY)
        found[one.name] = tuple(value) if isinstance(value, list) else value
    return Provenance(**found)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A saved model from its description alone: ``network``, its ``emotions``, letters of its ``modalities``,
    ``precision``.
    """

    network: str
    emotions: tuple[str, ...]
    modalities: str
    precision: str


def read_outline(folder: Path) -> Outline:
    """Return the outline of a saved model.

    Raises:
        ModelError: the description cannot be read.
    """
    file = folder / CONFIG_FILE
    config = _read_object(file)
    model = config.get("model")
    emotions = model.get("emotions") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(emotions, list):
        raise ModelError("this does not describe a model", file=file, remedy=_REMEDY)
    return Outline(
        network=str(model.get("name", "")),
        emotions=tuple(map(str, emotions)),
        modalities=str(model.get("modalities", "TAV")),
        precision=str(config.get("precision", "fp32")),
    )


def _read_object(file: Path) -> dict[str, Any]:
    values = read_json(file, max_bytes=_MOST_BYTES, error=ModelError)
    if not isinstance(values, dict):
        raise ModelError("a JSON object is expected here", file=file, remedy=_REMEDY)
    return values
