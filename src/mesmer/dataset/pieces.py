"""Making one piece of a preparation: clips of a few utterances, written as one file that is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from mesmer.config import PrepareSettings
from mesmer.dataset.clip import make_clip
from mesmer.dataset.plan import PlannedRow
from mesmer.dataset.rows import SCHEMA, make_row, make_table
from mesmer.dataset.shards import open_parquet, write_shard
from mesmer.errors import DataError, MediaError, MesmerError
from mesmer.media.reader import MediaReader
from mesmer.signals.mtcnn import FaceDetector
from mesmer.storage.reading import parse_json

_KEY = b"mesmer"


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
class PieceTask:
    """One piece to be made.

    Attributes:
        path: where its file shall be.
        rows: its utterances.
        plan_sha256: of the plan it belongs to.
        given_up: place of an utterance -> why it shall not be tried again.
    """

    path: Path
    rows: tuple[PlannedRow, ...]
    emotions: tuple[str, ...]
    plan_sha256: str
    given_up: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece that stands on the disk: its file, the number of its rows, and what did not become one."""

    path: Path
    rows: int
    quarantined: tuple[Quarantined, ...]

    def table(self) -> pa.Table:
        """Return its rows.

        Raises:
            DataError: the file was damaged since it was written; it is deleted, so that the next run makes it anew.
        """
        try:
            table = open_parquet(self.path).read(use_threads=False).replace_schema_metadata(None)
            table.validate(full=True)
        except (OSError, ValueError, pa.ArrowException) as problem:
            self.path.unlink(missing_ok=True)
            raise DataError(
                f"a piece of the preparation is damaged ({problem})", file=self.path, remedy="run again"
            ) from None
        return table


def make_piece(
    task: PieceTask,
    *,
    reader: MediaReader,
    detector: FaceDetector,
    settings: PrepareSettings,
    starting: Callable[[int], None],
) -> None:
    """Make the clips of a piece and write its file. What cannot become a clip is noted, with the reason.

    Args:
        starting: is told the place of each utterance before it is tried.

    Raises:
        MesmerError: the file cannot be written.
    """
    made, quarantined = [], []
    for row in task.rows:
        starting(row.place)
        try:
            if row.place in task.given_up:
                raise MediaError(task.given_up[row.place], kind="worker")
            clip = make_clip(row.utterance, reader=reader, detector=detector, settings=settings)
            if not any(clip.present):
                absent = "; ".join(f"{name}: {why}" for name, why in clip.absent.items())
                raise MediaError(f"nothing to learn from ({absent})", kind="nothing")
        except MesmerError as error:
            quarantined.append(_quarantined(row, error))
        else:
            made.append(make_row(row.utterance, clip, media=row.media, sound_media=row.sound_media, emotions=task.emotions))
    note = {"plan": task.plan_sha256, "quarantined": [asdict(row) for row in quarantined]}
    schema = SCHEMA.with_metadata({_KEY: json.dumps(note).encode()})
    write_shard(task.path, [make_table(made).replace_schema_metadata(schema.metadata)], schema)


def find_piece(task: PieceTask) -> Piece | None:
    """Return the piece if it stands on the disk, of this very plan and complete."""
    try:
        file = open_parquet(task.path)
        note = parse_json((file.schema_arrow.metadata or {})[_KEY])
        quarantined = tuple(Quarantined(**row) for row in note["quarantined"])
        if note["plan"] != task.plan_sha256 or file.metadata.num_rows + len(quarantined) != len(task.rows):
            return None
        return Piece(path=task.path, rows=file.metadata.num_rows, quarantined=quarantined)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, MesmerError):
        return None  # not there, or not whole: it is simply made again


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
