"""A corpus as it was delivered: a folder, an archive of it, or a folder of archives, which are unpacked once.

What an archive unpacks to is kept under a name made of the archive's own name, size and time of change, so that a second
run finds it, and another archive of the same name is not taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mesmer.corpora.archives import SUFFIXES, ArchiveLimits, extract, is_archive
from mesmer.corpora.raw_files import visible_files
from mesmer.errors import DataError
from mesmer.storage.atomic import remove_leftovers
from mesmer.storage.hashes import sha256_bytes

_KEY_CHARS = 12


def archives_of(source: str | Path) -> tuple[Path, ...]:
    """Return the archives that a corpus was delivered in: ``source`` itself, or the files of a folder of archives alone."""
    source = Path(source)
    if is_archive(source):
        return (source,)
    if not source.is_dir():
        return ()
    try:
        found = sorted(path for path in source.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"the folder cannot be read ({error.strerror})", file=source) from None
    return tuple(found) if found and all(is_archive(path) for path in found) else ()


def unpacked_folder(source: str | Path, *, cache: str | Path) -> Path | None:
    """Return the folder a corpus was unpacked to, or ``source`` where it is no archive; None where it is still packed."""
    archives = archives_of(source)
    if not archives:
        return Path(source)
    folder = unpacked_home(archives, Path(cache))
    if not all(_home(folder, archive).is_dir() for archive in archives):
        return None
    return folder if len(archives) > 1 else _home(folder, archives[0])


def unpack(source: str | Path, *, cache: str | Path, limits: ArchiveLimits | None = None) -> Path:
    """Return the folder of a corpus; archives are unpacked below ``cache`` first, unless they were before.

    Archives at the top of what was unpacked, or one folder below, are unpacked beside themselves, as MELD needs it.

    Raises:
        DataError: an archive is damaged, or not safe to unpack (see :func:`~mesmer.corpora.archives.extract`).
        MesmerError: the folder cannot be written.
    """
    archives = archives_of(source)
    if not archives:
        return Path(source)
    folder = unpacked_home(archives, Path(cache))
    for archive in archives:
        home = _home(folder, archive)
        if not home.is_dir():
            remove_leftovers(folder)  # a kill may have left a half of it
            extract(archive, home, limits=limits)
        for inner in visible_files(home, suffixes=SUFFIXES, depth=1):
            if not _home(inner.parent, inner).exists():
                extract(inner, _home(inner.parent, inner), limits=limits)
    return folder if len(archives) > 1 else _home(folder, archives[0])


def unpacked_home(archives: Sequence[Path], cache: Path) -> Path:
    """Return the folder below ``cache`` that belongs to these very files."""
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in archives]
    return cache / sha256_bytes(repr(facts).encode())[:_KEY_CHARS]


def _home(folder: Path, archive: Path) -> Path:
    ending = max((suffix for suffix in SUFFIXES if archive.name.lower().endswith(suffix)), key=len)
    return folder / (archive.name[: -len(ending)] or "archive")
