"""Sound files packed into a Parquet table (``file``, ``audio``): unpacked once, as an archive is, and read as files.

So they are decoded where every other stranger's sound is, in the guarded process.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mesmer.corpora.delivery import unpacked_home
from mesmer.corpora.parquet_tables import read_parquet
from mesmer.corpora.text_files import Place, shorten
from mesmer.storage.atomic import atomic_folder, remove_leftovers

SUFFIXES = (".flac", ".wav")


def unpacked_sounds(table: Path, *, cache: Path) -> Path:
    """Return where a table's sound files lie, or will lie once they are unpacked."""
    return unpacked_home((table,), cache) / table.stem


def unpack_sounds(table: Path, *, cache: Path) -> Path:
    """Return the folder of a table's sound files; they are unpacked first, unless they were before.

    Raises:
        DataError: the table is damaged, or a row names no sound file or one twice; names the row.
        MesmerError: the folder cannot be written.
    """
    folder = unpacked_sounds(table, cache=cache)
    if folder.is_dir():
        return folder
    columns = read_parquet(table, {"file": pa.string(), "audio": pa.binary()})
    remove_leftovers(folder.parent)  # a kill may have left a half of it
    with atomic_folder(folder) as temporary:
        for row, (file, sound) in enumerate(zip(columns["file"], columns["audio"], strict=True), start=1):
            place = Place(file=table, line=row)
            name = place.name("file", file)
            if not name.lower().endswith(SUFFIXES):
                place.fail("file", f"'{shorten(name)}' is no sound file", f"known: {', '.join(SUFFIXES)}")
            if (temporary / name).exists():
                place.fail("file", f"'{shorten(name)}' stands twice")
            (temporary / name).write_bytes(sound)
    return folder
