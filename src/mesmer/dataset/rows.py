"""The columns of a prepared dataset, and how a clip becomes a row and a row a clip again, bit for bit.

Letters: S faces, T sound samples, L emotions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        pa.field("text", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.float32())),  # (L,); null where unlabelled
        pa.field("duration_s", pa.float64(), nullable=False),
        *(pa.field(f"absent_{name}", pa.string()) for name in MODALITIES),  # the reason; null where present
        pa.field("warnings", pa.list_(pa.string()), nullable=False),
        pa.field("face_times_s", pa.list_(pa.float64()), nullable=False),  # (S,)
        pa.field("face_boxes_px", pa.list_(pa.float32()), nullable=False),  # (S * 4,) x0 y0 x1 y1
        pa.field("face_found", pa.list_(pa.bool_()), nullable=False),  # (S,)
        pa.field("faces", pa.binary(), nullable=False),  # S * 48 * 48 * 3 bytes, RGB
        pa.field("waveform", pa.list_(pa.int16()), nullable=False),  # (T,) at 16 kHz
    ]
)

INDEX_COLUMNS = ("id", "speaker", "dialogue", "text", "labels", "duration_s", *(f"absent_{name}" for name in MODALITIES))
"""The small columns, read for a whole split at once."""


def make_row(
    utterance: Utterance, clip: Clip, *, media: str, sound_media: str | None, emotions: Sequence[str]
) -> dict[str, Any]:
    """Return the row of a clip. ``media`` and ``sound_media`` are the paths as they shall be stored."""
    return {
        "id": utterance.id,
        "media": media,
        "sound_media": sound_media,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "speaker": utterance.speaker,
        "dialogue": utterance.dialogue,
        "text": clip.text,
        "labels": None if utterance.labels is None else label_vector(utterance.labels, emotions),
        "duration_s": clip.duration_s,
        **{f"absent_{name}": clip.absent.get(name) for name in MODALITIES},
        "warnings": list(clip.warnings),
        "face_times_s": clip.face_times_s,
        "face_boxes_px": clip.face_boxes_px.ravel(),
        "face_found": clip.face_found,
        "faces": clip.faces.tobytes(),
        "waveform": to_pcm16(clip.waveform),
    }


def make_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of ``SCHEMA``."""
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read_clip(table: pa.Table, row: int, *, file: Path) -> Clip:
    """Return the clip in a row of a table of ``SCHEMA``; its arrays are its own.

    Raises:
        DataError: lengths do not fit each other, or a number is not finite; names ``file`` and the utterance.
    """
    cell = {
        field.name: table.column(field.name)[row] for field in SCHEMA if field.name not in ("faces", "waveform", "labels")
    }
    plain = {name: value.as_py() for name, value in cell.items() if not name.startswith("face_")}
    lists = [cell["face_times_s"], cell["face_boxes_px"], cell["face_found"], table.column("waveform")[row]]
    if any(not value.is_valid or value.values.null_count for value in lists):
        raise DataError("a number is missing", file=file, field=f"utterance {plain['id']!r}")
    times_s, boxes_px, found, samples = (value.values.to_numpy(zero_copy_only=False) for value in lists)
    faces = np.frombuffer(table.column("faces")[row].as_buffer() or b"", dtype=np.uint8)
    steps = len(times_s)
    if (len(faces), len(boxes_px), len(found)) != (steps * FACE_BYTES, steps * 4, steps):
        raise DataError(
            "faces, their boxes and their times differ in number", file=file, field=f"utterance {plain['id']!r}"
        )
    if not (np.isfinite(times_s).all() and np.isfinite(boxes_px).all() and math.isfinite(plain["duration_s"])):
        raise DataError("a time or a box is not a finite number", file=file, field=f"utterance {plain['id']!r}")
    return Clip(
        id=plain["id"],
        faces=faces.reshape(steps, FACE_PX, FACE_PX, 3).copy(),
        face_times_s=times_s.astype(np.float64),
        face_boxes_px=boxes_px.astype(np.float32).reshape(steps, 4),
        face_found=found.astype(np.bool_),
        waveform=from_pcm16(samples),
        text=plain["text"],
        absent={name: plain[f"absent_{name}"] for name in MODALITIES if plain[f"absent_{name}"] is not None},
        duration_s=plain["duration_s"],
        warnings=tuple(plain["warnings"]),
    )
