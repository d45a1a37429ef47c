"""Damaged files give what is left of them, or one error."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from media.making import failure, frames_or_corrupt, gray, serves, tone, write_media
from mesmer.errors import MediaError
from mesmer.media.limits import Limits
from mesmer.media.reader import MediaReader


@pytest.mark.parametrize(
    ("name", "codecs", "options"),
    [
        ("a.mp4", ("libx264", "aac"), {"movflags": "+faststart"}),
        ("a.mkv", ("libx264", "pcm_s16le"), {}),
        ("a.avi", ("mpeg4", "pcm_s16le"), {}),
        ("b.mp4", ("libx264", "aac"), {"movflags": "+frag_keyframe+empty_moov"}),
    ],
)
def test_a_cut_file_gives_what_is_left(
    reader: MediaReader, tmp_path: Path, name: str, codecs: tuple[str, str], options: dict[str, str]
) -> None:
    rng = np.random.default_rng(0)
    path = write_media(
        tmp_path / name,
        pictures=[gray(40 + k % 100) + rng.integers(0, 40, (48, 64, 3), np.uint8) for k in range(250)],
        video_codec=codecs[0],
        video_options={"g": "25"},
        sound=tone(440, 10, 16_000),
        audio_codec=codecs[1],
        container_options=options,
    )
    whole = reader.read(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    media = reader.read(path)
    assert 8 <= len(media.frames) < len(whole.frames)
    np.testing.assert_array_equal(media.frames[:6], whole.frames[:6])
    assert 4 * 16_000 < len(media.waveform) < 9 * 16_000
    np.testing.assert_array_equal(media.waveform[:60_000], whole.waveform[:60_000])
    if name not in ("a.avi", "b.mp4"):  # of these two FFmpeg tells how much is there, not how much there should be
        assert any("ends early" in warning for warning in media.warnings)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "mp3"), ("a.ogg", "libopus")]
)
def test_cut_sound_gives_what_is_left(reader: MediaReader, tmp_path: Path, name: str, codec: str) -> None:
    path = write_media(tmp_path / name, sound=tone(440, 4, 48_000), rate_hz=48_000, audio_codec=codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    media = reader.read(path)
    assert 1.5 * 16_000 < len(media.waveform) < 2.5 * 16_000


def test_a_file_cut_before_its_table_of_contents(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(good.read_bytes()[:5000])
    assert failure(reader, path).kind == "corrupt"


def test_a_file_whose_content_is_noise(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = np.random.default_rng(0).integers(0, 256, end - start, np.uint8).tobytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    frames_or_corrupt(reader, path)
    serves(reader, good)


def test_a_file_without_streams(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(good.read_bytes().replace(b"trak", b"free"))
    assert failure(reader, path).kind in ("no_streams", "corrupt")


def test_a_picture_stream_without_frames(reader: MediaReader, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 1000, np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    media = reader.read(path)
    assert (media.video_absent, media.audio_absent) == ("no frames", None)
    assert media.facts.has_video
    assert media.frames == []
    assert media.frame_times_s.shape == (0,)
    assert len(media.waveform) == 8000


@pytest.mark.parametrize("stamp", [0, 200, 0x7FFFFF00])
def test_time_stamps_that_go_back_or_leap(reader: MediaReader, tmp_path: Path, stamp: int) -> None:
    """The second half of a Matroska file claims to lie at 0, at 0.2 s, or 24 days ahead; it follows the first."""
    path = write_media(
        tmp_path / "a.mkv",
        pictures=[gray(20 + 2 * k) for k in range(100)],
        video_options={"g": "50", "bf": "0", "crf": "4", "sc_threshold": "0"},
        sound=np.linspace(-0.5, 0.5, 64_000),
        container_options={"cluster_time_limit": "100000", "cluster_size_limit": "1000000000"},
    )
    whole = reader.read(path)
    content = bytearray(path.read_bytes())
    clusters = [k for k in range(len(content)) if content[k : k + 4] == b"\x1f\x43\xb6\x75"]
    assert len(clusters) == 2
    place = content.index(b"\xe7", clusters[1])
    size = content[place + 1] & 0x7F
    stamp = min(stamp, (1 << (8 * size)) - 1)
    content[place + 2 : place + 2 + size] = stamp.to_bytes(size, "big")
    path.write_bytes(content)
    media = reader.read(path)
    if stamp > 4000 or stamp < 300:
        assert any("time stamps" in warning for warning in media.warnings)
    assert 7 <= len(media.frames) <= 9 + 60 * (4000 < stamp < 65_536)
    assert np.all(np.diff(media.frame_times_s) > 0)
    np.testing.assert_array_equal(media.frames[:4], whole.frames[:4])
    assert abs(media.frames[-1].mean() - whole.frames[-1].mean()) <= 12


@pytest.mark.parametrize("seed", range(3))
def test_bytes_changed_anywhere(reader: MediaReader, good: Path, tmp_path: Path, seed: int) -> None:
    damage_many(reader, good, tmp_path, seed=seed, rounds=6)


@pytest.mark.slow
def test_bytes_changed_anywhere_many_times(good: Path, tmp_path: Path) -> None:
    with MediaReader(limits=Limits(timeout_s=5)) as one:
        damage_many(one, good, tmp_path, seed=100, rounds=150)


def damage_many(reader: MediaReader, good: Path, tmp_path: Path, *, seed: int, rounds: int) -> None:
    """Whatever bytes change, reading ends in media that are what they say, or in one of our errors."""
    rng = np.random.default_rng(seed)
    pictures = [gray(40 + k) for k in range(50)]
    kinds = [("mp4", "libx264", "aac"), ("mkv", "libx264", "flac"), ("avi", "mpeg4", "mp3"), ("webm", "libvpx", "libopus")]
    for suffix, video, audio in kinds:
        source = write_media(
            tmp_path / f"a.{suffix}",
            pictures=pictures,
            video_codec=video,
            sound=tone(440, 2, 48_000),
            rate_hz=48_000,
            audio_codec=audio,
        ).read_bytes()
        for index in range(rounds):
            content = np.frombuffer(source, np.uint8).copy()
            count = int(rng.integers(1, 40))
            places = rng.integers(0, len(content) if index % 2 else min(2000, len(content)), count)
            content[places] = rng.integers(0, 256, count)
            path = tmp_path / f"damaged.{suffix}"
            path.write_bytes(content.tobytes())
            try:
                media = reader.read(path, max_frame_side_px=64)
            except MediaError:
                continue
            assert np.all(np.abs(media.waveform) <= 1)
            assert all(frame.ndim == 3 and max(frame.shape[:2]) <= 64 for frame in media.frames)
            assert (media.video_absent is None) == bool(media.frames)
            assert (media.audio_absent is None) == bool(len(media.waveform))
    serves(reader, good)
