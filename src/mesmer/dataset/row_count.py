"""How far a preparation is: rows that stand, of all rows."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Is told (rows done, rows in all)."""


def row_counter(*, total: int, missing: int, progress: Progress | None) -> Callable[[int], None]:
    """Return what is to be called with the rows of each piece that is made; ``progress`` is told at once and after each.

    Args:
        total: rows of all pieces.
        missing: rows of those that do not stand yet.
        progress: None tells nobody.
    """
    left = missing

    def done(rows: int) -> None:
        nonlocal left
        left -= rows
        if progress:
            progress(total - left, total)

    done(0)
    return done
