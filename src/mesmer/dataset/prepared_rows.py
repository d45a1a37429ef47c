"""Rows of prepared sources by their place in the corpus, read one at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mesmer.dataset.pieces import Piece
from mesmer.dataset.shards import open_parquet
from mesmer.errors import DataError

OPEN_FILES = 16


class PreparedRows:
    """Where each utterance's row lies; a few files are open at a time. ``place in rows`` tells whether there is one."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._where = {place: (piece, group) for piece in pieces for group, place in enumerate(piece.places)}
        self._open: OrderedDict[Path, pq.ParquetFile] = OrderedDict()

    def __contains__(self, place: int) -> bool:
        return place in self._where

    def size_bytes(self, place: int) -> int:
        """Bytes that a row takes on the disk."""
        piece, group = self._where[place]
        return piece.sizes_bytes[group]

    def table(self, places: Sequence[int]) -> pa.Table:
        """Return rows in the order of ``places``.

        Raises:
            DataError: a file was damaged since it was written; it is deleted, so that the next run makes it anew.
        """
        return pa.concat_tables([self._row(*self._where[place]) for place in places]).combine_chunks()

    def _row(self, piece: Piece, group: int) -> pa.Table:
        try:
            table = self._file(piece.path).read_row_group(group, use_threads=False).replace_schema_metadata(None)
            table.validate(full=True)
        except (OSError, ValueError, pa.ArrowException) as problem:
            self._open.pop(piece.path, None)
            piece.path.unlink(missing_ok=True)
            raise DataError(f"a prepared source is damaged ({problem})", file=piece.path, remedy="run again") from None
        return table

    def _file(self, path: Path) -> pq.ParquetFile:
        if path not in self._open:
            if len(self._open) == OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[path] = open_parquet(path, mapped=False)
        self._open.move_to_end(path)
        return self._open[path]
