"""Writing files so that a crash, a full disk or a second process never leaves half of one.

New content goes to a temporary sibling in the same folder, is flushed to the disk, and takes the final name in one step.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesmer.errors import MesmerError
from mesmer.storage.reading import read_json as read_json  # beside write_json, where one looks for it

TEMPORARY_PREFIX = ".tmp-"
"""Temporary siblings start with this; one that stays behind after a crash can be deleted."""

_PLAIN_WORDS = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("your disk quota is used up", "free some space"),
    errno.EROFS: ("the disk is read-only", "choose another folder"),
    errno.EACCES: ("there is no permission to write here", "choose another folder"),
    errno.EPERM: ("there is no permission to write here", "choose another folder"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "choose another folder"),
    errno.EISDIR: ("this is a folder, not a file", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EFBIG: ("the file is too large for this disk", "choose another folder"),
    errno.ENOTEMPTY: ("the folder is not empty", "choose another folder or empty this one"),
    errno.EEXIST: ("something else of this name stands here", "choose another name"),
}


def plain_error(error: OSError, path: str | Path) -> MesmerError:
    """Return the error of the operating system in the user's words."""
    words, remedy = _PLAIN_WORDS.get(error.errno or 0, (f"cannot be written: {error.strerror or error}", None))
    return MesmerError(words, file=path, remedy=remedy)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically, making missing parent folders.

    Raises:
        MesmerError: the disk is full or read-only, or the path cannot be written; an older file stays as it was.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically. Raises as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write plain types as readable JSON, atomically; keys keep their order. Raises as :func:`write_bytes`.

    Numbers must be finite: NaN is no JSON and raises ValueError, for it is the caller's mistake.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary sibling of ``path`` (same suffix) to write to; on leaving it takes the final name.

    If the body raises, the temporary file is deleted and an older file at ``path`` stays as it was.

    Raises:
        MesmerError: the disk is full or read-only, or the path cannot be written.
    """
    final = Path(path)
    temporary = _sibling(final)
    try:
        with _plainly(final, temporary):
            final.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, final)
            _flush(final.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary sibling folder to fill; on leaving it becomes ``path``, whole or not at all.

    Raises:
        MesmerError: ``path`` is a file or a folder that holds something, or it cannot be written.
    """
    final = Path(path)
    temporary = _sibling(final)
    try:
        with _plainly(final, temporary):
            _refuse_occupied(final)
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, names in os.walk(temporary, topdown=False):
                for name in names:
                    _flush(Path(folder, name))
                _flush(Path(folder))
            os.replace(temporary, final)  # also over an empty folder, and refused over one that has been filled since
            _flush(final.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_leftovers(folder: str | Path) -> None:
    """Delete temporary files that a killed process of ours left in ``folder``. No other process may be writing there."""
    for path in Path(folder).glob(TEMPORARY_PREFIX + 12 * "[0-9a-f]" + "-*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sibling(final: Path) -> Path:
    # The end of the name stays (a media writer reads the suffix), shortened so that the whole never gets too long.
    return final.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{final.name[-100:]}"


def _refuse_occupied(final: Path) -> None:
    if final.is_symlink() or (final.exists() and not final.is_dir()):
        raise MesmerError("something else of this name stands here", file=final, remedy="choose another name")
    if final.is_dir() and any(final.iterdir()):
        raise MesmerError("the folder is not empty", file=final, remedy="choose another folder or empty this one")


def _flush(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _plainly(final: Path, temporary: Path) -> Iterator[None]:
    """Turn errors of the operating system about our own path into one line; errors about other files pass."""
    try:
        yield
    except OSError as error:
        name = None if error.filename is None else os.fsdecode(error.filename)
        if name is None or name == str(final.parent) or name.startswith((str(final), str(temporary))):
            raise plain_error(error, final) from error
        raise
