"""Where utterances begin and end: laws that hold for any course of probabilities."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.analysis.hearing import STEP_S, STEP_SAMPLES, LoudnessHearing
from mesmer.analysis.utterances import Segment, Segmenter, UtteranceSettings
from mesmer.errors import ConfigError

GRID_S = 0.125


class Told:
    """Hears what it is told: one probability for each step."""

    name = "told"

    def __init__(self, probabilities: list[float]) -> None:
        self._left = list(probabilities)

    def begin(self) -> None:
        pass

    def speech(self, samples: np.ndarray) -> float:
        assert len(samples) == STEP_SAMPLES
        return self._left.pop(0)


def segments(probabilities: list[float], *, portions: int = 1, **change: object) -> list[Segment]:
    steps = len(probabilities)
    segmenter = Segmenter(Told(probabilities), grid_s=GRID_S, settings=UtteranceSettings(**change))  # type: ignore[arg-type]
    sound = np.random.default_rng(0).normal(0, 0.1, steps * STEP_SAMPLES).astype(np.float32)
    found = []
    for part in np.array_split(sound, portions):
        found += segmenter.push(part)
        assert not found or segmenter.keep_from_s >= found[-1].end_s - 1e-6
    end_s = steps * STEP_S
    return found + segmenter.finish(end_s)


def at(start_s: float, end_s: float, total_s: float) -> list[float]:
    return [float(start_s <= step * STEP_S < end_s) for step in range(round(total_s / STEP_S))]


def test_speech_begins_a_little_before_and_ends_where_it_ends() -> None:
    (one,) = segments(at(2.0, 4.0, 6.0))
    assert one.kind == "speech"
    assert 2.0 - 0.06 - GRID_S - STEP_S <= one.start_s <= 2.0
    assert abs(one.end_s - 4.0) <= GRID_S / 2 + STEP_S


@pytest.mark.parametrize(("down_db", "tail_s", "ends_s"), [(60, 0.25, 4.0), (60, 0.8, 4.5), (25, 0.25, 4.25)])
def test_what_is_heard_after_the_last_sound_is_no_speech_but_quiet_speech_is(
    down_db: float, tail_s: float, ends_s: float
) -> None:
    told = at(2.0, 4.0 + tail_s, 6.0)  # speech is told of up to here, though it fades at 4 s; at most 0.3 s are taken back
    segmenter = Segmenter(Told(told), grid_s=GRID_S, settings=UtteranceSettings())
    sound = np.random.default_rng(0).normal(0, 0.1, len(told) * STEP_SAMPLES).astype(np.float32)
    sound[4 * 16_000 :] *= 10 ** (-down_db / 20)
    (one,) = segmenter.push(sound) + segmenter.finish(6.0)
    assert abs(one.end_s - ends_s) <= GRID_S / 2 + STEP_S


def test_short_speech_is_none_and_a_short_pause_does_not_part() -> None:
    assert segments(at(1.0, 1.15, 3.0)) == []
    together = [max(a, b) for a, b in zip(at(1.0, 2.0, 5.0), at(2.2, 3.0, 5.0), strict=True)]
    assert len(segments(together)) == 1
    apart = [max(a, b) for a, b in zip(at(1.0, 2.0, 5.0), at(2.5, 3.5, 5.0), strict=True)]
    assert len(segments(apart)) == 2


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    steps = round(12 / STEP_S)
    segmenter = Segmenter(Told([1.0] * steps), grid_s=GRID_S, settings=UtteranceSettings(longest_s=8.0))
    sound = np.random.default_rng(0).normal(0, 0.1, steps * STEP_SAMPLES).astype(np.float32)
    sound[round(5.9 * 16_000) : round(6.1 * 16_000)] *= 0.05
    first, second = segmenter.push(sound) + segmenter.finish(12.0)
    assert first.end_s == second.start_s
    assert abs(first.end_s - 6.0) <= 0.2
    assert second.end_s == pytest.approx(12.0, abs=GRID_S)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.6, 1.0]), st.integers(1, 200)), max_size=8),
    st.integers(1, 7),
    st.booleans(),
)
def test_segments_never_overlap_nor_grow_too_long(runs: list[tuple[float, int]], portions: int, gaps: bool) -> None:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    found = segments(probabilities, portions=portions, gaps=gaps, longest_s=3.0)
    assert found == segments(probabilities, gaps=gaps, longest_s=3.0)  # however the sound came
    for one, after in pairwise(found):
        assert one.end_s <= after.start_s
    for one in found:
        assert 0 <= one.start_s < one.end_s <= len(probabilities) * STEP_S + GRID_S
        assert one.end_s - one.start_s <= 3.0 + GRID_S
        assert abs(one.start_s / GRID_S - round(one.start_s / GRID_S)) < 1e-6
    speech = [(one.start_s, one.end_s) for one in found if one.kind == "speech"]
    assert speech == [(one.start_s, one.end_s) for one in segments(probabilities, longest_s=3.0)]
    loud = [step * STEP_S for step, probability in enumerate(probabilities) if probability == 1.0]
    long_enough = all(count * STEP_S >= 0.25 for probability, count in runs if probability == 1.0)
    if long_enough:
        assert all(any(a - STEP_S <= time_s <= b + GRID_S for a, b in speech) for time_s in loud)


def test_loudness_hears_speech_above_noise() -> None:
    rng = np.random.default_rng(0)
    hearing = LoudnessHearing()
    hearing.begin()
    quiet = [hearing.speech(rng.normal(0, 0.002, STEP_SAMPLES).astype(np.float32)) for _ in range(200)]
    loud = [hearing.speech(rng.normal(0, 0.1, STEP_SAMPLES).astype(np.float32)) for _ in range(20)]
    assert max(quiet) < 0.5 < min(loud)
    assert hearing.speech(np.zeros(STEP_SAMPLES, np.float32)) < 0.01


def test_lengths_are_bounded() -> None:
    for longest_s in (0.5, 61.0, float("nan")):
        with pytest.raises(ConfigError, match="longest_s"):
            UtteranceSettings(longest_s=longest_s)
