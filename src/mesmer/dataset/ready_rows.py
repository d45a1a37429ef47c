"""Rows of a corpus whose clips need no decoding: still faces and sentences, written straight into shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from mesmer.dataset.facts import DatasetFacts
from mesmer.dataset.join import write_dataset
from mesmer.dataset.plan import Plan, PlannedRow
from mesmer.dataset.rows import make_row, make_table
from mesmer.errors import DataError

ROW_BYTES = 4_000
"""Of a row with one face, about; one with a sentence has less. Only the cut into shards follows it."""


def prepare_ready(plan: Plan, out: Path, progress: Callable[[int, int], None] | None) -> DatasetFacts:
    """Write the dataset of a corpus whose clips are ready, and return its facts; one row group at a time is in memory.

    Args:
        plan: of a corpus that has ``ready``.
        out: folder of the dataset.
        progress: is told how many utterances are done, and how many there are.

    Raises:
        DataError: a clip cannot be made, or has nothing in it.
        MesmerError: the folder cannot be written.
    """
    return write_dataset(plan, _ReadyRows(plan, progress), (), out)


class _ReadyRows:
    """Makes the rows that are asked for; each is asked for once."""

    def __init__(self, plan: Plan, progress: Callable[[int, int], None] | None) -> None:
        self._plan, self._progress, self._done = plan, progress, 0
        self._rows = {row.place: row for source in plan.sources for row in source}

    def __contains__(self, place: int) -> bool:
        return place in self._rows

    def size_bytes(self, place: int) -> int:
        return ROW_BYTES

    def table(self, places: Sequence[int]) -> pa.Table:
        table = make_table([self._made(self._rows[place]) for place in places])
        self._done += len(places)
        if self._progress:
            self._progress(self._done, len(self._rows))
        return table

    def _made(self, row: PlannedRow) -> dict[str, object]:
        corpus = self._plan.corpus
        assert corpus.ready is not None
        clip = corpus.ready(row.utterance)
        if not any(clip.present):
            raise DataError("there is nothing to learn from", file=corpus.root, field=f"utterance {clip.id!r}")
        return make_row(row.utterance, clip, media=row.media, sound_media=row.sound_media, emotions=corpus.emotions)
