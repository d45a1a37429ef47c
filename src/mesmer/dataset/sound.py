"""Waveforms at the 16 bits they are stored with, and the part of one that is not silence.

A clip holds its waveform rounded already, so storing changes nothing. Shape letter: T samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ

_STEPS = 32_768  # of one unit; the usual scale, at which 16-bit files come through unchanged
_FRAME = SAMPLE_RATE_HZ // 50
_AUDIBLE = 0.05
"""A frame of 20 ms counts as voice from this share of the loudest one's amplitude on."""
_MARGIN = SAMPLE_RATE_HZ // 20


def to_pcm16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to 16 bits; what lies outside is clipped, what is no number is 0."""
    scaled = np.rint(np.nan_to_num(waveform, nan=0.0, posinf=1.0, neginf=-1.0).astype(np.float64) * _STEPS)
    return np.clip(scaled, -_STEPS, _STEPS - 1).astype(np.int16)


def from_pcm16(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the waveform that 16-bit samples stand for; exact, so ``to_pcm16`` gives the same samples back."""
    return samples.astype(np.float32) / np.float32(_STEPS)


def spoken_part(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a waveform, float32 (T,), without the silence around it; itself where there is nothing else.

    What is silent is told by loudness alone: frames of 20 ms below a twentieth of the loudest one's amplitude. 50 ms stay
    on either side.
    """
    frames = len(waveform) // _FRAME
    if not frames:
        return waveform
    loudness = np.sqrt(np.square(waveform[: frames * _FRAME].reshape(frames, _FRAME)).mean(axis=1))
    audible = np.flatnonzero(loudness >= _AUDIBLE * loudness.max())
    first, last = int(audible[0]) * _FRAME, (int(audible[-1]) + 1) * _FRAME
    return waveform[max(0, first - _MARGIN) : last + _MARGIN]
