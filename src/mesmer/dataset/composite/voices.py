"""A voice as another room and another microphone would give it: faster or slower, louder or softer, with noise, in a band.

Shape letter: T samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import butter, resample, sosfilt

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.dataset.composite.form import Recording
from mesmer.dataset.sound import from_pcm16, spoken_part, to_pcm16

_QUICK = 160


def recorded_voice(
    waveform: NDArray[np.float32], *, duration_s: float, recording: Recording, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return float32 (T,) of ``duration_s`` at 16 kHz, rounded to 16 bits: the voice, cut or with noise before and behind.

    Args:
        waveform: float32 (T,), of any length.
        recording: what is done to it.
        rng: of the noise.
    """
    voice = spoken_part(waveform).astype(np.float64)
    voice = _faster(voice, recording.speed)
    samples = round(duration_s * SAMPLE_RATE_HZ)
    laid = np.zeros(samples)
    if len(voice) >= samples:
        first = round(recording.place * (len(voice) - samples))
        laid[:] = voice[first : first + samples]
    else:
        first = round(recording.place * (samples - len(voice)))
        laid[first : first + len(voice)] = voice
    loud = float(np.sqrt(np.mean(np.square(voice)))) or 1.0
    heard = laid / loud + 10 ** (-recording.snr_db / 20) * _noise(samples, recording.noise_slope, rng)
    heard = _in_band(heard, recording) * 10 ** (recording.level_db / 20)
    peak = float(np.abs(heard).max())
    return from_pcm16(to_pcm16((heard / max(1.0, peak)).astype(np.float32)))


def _faster(voice: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """Return the voice at another speed; both lengths are rounded to what a Fourier transform is quick with."""
    taken = len(voice) - len(voice) % _QUICK
    if not taken:
        return np.zeros(1)
    return np.asarray(resample(voice[:taken], _QUICK * max(1, round(taken / speed / _QUICK))))


def _noise(samples: int, slope: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of root mean square 1 whose power falls as frequency to the power ``slope``, from 20 Hz on."""
    more = next_fast_len(samples, real=True)
    spectrum = np.fft.rfft(rng.standard_normal(more))
    hz = np.fft.rfftfreq(more, 1 / SAMPLE_RATE_HZ)
    shaped = np.fft.irfft(spectrum * np.maximum(hz, 20.0) ** (-slope / 2), more)[:samples]
    return np.asarray(shaped / np.sqrt(np.mean(np.square(shaped))))


def _in_band(sound: NDArray[np.float64], recording: Recording) -> NDArray[np.float64]:
    for hz, side in ((recording.lowest_hz, "highpass"), (recording.highest_hz, "lowpass")):
        if hz is not None:
            sound = np.asarray(sosfilt(butter(2, hz, side, fs=SAMPLE_RATE_HZ, output="sos"), sound))
    return sound
