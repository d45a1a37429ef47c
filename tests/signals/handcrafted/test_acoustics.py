"""Acoustic features against sums written out: Bark bands, cepstra and moments, and what happens at the ends of a sound."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mesmer.signals.handcrafted.acoustics import (
    BARK_EDGES_HZ,
    COLUMNS,
    STATISTICS,
    acoustic_features,
    statistics,
)
from mesmer.signals.handcrafted.phonology import CLASSES, Phonet, load_phonet, posteriors

BARK, MFCC, SHAPES = slice(0, 22), slice(22, 34), slice(34, 142)


@pytest.fixture(scope="module")
def net() -> Phonet:
    return load_phonet()


def sine(hz: float, samples: int, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / 16000)).astype(np.float32)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def slow_power(sound: np.ndarray, start: int) -> np.ndarray:
    """Power of one frame by the definition of the Fourier transform, both halves of the spectrum together."""
    frame = np.zeros(400)
    part = sound[start : start + 400].astype(np.float64)
    frame[: len(part)] = part
    window = np.array([0.54 - 0.46 * math.cos(2 * math.pi * n / 399) for n in range(400)])
    angles = 2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512
    power = np.abs(np.exp(-angles) @ (frame * window)) ** 2 / (512 * (window**2).sum())
    power[1:-1] *= 2
    return power


def slow_bark(powers: list[np.ndarray]) -> list[float]:
    sums = []
    for low, high in pairwise(BARK_EDGES_HZ):
        total = sum(float(power[k]) for power in powers for k in range(257) if low <= k * 31.25 < high)
        sums.append(math.log(max(total / len(powers), 1e-10)))
    return sums


def slow_mfcc(powers: list[np.ndarray]) -> np.ndarray:
    def mel(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    corners = [700 * (10 ** (mel(8000) * j / 27 / 2595) - 1) for j in range(28)]
    bins = [math.floor(513 * hz / 16000) for hz in corners]
    rows = []
    for power in powers:
        levels = []
        for low, middle, high in zip(bins[:-2], bins[1:-1], bins[2:], strict=True):
            rising = sum(power[k] * (k - low) / (middle - low) for k in range(low, middle))
            falling = sum(power[k] * (high - k) / (high - middle) for k in range(middle, high))
            levels.append(math.log(max(rising + falling, 1e-10)))
        rows.append(
            [
                math.sqrt(2 / 26) * sum(x * math.cos(math.pi * c * (2 * b + 1) / 52) for b, x in enumerate(levels))
                for c in range(1, 13)
            ]
        )
    return np.mean(rows, axis=0)


def test_there_are_142_named_columns() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 142
    assert COLUMNS[:2] == ("bark_1", "bark_2")
    assert COLUMNS[33] == "mfcc_12"
    assert COLUMNS[34:36] == ("vocalic_mean", "vocalic_deviation")
    assert len(CLASSES) * len(STATISTICS) == 108


@pytest.mark.parametrize("samples", [6400, 6400 + 900])
def test_bark_and_cepstra_are_what_their_sums_say(samples: int, net: Phonet) -> None:
    sound = noise(samples) + sine(440, samples, 0.3)
    found = acoustic_features(sound, net)
    starts = [range(0, 6400, 160), range(6400, samples, 160)]
    for row, frames in zip(found, starts, strict=False):
        powers = [slow_power(sound, start) for start in frames]
        np.testing.assert_allclose(row[BARK], slow_bark(powers), atol=1e-4)
        np.testing.assert_allclose(row[MFCC], slow_mfcc(powers), atol=1e-4)


def test_a_tone_is_loudest_in_its_own_band(net: Phonet) -> None:
    for band in (3, 8, 15, 20):
        hz = (BARK_EDGES_HZ[band] + BARK_EDGES_HZ[band + 1]) / 2
        found = acoustic_features(sine(hz, 6400), net)[0]
        assert found[BARK].argmax() == band
        assert found[band] == pytest.approx(math.log(0.5), abs=0.15)  # the power of a sine


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_moments_are_those_of_the_statistics_library(steps: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((steps, 18))
    mean, deviation, skewness, kurtosis, largest, smallest = statistics(values)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose(deviation, values.std(axis=0))
    np.testing.assert_allclose(skewness, stats.skew(values), atol=1e-9)
    np.testing.assert_allclose(kurtosis, stats.kurtosis(values), atol=1e-9)
    assert np.array_equal(largest, values.max(axis=0))
    assert np.array_equal(smallest, values.min(axis=0))


def test_what_stands_still_has_no_shape() -> None:
    found = statistics(np.full((1, 18), 0.25))
    assert np.array_equal(found[1:4], np.zeros((3, 18)))
    assert np.array_equal(found[[0, 4, 5]], np.full((3, 18), 0.25))


def test_statistics_stand_class_by_class(net: Phonet) -> None:
    sound = noise(6400)
    row = acoustic_features(sound, net)[0]
    known = posteriors(sound, net)[0]
    for place, name in ((0, "vocalic"), (17, "pause")):
        assert row[COLUMNS.index(f"{name}_mean")] == pytest.approx(known[:, place].mean(), abs=1e-6)
        assert row[COLUMNS.index(f"{name}_minimum")] == pytest.approx(known[:, place].min(), abs=1e-6)


@given(st.integers(1, 20_000))
@settings(max_examples=15, deadline=None)
def test_every_400_ms_begun_is_a_row_of_numbers(samples: int) -> None:
    found = acoustic_features(noise(samples, seed=samples), load_phonet())
    assert found.shape == (math.ceil(samples / 6400), 142)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_no_sound_has_no_rows_and_silence_has_a_floor(net: Phonet) -> None:
    assert acoustic_features(np.zeros(0, dtype=np.float32), net).shape == (0, 142)
    silent = acoustic_features(np.zeros(8000, dtype=np.float32), net)
    assert np.allclose(silent[:, BARK], math.log(1e-10))
    assert np.allclose(silent[:, MFCC], 0.0, atol=1e-5)


def test_bark_and_cepstra_of_a_window_do_not_know_what_comes_later(net: Phonet) -> None:
    """Posteriors do: the peak of the whole sound is made 1 before the network hears it."""
    begin, end = noise(6400 + 240, seed=1), noise(9000, seed=2) * 5
    alone, followed = acoustic_features(begin, net), acoustic_features(np.concatenate([begin, end]), net)
    assert np.array_equal(alone[0, :34], followed[0, :34])
    assert not np.array_equal(alone[0, SHAPES], followed[0, SHAPES])
