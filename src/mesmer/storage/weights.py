"""Tensors in files: safetensors only, never a pickle; bounded in size, and the same bytes for the same tensors.

The header is a JSON object that names each tensor with its type, shape and place, after 8 bytes that hold its length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from mesmer.errors import ModelError
from mesmer.storage.atomic import write_bytes
from mesmer.storage.hashes import sha256_bytes
from mesmer.storage.reading import parse_json, read_bytes

MAX_WEIGHT_BYTES = 8 * 2**30
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
_LENGTH_BYTES = 8
_REMEDY = "get the file again or train anew"


def save_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors and a little text beside them, atomically. Equal content gives equal bytes.

    Tensors that share memory are written once each.

    Raises:
        MesmerError: the file cannot be written.
        TypeError: a metadata value is no text.
    """
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata {key!r} is not text")
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    data = safetensors.torch.save(own)  # without metadata: the library writes those in an order that changes
    header, start = _header(data, Path(path))
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # the data stay aligned
    write_bytes(path, len(text).to_bytes(_LENGTH_BYTES, "little") + text + data[start:])


def load_tensors(
    path: str | Path, *, sha256: str | None = None, max_bytes: int = MAX_WEIGHT_BYTES
) -> dict[str, torch.Tensor]:
    """Return the named tensors of a file, on the CPU, each with memory of its own.

    Args:
        path: the file.
        sha256: what the bytes must hash to (hex digits); None does not check.
        max_bytes: a larger file is refused unread.

    Raises:
        ModelError: the file is missing, too large, damaged, or hashes to something else.
    """
    data = _read(path, sha256=sha256, max_bytes=max_bytes)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as problem:
        raise ModelError(f"the weights are damaged ({problem})", file=path, remedy=_REMEDY) from None


def load_metadata(path: str | Path, *, sha256: str | None = None, max_bytes: int = MAX_WEIGHT_BYTES) -> dict[str, str]:
    """Return the text beside the tensors. Raises as :func:`load_tensors`."""
    header, _ = _header(_read(path, sha256=sha256, max_bytes=max_bytes), Path(path))
    return dict(header.get("__metadata__", {}))


def _read(path: str | Path, *, sha256: str | None, max_bytes: int) -> bytes:
    """Return the bytes of a weights file whose header is sound; hashing what was read leaves no moment to swap it."""
    data = read_bytes(path, max_bytes=max_bytes, error=ModelError)
    if sha256 is not None and sha256_bytes(data) != sha256:
        raise ModelError("the weights are damaged: their hash differs", file=path, remedy=_REMEDY)
    _header(data, Path(path))
    return data


def _header(data: bytes, path: Path) -> tuple[dict[str, Any], int]:
    """Return the header and where the tensors' bytes start.

    Raises:
        ModelError: the header is longer than the file or the bound, is not JSON, or names too much.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if len(data) < _LENGTH_BYTES or length > MAX_HEADER_BYTES or start > len(data):
        raise ModelError("this is not a whole safetensors file", file=path, remedy=_REMEDY)
    header = parse_json(data[_LENGTH_BYTES:start], max_depth=8, error=ModelError, file=path, field="header")
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise ModelError("the header does not list tensors", file=path, remedy=_REMEDY)
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelError("the metadata are not text", file=path, remedy=_REMEDY)
    return header, start
