"""A prepared dataset read once from end to end, one row group at a time: facts of every row, and every damage.

An audit goes on where training would stop: a shard that cannot be opened and a row that cannot be read become a
:class:`Damage`, and the next one is read.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.dataset.facts import DatasetFacts, ShardFacts
from mesmer.dataset.rows import read_clip
from mesmer.dataset.shards import Shards
from mesmer.dataset.sound import to_pcm16
from mesmer.errors import DataError
from mesmer.records import SPLITS, Clip

LONGEST_S = 1e6
"""A longer utterance than eleven days is no utterance: the row is damaged, however well its checksum fits."""

DIGEST_BYTES = 16

ROWS_AT_ONCE = 64
"""After so many rows, what a shard keeps in memory is dropped: no row is asked for twice."""


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What is asked of one row. Digests are of the decoded content, None where there is none of it.

    Attributes:
        id, split: of the utterance.
        units: unit (see ``audit_record.UNITS``) -> its name here, or None.
        stretch: digest of files, start and end, part of the picture and sound channel.
        words: in the transcript.
        duration_s, sound_s: length of the utterance, and of its sound.
        frames, frames_with_face: sampled frames, and those with the followed face.
        scores: one per emotion; None where unlabelled.
        labels_fit: False where the row has labels that are not a score in [0, 1] per emotion (``scores`` is None then).
        absent: modality -> why it is missing.
        warnings: what preparation said.
        picture_end_s: where the picture ends within the utterance; None where it goes on, or nobody looked.
        people: most faces seen in one frame; None where nobody looked.
        stamps_replaced: time stamps that were missing or wrong.
    """

    id: str
    split: str
    units: Mapping[str, str | None]
    stretch: bytes
    sound: bytes | None
    picture: bytes | None
    words: int
    duration_s: float
    sound_s: float
    frames: int
    frames_with_face: int
    scores: tuple[float, ...] | None
    labels_fit: bool
    absent: Mapping[str, str]
    warnings: tuple[str, ...]
    picture_end_s: float | None = None
    people: int | None = None
    stamps_replaced: int = 0


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A shard (``row`` is None) or a row that cannot be read: how many rows are lost, and why."""

    file: str
    split: str
    row: str | None
    rows: int
    reason: str


def read_rows(folder: Path, facts: DatasetFacts) -> Iterator[RowFacts | Damage]:
    """Yield the facts of every row, split by split in stored order, and every damage where it is met."""
    for split in SPLITS:
        for shard in facts.shards[split]:
            yield from _read_shard(folder, shard, split, emotions=len(facts.emotions))


def _read_shard(folder: Path, shard: ShardFacts, split: str, *, emotions: int) -> Iterator[RowFacts | Damage]:
    try:
        rows = Shards(folder, [shard])
    except DataError as error:
        yield Damage(file=shard.name, split=split, row=None, rows=shard.rows, reason=error.message)
        return
    try:
        rows.verify([shard])
    except (DataError, OSError) as error:  # its pages may still be good: they are read all the same
        yield Damage(file=shard.name, split=split, row=None, rows=0, reason=getattr(error, "message", str(error)))
    for number in range(rows.rows):
        if number % ROWS_AT_ONCE == 0:
            rows = copy.copy(rows)  # a copy opens the file anew: what was read and cached so far is let go
        try:
            table, place, file = rows.group_of(number)
            clip = read_clip(table, place, file=file)
            cells = {name: table.column(name)[place].as_py() for name in _SMALL}
            if not 0 <= clip.duration_s <= LONGEST_S:
                raise DataError(f"it would last {clip.duration_s:g} s", field=f"utterance {clip.id!r}")
        except DataError as error:
            name = error.field or f"row {number}"
            yield Damage(file=shard.name, split=split, row=name, rows=1, reason=error.message)
        else:
            yield _row_facts(clip, cells, split=split, emotions=emotions)


_STRETCH = ("media", "sound_media", "start_s", "end_s", "region", "channel")
_SMALL = (*_STRETCH, "speaker", "dialogue", "labels")


def _row_facts(clip: Clip, cells: Mapping[str, Any], *, split: str, emotions: int) -> RowFacts:
    labels = cells["labels"]
    fit = labels is None or (len(labels) == emotions and all(s is not None and 0 <= s <= 1 for s in labels))
    stretch = repr([cells[name] for name in _STRETCH])
    return RowFacts(
        id=clip.id,
        split=split,
        units={"speaker": cells["speaker"] or None, "dialogue": cells["dialogue"] or None, "video": cells["media"]},
        stretch=_digest(stretch.encode()),
        sound=_digest(to_pcm16(clip.waveform).tobytes()) if len(clip.waveform) else None,
        picture=_digest(clip.faces.tobytes()) if len(clip.faces) else None,
        words=len(clip.text.split()),
        duration_s=clip.duration_s,
        sound_s=len(clip.waveform) / SAMPLE_RATE_HZ,
        frames=len(clip.faces),
        frames_with_face=int(clip.face_found.sum()),
        scores=tuple(labels) if fit and labels is not None else None,
        labels_fit=fit,
        absent=clip.absent,
        warnings=clip.warnings,
        picture_end_s=clip.picture_end_s,
        people=clip.people,
        stamps_replaced=clip.stamps_replaced or 0,
    )


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
