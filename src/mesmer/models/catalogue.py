"""Which models are at hand by name: those that came with this package, and those of the user's own folder.

A model is a folder with ``hashes.json``; its name is the folder's. Packaged models lie in ``packaged/``; the user's in the
folder that ``$MESMER_MODELS`` names, and win where two have the same name. ``packaged/catalogue.json`` says which is the
default, and may pin packaged models by the SHA-256 of their ``hashes.json``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesmer.errors import ConfigError, ModelError, suggest
from mesmer.models.packing import CARD_FILE, check_files, folder_bytes
from mesmer.models.provenance import Outline, Provenance, read_outline, read_provenance
from mesmer.models.saving import HASHES_FILE
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_bytes, read_json

MODELS_VARIABLE = "MESMER_MODELS"
DEFAULT = "default"
PACKAGED = Path(__file__).parent / "packaged"
CATALOGUE_FILE = "catalogue.json"

_FORMAT = "mesmer-model-catalogue"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_MODELS = 1000
_MOST_CARD_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model at hand.

    Attributes:
        name: what it is asked for by.
        folder: where it is.
        origin: ``packaged`` or ``yours``.
        is_default: whether ``default`` means this one.
        size_bytes: of all its files.
        outline: what it tells apart, and from what; None where its description cannot be read.
        provenance: what it says of where it comes from; None where it says nothing.
        problem: what is wrong with its description; None where nothing is.
    """

    name: str
    folder: Path
    origin: str
    is_default: bool
    size_bytes: int
    outline: Outline | None
    provenance: Provenance | None
    problem: str | None = None


class Catalogue:
    """The models at hand.

    Args:
        packaged: folder of the models that came with this package.
        own: the user's folder; None where there is none.

    Raises:
        ModelError: the catalogue's file is damaged.
        ConfigError: the user's folder does not exist.
    """

    def __init__(self, *, packaged: Path = PACKAGED, own: Path | None = None) -> None:
        self._default, self._pinned = _read_catalogue(packaged / CATALOGUE_FILE)
        if own is not None and not own.is_dir():
            raise ConfigError(
                "there is no such folder", file=own, field=f"${MODELS_VARIABLE}", remedy="make it, or unset it"
            )
        self._found: dict[str, tuple[str, Path]] = {}
        for origin, root in (("packaged", packaged), ("yours", own)):
            self._found |= {name: (origin, folder) for name, folder in _models_in(root).items()}

    @classmethod
    def here(cls) -> Catalogue:
        """Return the catalogue of this installation and of ``$MESMER_MODELS``."""
        named = os.environ.get(MODELS_VARIABLE)
        return cls(packaged=PACKAGED, own=Path(named).expanduser() if named else None)

    def __contains__(self, name: str) -> bool:
        return self._real_name(name) in self._found

    def folder(self, name: str) -> Path:
        """Return the folder of a model; ``default`` is the default one.

        Raises:
            ModelError: there is none of that name.
        """
        real = self._real_name(name)
        if real in self._found:
            return self._found[real][1]
        if name == DEFAULT:
            raise ModelError(
                "no default model is installed: this version of MESMER comes without weights",
                field="model",
                remedy=f"name a run or a model folder (`make demo` trains one), or set ${MODELS_VARIABLE} to a folder that "
                f"holds a model called {self._default}",
            )
        known = [*self._found, *([DEFAULT] if DEFAULT in self else [])]
        remedy = suggest(name, known) if known else f"none is installed; set ${MODELS_VARIABLE} to a folder of models"
        raise ModelError(f"there is no model '{name}'", field="model", remedy=remedy)

    def entries(self) -> tuple[Entry, ...]:
        """Return all models at hand, the default first, then by name. What cannot be read is listed with its problem."""
        found = [self.entry(name) for name in sorted(self._found)]
        return tuple(sorted(found, key=lambda one: not one.is_default))

    def entry(self, name: str) -> Entry:
        """Return what is known of one model. Raises as :meth:`folder`."""
        folder, real = self.folder(name), self._real_name(name)
        outline, provenance, problem = None, None, None
        try:
            outline, provenance = read_outline(folder), read_provenance(folder)
        except ModelError as error:
            problem = str(error)
        return Entry(
            name=real,
            folder=folder,
            origin=self._found[real][0],
            is_default=real == self._default,
            size_bytes=folder_bytes(folder),
            outline=outline,
            provenance=provenance,
            problem=problem,
        )

    def check(self, name: str) -> tuple[str, ...]:
        """Compare every file of a model with its hash, and load it; return the files' names.

        Raises:
            ModelError: what is wrong, and in which file.
        """
        folder, real = self.folder(name), self._real_name(name)
        pinned = self._pinned.get(real) if self._found[real][0] == "packaged" else None
        if pinned is not None and sha256_file(folder / HASHES_FILE, error=ModelError) != pinned:
            raise ModelError(
                "not the model that came with this package", file=folder / HASHES_FILE, remedy="install MESMER again"
            )
        return check_files(folder)

    def _real_name(self, name: str) -> str:
        return self._default if name == DEFAULT else name


def read_card(folder: Path) -> str:
    """Return a packed model's card, Markdown.

    Raises:
        ModelError: it has none.
    """
    file = folder / CARD_FILE
    if not file.is_file():
        raise ModelError("this model has no card", file=file, remedy="pack it: mesmer models pack")
    return read_bytes(file, max_bytes=_MOST_CARD_BYTES, error=ModelError).decode("utf-8", "replace")


def _models_in(root: Path | None) -> dict[str, Path]:
    """Return name -> folder of the models in a folder; whatever else lies there is passed over."""
    if root is None or not root.is_dir():
        return {}
    folders = (folder for folder in sorted(root.iterdir())[:_MOST_MODELS] if _NAME.fullmatch(folder.name))
    return {folder.name: folder for folder in folders if (folder / HASHES_FILE).is_file()}


def _read_catalogue(file: Path) -> tuple[str, Mapping[str, str]]:
    values = read_json(file, error=ModelError)
    pinned = values.get("sha256") if isinstance(values, dict) else None
    if not isinstance(values, dict) or values.get("format") != _FORMAT or not isinstance(pinned, dict):
        raise ModelError("this is not a catalogue of models", file=file, remedy="install MESMER again")
    return str(values.get("default")), {str(name): str(value) for name, value in pinned.items()}
