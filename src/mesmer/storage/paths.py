"""Paths from manifests and saved folders: they may not lead out of the folder they belong to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from mesmer.errors import DataError, MesmerError


def safe_join(root: str | Path, relative: str | Path, *, error: type[MesmerError] = DataError) -> Path:
    """Return ``root / relative``; what it names need not exist.

    Raises:
        MesmerError: of type ``error``: the path is empty, absolute, holds ``..`` or a NUL, or leads out of ``root``
            through a link.
    """
    text = str(relative)
    if not text.strip() or text == "." or "\0" in text:
        raise error(f"{text!r} names no file", file=root, remedy="give a path inside this folder")
    windows = PureWindowsPath(text)  # also cuts at backslashes and knows drives, so no system is fooled
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root:
        raise error(f"'{text}' is an absolute path", file=root, remedy="give a path inside this folder")
    if ".." in windows.parts:
        raise error(f"'{text}' leads out of this folder", file=root, remedy="give a path inside this folder")
    joined = Path(root) / text
    try:
        inside = joined.resolve().is_relative_to(Path(root).resolve())
    except (OSError, RuntimeError) as problem:  # a name too long, a circle of links
        raise error(f"'{text}' cannot be followed: {problem}", file=root) from None
    if not inside:
        raise error(f"'{text}' leads out of this folder through a link", file=root, remedy="give a path inside this folder")
    return joined
