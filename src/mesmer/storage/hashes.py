"""SHA-256 of files and bytes, as 64 hex digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mesmer.errors import DataError, MesmerError


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path, *, error: type[MesmerError] = DataError) -> str:
    """Return the SHA-256 of a file as hex digits, read in blocks.

    Raises:
        MesmerError: of type ``error``: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror or problem}", file=path) from None
