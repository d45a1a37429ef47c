"""One process at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mesmer.errors import MesmerError
from mesmer.storage.atomic import plain_error

LOCK_FILE = "lock"


@contextlib.contextmanager
def locked_folder(folder: Path, *, busy: MesmerError) -> Iterator[None]:
    """Hold ``folder``, made where it is missing, for this process alone; its file ``LOCK_FILE`` stays behind.

    Args:
        busy: is raised where another process holds it.

    Raises:
        MesmerError: the folder cannot be written, or ``busy``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise plain_error(error, folder) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # falls with the process, however it ends
        except OSError:
            raise busy from None
        yield
    finally:
        os.close(lock)
