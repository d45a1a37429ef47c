"""Labelled faces and voices, one class each, from the public tables: FER2013 and RAVDESS speech."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import soundfile
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mesmer.config import MelSettings, TextSettings
from mesmer.dataset.sound import spoken_part
from mesmer.records import Batch
from mesmer.signals.mel import mel_chunks

HELD_BACK_ACTOR = 1
FACE_TURN_DEG, FACE_SCALE, FACE_SHIFT = 12.0, 0.12, 0.12
MASKED_BANDS, MASKED_FRAMES = 16, 6
MOST_PATCHES, PATCH_PX = 3, (8, 28)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """N labelled examples of one modality.

    Attributes:
        steps: packed: uint8 (sum S, 48, 48), grey faces, or float32 (sum S, 128, 32), log-mel chunks.
        counts: int64 (N,), steps of each example.
        labels: int64 (N,), index into ``classes``.
        speaker: int64 (N,), the actor; 0 where unknown.
        truth: bool (sum S, 48, 48), where a drawn face shows its emotion; None where nobody knows.
        changed: bool (sum S, 48, 48), the pixels in which it differs from the same face at rest; None where nobody knows.
    """

    modality: str
    classes: tuple[str, ...]
    steps: Tensor
    counts: Tensor
    labels: Tensor
    speaker: Tensor
    truth: Tensor | None = None
    changed: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Tensor) -> Examples:
        """Return the examples ``rows``, int64, in that order."""
        ends = self.counts.cumsum(0)
        spans = [torch.arange(int(ends[row] - self.counts[row]), int(ends[row])) for row in rows]
        wanted = torch.cat(spans) if spans else rows
        return replace(
            self,
            steps=self.steps[wanted],
            counts=self.counts[rows],
            labels=self.labels[rows],
            speaker=self.speaker[rows],
            truth=None if self.truth is None else self.truth[wanted],
            changed=None if self.changed is None else self.changed[wanted],
        )

    def where(self, mask: Tensor) -> Examples:
        return self.select(mask.nonzero().squeeze(1))


def fer2013(table: Path, split: str) -> Examples:
    """Return the faces of ``train``, ``valid`` (the official PublicTest) or ``test`` (PrivateTest)."""
    rows = pq.read_table(table, columns=["emotion", "split", "image"]).to_pylist()
    classes = tuple(sorted({row["emotion"] for row in rows}))
    rows = [row for row in rows if row["split"] == split]
    faces = np.stack([np.asarray(Image.open(io.BytesIO(_bytes(row["image"]))).convert("L")) for row in rows])
    return Examples(
        modality="visual",
        classes=classes,
        steps=torch.from_numpy(faces),
        counts=torch.ones(len(rows), dtype=torch.int64),
        labels=torch.tensor([classes.index(row["emotion"]) for row in rows]),
        speaker=torch.zeros(len(rows), dtype=torch.int64),
    )


def ravdess_speech(table: Path) -> Examples:
    """Return the spoken sentences of all actors but the one held back, their silent ends cut off."""
    rows = pq.read_table(table, columns=["actor", "emotion", "audio"]).to_pylist()
    classes = tuple(sorted({str(row["emotion"]) for row in rows}))
    rows = [row for row in rows if int(row["actor"]) != HELD_BACK_ACTOR]
    chunks = [torch.from_numpy(mel_chunks(spoken_part(_waveform(_bytes(row["audio"]))), MelSettings())) for row in rows]
    return Examples(
        modality="audio",
        classes=classes,
        steps=torch.cat(chunks),
        counts=torch.tensor([len(part) for part in chunks]),
        labels=torch.tensor([classes.index(str(row["emotion"])) for row in rows]),
        speaker=torch.tensor([int(row["actor"]) for row in rows]),
    )


def _bytes(cell: bytes | dict[str, bytes]) -> bytes:
    return cell["bytes"] if isinstance(cell, dict) else cell


def _waveform(data: bytes) -> np.ndarray:
    wave, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    if rate != 16_000 or wave.ndim != 1:
        raise ValueError(f"expected mono sound at 16 kHz, got {wave.ndim} axes at {rate} Hz")
    return wave


def batch_of(examples: Examples, *, text: TextSettings) -> Batch:
    """Return examples as a batch in which nothing else is present."""
    size, visual = len(examples), examples.modality == "visual"
    nothing = torch.zeros(size, dtype=torch.int64)
    faces = examples.steps[:, None].expand(-1, 3, -1, -1) if visual else torch.zeros(0, 3, 48, 48, dtype=torch.uint8)
    chunks = torch.zeros(0, 1, 128, 32) if visual else examples.steps[:, None]
    return Batch(
        ids=tuple(str(row) for row in range(size)),
        faces=faces,
        num_faces=examples.counts if visual else nothing,
        chunks=chunks,
        num_chunks=nothing if visual else examples.counts,
        tokens=torch.zeros(size, 2, dtype=torch.int64),
        token_mask=torch.ones(size, 2, dtype=torch.bool),
        present=torch.tensor([[False, not visual, visual]]).expand(size, 3),
    )


def augmented(examples: Examples, draw: torch.Generator, *, patched: float = 0.0) -> Examples:
    """Return the examples as they might also have looked or sounded.

    A face is mirrored, turned, scaled and moved, and a share ``patched`` of them is plain grey in some patches: who never
    saw a face of which a part is hidden may answer anything to one. Of a voice some mel bands (throughout) and frames are
    hidden.
    """
    if examples.modality == "visual":
        moved = _moved_faces(examples.steps, draw)
        return replace(examples, steps=_patched_faces(moved, patched, draw) if patched else moved)
    return replace(examples, steps=_hidden_bands(examples.steps, examples.counts, draw))


def _moved_faces(faces: Tensor, draw: torch.Generator) -> Tensor:
    number = len(faces)

    def uniform(most: float) -> Tensor:
        return (torch.rand(number, generator=draw) * 2 - 1) * most

    angle, scale = torch.deg2rad(uniform(FACE_TURN_DEG)), 1 + uniform(FACE_SCALE)
    mirror = torch.where(torch.rand(number, generator=draw) < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = (
        torch.stack([mirror * cos, -sin, uniform(FACE_SHIFT)], 1),
        torch.stack([mirror * sin, cos, uniform(FACE_SHIFT)], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), [number, 1, *faces.shape[1:]], align_corners=False)
    moved = F.grid_sample(faces[:, None].float(), grid, padding_mode="border", align_corners=False)
    return moved[:, 0].round().to(torch.uint8)


def _patched_faces(faces: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """Fill up to three patches of a share of the faces, each with its own height and width, with their mean."""
    side = torch.arange(faces.shape[-1])
    number = torch.randint(1, MOST_PATCHES + 1, (len(faces),), generator=draw)
    number = number * (torch.rand(len(faces), generator=draw) < share)
    filled = faces.float()
    for patch in range(MOST_PATCHES):
        spans = []
        for _ in range(2):
            length = torch.randint(*PATCH_PX, (len(faces), 1), generator=draw)
            first = torch.randint(1 - PATCH_PX[0], len(side), (len(faces), 1), generator=draw)
            spans.append((side >= first) & (side < first + length))
        sites = (number > patch)[:, None, None] & spans[0][:, :, None] & spans[1][:, None, :]
        mean = (filled * sites).sum((1, 2), keepdim=True) / sites.sum((1, 2), keepdim=True).clamp(min=1)
        filled = torch.where(sites, mean, filled)
    return filled.round().to(torch.uint8)


def _hidden_bands(chunks: Tensor, counts: Tensor, draw: torch.Generator) -> Tensor:
    bands, frames = chunks.shape[1:]
    width = torch.randint(0, MASKED_BANDS + 1, (len(counts), 1), generator=draw)
    first = (torch.rand(len(counts), 1, generator=draw) * (bands - width)).long()
    band = torch.arange(bands)
    hidden = ((band >= first) & (band < first + width)).repeat_interleave(counts, 0)[:, :, None]
    width = torch.randint(0, MASKED_FRAMES + 1, (len(chunks), 1), generator=draw)
    first = (torch.rand(len(chunks), 1, generator=draw) * (frames - width)).long()
    frame = torch.arange(frames)
    hidden = hidden | ((frame >= first) & (frame < first + width))[:, None]
    louder = (torch.randn(len(counts), generator=draw) * 0.1).repeat_interleave(counts)[:, None, None]
    return chunks.masked_fill(hidden, 0.0) + louder
