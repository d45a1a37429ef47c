"""Utterances that stand twice: the same id, the same stretch of a file, or the same decoded content, bit for bit.

What was encoded anew is not found: its bits differ.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mesmer.dataset.audit_record import KINDS, NAMES_KEPT, Finding
from mesmer.dataset.audit_rows import DIGEST_BYTES, RowFacts
from mesmer.records import SPLITS


class Duplicates:
    """Remembers about a hundred bytes a row: its id, its split, and digests of what may be the same."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._ends = array("Q", [0])
        self._splits = array("B")
        self._labels = bytearray()
        self._digests = {kind: (array("Q"), bytearray()) for kind in _KEYS}

    def add(self, row: RowFacts) -> None:
        """Remember one row."""
        number = len(self._splits)
        self._ids += row.id.encode()
        self._ends.append(len(self._ids))
        self._splits.append(SPLITS.index(row.split))
        self._labels += _digest(repr(row.scores).encode())
        for kind, key in _KEYS.items():
            digest = key(row)
            if digest is not None:
                rows, digests = self._digests[kind]
                rows.append(number)
                digests += digest

    def findings(self) -> list[Finding]:
        """Return one finding for each kind of sameness that was met."""
        groups = {kind: list(_groups(*self._digests[kind])) for kind in _KEYS}
        same = {tuple(group) for group in groups["same_content"]}
        for kind in ("same_sound", "same_picture"):  # what is the same as a whole is told once
            groups[kind] = [group for group in groups[kind] if tuple(group) not in same]
        return [self._finding(kind, found) for kind, found in groups.items() if found]

    def _finding(self, kind: str, groups: list[list[int]]) -> Finding:
        rows = [row for group in groups for row in group]
        across = sum(len({self._splits[row] for row in group}) > 1 for group in groups)
        otherwise = sum(len({self._label(row) for row in group}) > 1 for group in groups)
        text = f"{len(rows):,} of {len(self._splits):,} utterances, in {_plural(len(groups))}: {KINDS[kind].words}"
        text += f"; {_plural(across)} across splits" if across else ""
        text += f"; {_plural(otherwise)} with labels that differ" if otherwise else ""
        return Finding(
            kind=kind,
            count=len(rows),
            sentence=text,
            splits={split: sum(self._splits[row] == place for row in rows) for place, split in enumerate(SPLITS)},
            groups=tuple(tuple(self._id(row) for row in group) for group in groups[:NAMES_KEPT]),
        )

    def _id(self, row: int) -> str:
        return self._ids[self._ends[row] : self._ends[row + 1]].decode()

    def _label(self, row: int) -> bytes:
        return bytes(self._labels[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES])


def _plural(groups: int) -> str:
    return f"{groups:,} group{'' if groups == 1 else 's'}"


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _content(row: RowFacts) -> bytes | None:
    return None if row.sound is None and row.picture is None else _digest(repr((row.sound, row.picture)).encode())


_KEYS: dict[str, Callable[[RowFacts], bytes | None]] = {
    "same_id": lambda row: _digest(row.id.encode()),
    "same_content": _content,
    "same_stretch": lambda row: row.stretch,
    # Only beside another modality: a lone sound or picture is all of the content.
    "same_sound": lambda row: row.sound if row.picture else None,
    "same_picture": lambda row: row.picture if row.sound else None,
}


def _groups(rows: Sequence[int], digests: bytearray) -> Iterator[list[int]]:
    """Yield the rows of each digest that stands more than once, in stored order, by the first of them."""
    keys: NDArray[np.void] = np.frombuffer(bytes(digests), dtype=f"V{DIGEST_BYTES}")
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[inverse] > 1)
    groups: dict[int, list[int]] = {}
    for place in repeated.tolist():
        groups.setdefault(int(inverse[place]), []).append(rows[place])
    yield from groups.values()
