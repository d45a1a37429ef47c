"""A source of five minutes at 25 frames per second: no drift, nothing sampled twice, nothing dropped after 280 s."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.making import gray
from mesmer.media.facts import Frame, SoundBlock, StretchEnd
from mesmer.media.reader import MediaReader
from mesmer.media.stretch import Stretch
from mesmer.media.writer import write_video

SECONDS, FPS, RATE_HZ, INTERVAL_S = 302, 25, 16_000, 0.5


def level(step: int) -> int:
    """Brightness of the half second that begins at ``step`` x 0.5 s: neighbours differ, and so do those 100 steps away."""
    return 30 + 2 * (step % 97)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Brightness steps at every half second, as 25 frames per second can show it; a click at every tenth second."""
    path = tmp_path_factory.mktemp("long") / "a.mp4"
    frames = (gray(level(k * 2 // FPS), width=32, height=32) for k in range(SECONDS * FPS))
    clicks = np.zeros(SECONDS * RATE_HZ, np.float32)
    for second in range(10, SECONDS, 10):
        clicks[second * RATE_HZ : second * RATE_HZ + 80] = 0.8
    write_video(path, frames, FPS, clicks, crf=8, preset="ultrafast")
    return path


def test_every_half_second_is_seen_once_to_the_end(reader: MediaReader, long: Path) -> None:
    """Half seconds begin between two frames every other time: the last frame not later than it is the one before."""
    media = reader.read(long, frame_interval_s=INTERVAL_S)
    assert len(media.frames) == 2 * SECONDS
    np.testing.assert_array_equal(media.frame_times_s, np.arange(2 * SECONDS) * INTERVAL_S)
    shown = [int(step * INTERVAL_S * FPS + 1e-6) * 2 // FPS for step in range(2 * SECONDS)]
    seen = np.array([frame.mean() for frame in media.frames])
    np.testing.assert_allclose(seen, [level(step) for step in shown], atol=1.0)
    clicks = np.flatnonzero(np.abs(media.waveform) > 0.3)
    starts = clicks[np.diff(clicks, prepend=-RATE_HZ) > RATE_HZ] / RATE_HZ
    np.testing.assert_allclose(starts, np.arange(10, SECONDS, 10), atol=0.005)  # no drift against the picture


def test_stretches_after_280_seconds_get_all_of_theirs(reader: MediaReader, long: Path) -> None:
    asked = [(279.5, 281.5), (285.0, 300.0), (290.25, 290.26), (299.0, 302.0), (0.0, 290.0)]
    stretches = {n: Stretch(start_s=start_s, end_s=end_s) for n, (start_s, end_s) in enumerate(asked)}
    frames: dict[int, list[Frame]] = {n: [] for n in stretches}
    samples = dict.fromkeys(stretches, 0)
    ended = []
    for n, piece in reader.stretches(long, stretches):
        if isinstance(piece, Frame):
            frames[n].append(piece)
        elif isinstance(piece, SoundBlock):
            samples[n] += len(piece.samples)
        else:
            assert isinstance(piece, StretchEnd)
            assert (piece.error, piece.video_absent, piece.audio_absent) == (None, None, None)
            ended.append(n)
    assert sorted(ended) == list(stretches)
    for n, (start_s, end_s) in enumerate(asked):
        assert len(frames[n]) == max(1, round((end_s - start_s) / INTERVAL_S))  # no stretch goes without a frame
        assert [frame.time_s for frame in frames[n]] == [k * INTERVAL_S for k in range(len(frames[n]))]
        shown = [int((start_s + frame.time_s) * FPS + 1e-6) * 2 // FPS for frame in frames[n]]
        np.testing.assert_allclose([frame.pixels.mean() for frame in frames[n]], [level(step) for step in shown], atol=1.0)
        assert abs(samples[n] - (end_s - start_s) * RATE_HZ) <= 1
