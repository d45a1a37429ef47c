"""Ways to damage a valid file, for property tests: whatever is done, the reader answers with records or one typed error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mesmer.errors import MesmerError

Damage = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Flip a byte, cut the end, delete a line, double a line, or insert bytes: one to three times."""
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from("fctdi"), st.floats(0, 1), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3
        )
    )

    def damage(data: bytes) -> bytes:
        for kind, where, extra in steps:
            at = int(where * max(len(data) - 1, 0))
            lines = data.splitlines(keepends=True)
            line = int(where * max(len(lines) - 1, 0))
            if kind == "f" and data:
                data = data[:at] + bytes([data[at] ^ (extra[0] or 1)]) + data[at + 1 :]
            elif kind == "c":
                data = data[:at]
            elif kind == "t" and lines:
                data = b"".join(lines[:line] + lines[line + 1 :])
            elif kind == "d" and lines:
                data = b"".join(lines[: line + 1] + lines[line:])
            elif kind == "i":
                data = data[:at] + extra + data[at:]
        return data

    return damage


def records_or_one_error(read: Callable[[], Any], file: Path, *, place: str = "line ") -> str:
    """Call a reader on a damaged file; return what came of it. An error must name the file and a place in it."""
    try:
        corpus = read()
    except MesmerError as error:
        found = error
    else:
        _check_records(corpus)
        return "records"
    assert "\n" not in str(found)
    assert found.file is not None
    assert found.field, str(found)
    assert found.file != str(file) or found.field.startswith(place), str(found)
    return "error"


def _check_records(corpus: Any) -> None:
    ids = [u.id for u in corpus.utterances]
    assert len(set(ids)) == len(ids)
    for row in corpus.left_out:
        assert row.id
        assert row.rule
        assert row.file
