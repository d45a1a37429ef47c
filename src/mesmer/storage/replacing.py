"""Replacing a whole folder by a newer one of the same name."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from mesmer.errors import MesmerError
from mesmer.storage.atomic import TEMPORARY_PREFIX, atomic_folder, plain_error


@contextlib.contextmanager
def replaced_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on leaving it becomes ``path`` in the place of what stood there.

    If the body raises, the older folder stays as it was. The older one is moved aside and the newer one moved in: whoever
    looks sees the one, or the other, or for a moment none, never a mixture. The caller makes sure that the older folder is
    one of its own kind.

    Raises:
        MesmerError: the folder cannot be written.
    """
    final = Path(path)
    if not final.is_dir():
        with atomic_folder(final) as temporary:
            yield temporary
        return
    mark = secrets.token_hex(6)
    newer = final.with_name(f"{TEMPORARY_PREFIX}{mark}-newer")
    older = final.with_name(f"{TEMPORARY_PREFIX}{mark}-older")
    try:
        with atomic_folder(newer) as temporary:
            yield temporary
    except MesmerError as error:
        if error.file == str(newer):  # the user knows the folder by its own name
            raise MesmerError(error.message, file=final, remedy=error.remedy) from error
        raise
    try:
        os.replace(final, older)
        os.replace(newer, final)
    except OSError as error:
        if older.exists() and not final.exists():
            os.replace(older, final)
        shutil.rmtree(newer, ignore_errors=True)
        raise plain_error(error, final) from error
    shutil.rmtree(older, ignore_errors=True)
