"""The synthetic voice: what is measured in the sound follows the parameters it was made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mesmer.corpora.synthetic.phones import PHONES, word_phones
from mesmer.corpora.synthetic.prosody import EMOTION_PROSODY, Delivery, Prosody, deliver, draw_prosody
from mesmer.corpora.synthetic.speakers import make_speaker
from mesmer.corpora.synthetic.voice import SAMPLE_RATE_HZ, STEP_S, Speech, speak
from mesmer.emotions import SIX_EMOTIONS

TEXT = "The neighbour and I are going home along the river."
PLAIN = Delivery(
    pitch_hz=140.0, pitch_range_semitones=1.0, rise_semitones=0.0, glide_semitones=0.0, phones_per_s=16.0, level_dbfs=-25.0,
    tilt_db_per_octave=-6.0, breathiness=0.02, tremor=0.0, creak=0.0, formant_scale=1.0,
)  # fmt: skip


def say(seed: int = 0, **changes: float) -> Speech:
    return speak(np.random.default_rng(seed), text=TEXT, delivery=replace(PLAIN, **changes), noise_dbfs=-80.0)


def measured_pitch(speech: Speech) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and fundamental frequencies by autocorrelation over 40 ms, where it is clearly periodic."""
    size, times, found = 640, [], []
    for start in range(0, len(speech.waveform) - size, 160):
        block = speech.waveform[start : start + size].astype(np.float64)
        if np.sqrt(np.mean(block**2)) < 0.01:
            continue
        block = block - block.mean()
        lags = np.arange(int(SAMPLE_RATE_HZ / 420), int(SAMPLE_RATE_HZ / 65))
        scores = np.array(
            [block[:-k] @ block[k:] / np.sqrt(block[:-k] @ block[:-k] * (block[k:] @ block[k:])) for k in lags]
        )
        if scores.max() > 0.8:
            first = int(np.argmax(scores > 0.93 * scores.max()))  # the shortest of nearly equal periods
            while first + 1 < len(scores) and scores[first + 1] > scores[first]:
                first += 1
            times.append((start + size / 2) / SAMPLE_RATE_HZ)
            found.append(SAMPLE_RATE_HZ / lags[first])
    return np.array(times), np.array(found)


def level_db(speech: Speech) -> float:
    spoken = speech.waveform[int(speech.start_s * SAMPLE_RATE_HZ) : int(speech.end_s * SAMPLE_RATE_HZ)]
    return float(10 * np.log10(np.mean(spoken.astype(np.float64) ** 2)))


def brightness_db(speech: Speech) -> float:
    """Energy above 1.5 kHz against that below."""
    power = np.abs(np.fft.rfft(speech.waveform.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(speech.waveform), 1 / SAMPLE_RATE_HZ)
    return float(10 * np.log10(power[(hz > 1500) & (hz < 4000)].sum() / power[(hz > 80) & (hz < 1500)].sum()))


@pytest.mark.parametrize("pitch_hz", [100.0, 150.0, 220.0, 320.0])
def test_measured_pitch_is_the_pitch_asked_for(pitch_hz: float) -> None:
    speech = say(pitch_hz=pitch_hz)
    times_s, found_hz = measured_pitch(speech)
    asked_hz = speech.pitch_hz[(times_s / STEP_S).astype(int)]
    assert len(found_hz) > 40
    assert np.median(np.abs(np.log2(found_hz / asked_hz))) < 0.04
    assert np.median(found_hz) == pytest.approx(pitch_hz, rel=0.06)


def test_pitch_range_and_rise() -> None:
    def spread(speech: Speech) -> float:
        return float(np.std(12 * np.log2(measured_pitch(speech)[1])))

    assert spread(say(pitch_range_semitones=3.5)) > 1.8 * spread(say(pitch_range_semitones=0.7))
    times_s, found_hz = measured_pitch(say(rise_semitones=10.0, pitch_range_semitones=0.5))
    late, early = times_s > times_s.max() - 0.4, times_s < times_s.min() + 0.4
    assert 12 * np.log2(np.median(found_hz[late]) / np.median(found_hz[early])) > 5


@pytest.mark.parametrize("level_dbfs", [-33.0, -25.0, -19.0])
def test_measured_level_is_the_level_asked_for(level_dbfs: float) -> None:
    speech = say(level_dbfs=level_dbfs)
    assert level_db(speech) == pytest.approx(level_dbfs, abs=0.6)
    assert np.abs(speech.waveform).max() <= 0.98


def test_tempo() -> None:
    slow, fast = say(phones_per_s=12.0), say(phones_per_s=24.0)
    assert (slow.end_s - slow.start_s) / (fast.end_s - fast.start_s) == pytest.approx(2.0, rel=0.02)


def test_tilt_smile_breath_and_creak() -> None:
    assert brightness_db(say(tilt_db_per_octave=-2.0)) > brightness_db(say(tilt_db_per_octave=-6.0)) + 4
    assert brightness_db(say(tilt_db_per_octave=-6.0)) > brightness_db(say(tilt_db_per_octave=-10.0)) + 4
    clear, breathy = measured_pitch(say())[0], measured_pitch(say(breathiness=0.5))[0]
    assert len(breathy) < 0.8 * len(clear)  # noise makes fewer blocks clearly periodic
    power = [np.abs(np.fft.rfft(say(creak=creak, pitch_range_semitones=0.0).waveform)) ** 2 for creak in (0.0, 1.0)]
    hz = np.fft.rfftfreq(len(say(pitch_range_semitones=0.0).waveform), 1 / SAMPLE_RATE_HZ)
    between = (hz > 190) & (hz < 230)  # halfway between the first two harmonics of 140 Hz
    assert power[1][between].sum() > 10 * power[0][between].sum()


def test_tremor_shakes_the_level_seven_times_a_second() -> None:
    def levels(speech: Speech) -> NDArray[np.float64]:
        return np.abs(speech.waveform[: len(speech.waveform) // 400 * 400]).reshape(-1, 400).mean(1).astype(np.float64)

    still, shaken = levels(say()), levels(say(tremor=1.0))  # the same draws: all that differs is the tremor
    times_s = (np.arange(len(still)) + 0.5) * 400 / SAMPLE_RATE_HZ
    loud = still > 0.3 * still.max()
    ratio = np.log(shaken[loud] / still[loud])
    assert np.corrcoef(ratio, np.sin(2 * np.pi * 7 * times_s[loud]))[0, 1] > 0.6
    assert abs(np.corrcoef(ratio, np.sin(2 * np.pi * 4 * times_s[loud]))[0, 1]) < 0.4


def test_words_are_spoken_in_order_and_the_mouth_follows() -> None:
    speech = say()
    assert [TEXT[slice(*word.span)] for word in speech.words] == TEXT.split()
    edges = [edge for word in speech.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert speech.start_s <= edges[0]
    assert edges[-1] <= speech.end_s < speech.duration_s
    times_s = (np.arange(len(speech.mouth_open)) + 0.5) * STEP_S
    quiet = (times_s < speech.start_s - 0.04) | (times_s > speech.end_s + 0.04)
    assert speech.mouth_open[quiet].max() < 0.05 < speech.mouth_open[~quiet].mean()


def test_the_same_seed_speaks_the_same() -> None:
    assert np.array_equal(say(4).waveform, say(4).waveform)
    assert not np.array_equal(say(4).waveform, say(5).waveform)


def test_without_an_emotion_a_voice_stays_near_rest() -> None:
    voice = make_speaker(0, "s001").voice
    for seed in range(40):
        rest = deliver(voice, draw_prosody(np.random.default_rng(seed), {}))
        assert rest.tremor == rest.creak == rest.glide_semitones == 0.0
        assert rest.breathiness == voice.breathiness
        assert abs(12 * np.log2(rest.pitch_hz / voice.pitch_hz)) < 3
        assert abs(np.log2(rest.phones_per_s / voice.phones_per_s)) < 0.3


@pytest.mark.parametrize("emotion", SIX_EMOTIONS)
def test_an_emotion_moves_a_voice_the_more_the_stronger_it_is(emotion: str) -> None:
    direction = EMOTION_PROSODY[emotion]

    def along(intensity: float) -> float:
        drawn = [draw_prosody(np.random.default_rng(seed), {emotion: intensity}) for seed in range(50)]
        mean = {name: float(np.mean([getattr(p, name) for p in drawn])) for name in vars(direction)}
        return sum(mean[name] * value for name, value in vars(direction).items())

    rest = [draw_prosody(np.random.default_rng(seed), {}) for seed in range(50)]
    still = sum(float(np.mean([getattr(p, name) for p in rest])) * value for name, value in vars(direction).items())
    assert still < along(0.4) < along(1.0)
    assert Prosody().plus(direction) == direction


@pytest.mark.parametrize(
    "word", ["the", "I", "how", "e", "what's", "12", "rhythm", "queue", "Anna", "ee", "knight", "tionough"]
)
def test_every_word_has_a_sound(word: str) -> None:
    phones = word_phones(word)
    assert phones
    assert set(phones) <= set(PHONES)
