"""Waveforms at the 16 bits they are stored with. A clip holds them rounded already, so storing changes nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 32_768  # of one unit; the usual scale, at which 16-bit files come through unchanged


def to_pcm16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to 16 bits; what lies outside is clipped, what is no number is 0."""
    scaled = np.rint(np.nan_to_num(waveform, nan=0.0, posinf=1.0, neginf=-1.0).astype(np.float64) * _STEPS)
    return np.clip(scaled, -_STEPS, _STEPS - 1).astype(np.int16)


def from_pcm16(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the waveform that 16-bit samples stand for; exact, so ``to_pcm16`` gives the same samples back."""
    return samples.astype(np.float32) / np.float32(_STEPS)
