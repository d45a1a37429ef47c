"""A packed model: a saved model in half the bytes, with all that a stranger needs to judge and to use it, in one folder.

Beside what every saved model has there are ``README.md`` (the model card), ``provenance.json`` (what it was trained on and
with, what it may be used for, its numbers) and the licences of what is inside. Nothing else is needed to load it: no
network, no package of a text encoder. The hashes cover every file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mesmer.config_dict import to_dict
from mesmer.errors import ModelError
from mesmer.models.half import Precision
from mesmer.models.loading import LoadedModel, load_model
from mesmer.models.provenance import PROVENANCE_FILE, Provenance
from mesmer.models.saving import HASHES_FILE, WEIGHTS_FILE, save_model
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json

CARD_FILE = "README.md"
NOTICE_SUFFIX = "_NOTICE.txt"

MOST_PACKED_BYTES = 80 * 10**6
"""A package of Python is no place for more."""


def pack_model(
    loaded: LoadedModel,
    folder: str | Path,
    *,
    provenance: Provenance,
    card: str,
    notices: Mapping[str, str],
    precision: Precision = "fp16",
    most_bytes: int = MOST_PACKED_BYTES,
) -> int:
    """Write a loaded model as a packed one, load it again to see that it is whole, and return its bytes.

    Args:
        card: Markdown with YAML front matter, as the Hugging Face hub reads it.
        notices: name in capitals -> licence text of something inside, written as ``NAME_NOTICE.txt``.
        most_bytes: a larger model is refused before anything is written.

    Raises:
        ModelError: it would be too large, or cannot be saved or read back.
        MesmerError: the folder holds something else than a saved model, or cannot be written.
    """
    told = provenance.to_json() | {"model": to_dict(loaded.model.settings)}
    documents = {
        CARD_FILE: card,
        PROVENANCE_FILE: json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        **{name + NOTICE_SUFFIX: words for name, words in notices.items()},
    }
    _check_size(loaded, Path(folder), documents, precision=precision, most_bytes=most_bytes)
    save_model(
        loaded.model,
        folder,
        tokenizer=loaded.tokenizer,
        prepare=loaded.prepare,
        extra=loaded.extra,
        resources=None if loaded.model.settings.features is None else loaded.feature_resources(),
        precision=precision,
        documents=documents,
    )
    load_model(Path(folder))
    return folder_bytes(Path(folder))


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files of a saved model."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def source_hashes(loaded: LoadedModel) -> dict[str, str]:
    """Return the SHA-256 of the weights a loaded model came from, and of the data it was trained on, where it says so."""
    found = {"weights_sha256": sha256_file(loaded.folder / WEIGHTS_FILE, error=ModelError)}
    data = loaded.extra.get("data")
    return found | ({"data_sha256": data} if isinstance(data, str) else {})


def check_files(folder: Path) -> tuple[str, ...]:
    """Load a saved model, which compares every file with its hash and the network with its weights; return the files'
    names.

    Raises:
        ModelError: what is wrong, and in which file.
    """
    load_model(folder)
    return tuple(sorted(read_json(folder / HASHES_FILE, error=ModelError)))


def _check_size(
    loaded: LoadedModel, folder: Path, documents: Mapping[str, str], *, precision: Precision, most_bytes: int
) -> None:
    """Refuse a model that would be larger than ``most_bytes``.

    Raises:
        ModelError: names its largest part.
    """
    parts: dict[str, int] = {}
    for name, tensor in loaded.model.state_dict().items():
        halves = precision == "fp16" and tensor.is_floating_point() and tensor.ndim > 1
        part = name.split(".")[0]
        parts[part] = parts.get(part, 0) + tensor.numel() * (2 if halves else tensor.element_size())
    beside = sum(path.stat().st_size for path in loaded.folder.iterdir() if path.is_file() and path.name != WEIGHTS_FILE)
    size = sum(parts.values()) + beside + sum(len(text.encode()) for text in documents.values())
    if size > most_bytes:
        largest = max(parts, key=lambda part: parts[part])
        raise ModelError(
            f"{size / 1e6:.1f} MB are more than the {most_bytes / 1e6:g} MB that a packed model may have",
            file=folder,
            remedy=f"train a smaller one; its largest part is {largest} with {parts[largest] / 1e6:.1f} MB",
        )
