"""Small changes to training clips that leave the expressed emotion as it is: faces moved, sound moved and masked.

Everything that is drawn is drawn once for an utterance, from the seed, the epoch and the utterance's id: neither the
batch it is in nor the process that loads it changes what happens to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mesmer.augment_settings import USUAL_SOUND_CHANGES, SoundChanges
from mesmer.config import SAMPLE_RATE_HZ, MelSettings
from mesmer.records import FACE_PX, Clip

MAX_SHIFT_PX = 3
MAX_BRIGHTNESS = 20.0
"""Added to every pixel, at most, of 255."""
MAX_CONTRAST = 0.2
QUIETEST_NOISE_DB = 60.0
"""Noise so far below the sound is as good as none."""


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


def shift_sound(
    clip: Clip, generator: np.random.Generator, mel: MelSettings, changes: SoundChanges = USUAL_SOUND_CHANGES
) -> Clip:
    """Let the sound begin later, so that windows fall elsewhere: less than one stride, or up to ``changes.shift_ms``."""
    most = max(mel.stride_samples, round(changes.shift_ms * SAMPLE_RATE_HZ / 1000))
    dropped = int(generator.integers(most))
    return replace(clip, waveform=clip.waveform[dropped:]) if dropped < len(clip.waveform) else clip


def change_sound(clip: Clip, generator: np.random.Generator, changes: SoundChanges) -> Clip:
    """Play the sound faster or slower, and add noise, as far as ``changes`` goes."""
    sound = clip.waveform
    if changes.speed:
        speed = 1 + changes.speed * generator.uniform(-1, 1)
        count = int(len(sound) / speed)
        if count > 1:
            sound = np.interp(np.arange(count) * speed, np.arange(len(sound)), sound).astype(np.float32)
    if changes.noise_snr_db:
        below_db = generator.uniform(changes.noise_snr_db, QUIETEST_NOISE_DB)
        noise = generator.standard_normal(len(sound), dtype=np.float32)
        if len(sound):
            level = np.float32(np.sqrt(np.mean(np.square(sound, dtype=np.float64))) * 10 ** (-below_db / 20))
            sound = np.clip(sound + level * noise, -1, 1)
    return clip if sound is clip.waveform else replace(clip, waveform=sound)


def mask_chunks(
    chunks: NDArray[np.float32], generator: np.random.Generator, changes: SoundChanges = USUAL_SOUND_CHANGES
) -> NDArray[np.float32]:
    """Set bands of frequencies and spans of time of an utterance's chunks (S, bands, frames) to their mean."""
    steps, bands, frames = chunks.shape
    drawn = generator.random((changes.masks, 4))
    if not steps:
        return chunks
    masked, mean = chunks.transpose(1, 0, 2).reshape(bands, steps * frames).copy(), chunks.mean()
    for band_share, band_place, time_share, time_place in drawn:
        height, width = int(band_share * changes.band_share * bands), int(time_share * changes.time_share * steps * frames)
        top, left = int(band_place * (bands - height + 1)), int(time_place * (steps * frames - width + 1))
        masked[top : top + height] = mean
        masked[:, left : left + width] = mean
    return np.ascontiguousarray(masked.reshape(bands, steps, frames).transpose(1, 0, 2))
