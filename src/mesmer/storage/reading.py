"""Reading small files that may come from strangers: bounded in bytes and depth, strict, with one clear error."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

from mesmer.errors import DataError, MesmerError

MAX_JSON_BYTES = 16 * 2**20
MAX_JSON_DEPTH = 32


def read_bytes(path: str | Path, *, max_bytes: int, error: type[MesmerError] = DataError) -> bytes:
    """Return the whole of a regular file of at most ``max_bytes``.

    Raises:
        MesmerError: of type ``error``: the file is missing, no regular file, too large, or cannot be read.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block, a device never ends
            raise error("this is not a regular file", file=path)
        with path.open("rb") as handle:
            data = handle.read(max_bytes + 1)
    except FileNotFoundError:
        raise error("the file does not exist", file=path) from None
    except (OSError, ValueError) as problem:
        raise error(f"cannot be read: {getattr(problem, 'strerror', None) or problem}", file=path) from None
    if len(data) > max_bytes:
        raise error(f"the file is larger than {max_bytes} bytes", file=path)
    return data


def read_json(
    path: str | Path,
    *,
    max_bytes: int = MAX_JSON_BYTES,
    max_depth: int = MAX_JSON_DEPTH,
    error: type[MesmerError] = DataError,
) -> Any:
    """Return the content of a JSON file. Raises as :func:`read_bytes` and :func:`parse_json`."""
    return parse_json(read_bytes(path, max_bytes=max_bytes, error=error), max_depth=max_depth, error=error, file=path)


def parse_json(
    data: bytes,
    *,
    max_depth: int = MAX_JSON_DEPTH,
    error: type[MesmerError] = DataError,
    file: str | Path | None = None,
    field: str | None = None,
) -> Any:
    """Return the value of one JSON text.

    Raises:
        MesmerError: of type ``error``: not UTF-8, not JSON, a key that stands twice, a number that is not finite, more
            than ``max_depth`` levels. ``file`` and ``field`` (such as ``line 3``) say where.
    """

    def refuse(what: str) -> MesmerError:
        return error(what, file=file, field=field)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise refuse(f"the key {twice!r} stands twice")
        return found

    def finite(text: str) -> float:
        if not math.isfinite(float(text)):
            raise refuse(f"the number {text} is not finite")
        return float(text)

    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=finite, parse_float=finite)
    except UnicodeDecodeError:
        raise refuse("the text is not UTF-8") from None
    except RecursionError:
        raise refuse(f"more than {max_depth} levels are nested") from None
    except json.JSONDecodeError as problem:
        raise refuse(f"this is not JSON (line {problem.lineno}, column {problem.colno}: {problem.msg})") from None
    except ValueError:  # a whole number of thousands of digits
        raise refuse("a number is too long") from None
    _check_values(value, max_depth, refuse)
    return value


def _check_values(value: Any, max_depth: int, refuse: Any) -> None:
    """Refuse deep nesting, and text with half a surrogate pair, which no other file could hold."""
    level = [value]
    for depth in range(max_depth + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if not _encodes(item):
                    raise refuse("a text holds half a surrogate pair")
            elif isinstance(item, (dict, list)):
                if depth == max_depth:
                    raise refuse(f"more than {max_depth} levels are nested")
                below += [*item.keys(), *item.values()] if isinstance(item, dict) else item
        level = below


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
