"""Short-time frames and triangular mel bands, as the two sets of acoustic features share them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def framed(sound: NDArray[np.float64], *, count: int, window: int, hop: int) -> NDArray[np.float64]:
    """Return ``count`` frames of ``window`` samples, one every ``hop``, (count, window); zeros beyond the end."""
    needed = (count - 1) * hop + window
    padded = np.pad(sound, (0, max(0, needed - len(sound))))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]


def triangular_bands(count: int, *, fft_points: int, rate_hz: int) -> NDArray[np.float64]:
    """Return ``count`` triangles on the mel scale from 0 to half the rate, (count, fft_points / 2 + 1).

    Corners lie on whole bins, rounded down, as in the tools whose numbers are to be met; mel = 2595 log10(1 + f / 700).
    """
    top = 2595 * np.log10(1 + rate_hz / 2 / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    corners = np.floor((fft_points + 1) * corners_hz / rate_hz)
    bins = np.arange(fft_points // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = np.where((bins >= low) & (bins < middle), (bins - low) / (middle - low), 0.0)
        falling = np.where((bins >= middle) & (bins < high), (high - bins) / (high - middle), 0.0)
    return rising + falling
