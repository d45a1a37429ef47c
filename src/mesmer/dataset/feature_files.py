"""Hand-crafted features on the disk, beside a prepared dataset: what is where, and reading it back.

``DATASET/features/KEY/`` holds the word vectors, pieces of a few utterances each, and ``features.json``, written last:
what the features were made of and with, and the SHA-256 of every piece. KEY names the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mesmer.config import FeatureSettings
from mesmer.config_dict import settings_hash, to_dict
from mesmer.errors import DataError, StaleDatasetError
from mesmer.records import MODALITIES, SPLITS
from mesmer.signals.handcrafted.clip_features import VERSION
from mesmer.signals.handcrafted.resources import FeatureResources, load_resources
from mesmer.storage.atomic import write_json
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json

FEATURES_FOLDER = "features"
FACTS_FILE = "features.json"
FORMAT = "mesmer-features"
PIECE_ROWS = 32
"""Utterances in a piece."""

_PIECE_NAME = re.compile(r"(train|valid|test)-\d{6}\.safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class FeatureFacts:
    """A finished set of features.

    Attributes:
        settings: what was asked for.
        dataset: fingerprint of the prepared dataset.
        words: identity of the word vectors.
        version: of the computation.
        unknown_words: split -> share of the words that have no vector.
        steps: modality -> steps in all splits.
        pieces: name -> SHA-256.
    """

    settings: Mapping[str, Any]
    dataset: str
    words: str
    version: int
    unknown_words: Mapping[str, float]
    steps: Mapping[str, int]
    pieces: Mapping[str, str]


def features_folder(dataset: Path, settings: FeatureSettings) -> Path:
    """Return the folder of the features of these settings; where GloVe's and OpenFace's files lie makes no difference."""
    key = settings_hash(replace(settings, glove="", openface=""))
    return dataset / FEATURES_FOLDER / key


def piece_name(split: str, number: int) -> str:
    """Return the file name of a piece: utterances ``number * PIECE_ROWS`` on."""
    return f"{split}-{number:06d}.safetensors"


def write_facts(folder: Path, facts: FeatureFacts) -> None:
    """Write ``features.json``: from then on the features are complete."""
    write_json(folder / FACTS_FILE, {"format": FORMAT, **asdict(facts)})


def read_facts(folder: Path) -> FeatureFacts:
    """Return the facts of a finished set of features.

    Raises:
        DataError: it is not there, or damaged.
    """
    file = folder / FACTS_FILE
    values = read_json(file)
    fields = {"settings": dict, "dataset": str, "words": str, "version": int, "unknown_words": dict, "steps": dict}
    good = isinstance(values, dict) and values.pop("format", None) == FORMAT and set(values) == {*fields, "pieces"}
    good = good and all(isinstance(values[name], kind) for name, kind in fields.items())
    pieces = values["pieces"] if good else None
    if not isinstance(pieces, dict) or not all(
        _PIECE_NAME.fullmatch(name) and isinstance(digest, str) and _SHA256.fullmatch(digest)
        for name, digest in pieces.items()
    ):
        raise DataError("the description of the features is damaged", file=file, remedy=_again(folder))
    return FeatureFacts(**values)


def check_facts(found: FeatureFacts, folder: Path, *, dataset: str, settings: FeatureSettings) -> None:
    """Refuse features of another dataset, other settings, or another version of their computation.

    Raises:
        StaleDatasetError: names what differs.
    """
    wanted = to_dict(replace(settings, glove="", openface=""))
    for field, old, new in (
        ("version", found.version, VERSION),
        ("dataset", found.dataset, dataset),
        ("settings", dict(found.settings), wanted),
    ):
        if old != new:
            shown = "" if field != "version" else f": version {old} instead of {new}"
            message = f"these features were made from another {field}{shown}"
            raise StaleDatasetError(message, file=folder, field=field, remedy=_again(folder))


def _again(folder: Path) -> str:
    return f"delete {folder} and run `mesmer features {folder.parent.parent}` again"


class FeatureFiles:
    """Finished features, opened for reading.

    Attributes:
        folder: where they are.
        settings: what was asked for.
        facts: what they are made of and with.
    """

    def __init__(self, folder: Path, settings: FeatureSettings, facts: FeatureFacts) -> None:
        self.folder, self.settings, self.facts = folder, settings, facts
        self._open: dict[str, Any] = {}

    @classmethod
    def open(cls, dataset: Path, settings: FeatureSettings, *, fingerprint: str) -> FeatureFiles:
        """Open the features of a prepared dataset.

        Args:
            dataset: its folder.
            fingerprint: of the dataset, which they must have been made from.

        Raises:
            DataError: they were not made yet, or a piece is missing.
            StaleDatasetError: they were made from something else.
        """
        folder = features_folder(dataset, settings)
        if not (folder / FACTS_FILE).is_file():
            options = "".join(
                f" --{name.replace('_', '-')} {getattr(settings, name)}"
                for name in ("text", "audio", "visual", "text_width")
                if getattr(settings, name) != getattr(FeatureSettings(), name)
            )
            raise DataError(
                f"the features ({settings.text}, {settings.audio}, {settings.visual}) were not made yet",
                file=dataset,
                field="features",
                remedy=f"run `mesmer features {dataset}{options}`",
            )
        facts = read_facts(folder)
        check_facts(facts, folder, dataset=fingerprint, settings=settings)
        for name in facts.pieces:
            if not (folder / name).is_file():
                raise DataError("a piece of the features is missing", file=folder / name, remedy=_again(folder))
        return cls(folder, settings, facts)

    def resources(self) -> FeatureResources:
        """Return what the features were made with, for saving with a model. Raises as :func:`load_resources`."""
        return load_resources(self.settings, self.folder)

    def read(self, split: str, row: int, utterance_id: str) -> dict[str, NDArray[np.float32]]:
        """Return modality -> float32 (S, F) of one utterance.

        Raises:
            DataError: the piece is damaged, or holds another utterance there.
        """
        assert split in SPLITS
        name = piece_name(split, row // PIECE_ROWS)
        piece, place = self._piece(name), row % PIECE_ROWS
        ids = (piece.metadata() or {}).get("ids", "").split("\n")
        if place >= len(ids) or ids[place] != utterance_id:
            raise DataError("another utterance stands here", file=self.folder / name, remedy=_again(self.folder))
        found: dict[str, NDArray[np.float32]] = {}
        for modality in MODALITIES:
            first, end = (int(start) for start in piece.get_tensor(f"{modality}_starts")[place : place + 2])
            steps = piece.get_slice(modality)
            # The library cannot cut nothing out of nothing.
            nothing = np.zeros((0, steps.get_shape()[1]), dtype=np.float32)
            found[modality] = steps[first:end] if first < end else nothing
        return found

    def _piece(self, name: str) -> Any:
        """Return a piece, mapped; its bytes are checked when it is opened."""
        if name not in self._open:
            path = self.folder / name
            try:
                if sha256_file(path) != self.facts.pieces.get(name):
                    raise DataError("the features are damaged: their hash differs", file=path, remedy=_again(self.folder))
                self._open[name] = safe_open(path, framework="np")
            except SafetensorError as problem:
                raise DataError(f"the features are damaged ({problem})", file=path, remedy=_again(self.folder)) from None
        return self._open[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # mapped files stay in their process
