"""A speaking voice by source and filter: glottal pulses and noise, shaped by formants that follow the sentence's letters.

Synthesis runs on 5 ms steps: parameter tracks per step, a source signal over the whole utterance, and one spectral
envelope per step applied by overlap-add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.synthetic.phones import PHONES, Phone, word_phones
from mesmer.corpora.synthetic.prosody import Delivery

SAMPLE_RATE_HZ = 16_000
STEP_SAMPLES = 80
STEP_S = STEP_SAMPLES / SAMPLE_RATE_HZ
_FFT_SAMPLES = 512
_WINDOW_SAMPLES = 4 * STEP_SAMPLES
_BANDWIDTHS_HZ = (70.0, 90.0, 140.0, 220.0, 300.0)
_FIXED_FORMANTS_HZ = (3400.0, 4400.0)

Track = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SpokenWord:
    """One word of the sentence: its characters [first, last) and when it is spoken."""

    span: tuple[int, int]
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Speech:
    """A spoken sentence.

    Attributes:
        waveform: float32 (T,), mono, 16 kHz, in [-1, 1].
        words: times of the words.
        start_s, end_s: of the speech within the waveform.
        mouth_open, mouth_round: per 5 ms step, 0 to 1.
        pitch_hz: per 5 ms step; meaningful where something is voiced.
    """

    waveform: NDArray[np.float32]
    words: tuple[SpokenWord, ...]
    start_s: float
    end_s: float
    mouth_open: Track
    mouth_round: Track
    pitch_hz: Track

    @property
    def duration_s(self) -> float:
        return len(self.waveform) / SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class _Segment:
    phone: Phone
    start_s: float
    end_s: float


def speak(
    rng: np.random.Generator,
    *,
    text: str,
    delivery: Delivery,
    lead_s: float = 0.12,
    tail_s: float = 0.15,
    noise_dbfs: float = -62.0,
) -> Speech:
    """Speak ``text``.

    Args:
        rng: draws intonation, timing and the fine structure of noise.
        text: the sentence.
        delivery: the voice and how it speaks.
        lead_s, tail_s: silence before and after.
        noise_dbfs: level of the room's noise, which does not depend on the speech.
    """
    segments, words = _timing(rng, text, delivery, lead_s)
    end_s = segments[-1].end_s
    steps = int(np.ceil((end_s + tail_s) / STEP_S))
    times_s: Track = (np.arange(steps, dtype=np.float64) + 0.5) * STEP_S
    at = np.clip(np.searchsorted([s.end_s for s in segments], times_s, side="right"), 0, len(segments) - 1)
    speaking = (times_s >= lead_s) & (times_s < end_s)
    pitch_hz = _intonation(rng, times_s, segments, delivery, lead_s, end_s)
    voiced, noise, burst_hz = _strengths(segments, at, times_s, speaking)
    shake = 1 + 0.22 * min(delivery.tremor, 1.5) * np.sin(2 * np.pi * 7.0 * times_s)
    formants = np.array([s.phone.formants_hz for s in segments])[at] * delivery.formant_scale
    formants = np.stack([_smooth(track, 7) for track in formants.T], axis=1)
    source = _glottal_source(rng, pitch_hz, delivery)
    hiss = rng.standard_normal(steps * STEP_SAMPLES)
    envelope = _formant_envelope(formants, delivery)
    sound = _shape(source, envelope * (_smooth(voiced, 5) * shake)[:, None])
    sound += _shape(hiss, _noise_envelope(burst_hz) * _smooth(noise, 3)[:, None])
    sound = _level(sound, delivery.level_dbfs, lead_s, end_s)
    room = rng.standard_normal(len(sound)) * 10 ** (noise_dbfs / 20)
    waveform = np.clip(sound + room, -0.98, 0.98).astype(np.float32)
    opening = np.where(speaking, np.array([s.phone.open for s in segments])[at], 0.0)
    rounding = np.where(speaking, np.array([s.phone.round for s in segments])[at], 0.0)
    return Speech(
        waveform=waveform,
        words=words,
        start_s=lead_s,
        end_s=end_s,
        mouth_open=_smooth(opening, 13),
        mouth_round=_smooth(rounding, 13),
        pitch_hz=pitch_hz,
    )


def _timing(
    rng: np.random.Generator, text: str, delivery: Delivery, lead_s: float
) -> tuple[list[_Segment], tuple[SpokenWord, ...]]:
    """Lay the phones of each word one after another in time."""
    segments: list[_Segment] = []
    words: list[SpokenWord] = []
    now = lead_s
    position = 0
    for number, word in enumerate(text.split()):
        position = text.index(word, position)
        start_s = now
        names = word_phones(word)
        for name in names + ("," if word[-1] in ",;.!?" and number < len(text.split()) - 1 else " "):
            phone = PHONES[name]
            length = phone.length * float(rng.uniform(0.85, 1.15)) / delivery.phones_per_s
            segments.append(_Segment(phone=phone, start_s=now, end_s=now + length))
            now += length
        words.append(SpokenWord(span=(position, position + len(word)), start_s=start_s, end_s=segments[-1].start_s))
        position += len(word)
    return segments, tuple(words)


def _intonation(
    rng: np.random.Generator, times_s: Track, segments: Sequence[_Segment], delivery: Delivery, start_s: float, end_s: float
) -> Track:
    """Pitch per step: accents on vowels, a rise or fall over the whole, tremor; its median over the speech is exact."""
    vowels = [s for s in segments if s.phone.kind == "vowel"] or list(segments)
    knots_s = np.array([(s.start_s + s.end_s) / 2 for s in vowels])
    accents = rng.standard_normal(len(knots_s))
    if len(accents) > 2:
        accents = (accents - accents.mean()) / max(float(accents.std()), 0.3)
    semitones = delivery.pitch_range_semitones * np.interp(times_s, knots_s, accents)
    course = np.clip((times_s - start_s) / (end_s - start_s), 0, 1)
    semitones = _smooth(semitones, 9) + delivery.rise_semitones * (course**1.5 - 0.35)
    semitones += 0.55 * delivery.tremor * np.sin(2 * np.pi * 7.0 * times_s)
    for vowel in vowels:
        within = (times_s >= vowel.start_s) & (times_s < vowel.end_s)
        place = (times_s[within] - vowel.start_s) / (vowel.end_s - vowel.start_s)
        semitones[within] += delivery.glide_semitones * (place - 0.5)
    semitones = _smooth(semitones, 3)
    spoken = (times_s >= start_s) & (times_s < end_s)
    semitones -= np.median(semitones[spoken])
    return np.clip(delivery.pitch_hz * 2 ** (semitones / 12), 50.0, 600.0)


def _strengths(
    segments: Sequence[_Segment], at: NDArray[np.intp], times_s: Track, speaking: NDArray[np.bool_]
) -> tuple[Track, Track, Track]:
    """Strength of the voice and of the noise, and the noise's centre, per step; a stop is silence and then a burst."""
    voiced = np.array([s.phone.voiced for s in segments])[at] * speaking
    noise = np.array([s.phone.noise for s in segments])[at] * speaking
    centre_hz = np.array([s.phone.noise_hz for s in segments])[at]
    stop = np.array([s.phone.kind == "stop" for s in segments])[at]
    left_s = np.array([s.end_s for s in segments])[at] - times_s
    noise = np.where(stop, noise * (left_s < 0.018), noise)
    return voiced, noise, centre_hz


def _glottal_source(rng: np.random.Generator, pitch_hz: Track, delivery: Delivery) -> Track:
    """A train of glottal pulses with jitter, creak and breath, white enough that the envelope decides the spectrum."""
    samples = len(pitch_hz) * STEP_SAMPLES
    pitch = np.interp(np.arange(samples), (np.arange(len(pitch_hz)) + 0.5) * STEP_SAMPLES, pitch_hz)
    phase = np.cumsum(pitch) / SAMPLE_RATE_HZ
    cycle = phase - np.floor(phase)
    weak = (np.floor(phase).astype(np.int64) % 2).astype(np.float64)
    shimmer = 1 + 0.04 * rng.standard_normal(int(phase[-1]) + 2)
    strength = shimmer[np.floor(phase).astype(np.int64)] * (1 - 0.75 * delivery.creak * weak)
    # A short raised cosine per cycle, half a millisecond long: a pulse without aliasing, its mean removed.
    width = np.clip(0.0005 * pitch, 0.02, 0.9)
    pulse = np.where(cycle < width, 0.5 - 0.5 * np.cos(2 * np.pi * cycle / width), 0.0) - 0.5 * width
    breath = rng.standard_normal(samples) * (0.4 + 0.6 * (cycle < 0.5))
    share = min(delivery.breathiness, 0.8)
    return (1 - share) * strength * pulse * np.sqrt(SAMPLE_RATE_HZ / pitch) * 0.5 + share * breath


def _formant_envelope(formants_hz: NDArray[np.float64], delivery: Delivery) -> NDArray[np.float64]:
    """Magnitude response (steps, bins) of five resonances and the slope of the source."""
    hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    fixed = np.array(_FIXED_FORMANTS_HZ) * delivery.formant_scale
    envelope = np.ones((len(formants_hz), len(hz)))
    for number, bandwidth in enumerate(_BANDWIDTHS_HZ):
        centre = formants_hz[:, number, None] if number < 3 else np.full((len(formants_hz), 1), fixed[number - 3])
        ratio = hz / centre
        envelope /= np.sqrt((1 - ratio**2) ** 2 + (bandwidth * ratio / centre) ** 2)
    radiation = np.maximum(1.0, hz / 500.0)  # lips radiate high frequencies better: 6 dB per octave
    tilt = np.maximum(hz / 200.0, 1.0) ** ((delivery.tilt_db_per_octave) / 6.02)
    return envelope * radiation * tilt * (hz / (hz + 60.0))


def _noise_envelope(centre_hz: Track) -> NDArray[np.float64]:
    """Magnitude response (steps, bins) of the noise of consonants: a broad band around its centre."""
    hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    octaves = np.log2(np.maximum(hz, 30.0) / centre_hz[:, None])
    return 0.55 * np.exp(-0.5 * (octaves / 0.38) ** 2)


def _shape(signal: Track, envelope: NDArray[np.float64]) -> Track:
    """Filter ``signal`` by one magnitude response per step, by overlap-add of Hann windows."""
    steps = len(envelope)
    pad = (_WINDOW_SAMPLES - STEP_SAMPLES) // 2
    padded = np.pad(signal, (pad, pad + _WINDOW_SAMPLES))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::STEP_SAMPLES][:steps]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(_WINDOW_SAMPLES) + 0.5) / _WINDOW_SAMPLES)
    shaped = np.fft.irfft(np.fft.rfft(windows * hann, _FFT_SAMPLES, axis=1) * envelope, _FFT_SAMPLES, axis=1)
    # Zero-phase filtering spreads to both sides of the window: what wraps around the end belongs before the start.
    before = (_FFT_SAMPLES - _WINDOW_SAMPLES) // 2 // STEP_SAMPLES * STEP_SAMPLES
    shaped = np.roll(shaped, before, axis=1)
    blocks = -(-_FFT_SAMPLES // STEP_SAMPLES)
    shaped = np.pad(shaped, ((0, 0), (0, blocks * STEP_SAMPLES - _FFT_SAMPLES))).reshape(steps, blocks, STEP_SAMPLES)
    total = np.zeros((steps + blocks, STEP_SAMPLES))
    for block in range(blocks):
        total[block : block + steps] += shaped[:, block]
    start = before + pad
    return total.ravel()[start : start + steps * STEP_SAMPLES] / 2.0


def _level(sound: Track, level_dbfs: float, start_s: float, end_s: float) -> Track:
    """Scale the speech to a root mean square level and round off what would clip."""
    spoken = sound[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
    rms = float(np.sqrt(np.mean(spoken**2)))
    scaled = sound * (10 ** (level_dbfs / 20) / max(rms, 1e-9))
    return np.where(np.abs(scaled) > 0.6, np.sign(scaled) * (0.6 + 0.38 * np.tanh((np.abs(scaled) - 0.6) / 0.38)), scaled)


def _smooth(track: Track, width: int) -> Track:
    """Moving average over an odd number of steps; the ends repeat."""
    padded = np.pad(track, width // 2, mode="edge")
    summed = np.concatenate([[0.0], np.cumsum(padded)])
    return (summed[width:] - summed[:-width]) / width
