"""Parquet shards: written in small row groups with page checksums, read back one row group at a time, memory-mapped."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mesmer.dataset.facts import ShardFacts
from mesmer.dataset.rows import INDEX_COLUMNS, SCHEMA
from mesmer.errors import DataError
from mesmer.storage.atomic import atomic_file
from mesmer.storage.hashes import sha256_file

CACHE_BYTES = 256 * 2**20
MAX_GROUP_BYTES = 2**30
_REMEDY = "copy the shard again or prepare the corpus again"
_DAMAGE = (OSError, ValueError, KeyError, pa.ArrowException, MemoryError)


class ShardWriter:
    """Writes tables of one schema to a Parquet file, a row group for each; used within ``open_shard``."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
            column_encoding={"waveform.list.element": "DELTA_BINARY_PACKED"},  # sound in a third of its bytes, read as fast
        )

    def add(self, table: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(table, row_group_size=max(1, len(table)))

    def note(self, values: Mapping[str, str]) -> None:
        """Add to the notes in the footer."""
        self._writer.add_key_value_metadata(dict(values))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


@contextlib.contextmanager
def open_shard(path: Path) -> Iterator[ShardWriter]:
    """Give a writer of one Parquet file of ``SCHEMA``, which takes its name when all is written.

    Raises:
        MesmerError: the file cannot be written.
    """
    with atomic_file(path) as temporary:
        writer = ShardWriter(temporary, SCHEMA)
        try:
            yield writer
        finally:
            writer.close()


def write_shard(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables to one Parquet file, atomically, a row group for each. Raises as :func:`open_shard`."""
    with open_shard(path) as writer:
        for table in tables:
            writer.add(table)


def open_parquet(path: Path, *, mapped: bool = True) -> pq.ParquetFile:
    """Open a Parquet file, with its page checksums checked on reading and a bound on its footer.

    Mapped, what has been read counts as this process's memory as long as the system leaves it there.
    """
    return pq.ParquetFile(
        path,
        memory_map=mapped,
        page_checksum_verification=True,
        thrift_string_size_limit=64 * 2**20,
        thrift_container_size_limit=10**7,
    )


class Shards:
    """The shards of one split, read row by row; row groups lately used stay in memory, up to a bound.

    May be pickled and used after a fork: each process opens its own files.

    Args:
        folder: of the prepared dataset.
        shards: the split's.

    Raises:
        DataError: a shard is missing, of another size, not Parquet, or of other columns or rows than it should be.
    """

    def __init__(self, folder: Path, shards: Sequence[ShardFacts]) -> None:
        self._paths = [folder / shard.name for shard in shards]
        self._forget()
        self._starts: list[tuple[int, int, int]] = []  # first row of each row group, its shard, its number there
        self.rows = 0
        for number, (path, shard) in enumerate(zip(self._paths, shards, strict=True)):
            self._check(path, shard)
            metadata = self._file(number).metadata
            for group in range(metadata.num_row_groups):
                self._starts.append((self.rows, number, group))
                self.rows += metadata.row_group(group).num_rows

    def verify(self, shards: Sequence[ShardFacts]) -> None:
        """Compare the SHA-256 of every shard.

        Raises:
            DataError: a shard is damaged; names it.
        """
        for path, shard in zip(self._paths, shards, strict=True):
            if sha256_file(path) != shard.sha256:
                raise DataError("the shard is damaged: its hash differs", file=path, remedy=_REMEDY)

    def index(self) -> pa.Table:
        """Return the small columns of all rows."""
        schema = pa.schema([SCHEMA.field(name) for name in INDEX_COLUMNS])
        tables = [self._read(number, None, list(INDEX_COLUMNS)) for number in range(len(self._paths))]
        return pa.concat_tables([schema.empty_table(), *tables])

    def group_of(self, row: int) -> tuple[pa.Table, int, Path]:
        """Return the row group that holds a row, the row's place in it, and the file."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle][0] <= row else (low, middle)
        start, number, group = self._starts[low]
        if os.getpid() != self._process:
            self._forget()
        table = self._cache.get((number, group))
        if table is None:
            table = self._read(number, group, SCHEMA.names)
            self._cache[number, group] = table
            self._cached_bytes += table.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        self._cache.move_to_end((number, group))
        return table, row - start, self._paths[number]

    def __getstate__(self) -> dict[str, Any]:
        return {"_paths": self._paths, "_starts": self._starts, "rows": self.rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._files: dict[int, pq.ParquetFile] = {}
        self._cache: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._cached_bytes = 0

    def _file(self, number: int) -> pq.ParquetFile:
        if number not in self._files:
            try:
                self._files[number] = open_parquet(self._paths[number])
            except _DAMAGE as problem:
                raise self._damaged(number, problem) from None
        return self._files[number]

    def _read(self, number: int, group: int | None, columns: list[str]) -> pa.Table:
        """Return a row group (or all, for None) of a shard, every cell checked."""
        try:
            file = self._file(number)
            groups = range(file.metadata.num_row_groups) if group is None else [group]
            table = file.read_row_groups(groups, columns=columns, use_threads=False).combine_chunks()
            table.validate(full=True)
        except _DAMAGE as problem:
            raise self._damaged(number, problem) from None
        expected = sum(file.metadata.row_group(g).num_rows for g in groups)
        nulls = [name for name in columns if table.column(name).null_count and not SCHEMA.field(name).nullable]
        if len(table) != expected or nulls:
            raise self._damaged(number, f"values are missing in {nulls}")
        return table

    def _check(self, path: Path, shard: ShardFacts) -> None:
        size = path.stat().st_size if path.is_file() else None
        if size != shard.bytes:
            found = "it is missing" if size is None else f"it has {size} bytes instead of {shard.bytes}"
            raise DataError(f"the shard is not whole: {found}", file=path, remedy=_REMEDY)
        file = self._file(self._paths.index(path))
        if not file.schema_arrow.equals(SCHEMA):
            raise DataError("the shard has other columns than a prepared dataset", file=path, remedy=_REMEDY)
        metadata = file.metadata
        if metadata.num_rows != shard.rows:
            raise DataError(f"the shard has {metadata.num_rows} rows instead of {shard.rows}", file=path, remedy=_REMEDY)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if any(not 0 <= group.total_byte_size <= MAX_GROUP_BYTES for group in groups):
            raise DataError("a row group of the shard is too large", file=path, remedy=_REMEDY)
        if any(group.num_rows < 1 for group in groups) or sum(group.num_rows for group in groups) != shard.rows:
            raise DataError("the rows of the shard's row groups do not add up", file=path, remedy=_REMEDY)

    def _damaged(self, number: int, problem: object) -> DataError:
        return DataError(f"the shard is damaged ({str(problem)[:200]})", file=self._paths[number], remedy=_REMEDY)
