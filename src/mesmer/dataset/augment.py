"""Small changes to training clips that leave the expressed emotion as it is: faces moved, sound moved and masked.

Everything that is drawn is drawn once for an utterance, from the seed, the epoch and the utterance's id: neither the
batch it is in nor the process that loads it changes what happens to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mesmer.config import MelSettings
from mesmer.records import FACE_PX, Clip

MAX_SHIFT_PX = 3
MAX_BRIGHTNESS = 20.0
"""Added to every pixel, at most, of 255."""
MAX_CONTRAST = 0.2
MAX_MASKED_BANDS = 0.12
"""Share of the mel bands that a mask covers at most (SpecAugment: Park et al., 2019)."""
MAX_MASKED_TIME = 0.1
"""Share of the utterance's spectrogram frames that a mask covers at most."""


def utterance_generator(*, seed: int, epoch: int, utterance_id: str) -> np.random.Generator:
    """Return the generator for one utterance in one epoch."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{utterance_id}".encode("utf-8", "replace")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def augment_faces(clip: Clip, generator: np.random.Generator) -> Clip:
    """Mirror all faces of a clip or none, and shift, brighten and contrast them all alike."""
    mirrored = generator.random() < 0.5
    right_px, down_px = generator.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1, size=2)
    contrast = 1 + MAX_CONTRAST * generator.uniform(-1, 1)
    brightness = MAX_BRIGHTNESS * generator.uniform(-1, 1)
    if not len(clip.faces):
        return clip
    faces = clip.faces[:, :, ::-1] if mirrored else clip.faces
    # Rows and columns beyond the border repeat the border.
    rows, columns = (np.clip(np.arange(FACE_PX) - shift, 0, FACE_PX - 1) for shift in (down_px, right_px))
    moved = faces[:, rows][:, :, columns].astype(np.float32)
    changed = (moved - 128) * contrast + 128 + brightness
    return replace(clip, faces=np.clip(np.rint(changed), 0, 255).astype(np.uint8))


def shift_sound(clip: Clip, generator: np.random.Generator, mel: MelSettings) -> Clip:
    """Let the sound begin less than one stride later, so that windows fall elsewhere."""
    dropped = int(generator.integers(mel.stride_samples))
    return replace(clip, waveform=clip.waveform[dropped:]) if dropped < len(clip.waveform) else clip


def mask_chunks(chunks: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Set one band of frequencies and one span of time of an utterance's chunks (S, bands, frames) to their mean."""
    steps, bands, frames = chunks.shape
    band_share, band_place, time_share, time_place = generator.random(4)
    if not steps:
        return chunks
    masked, mean = chunks.transpose(1, 0, 2).reshape(bands, steps * frames).copy(), chunks.mean()
    height, width = int(band_share * MAX_MASKED_BANDS * bands), int(time_share * MAX_MASKED_TIME * steps * frames)
    top, left = int(band_place * (bands - height + 1)), int(time_place * (steps * frames - width + 1))
    masked[top : top + height] = mean
    masked[:, left : left + width] = mean
    return np.ascontiguousarray(masked.reshape(bands, steps, frames).transpose(1, 0, 2))
