from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.making import corner_colours, gray, quadrants, strength, tone
from mesmer.errors import MediaError, MesmerError
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video


def noise(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(3)
    return (rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    sound = tone(440, 2, 16_000).astype(np.float32)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, noise(50), 25, sound)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    write_video(tmp_path / "c.mp4", noise(49), 25, sound)
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "c.mp4").read_bytes()


@pytest.mark.parametrize("fps", [25, Fraction(30_000, 1001), Fraction(24), 15])
def test_what_is_written_is_read(reader: MediaReader, tmp_path: Path, fps: Fraction) -> None:
    count = round(2 * fps)
    sound = tone(700, 2, 16_000).astype(np.float32)
    write_video(tmp_path / "a.mp4", [quadrants()] * count, fps, sound)
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, [float(k / Fraction(fps)) for k in range(count)], atol=1e-4)
    media = reader.read(tmp_path / "a.mp4")
    assert corner_colours(media.frames[-1]) == ["red", "green", "blue", "white"]
    assert strength(media.waveform[1000:31_000], 700) == pytest.approx(0.5, abs=0.02)
    # AAC comes in blocks of 1024: the end is padded by less than one, the start is where it was.
    assert 32_000 <= len(media.waveform) < 33_024
    assert np.corrcoef(media.waveform[1000:31_000], sound[1000:31_000])[0, 1] > 0.999
    assert media.facts.fps == pytest.approx(float(fps), rel=1e-6)
    assert media.facts.duration_s == pytest.approx(2.0, abs=0.02)


def test_only_sound_and_only_picture(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "sound.mp4", [], 25, tone(440, 1, 16_000).astype(np.float32))
    write_video(tmp_path / "picture.mp4", [gray(100)], 25, np.zeros(0, np.float32))
    assert reader.read(tmp_path / "sound.mp4").video_absent == "no stream"
    assert reader.read(tmp_path / "picture.mp4").audio_absent == "no stream"


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_sampling_rates(reader: MediaReader, tmp_path: Path, rate_hz: int) -> None:
    write_video(tmp_path / "a.mp4", [], 25, tone(500, 1, rate_hz).astype(np.float32), rate_hz)
    media = reader.read(tmp_path / "a.mp4")
    assert media.facts.sample_rate_hz == rate_hz
    assert strength(media.waveform[1000:15_000], 500) == pytest.approx(0.5, abs=0.02)


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, noise(3), 25)
    before = path.read_bytes()

    def broken() -> Iterator[np.ndarray]:
        yield gray(100)
        raise KeyError("the drawing failed")

    with pytest.raises(KeyError):
        write_video(path, broken(), 25)
    with pytest.raises(ValueError, match="frame 1"):
        write_video(path, [gray(1), gray(1, width=66)], 25)
    with pytest.raises(MediaError, match="neither a frame nor sound"):
        write_video(path, [], 25)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    for frame in (np.zeros((48, 64), np.uint8), np.zeros((48, 64, 3), np.float32), np.zeros((48, 64, 4), np.uint8)):
        with pytest.raises(ValueError, match="first frame"):
            write_video(tmp_path / "a.mp4", [frame], 25)
    with pytest.raises(ValueError, match="waveform"):
        write_video(tmp_path / "a.mp4", [], 25, np.zeros((2, 100), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MesmerError) as caught:
        write_video(tmp_path / "file" / "a.mp4", [gray(1)], 25)
    assert str(tmp_path / "file" / "a.mp4") in str(caught.value)


def test_frames_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """The encoder looks ahead over some tens of frames; the rest is not asked for before it is needed."""
    alive = 0
    most = 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def frames() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for _ in range(200):
            alive += 1
            most = max(most, alive)
            yield gray(100).view(Counted)

    write_video(tmp_path / "a.mp4", frames(), 25, np.zeros(128_000, np.float32))
    assert most < 10
