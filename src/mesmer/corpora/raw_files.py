"""Where the files of a raw corpus lie: its top folder, its media files, and what can be said of them unopened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from mesmer.errors import DataError

NO_PICTURE_FILE = "no picture file"
NO_SOUND_FILE = "no sound file"
EMPTY_FILE = "the media file is empty"

MAX_DEPTH = 4
MAX_FILES = 1_000_000


def find_root(root: str | Path, *, is_root: Callable[[Path], bool], expected: str) -> Path:
    """Return the folder that holds the corpus: ``root`` itself or the one folder in it that does.

    Args:
        root: what the user gave.
        is_root: whether a folder looks like the top of the corpus.
        expected: what ``is_root`` looks for, in words.

    Raises:
        DataError: there is no such folder, or more than one.
    """
    root = Path(root)
    if not os.path.isdir(root):
        kind = "is a file, not a folder" if os.path.exists(root) else "does not exist"
        raise DataError(f"the corpus {kind}", file=root, remedy="give the folder the corpus was unpacked to")
    if is_root(root):
        return root
    found = [folder for folder in _folders(root) if is_root(folder)]
    if len(found) == 1:
        return found[0]
    problem = f"found {len(found)} times in the folders below" if found else "not found here"
    raise DataError(f"{expected}: {problem}", file=root, remedy="give the top folder of the corpus as published")


def visible_files(folder: Path, *, suffixes: Iterable[str], depth: int = 0) -> list[Path]:
    """Return the files of ``folder`` with one of ``suffixes`` (lower case), sorted; hidden ones are skipped.

    Names that begin with a dot are skipped because archives made on a Mac hold a ``._name`` beside every file.

    Args:
        folder: where to look; a missing folder holds no file.
        suffixes: such as ``.mp4``.
        depth: how many levels of folders below are searched too; links to folders are not followed.

    Raises:
        DataError: there are unreasonably many files.
    """
    wanted = tuple(suffixes)
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        below = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if below < min(depth, MAX_DEPTH) else []
        found += [Path(place, n) for n in names if not n.startswith(".") and n.lower().endswith(wanted)]
        if len(found) > MAX_FILES:
            raise DataError(f"more than {MAX_FILES} files", file=folder, remedy="is this the folder of the corpus?")
    return sorted(found)


def media_problem(path: Path, *, missing: str) -> str | None:
    """Return the rule that leaves out an utterance of this media file, or None; the file is not opened.

    Args:
        path: the media file.
        missing: the rule to name where the file is not there.
    """
    try:
        if not path.is_file():
            return missing
        return None if path.stat().st_size else EMPTY_FILE
    except (OSError, ValueError):  # a name too long for the system, or one it cannot hold
        return missing


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"the folder cannot be read ({error.strerror})", file=root) from None
