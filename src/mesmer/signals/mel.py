"""Mel-spectrogram chunks of a waveform (paper section 5.3): 25 ms window, 12.5 ms stride, 128 bands, 400 ms chunks.

Spectrogram frame t stands for the samples of stride t and looks at them through a Hann window centred on them, so every
sample lies in the middle half of some window and a chunk of 400 ms is exactly 32 frames.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ, MelSettings
from mesmer.errors import ConfigError, DataError

POWER_FLOOR = 1e-10
"""Band power below which the logarithm does not fall: about that of the rounding of 16-bit sound."""
DYNAMIC_RANGE = 1e8
"""What is this much (80 dB) below the loudest band of the utterance is silence: it, too, is set to the floor."""
MAX_FFT, MAX_BANDS, MAX_CHUNK_FRAMES = 16_384, 512, 4096
"""Settings come in files from strangers, too: beyond these a spectrogram is a mistake or an attack."""
FRAMES_AT_ONCE = 4096
"""Spectrogram frames computed at once; an hour of sound needs no more memory than its chunks."""


def mel_chunks(waveform: NDArray[np.float32], settings: MelSettings) -> NDArray[np.float32]:
    """Return the mel spectrogram of an utterance, cut into chunks.

    Args:
        waveform: float32 (T,), mono, 16 kHz.
        settings: window, stride, bands, chunk; logarithm and normalisation.

    Returns:
        float32 (S, bands, frames of a chunk) with S = T / chunk, rounded up; none where there is no sample. What lies
        beyond the sound in the last chunk is silence: the floor of the logarithm, or no power. Normalisation takes its
        mean and deviation from the sound alone.

    Raises:
        DataError: a sample is not a finite number.
        ConfigError: window, stride, bands and chunk do not make a spectrogram.
    """
    if not np.isfinite(waveform).all():
        raise DataError("the sound holds samples that are not numbers", field="waveform", remedy="convert it again")
    power = _band_power(waveform, settings)
    sounding = len(power)
    chunks = -(-sounding // settings.chunk_frames)
    padded = np.zeros((chunks * settings.chunk_frames, settings.num_bands), dtype=np.float32)
    padded[:sounding] = power
    if settings.scale == "log" and sounding:
        np.log(np.maximum(padded, max(POWER_FLOOR, float(power.max()) / DYNAMIC_RANGE)), out=padded)
        if settings.normalise == "utterance":
            padded = _normalised(padded, sounding)
    return np.ascontiguousarray(padded.reshape(chunks, settings.chunk_frames, settings.num_bands).transpose(0, 2, 1))


@lru_cache(maxsize=8)
def mel_filters(settings: MelSettings) -> NDArray[np.float32]:
    """Return triangular filters, float32 (fft bins, bands), even on the mel scale (2595 log10(1 + f / 700)) up to 8 kHz.

    The window is padded with zeros to the smallest power of two at which no filter falls between two bins.

    Raises:
        ConfigError: window, stride, bands and chunk do not make a spectrogram.
    """
    _check(settings)
    top_mel = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top_mel, settings.num_bands + 2) / 2595) - 1)
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    size = 1 << (settings.window_samples - 1).bit_length()
    while size <= MAX_FFT:
        bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, size // 2 + 1)[:, None]
        filters = np.clip(np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)), 0, None)
        if (filters.max(axis=0) > 0).all():
            found = filters.astype(np.float32)
            found.flags.writeable = False
            return found
        size *= 2
    raise ConfigError(f"{settings.num_bands} mel bands cannot be told apart at 16 kHz", field="num_bands", remedy="use 128")


def _check(settings: MelSettings) -> None:
    """Refuse settings that would skip samples or fill the memory."""
    if settings.num_bands > MAX_BANDS:
        raise ConfigError(f"{settings.num_bands} mel bands are too many", field="num_bands", remedy="use 128")
    if settings.window_samples > MAX_FFT:
        raise ConfigError(f"a window of {settings.window_ms:g} ms is too long", field="window_ms", remedy="use 25")
    if settings.stride_samples > settings.window_samples:
        raise ConfigError("the stride is longer than the window, so samples would be skipped", field="stride_ms")
    if settings.chunk_frames > MAX_CHUNK_FRAMES:
        raise ConfigError(f"a chunk of {settings.chunk_ms:g} ms is too long", field="chunk_ms", remedy="use 400")


def _band_power(waveform: NDArray[np.float32], settings: MelSettings) -> NDArray[np.float32]:
    """Return the power in each band, float32 (frames, bands), a frame for every stride that holds a sample."""
    window, stride, filters = settings.window_samples, settings.stride_samples, mel_filters(settings)
    fft_size = 2 * (len(filters) - 1)
    count = -(-len(waveform) // stride)
    before = (window - stride) // 2
    padded = np.zeros(max((count - 1) * stride + window, window), dtype=np.float32)
    used = waveform[: len(padded) - before]
    padded[before : before + len(used)] = used
    frames = sliding_window_view(padded, window)[::stride][:count]
    # The root makes a band's power independent of the zeros that the window is padded with.
    shape = (_hann(window) * np.sqrt(window / fft_size)).astype(np.float32)
    power = np.empty((count, settings.num_bands), dtype=np.float32)
    for start in range(0, count, FRAMES_AT_ONCE):
        part = torch.from_numpy(frames[start : start + FRAMES_AT_ONCE] * shape)
        spectrum = torch.fft.rfft(part, n=fft_size).numpy()  # five times faster than numpy's and scipy's
        power[start : start + FRAMES_AT_ONCE] = (spectrum.real**2 + spectrum.imag**2) @ filters
    return power


def _hann(size: int) -> NDArray[np.float64]:
    """Hann window of ``size`` samples, periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _normalised(spectrogram: NDArray[np.float32], sounding: int) -> NDArray[np.float32]:
    """Return (frames, bands) with zero mean and unit deviation over its first ``sounding`` frames."""
    sound = spectrogram[:sounding].astype(np.float64)
    deviation = sound.std()
    # An utterance that is the same everywhere (digital silence) has no deviation to divide by.
    return ((spectrogram - sound.mean()) / (deviation if deviation > 1e-6 else 1.0)).astype(np.float32)
