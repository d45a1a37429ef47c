"""The columns of a prepared dataset, and how a clip becomes a row and a row a clip again, bit for bit.

Letters: S faces, T sound samples, L emotions.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mesmer.dataset.sound import from_pcm16, to_pcm16
from mesmer.emotions import label_vector
from mesmer.errors import DataError
from mesmer.records import FACE_PX, MODALITIES, Clip, Utterance

FACE_BYTES = FACE_PX * FACE_PX * 3

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("media", pa.string(), nullable=False),  # below the corpus's folder where it lies there
        pa.field("sound_media", pa.string()),  # where the sound is not taken from ``media``
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("speaker", pa.string()),
        pa.field("dialogue", pa.string()),
        pa.field("region", pa.string(), nullable=False),  # full, left or right part of the picture
        pa.field("channel", pa.string(), nullable=False),  # mix, left or right
        pa.field("text", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.float32())),  # (L,); null where unlabelled
        pa.field("duration_s", pa.float64(), nullable=False),
        *(pa.field(f"absent_{name}", pa.string()) for name in MODALITIES),  # the reason; null where present
        pa.field("warnings", pa.list_(pa.string()), nullable=False),
        pa.field("picture_end_s", pa.float64()),  # null where the picture goes on to the utterance's end
        pa.field("sound_end_s", pa.float64()),
        pa.field("people", pa.int32()),  # most faces in one frame; null where nobody looked
        pa.field("stamps_replaced", pa.int32()),  # time stamps that were missing or wrong
        pa.field("face_times_s", pa.list_(pa.float64()), nullable=False),  # (S,)
        pa.field("face_boxes_px", pa.list_(pa.float32()), nullable=False),  # (S * 4,) x0 y0 x1 y1
        pa.field("face_found", pa.list_(pa.bool_()), nullable=False),  # (S,)
        pa.field("faces", pa.binary(), nullable=False),  # S * 48 * 48 * 3 bytes, RGB
        pa.field("waveform", pa.list_(pa.int16()), nullable=False),  # (T,) at 16 kHz
        pa.field("checksum", pa.uint32(), nullable=False),  # CRC-32 of the other columns; see ``_checksum``
    ]
)

INDEX_COLUMNS = ("id", "speaker", "dialogue", "text", "labels", "duration_s", *(f"absent_{name}" for name in MODALITIES))
"""The small columns, read for a whole split at once."""


def make_row(
    utterance: Utterance, clip: Clip, *, media: str, sound_media: str | None, emotions: Sequence[str]
) -> dict[str, Any]:
    """Return the row of a clip. ``media`` and ``sound_media`` are the paths as they shall be stored."""
    labels = None if utterance.labels is None else label_vector(utterance.labels, emotions)
    row = {
        "id": utterance.id,
        "media": media,
        "sound_media": sound_media,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "speaker": utterance.speaker,
        "dialogue": utterance.dialogue,
        "region": utterance.region,
        "channel": utterance.channel,
        "text": clip.text,
        "labels": None if labels is None else np.array(labels, dtype=np.float32),
        "duration_s": clip.duration_s,
        **{f"absent_{name}": clip.absent.get(name) for name in MODALITIES},
        "warnings": list(clip.warnings),
        "picture_end_s": clip.picture_end_s,
        "sound_end_s": clip.sound_end_s,
        "people": clip.people,
        "stamps_replaced": clip.stamps_replaced,
        "face_times_s": clip.face_times_s,
        "face_boxes_px": clip.face_boxes_px.ravel(),
        "face_found": clip.face_found,
        "faces": clip.faces.tobytes(),
        "waveform": to_pcm16(clip.waveform),
    }
    return row | {"checksum": _checksum(row)}


def make_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of ``SCHEMA``."""
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read_clip(table: pa.Table, row: int, *, file: Path) -> Clip:
    """Return the clip in a row of a table of ``SCHEMA``; its arrays are its own.

    Raises:
        DataError: the row does not fit its checksum, lengths do not fit each other, or a number is not finite; names
            ``file`` and the utterance.
    """
    cell = {field.name: _value(table.column(field.name)[row]) for field in SCHEMA}

    def refuse(message: str) -> DataError:
        return DataError(message, file=file, field=f"utterance {cell['id']!r}", remedy="prepare the corpus again")

    if _checksum(cell) != cell["checksum"]:
        raise refuse("the row is damaged: its checksum differs")
    times_s, boxes_px, found, faces = (cell[name] for name in ("face_times_s", "face_boxes_px", "face_found", "faces"))
    steps = len(times_s)
    if (len(faces), len(boxes_px), len(found)) != (steps * FACE_BYTES, steps * 4, steps):
        raise refuse("faces, their boxes and their times differ in number")
    lengths_s = [cell[name] or 0.0 for name in ("duration_s", "picture_end_s", "sound_end_s")]
    if not (np.isfinite(times_s).all() and np.isfinite(boxes_px).all() and all(map(math.isfinite, lengths_s))):
        raise refuse("a time or a box is not a finite number")
    return Clip(
        id=cell["id"],
        faces=np.frombuffer(faces, dtype=np.uint8).reshape(steps, FACE_PX, FACE_PX, 3).copy(),
        face_times_s=times_s.copy(),
        face_boxes_px=boxes_px.reshape(steps, 4).copy(),
        face_found=found.copy(),
        waveform=from_pcm16(cell["waveform"]),
        text=cell["text"],
        absent={name: cell[f"absent_{name}"] for name in MODALITIES if cell[f"absent_{name}"] is not None},
        duration_s=cell["duration_s"],
        warnings=tuple(cell["warnings"]),
        **{name: cell[name] for name in ("picture_end_s", "sound_end_s", "people", "stamps_replaced")},
    )


def _value(scalar: pa.Scalar) -> Any:
    """Return a cell as :func:`make_row` had it: lists of numbers as arrays, the rest as plain types."""
    numbers = pa.types.is_list(scalar.type) and not pa.types.is_string(scalar.type.value_type)
    # A missing number would turn whole numbers into floats; as a plain list it fits no checksum.
    return scalar.values.to_numpy(zero_copy_only=False) if numbers and _complete(scalar) else scalar.as_py()


def _complete(scalar: pa.Scalar) -> bool:
    return bool(scalar.is_valid) and scalar.values.null_count == 0


def _checksum(row: Mapping[str, Any]) -> int:
    """Return the CRC-32 of a row's columns, in their order: names, lengths and content.

    Pages have checksums of their own, but their headers have none, and a changed header can change what is read.
    """
    total = 0
    for field in SCHEMA:
        if field.name != "checksum":
            value = row[field.name]
            if isinstance(value, np.ndarray):
                value = value.tobytes()
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            total = zlib.crc32(data, zlib.crc32(f"{field.name} {len(data)} ".encode(), total))
    return total
