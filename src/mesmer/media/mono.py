"""Samples of any layout and format -> one channel of floats; any rate -> 16 kHz (decoder process only)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ

_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_OTHER_WEIGHT = 0.5
_LOUDEST = 8.0
"""Floating-point sound may go beyond 1; what goes beyond this is no sound, and would drown its surroundings."""


def to_mono(frame: AudioFrame, *, channel: str) -> tuple[NDArray[np.float32], int]:
    """Return one channel of a decoded frame, float32 (T,), and how many samples were not numbers and became 0.

    Speech is in the centre of surround sound, so the mix weighs centre 1, front sides 0.7, others 0.5, bass 0; the
    weights add up to 1, so a mix is never louder than its loudest channel. Layouts without names are averaged.

    Args:
        frame: decoded sound of any format and layout.
        channel: ``mix``, or ``left`` or ``right`` to take that channel alone (sound of one channel is taken as it is).
    """
    samples = _channels(frame)
    bad = ~np.isfinite(samples)
    not_numbers = int(np.count_nonzero(bad))
    if not_numbers:
        samples = np.where(bad, 0.0, samples)
    names = [part.name for part in frame.layout.channels]
    if len(samples) == 1:
        mono = samples[0]
    elif channel != "mix":
        wanted, place = ("FL", 0) if channel == "left" else ("FR", 1)
        mono = samples[names.index(wanted) if wanted in names else place]
    else:
        mono = sum(weight * row for weight, row in zip(_mix(names, len(samples)), samples, strict=True))
    return np.clip(mono, -_LOUDEST, _LOUDEST).astype(np.float32), not_numbers


def _channels(frame: AudioFrame) -> NDArray[np.float64]:
    """Samples as float64 (channels, T), whole numbers scaled to [-1, 1)."""
    count = frame.layout.nb_channels
    stored: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        stored = stored.reshape(-1, count).T
    if stored.dtype == np.uint8:
        return (stored.astype(np.float64) - 128.0) / 128.0
    if stored.dtype.kind == "i":
        return stored / -float(np.iinfo(stored.dtype).min)
    return stored.astype(np.float64)


def _mix(names: list[str], count: int) -> NDArray[np.float64]:
    weights = np.array([_WEIGHTS.get(name, _OTHER_WEIGHT) for name in names])
    if len(weights) != count or not any(name in _WEIGHTS for name in names) or weights.sum() == 0:
        weights = np.ones(count)
    return weights / weights.sum()


class Resampler:
    """Run of mono samples at one rate -> 16 kHz; output sample 0 lies at input sample 0."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._resampler = None if rate_hz == SAMPLE_RATE_HZ else AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        self._taken = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take float32 (T,) and return what is ready, float32 (T',)."""
        if self._resampler is None or len(samples) == 0:
            return samples
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.sample_rate = self.rate_hz
        frame.time_base = Fraction(1, self.rate_hz)
        frame.pts = self._taken
        self._taken += len(samples)
        return _joined(self._resampler.resample(frame))

    def flush(self) -> NDArray[np.float32]:
        """Return what the filter still holds; the run ends here."""
        return np.zeros(0, np.float32) if self._resampler is None else _joined(self._resampler.resample(None))


def _joined(frames: list[AudioFrame]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])
