"""Preparing one source: clips of all its utterances, in one file that is whole or not there.

A clip is written as soon as its utterance has ended, so that an hour of video needs no more memory than a minute. Rows lie
in the order in which they ended; the file's note says which is which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from mesmer.config import PrepareSettings
from mesmer.dataset.clip import make_clips
from mesmer.dataset.passes import passes
from mesmer.dataset.plan import PlannedRow
from mesmer.dataset.rows import make_row, make_table
from mesmer.dataset.shards import open_parquet, open_shard
from mesmer.errors import MediaError, MesmerError
from mesmer.media.reader import MediaReader
from mesmer.records import Clip
from mesmer.signals.mtcnn import FaceDetector
from mesmer.storage.reading import parse_json

_KEY = "mesmer.piece"

Places = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An utterance that could not become a clip.

    ``place`` is its place in the corpus. ``kind`` is that of the :class:`MediaError`, or ``nothing`` (no modality is
    present), ``worker`` (the process that prepared it died twice), ``data`` (another fault of the data).
    """

    place: int
    id: str
    media: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker does at a time, whatever it is.

    Attributes:
        rows: what it consists of.
        passes: places of the rows that are done in one go.
        given_up: place of a row -> why it shall not be tried again.
    """

    rows: tuple[Any, ...]
    passes: tuple[Places, ...]
    given_up: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PieceTask(Task):
    """One source to be prepared.

    Attributes:
        path: where the file of its rows shall be.
        rows: its utterances, all of one media file.
        plan_sha256: of the plan it belongs to.
        passes: places of the utterances that are prepared in one go, for each time the media file is gone through.
    """

    path: Path
    rows: tuple[PlannedRow, ...]
    emotions: tuple[str, ...]
    plan_sha256: str


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A prepared source that stands on the disk.

    Attributes:
        path: its file.
        places: of the utterances that became clips, in the order of the file's row groups, one row each.
        sizes_bytes: of these row groups.
        quarantined: what did not become a clip.
    """

    path: Path
    places: Places
    sizes_bytes: tuple[int, ...]
    quarantined: tuple[Quarantined, ...]


@dataclass(frozen=True)
class Started:
    """A file begins to be gone through for these utterances."""

    places: Places


@dataclass(frozen=True)
class RowDone:
    """One more utterance is done."""


MakeRows = Callable[[Sequence[PlannedRow]], Iterator[tuple[PlannedRow, dict[str, Any] | Quarantined]]]
"""Prepares utterances: yields each with its row as stored, or with the reason why there is none."""


def make_task(rows: tuple[PlannedRow, ...], *, path: Path, emotions: tuple[str, ...], plan_sha256: str) -> PieceTask:
    """Return the task for the utterances of one media file."""
    chosen = tuple(tuple(row.place for row in together) for together in passes(rows))
    return PieceTask(path=path, rows=rows, emotions=emotions, plan_sha256=plan_sha256, passes=chosen)


def make_piece(
    task: PieceTask, *, reader: MediaReader, detector: FaceDetector, settings: PrepareSettings
) -> Iterator[Started | RowDone]:
    """Prepare a source and write its file, telling how far it is. What cannot become a clip is noted, with the reason.

    The file stands when the iterator has come to its end.

    Raises:
        MesmerError: the file cannot be written.
    """

    def make(rows: Sequence[PlannedRow]) -> Iterator[tuple[PlannedRow, dict[str, Any] | Quarantined]]:
        for row, made in _made(rows, task, reader, detector, settings):
            yield row, (_stored(row, made, task) if isinstance(made, Clip) else _quarantined(row, made))

    return write_piece(task, make)


def write_piece(task: PieceTask, make: MakeRows) -> Iterator[Started | RowDone]:
    """Write the file of a source, telling how far it is; as :func:`make_piece`, whatever a source is.

    Args:
        make: prepares the utterances of one pass: each row as stored, or why there is none.
    """
    by_place = {row.place: row for row in task.rows}
    quarantined: list[Quarantined] = []
    written: list[int] = []
    with open_shard(task.path) as writer:
        for places in task.passes:
            yield Started(places)
            for row, made in make([by_place[place] for place in places]):
                if isinstance(made, Quarantined):
                    quarantined.append(made)
                else:
                    written.append(row.place)
                    writer.add(make_table([made]))
                yield RowDone()
        note = {"plan": task.plan_sha256, "places": written, "quarantined": [asdict(row) for row in quarantined]}
        writer.note({_KEY: json.dumps(note)})


def find_piece(task: PieceTask) -> Piece | None:
    """Return the prepared source if it stands on the disk, of this very plan and complete."""
    try:
        with open_parquet(task.path, mapped=False) as file:
            metadata = file.metadata
            note = parse_json((metadata.metadata or {})[_KEY.encode()])
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            sizes = tuple(sum(one.column(n).total_compressed_size for n in range(one.num_columns)) for one in groups)
            counts = {one.num_rows for one in groups}
        quarantined = tuple(Quarantined(**row) for row in note["quarantined"])
        places = tuple(int(place) for place in note["places"])
        all_there = sorted([*places, *(row.place for row in quarantined)]) == sorted(row.place for row in task.rows)
        if note["plan"] != task.plan_sha256 or not all_there or len(groups) != len(places) or counts - {1}:
            return None
        return Piece(path=task.path, places=places, sizes_bytes=sizes, quarantined=quarantined)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, MesmerError):
        return None  # not there, or not whole: it is simply made again


def _made(
    rows: Sequence[PlannedRow],
    task: PieceTask,
    reader: MediaReader,
    detector: FaceDetector,
    settings: PrepareSettings,
) -> Iterator[tuple[PlannedRow, Clip | MesmerError]]:
    """Yield each utterance with its clip, or with the reason why there is none."""
    for row in rows:
        if row.place in task.given_up:
            yield row, MediaError(task.given_up[row.place], kind="worker")
    tried = [row for row in rows if row.place not in task.given_up]
    utterances = [row.utterance for row in tried]
    for number, made in make_clips(utterances, reader=reader, detector=detector, settings=settings):
        if isinstance(made, Clip) and not any(made.present):
            absent = "; ".join(f"{name}: {why}" for name, why in made.absent.items())
            yield tried[number], MediaError(f"nothing to learn from ({absent})", kind="nothing")
        else:
            yield tried[number], made


def _stored(row: PlannedRow, clip: Clip, task: PieceTask) -> dict[str, Any]:
    return make_row(row.utterance, clip, media=row.media, sound_media=row.sound_media, emotions=task.emotions)


def _quarantined(row: PlannedRow, error: MesmerError) -> Quarantined:
    blamed = row.sound_media if error.file is not None and error.file == row.utterance.sound else None
    return Quarantined(
        place=row.place,
        id=row.utterance.id,
        media=blamed or row.media,
        kind=error.kind if isinstance(error, MediaError) else "data",
        # Without the error's own path: the list names the file as the dataset does, not as this machine does.
        reason=(f"{error.field}: " if error.field else "") + error.message + (f"; {error.remedy}" if error.remedy else ""),
    )
