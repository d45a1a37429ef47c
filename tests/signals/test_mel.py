"""Mel chunks: against a straight-line computation, and the laws of counting, covering, padding and normalising."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.config import MelSettings
from mesmer.errors import ConfigError, DataError
from mesmer.signals.mel import DYNAMIC_RANGE, FRAMES_AT_ONCE, POWER_FLOOR, mel_chunks, mel_filters

POWER = MelSettings(scale="power", normalise="none")
LOG = MelSettings(scale="log", normalise="none")
NORMAL = MelSettings()


def sound(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 16000
    tone = np.sin(2 * np.pi * (200 + 300 * t) * t) * (1 + np.sin(2 * np.pi * 3 * t))
    return (level * (tone + 0.2 * rng.normal(size=samples))).astype(np.float32)


def straight_line_power(waveform: np.ndarray) -> np.ndarray:
    """Band powers (128, frames) by the definition: one window, one frequency, one band at a time, in float64."""
    count = math.ceil(len(waveform) / 200)
    padded = np.concatenate([np.zeros(100), waveform.astype(np.float64), np.zeros(1000)])
    window = np.array([math.sin(math.pi * n / 400) ** 2 for n in range(400)])
    size = 1024
    angles = 2 * math.pi * np.outer(np.arange(size // 2 + 1), np.arange(400)) / size
    edges = np.linspace(0, 2595 * math.log10(1 + 8000 / 700), 130)
    edges_hz = [700 * (10 ** (mel / 2595) - 1) for mel in edges]
    bands = np.zeros((128, count))
    for t in range(count):
        look = padded[200 * t : 200 * t + 400] * window
        spectrum = ((np.cos(angles) @ look) ** 2 + (np.sin(angles) @ look) ** 2) * 400 / size
        for b in range(128):
            low, centre, high = edges_hz[b : b + 3]
            for k in range(size // 2 + 1):
                hz = 16000 * k / size
                if low < hz < high:
                    bands[b, t] += spectrum[k] * (
                        (hz - low) / (centre - low) if hz <= centre else (high - hz) / (high - centre)
                    )
    return bands


def joined(chunks: np.ndarray) -> np.ndarray:
    """Chunks (S, 128, 32) as one spectrogram (128, 32 S)."""
    return np.concatenate(list(chunks), axis=1)


def test_band_powers_are_those_of_the_definition() -> None:
    waveform = sound(7300)
    expected = straight_line_power(waveform)
    ours = joined(mel_chunks(waveform, POWER))
    assert ours.shape == (128, 64)
    assert np.allclose(ours[:, : expected.shape[1]], expected, rtol=2e-4, atol=1e-6 * expected.max())
    assert (ours[:, expected.shape[1] :] == 0).all()
    floor = max(POWER_FLOOR, expected.max() / DYNAMIC_RANGE)
    logs = joined(mel_chunks(waveform, LOG))
    assert np.allclose(logs[:, : expected.shape[1]], np.log(np.maximum(expected, floor)), atol=2e-3)
    assert np.allclose(logs[:, expected.shape[1] :], math.log(floor), atol=1e-4)


def test_400_ms_are_exactly_one_chunk_of_32_frames() -> None:
    assert (NORMAL.chunk_samples, NORMAL.chunk_frames) == (6400, 32)
    for samples, chunks in ((1, 1), (199, 1), (6399, 1), (6400, 1), (6401, 2), (12800, 2), (72000, 12)):
        made = mel_chunks(sound(samples), NORMAL)
        assert made.shape == (chunks, 128, 32)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()


def test_no_sample_no_chunk() -> None:
    for preset in (POWER, LOG, NORMAL):
        assert mel_chunks(np.zeros(0, np.float32), preset).shape == (0, 128, 32)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20000), st.data())
def test_every_sample_is_covered_and_in_its_own_stride(samples: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, samples - 1))
    waveform = np.zeros(samples, np.float32)
    waveform[at] = 1.0
    energy = joined(mel_chunks(waveform, POWER)).sum(axis=0)
    assert energy.sum() > 0
    assert energy[at // 200] >= 0.99 * energy.max()  # equal halves where the sample lies between two strides
    assert set(np.flatnonzero(energy)) <= {at // 200 - 1, at // 200, at // 200 + 1}


@pytest.mark.parametrize("bands", [20, 64, 80, 128, 200])
def test_no_filter_is_empty(bands: int) -> None:
    filters = mel_filters(MelSettings(num_bands=bands))
    assert filters.shape[1] == bands
    assert (filters.max(axis=0) > 0).all()
    assert (filters >= 0).all()


def test_a_fft_no_longer_than_the_window_would_leave_filters_empty() -> None:
    # Of 128 bands between 0 and 8 kHz some fall between the bins of 400 points; the window is padded until none does.
    edges_hz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 130) / 2595) - 1)
    bins_hz = np.arange(201) * 40.0
    empty = [not ((bins_hz > low) & (bins_hz < high)).any() for low, high in zip(edges_hz, edges_hz[2:], strict=False)]
    assert sum(empty) >= 4
    assert len(mel_filters(MelSettings())) == 513


def test_a_tone_is_loudest_in_the_band_of_its_frequency() -> None:
    filters = mel_filters(POWER)
    for hz in (150, 440, 1000, 3000, 7000):
        tone = np.sin(2 * np.pi * hz * np.arange(6400) / 16000).astype(np.float32)
        loudest = mel_chunks(tone, POWER)[0].mean(axis=1).argmax()
        peak_hz = filters[:, loudest].argmax() * 16000 / 1024
        assert abs(peak_hz - hz) < max(30, 0.04 * hz)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("num_bands", MelSettings(num_bands=50_000)),
        ("num_bands", MelSettings(num_bands=10**12)),
        ("window_ms", MelSettings(window_ms=1e9)),
        ("stride_ms", MelSettings(stride_ms=50.0)),
        ("chunk_ms", MelSettings(chunk_ms=1e9)),
    ],
)
def test_settings_that_make_no_spectrogram_are_refused_in_one_line(field: str, bad: MelSettings) -> None:
    with pytest.raises(ConfigError) as caught:
        mel_chunks(sound(400), bad)
    assert caught.value.field == field


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 15000), st.integers(0, 5))
def test_normalised_sound_has_zero_mean_and_unit_deviation_over_its_own_frames(samples: int, seed: int) -> None:
    logs, normal = (joined(mel_chunks(sound(samples, seed), preset)) for preset in (LOG, NORMAL))
    real = math.ceil(samples / 200)
    assert abs(normal[:, :real].mean()) < 1e-4
    assert normal[:, :real].std() == pytest.approx(1.0, abs=1e-3)
    assert np.allclose(normal, (logs - logs[:, :real].mean()) / logs[:, :real].std(), atol=1e-3)
    assert np.allclose(normal[:, real:], normal.min(), atol=1e-3)  # silence after the end is the floor, not the mean


def test_zeros_after_the_end_change_nothing_but_the_chunk_count() -> None:
    # Only the frames whose window reaches beyond the end can tell silence that was recorded from silence that was not.
    waveform = sound(6400 * 2)
    longer = np.concatenate([waveform, np.zeros(6400, np.float32)])
    assert np.array_equal(mel_chunks(longer, LOG)[:2], mel_chunks(waveform, LOG))


def test_digital_silence_is_finite_and_flat() -> None:
    silence = np.zeros(9000, np.float32)
    assert (mel_chunks(silence, NORMAL) == 0).all()
    assert (mel_chunks(silence, POWER) == 0).all()
    assert np.allclose(mel_chunks(silence, LOG), math.log(POWER_FLOOR))


def test_a_louder_recording_is_the_same_after_normalisation() -> None:
    waveform = sound(16000)
    assert np.allclose(mel_chunks(waveform, NORMAL), mel_chunks(waveform * np.float32(0.25), NORMAL), atol=1e-3)


def test_a_prefix_of_the_sound_has_the_same_power_whatever_follows() -> None:
    waveform = sound(6400 * 3)
    assert np.array_equal(mel_chunks(waveform, POWER)[0][:, :31], mel_chunks(waveform[:6400], POWER)[0][:, :31])


def test_long_sound_is_computed_in_parts_that_fit_together() -> None:
    samples = (FRAMES_AT_ONCE + 50) * 200
    waveform = sound(samples)
    whole = joined(mel_chunks(waveform, POWER))
    seam = FRAMES_AT_ONCE
    start = (seam - 32) // 32 * 32
    part = joined(mel_chunks(waveform[start * 200 : (start + 96) * 200], POWER))
    assert np.allclose(whole[:, start + 1 : start + 80], part[:, 1:80], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_refused(bad: float) -> None:
    waveform = sound(1000)
    waveform[500] = bad
    with pytest.raises(DataError, match="not numbers"):
        mel_chunks(waveform, NORMAL)


def test_the_waveform_is_left_as_it_was() -> None:
    waveform = sound(5000)
    before = waveform.copy()
    mel_chunks(waveform, NORMAL)
    assert np.array_equal(before, waveform)
