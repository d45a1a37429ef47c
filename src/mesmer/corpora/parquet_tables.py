"""Small Parquet tables of a corpus, as untrusted files: known columns of known types, bounded in bytes and rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mesmer.corpora.raw_files import visible_files
from mesmer.errors import DataError, suggest

MAX_ROWS = 1_000_000
MAX_TABLE_BYTES = 2**30
_REMEDY = "fetch the table again"


def find_table(source: Path) -> Path | None:
    """Return the Parquet file that ``source`` is, or the only one that lies in it; None where there is none.

    Raises:
        DataError: the folder holds several.
    """
    if source.is_file():
        return source if source.suffix.lower() == ".parquet" else None
    found = visible_files(source, suffixes=[".parquet"])
    if len(found) > 1:
        raise DataError(f"{len(found)} Parquet tables lie here", file=source, remedy="name the one that is meant")
    return found[0] if found else None


def read_parquet(path: Path, columns: Mapping[str, pa.DataType]) -> dict[str, list[Any]]:
    """Return columns of a table as plain values.

    Args:
        path: the file.
        columns: name -> type, ``pa.string()`` or ``pa.binary()``.

    Raises:
        DataError: the file is damaged, too large, lacks a column, has one of another type, or one with an empty cell.
    """
    try:
        with pq.ParquetFile(path, thrift_string_size_limit=2**26, thrift_container_size_limit=10**6) as file:
            metadata, schema = file.metadata, file.schema_arrow
            sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
            if metadata.num_rows > MAX_ROWS or any(size < 0 for size in sizes) or sum(sizes) > MAX_TABLE_BYTES:
                raise DataError(f"more than {MAX_ROWS} rows or {MAX_TABLE_BYTES} bytes", file=path)
            for name, kind in columns.items():
                if name not in schema.names:
                    raise DataError(f"the column '{name}' is missing", file=path, remedy=suggest(name, schema.names))
                if schema.field(name).type not in (kind, _LARGE[kind]):
                    raise DataError(f"the column holds {schema.field(name).type}, not {kind}", file=path, field=name)
            table = file.read(columns=list(columns), use_threads=False)
            table.validate(full=True)
    except (OSError, ValueError, KeyError, pa.ArrowException, MemoryError) as problem:
        raise DataError(f"the table is damaged ({str(problem)[:200]})", file=path, remedy=_REMEDY) from None
    if not len(table):
        raise DataError("the table has no rows", file=path, remedy=_REMEDY)
    for name in columns:
        if table.column(name).null_count:
            raise DataError("a cell is empty", file=path, field=name, remedy=_REMEDY)
    return {name: table.column(name).to_pylist() for name in columns}


_LARGE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
