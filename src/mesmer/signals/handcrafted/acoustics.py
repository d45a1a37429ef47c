"""The acoustic features of the paper (section 5.2): 142 numbers per 400 ms.

22 Bark-band energies, 12 mel-frequency cepstral coefficients, and 6 statistics of the posteriors of 18 phonological
classes. A window holds 40 frames of 25 ms, one every 10 ms; of the last window only the frames that begin within the
sound count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.signals.handcrafted.frames import framed, triangular_bands
from mesmer.signals.handcrafted.phonology import (
    CLASSES,
    FFT_POINTS,
    FRAMES_PER_WINDOW,
    HOP_SAMPLES,
    WINDOW_SAMPLES,
    Phonet,
    posteriors,
)

BARK_EDGES_HZ: tuple[int, ...] = (
    0, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400, 7700,
    9500,
)  # fmt: skip
"""Edges of the first 22 critical bands (Zwicker 1961). At 16 kHz the last one ends at 8 kHz."""

NUM_COEFFICIENTS = 12
NUM_MEL_BANDS = 26
STATISTICS: tuple[str, ...] = ("mean", "deviation", "skewness", "kurtosis", "maximum", "minimum")

COLUMNS: tuple[str, ...] = (
    *(f"bark_{band + 1}" for band in range(len(BARK_EDGES_HZ) - 1)),
    *(f"mfcc_{number + 1}" for number in range(NUM_COEFFICIENTS)),
    *(f"{name}_{statistic}" for name in CLASSES for statistic in STATISTICS),
)
"""Names of the 142 columns."""

QUIETEST = 1e-10
"""Power below which everything is silence; a sine of full scale has 0.5."""
_STILL = 1e-6
"""Posteriors that vary less have no shape: skewness and kurtosis are 0."""


def acoustic_features(waveform: NDArray[np.float32], net: Phonet) -> NDArray[np.float32]:
    """Return the features of a sound, float32 (S, 142), S = T / 6400 rounded up; columns are named by ``COLUMNS``.

    Args:
        waveform: float32 (T,), mono, 16 kHz.
        net: makes the phonological posteriors.
    """
    if not len(waveform):
        return np.zeros((0, len(COLUMNS)), dtype=np.float32)
    frames = -(-len(waveform) // HOP_SAMPLES)
    windows = -(-frames // FRAMES_PER_WINDOW)
    power = _power(waveform, frames)
    known = posteriors(waveform, net)
    rows = []
    for window in range(windows):
        here = power[window * FRAMES_PER_WINDOW : (window + 1) * FRAMES_PER_WINDOW]
        shape = statistics(known[window, : len(here)].astype(np.float64))
        rows.append(np.concatenate([bark_energies(here), cepstrum(here), shape.T.ravel()]))
    return np.stack(rows).astype(np.float32)


def bark_energies(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the natural logarithms of the mean power in 22 Bark bands, (22,), of spectra (N, 257)."""
    hz = np.arange(power.shape[1]) * SAMPLE_RATE_HZ / FFT_POINTS
    band = np.searchsorted(BARK_EDGES_HZ, hz, side="right") - 1
    per_bin = power.mean(axis=0)
    sums = np.bincount(band, weights=per_bin, minlength=len(BARK_EDGES_HZ) - 1)
    return np.log(np.maximum(sums, QUIETEST))


def cepstrum(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mel-frequency cepstral coefficients 1 to 12, (12,), the mean over spectra (N, 257).

    The orthonormal DCT-II of the logarithms of 26 mel bands; coefficient 0, the loudness, is left to the Bark bands.
    """
    bands = power @ triangular_bands(NUM_MEL_BANDS, fft_points=FFT_POINTS, rate_hz=SAMPLE_RATE_HZ).T
    levels = np.log(np.maximum(bands, QUIETEST))
    return dct(levels, type=2, norm="ortho", axis=1)[:, 1 : NUM_COEFFICIENTS + 1].mean(axis=0)


def statistics(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six ``STATISTICS`` over time, (6, C), of values (N, C).

    Deviation divides by N; skewness and kurtosis are the third and fourth standardised moments, less 3 for kurtosis.
    """
    centred = values - values.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    moving = deviation > _STILL
    unit = centred / np.where(moving, deviation, 1.0)
    skewness = np.where(moving, (unit**3).mean(axis=0), 0.0)
    kurtosis = np.where(moving, (unit**4).mean(axis=0) - 3.0, 0.0)
    return np.stack([values.mean(axis=0), deviation, skewness, kurtosis, values.max(axis=0), values.min(axis=0)])


def _power(waveform: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Return the power spectra of Hamming-windowed frames, (frames, 257); the bins of a frame add up to its mean power."""
    window = np.hamming(WINDOW_SAMPLES)
    cut = framed(waveform.astype(np.float64), count=frames, window=WINDOW_SAMPLES, hop=HOP_SAMPLES)
    power = np.abs(np.fft.rfft(cut * window, FFT_POINTS)) ** 2 / (FFT_POINTS * (window**2).sum())
    power[:, 1:-1] *= 2  # the other half of the spectrum
    return power
