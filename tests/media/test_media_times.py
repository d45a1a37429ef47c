"""Frames are chosen by time stamp: what is seen at a time does not depend on the frame rate or on the container."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.making import corner_colours, gray, quadrants, write_media
from mesmer.errors import MediaError
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video

NTSC = Fraction(30_000, 1001)


def brightness(time_s: float) -> float:
    """Gray level shown at a time: what a frame of this time holds, whatever the rate."""
    return 20 + 60 * float(time_s)


def levels(frames: list[np.ndarray]) -> np.ndarray:
    return np.array([frame.mean() for frame in frames])


def shown_at(times_s: list[float], target_s: float) -> float:
    """The rule, spelt out once more: the last frame that is not later than the target, or the first frame."""
    return times_s[max(0, bisect_right(times_s, target_s + 1e-6) - 1)]


@pytest.mark.parametrize("fps", [25, NTSC, 30, Fraction(24_000, 1001), 12, 60])
def test_a_frame_is_the_one_shown_at_its_time(reader: MediaReader, tmp_path: Path, fps: Fraction) -> None:
    times = [float(k / Fraction(fps)) for k in range(round(3.2 * fps))]
    write_video(tmp_path / "a.mp4", (gray(brightness(time)) for time in times), fps, crf=4)
    media = reader.read(tmp_path / "a.mp4", frame_interval_s=0.3)
    np.testing.assert_allclose(media.frame_times_s, np.arange(11) * 0.3)
    expected = [brightness(shown_at(times, target)) for target in media.frame_times_s]
    np.testing.assert_allclose(levels(media.frames), expected, atol=1.2)
    # So no rate differs from the true content by more than one frame's worth of it.
    true = brightness(0) + 60 * media.frame_times_s
    assert np.all(np.abs(levels(media.frames) - true) <= 60 / fps + 1.5)


def test_constant_and_variable_rates_agree(reader: MediaReader, tmp_path: Path) -> None:
    """A step of content every half second is seen at the same targets at every rate, constant or not."""
    rng = np.random.default_rng(0)
    steps = [40, 90, 140, 190, 240, 65]
    seen = []
    regular = [[Fraction(k) / fps for k in range(int(3 * fps))] for fps in (Fraction(25), NTSC, Fraction(30))]
    jittered = sorted({Fraction(int(ms), 1000) for ms in rng.integers(1, 3000, 60)} | {Fraction(0)})
    for index, times in enumerate([*regular, jittered]):
        path = write_media(
            tmp_path / f"{index}.mp4",
            pictures=[gray(steps[int(time / Fraction(1, 2))]) for time in times],
            times_s=times,
            video_options={"crf": "4"},
        )
        media = reader.read(path, start_s=0.25, frame_interval_s=0.5)
        seen.append(np.round(levels(media.frames)))
        assert media.warnings == ()
    for other in seen:
        np.testing.assert_allclose(other, steps, atol=2)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mov", "libx264", {"crf": "4"}),
        ("a.mkv", "libx264", {"crf": "4"}),
        ("a.webm", "libvpx-vp9", {"crf": "4", "b": "2M"}),
        ("a.avi", "mjpeg", {"qmin": "1", "q": "1"}),
        ("b.mkv", "ffv1", {}),
    ],
)
def test_containers_agree(reader: MediaReader, tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = write_media(
        tmp_path / name,
        pictures=[gray(brightness(k / 25)) for k in range(60)],
        video_codec=codec,
        video_options=options,
        pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
        video_time_base=Fraction(1, 25),
    )
    media = reader.read(path)
    np.testing.assert_allclose(levels(media.frames), [brightness(k / 2 // 0.04 * 0.04) for k in range(5)], atol=3)
    assert media.facts.fps == pytest.approx(25, rel=0.02)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    gaps_ms=st.lists(st.integers(1, 400), min_size=1, max_size=25),
    first_ms=st.integers(0, 300),
    interval_ms=st.sampled_from([40, 100, 333, 500]),
    start_ms=st.integers(0, 900),
)
def test_any_variable_rate_follows_the_rule(
    reader: MediaReader,
    tmp_path_factory: pytest.TempPathFactory,
    gaps_ms: list[int],
    first_ms: int,
    interval_ms: int,
    start_ms: int,
) -> None:
    """Each frame holds its own number, so the number read at a target tells which frame was chosen."""
    times_ms = np.cumsum([0, *gaps_ms]).tolist()
    path = write_media(
        tmp_path_factory.mktemp("rates") / "a.mkv",
        pictures=[gray(10 * index + 5) for index in range(len(times_ms))],
        times_s=[Fraction(time + first_ms, 1000) for time in times_ms],
        video_codec="ffv1",
        video_time_base=Fraction(1, 1000),
    )
    length_ms = round(reader.probe(path).duration_s * 1000)
    if start_ms >= length_ms:
        with pytest.raises(MediaError) as caught:
            reader.read(path, start_s=start_ms / 1000)
        assert caught.value.kind == "range"
        return
    media = reader.read(path, start_s=start_ms / 1000, frame_interval_s=interval_ms / 1000)
    # Time 0 is the file's first time stamp, so `first_ms` plays no part.
    targets_ms = [start_ms + k * interval_ms for k in range(len(media.frames))]
    chosen = [max(0, bisect_right(times_ms, target) - 1) for target in targets_ms]
    np.testing.assert_allclose(levels(media.frames), [10 * index + 5 for index in chosen], atol=2)
    assert targets_ms[-1] < length_ms <= targets_ms[-1] + interval_ms + 1


def test_the_first_frame_serves_times_before_it(reader: MediaReader, tmp_path: Path) -> None:
    """Sound from 0, picture from 1 s on."""
    path = write_media(
        tmp_path / "a.mkv",
        pictures=[gray(50 + 5 * k) for k in range(25)],
        times_s=[1 + Fraction(k, 25) for k in range(25)],
        video_codec="ffv1",
        sound=np.zeros(32_000),
    )
    media = reader.read(path, frame_interval_s=0.25)
    expected = [50, 50, 50, 50, 50, 50 + 5 * 6, 50 + 5 * 12, 50 + 5 * 18]
    np.testing.assert_allclose(levels(media.frames), expected, atol=2)


def test_a_single_frame(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [gray(77)], 25)
    media = reader.read(tmp_path / "a.mp4")
    assert media.frame_times_s.tolist() == [0.0]
    assert media.video_absent is None
    assert media.audio_absent == "no stream"
    assert media.frames[0].shape == (48, 64, 3)


def test_a_picture_that_does_not_change_for_long_is_repeated(reader: MediaReader, tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=[gray(50), gray(200), gray(100)], times_s=[0, 3, 3.2])
    media = reader.read(path)
    np.testing.assert_allclose(levels(media.frames[:7]), [50] * 6 + [200], atol=2)


@pytest.mark.parametrize("start_s", [0.0, 0.1, 0.25, 1.0, 1.37])
def test_times_count_from_the_start_of_the_stretch(reader: MediaReader, tmp_path: Path, start_s: float) -> None:
    write_video(tmp_path / "a.mp4", [gray(brightness(k / 25)) for k in range(75)], 25, crf=4)
    media = reader.read(tmp_path / "a.mp4", start_s=start_s, end_s=start_s + 1.0, frame_interval_s=0.2)
    np.testing.assert_allclose(media.frame_times_s, [0, 0.2, 0.4, 0.6, 0.8])
    shown = [brightness(int((start_s + time) * 25 + 1e-4) / 25) for time in media.frame_times_s]
    np.testing.assert_allclose(levels(media.frames), shown, atol=1.6)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotation_is_honoured(reader: MediaReader, tmp_path: Path, turn: int) -> None:
    def rotate(container) -> None:
        container.streams.video[0].set_display_rotation(turn)

    path = write_media(tmp_path / "a.mp4", pictures=[quadrants(64, 32)] * 5, adjust=rotate if turn else lambda _: None)
    media = reader.read(path)
    upright = np.rot90(quadrants(64, 32), (media.facts.rotation_deg // 90) % 4)
    assert media.frames[0].shape == upright.shape
    assert corner_colours(media.frames[0]) == corner_colours(upright)
    assert media.facts.rotation_deg in (turn, (360 - turn) % 360)  # which way is tested by the phone's own matrix below
    assert (media.facts.width_px, media.facts.height_px) == (upright.shape[1], upright.shape[0])


def test_a_phone_held_upright(reader: MediaReader, tmp_path: Path) -> None:
    """The matrix phones write, byte for byte in the file: the picture has to be turned clockwise by 90 degrees."""
    path = write_media(tmp_path / "a.mp4", pictures=[quadrants(64, 32)] * 3)
    content = bytearray(path.read_bytes())
    track = content.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    matrix = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30], dtype=">i4").tobytes()
    content[track : track + 36] = matrix
    path.write_bytes(content)
    media = reader.read(path)
    # Stored red green / blue white; turned clockwise: blue red / white green.
    assert corner_colours(media.frames[0]) == ["blue", "red", "white", "green"]
    assert media.frames[0].shape == (64, 32, 3)
    assert (media.facts.width_px, media.facts.height_px) == (32, 64)
    assert media.facts.rotation_deg == 270


@pytest.mark.parametrize(("shape", "width"), [(Fraction(2), 128), (Fraction(3, 2), 96), (Fraction(1, 2), 32)])
def test_pixels_that_are_not_square_are_made_square(
    reader: MediaReader, tmp_path: Path, shape: Fraction, width: int
) -> None:
    def stretch(container) -> None:
        container.streams.video[0].codec_context.sample_aspect_ratio = shape

    path = write_media(tmp_path / "a.mkv", pictures=[quadrants()] * 3, video_codec="libx264", adjust=stretch)
    media = reader.read(path)
    assert media.frames[0].shape == (48, width, 3)
    assert corner_colours(media.frames[0]) == ["red", "green", "blue", "white"]
    assert (media.facts.width_px, media.facts.height_px) == (width, 48)


def test_frames_are_shrunk_to_the_longer_side(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [quadrants(200, 100)] * 3, 25)
    media = reader.read(tmp_path / "a.mp4", max_frame_side_px=50)
    assert media.frames[0].shape == (25, 50, 3)
    assert corner_colours(media.frames[0]) == ["red", "green", "blue", "white"]
    assert media.facts.width_px == 200
    assert reader.read(tmp_path / "a.mp4", max_frame_side_px=4000).frames[0].shape == (100, 200, 3)
    assert reader.read(tmp_path / "a.mp4", max_frame_side_px=1).frames[0].shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [
        ("ffv1", "yuv420p10le", "mkv"),
        ("ffv1", "gray", "mkv"),
        ("ffv1", "gray10le", "mkv"),
        ("ffv1", "yuva420p", "mkv"),
        ("ffv1", "bgr0", "mkv"),
        ("qtrle", "argb", "mov"),
        ("libx264", "yuv444p", "mp4"),
        ("libx264", "yuv422p10le", "mkv"),
        ("mjpeg", "yuvj420p", "avi"),
        ("png", "rgb24", "mov"),
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (63, 49)])
def test_pixel_formats_and_odd_sizes(
    reader: MediaReader, tmp_path: Path, codec: str, pixel_format: str, suffix: str, size: tuple[int, int]
) -> None:
    width, height = size
    if codec == "libx264" and "444" not in pixel_format and width % 2:
        pixel_format = "yuv444p10le"
    pictures = [gray(level, width=width, height=height) for level in (0, 128, 255)]
    path = write_media(
        tmp_path / f"a.{suffix}",
        pictures=pictures,
        fps=10,
        video_codec=codec,
        pixel_format=pixel_format,
        video_options={"crf": "1"} if codec == "libx264" else {},
        video_time_base=Fraction(1, 10),
    )
    media = reader.read(path, frame_interval_s=0.1)
    assert media.frames[0].dtype == np.uint8
    assert media.frames[0].shape == (height, width, 3)
    np.testing.assert_allclose(levels(media.frames), [0, 128, 255], atol=4)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start_s": 2.0}, "start_s"),
        ({"start_s": 50.0}, "start_s"),
        ({"end_s": 2.6}, "end_s"),
        ({"start_s": 1.0, "end_s": 1.0}, "end_s"),
        ({"start_s": 1.0, "end_s": 0.5}, "end_s"),
        ({"start_s": -0.5}, "start_s"),
        ({"start_s": float("nan")}, "start_s"),
        ({"start_s": 0.0, "end_s": float("inf")}, "end_s"),
    ],
)
def test_times_outside_the_file_are_refused(
    reader: MediaReader, tmp_path: Path, arguments: dict[str, float], field: str
) -> None:
    write_video(tmp_path / "a.mp4", [gray(100)] * 50, 25)
    with pytest.raises(MediaError) as caught:
        reader.read(tmp_path / "a.mp4", **arguments)
    assert caught.value.kind == "range"
    assert caught.value.field == field
    assert str(tmp_path / "a.mp4") in str(caught.value)


def test_an_end_that_is_a_little_late_is_the_end_of_the_file(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [gray(100)] * 50, 25)
    media = reader.read(tmp_path / "a.mp4", end_s=2.3)
    assert len(media.frames) == 4
    assert media.warnings == ("end_s is 0.30 s after the end of the file",)


def test_want_neither_more_nor_less(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [gray(100)] * 50, 25, np.full(32_000, 0.25, np.float32))
    both = reader.read(tmp_path / "a.mp4")
    picture = reader.read(tmp_path / "a.mp4", want_audio=False)
    sound = reader.read(tmp_path / "a.mp4", want_video=False)
    assert (picture.audio_absent, sound.video_absent) == ("not asked", "not asked")
    assert (len(picture.waveform), len(sound.frames)) == (0, 0)
    np.testing.assert_array_equal(picture.frames, both.frames)
    np.testing.assert_array_equal(sound.waveform, both.waveform)


def test_threads_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    write_video(tmp_path / "a.mp4", pictures, 25)
    with MediaReader(threads=1) as one, MediaReader(threads=3) as three:
        np.testing.assert_array_equal(one.read(tmp_path / "a.mp4").frames, three.read(tmp_path / "a.mp4").frames)
