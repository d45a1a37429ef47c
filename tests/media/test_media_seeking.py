"""A stretch far into a file is sought; what is read must be what reading from the start gives."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from media.making import gray, tone, write_media
from mesmer.media import pictures, sound
from mesmer.media.facts import Media
from mesmer.media.reader import MediaReader
from mesmer.media.source import SEEK_FROM_S
from mesmer.media.writer import write_video

SECONDS = 20


def speech(rate_hz: int) -> np.ndarray:
    """Something that differs everywhere: a chirp with a swelling level."""
    times = np.arange(SECONDS * rate_hz) / rate_hz
    return 0.3 * np.sin(2 * np.pi * (200 + 40 * times) * times) * (1 + 0.5 * np.sin(times))


def scenes() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 60, (48, 64, 3), dtype=np.uint8) for _ in range(5)]
    return [gray(20 + k % 170) + noise[k % 5] // 4 for k in range(SECONDS * 25)]


def make(path: Path, kind: str) -> Path:
    if kind == "mp4 of ours":
        write_video(path.with_suffix(".mp4"), scenes(), 25, speech(16_000).astype(np.float32))
        return path.with_suffix(".mp4")
    suffix, codec, audio, rate_hz, options = {
        "mov, many key frames": ("mov", "libx264", "pcm_s16le", 44_100, {"g": "12"}),
        "mov, one key frame": ("mov", "libx264", "pcm_s16le", 22_050, {"g": "100000"}),
        "mov, open groups": ("mov", "libx264", "pcm_s16le", 48_000, {"g": "25", "x264-params": "open-gop=1:bframes=3"}),
        "mp4, hevc": ("mp4", "libx265", "flac", 44_100, {"x265-params": "log-level=0:keyint=50"}),
        "mkv": ("mkv", "libx264", "aac", 44_100, {"g": "50"}),
        "webm": ("webm", "libvpx", "libopus", 48_000, {"g": "50", "deadline": "realtime", "cpu-used": "8"}),
        "avi": ("avi", "mpeg4", "pcm_s16le", 16_000, {"g": "50", "bf": "0"}),
    }[kind]
    return write_media(
        path.with_suffix(f".{suffix}"),
        pictures=scenes(),
        video_codec=codec,
        video_options=options,
        video_time_base=Fraction(1, 25),
        sound=speech(rate_hz),
        rate_hz=rate_hz,
        audio_codec=audio,
    )


KINDS = (
    "mp4 of ours",
    "mov, many key frames",
    "mov, one key frame",
    "mov, open groups",
    "mp4, hevc",
    "mkv",
    "webm",
    "avi",
)


@pytest.mark.parametrize("kind", KINDS)
def test_seeking_changes_nothing(reader: MediaReader, tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "a", kind)
    # Read from the start at a fine grid, once; every stretch must be a cut of it.
    whole = reader.read(path, frame_interval_s=0.02, end_s=19.5)
    for start_s in (5.02, 9.98, 13.5, 18.76):
        assert start_s > SEEK_FROM_S
        end_s = min(start_s + 1.5, 19.5)
        part = reader.read(path, start_s=start_s, end_s=end_s, frame_interval_s=0.1)
        expected = [whole.frames[round((start_s + k * 0.1) / 0.02)] for k in range(len(part.frames))]
        np.testing.assert_array_equal(part.frames, expected)
        cut = whole.waveform[round(start_s * 16_000) : round(end_s * 16_000)]
        np.testing.assert_allclose(part.waveform, cut, atol=1e-6)
        assert len(part.frames) == ceil((end_s - start_s) / 0.1 - 1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.wav", "pcm_s16le", 44_100),
        ("a.flac", "flac", 48_000),
        ("a.mp3", "mp3", 44_100),
        ("a.ogg", "libopus", 48_000),
    ],
)
def test_seeking_in_sound_changes_nothing(reader: MediaReader, tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    path = write_media(tmp_path / name, sound=speech(rate_hz), rate_hz=rate_hz, audio_codec=codec)
    whole = reader.read(path).waveform
    for start_s in (5.001, 11.7, 19.0):
        part = reader.read(path, start_s=start_s).waveform
        np.testing.assert_allclose(part, whole[round(start_s * 16_000) :], atol=1e-6)


def test_seeking_in_aac_changes_at_most_the_noise_it_makes_up(reader: MediaReader, tmp_path: Path) -> None:
    """AAC may replace noise by other noise of the same strength, drawn by the decoder from a state of its own."""
    path = write_media(tmp_path / "a.m4a", sound=speech(44_100), rate_hz=44_100, audio_codec="aac")
    whole = reader.read(path).waveform
    for start_s in (5.001, 11.7):
        part, cut = reader.read(path, start_s=start_s).waveform, whole[round(start_s * 16_000) :]
        assert len(part) == len(cut)
        assert np.sqrt(np.mean((part - cut) ** 2)) < 0.005 * np.sqrt(np.mean(cut**2))
        assert np.mean(np.abs(part - cut) < 1e-6) > 0.98


def test_seeking_is_done_and_is_not_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what is decoded for a late stretch, in this process."""
    import os

    from mesmer.media.limits import Limits
    from mesmer.media.session import answers
    from mesmer.media.source import MediaFile
    from mesmer.media.stretch import Stretch

    path = make(tmp_path / "a", "mov, many key frames")
    counts = {"pictures": 0, "sound": 0}

    def counting(name: str, real: Callable) -> Callable:
        def decoded(*arguments, **keywords):
            for frame in real(*arguments, **keywords):
                counts[name] += 1
                yield frame

        return decoded

    monkeypatch.setattr(pictures, "decoded", counting("pictures", pictures.decoded))
    monkeypatch.setattr(sound, "decoded", counting("sound", sound.decoded))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        file = MediaFile(descriptor=descriptor, size_bytes=path.stat().st_size, container="mov", limits=Limits())
        for _ in answers(file, [Stretch(start_s=15.0, end_s=16.0)], seek=True):
            pass
    finally:
        os.close(descriptor)
    assert 25 < counts["pictures"] < 75
    assert counts["sound"] < 140  # 43 packets a second, at most


def test_a_file_without_an_index_is_read_from_the_start(reader: MediaReader, tmp_path: Path) -> None:
    """Matroska written for streaming has no table of key frames."""
    path = write_media(
        tmp_path / "a.mkv",
        pictures=[gray(20 + k % 200) for k in range(200)],
        video_codec="ffv1",
        container_options={"live": "1"},
        sound=tone(500, 8, 16_000),
    )
    whole: Media = reader.read(path, frame_interval_s=0.04)
    assert len(whole.frames) == 200
    part = reader.read(path, start_s=6.0, frame_interval_s=0.04)
    np.testing.assert_array_equal(part.frames, whole.frames[150:])
    np.testing.assert_allclose(part.waveform, whole.waveform[96_000:], atol=1e-6)
    assert part.facts.duration_s == pytest.approx(8.0, abs=0.05)
