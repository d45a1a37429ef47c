from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.media.timeline import CONTINUOUS_SLACK_S, JUMP_S, Timeline

stamps = st.lists(st.none() | st.floats(-100, 1e6, allow_nan=False), max_size=40)
lengths = st.floats(0.001, 0.5)


@given(stamps=stamps, length_s=lengths, continuous=st.booleans(), claimed_end_s=st.none() | st.floats(0, 100))
def test_times_never_go_back(
    stamps: list[float | None], length_s: float, continuous: bool, claimed_end_s: float | None
) -> None:
    timeline = Timeline(claimed_end_s=claimed_end_s, continuous=continuous)
    times = [timeline.place(stamp, length_s) for stamp in stamps]
    slack_s = CONTINUOUS_SLACK_S if continuous else 0
    assert all(later >= earlier - slack_s for earlier, later in pairwise(times))
    if claimed_end_s is not None:
        # Whatever lies beyond the claimed end follows the frame before by a believable step.
        ends = [0.0, *(time + length_s for time in times)]
        assert all(time <= max(claimed_end_s + 1, end + JUMP_S) for time, end in zip(times, ends, strict=False))


@given(gaps_s=st.lists(st.floats(0, 5), max_size=40), length_s=lengths)
def test_good_time_stamps_of_pictures_are_kept(gaps_s: list[float], length_s: float) -> None:
    timeline = Timeline(claimed_end_s=None, continuous=False)
    time_s = 0.0
    for gap_s in gaps_s:
        time_s += gap_s
        assert timeline.place(time_s, length_s) == time_s
    assert timeline.replaced == 0


@given(wobbles_s=st.lists(st.floats(-0.02, 0.02), max_size=60))
def test_sound_runs_on_while_its_time_stamps_wobble(wobbles_s: list[float]) -> None:
    timeline = Timeline(claimed_end_s=None, continuous=True)
    first_s = timeline.place(0.0, 0.064)
    for index, wobble_s in enumerate(wobbles_s, start=1):
        assert timeline.place(first_s + index * 0.064 + wobble_s, 0.064) == pytest.approx(index * 0.064)
    assert timeline.replaced == 0


def test_a_pause_in_the_sound_is_believed() -> None:
    timeline = Timeline(claimed_end_s=60, continuous=True)
    assert timeline.place(0.0, 1.0) == 0.0
    assert timeline.place(3.0, 1.0) == 3.0
    assert timeline.place(4.0, 1.0) == 4.0
    assert timeline.replaced == 0


def test_missing_backward_and_leaping_stamps_follow_the_frame_before() -> None:
    timeline = Timeline(claimed_end_s=10, continuous=False)
    stamps = [0.0, 0.04, None, 0.01, 0.16, 1e6, 0.24]
    times = [timeline.place(stamp, 0.04) for stamp in stamps]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24])
    assert timeline.replaced == 3
    assert timeline.end_s == pytest.approx(0.28)
