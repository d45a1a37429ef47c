"""Makes small media files of every kind for the tests, with PyAV alone, so that what is in them is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mesmer.errors import MediaError
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video


def gray(level: float, *, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    return np.full((height, width, 3), round(level), np.uint8)


def tone(frequency_hz: float, seconds: float, rate_hz: int, *, amplitude: float = 0.5) -> NDArray[np.float64]:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def quadrants(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A picture whose corners are told apart: red, green / blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def corner_colours(picture: NDArray[np.uint8]) -> list[str]:
    """Names of the colours at top left, top right, bottom left, bottom right."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white", (0, 0, 0): "black"}
    height, width = picture.shape[:2]
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [names[tuple(int(value) for value in picture[y, x] > 127)] for y, x in points]


def write_media(
    path: Path,
    *,
    pictures: Sequence[NDArray[np.uint8]] = (),
    times_s: Iterable[float | Fraction] | None = None,
    fps: Fraction | int = 25,
    video_codec: str = "libx264",
    video_options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    video_time_base: Fraction | None = None,
    sound: NDArray[np.float64] | None = None,
    rate_hz: int = 16_000,
    layout: str = "mono",
    audio_codec: str = "pcm_s16le",
    sample_format: str | None = None,
    sound_start_s: Fraction | float = 0,
    sound_gaps: Callable[[int], bool] = lambda block: False,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    adjust: Callable[[av.container.OutputContainer], None] = lambda container: None,
) -> Path:
    """Write ``pictures`` at ``times_s`` (or at a constant rate) and ``sound`` float (T,) or (channels, T) to a file.

    ``sound_gaps(k)`` leaves out the k-th block of 1024 samples, time stamps included. ``adjust`` may change the streams
    before anything is written.
    """
    with av.open(str(path), "w", format=container_format, container_options=container_options or {}) as container:
        video = audio = None
        if len(pictures):
            video = container.add_stream(video_codec, rate=fps, options=video_options or {})
            video.height, video.width = pictures[0].shape[:2]
            video.pix_fmt = pixel_format
            video.codec_context.thread_count = 1
            # MPEG-4 part 2 counts time in at most 65535 parts of a second.
            usual = 1 / Fraction(fps) if video_codec == "mpeg4" else Fraction(1, 90_000)
            video.codec_context.time_base = video_time_base or usual
        if sound is not None:
            sound = np.atleast_2d(sound)
            audio = container.add_stream(audio_codec, rate=rate_hz, layout=layout)
            if sample_format:
                audio.format = sample_format
        adjust(container)
        if video is not None:
            _write_pictures(container, video, pictures, times_s, fps)
        if audio is not None:
            _write_sound(container, audio, sound, rate_hz, layout, round(sound_start_s * rate_hz), sound_gaps)
    return path


def _write_pictures(container, stream, pictures, times_s, fps) -> None:
    times = [Fraction(k) / fps for k in range(len(pictures))] if times_s is None else list(times_s)
    for picture, time_s in zip(pictures, times, strict=True):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24" if picture.ndim == 3 else "gray")
        frame.time_base = stream.codec_context.time_base
        frame.pts = round(Fraction(time_s) / frame.time_base)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_sound(container, stream, sound, rate_hz, layout, first, gaps) -> None:
    block_samples = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.format.name, layout, rate_hz)
    for index, start in enumerate(range(0, sound.shape[1], block_samples)):
        if gaps(index):
            continue
        block = np.ascontiguousarray(sound[:, start : start + block_samples], dtype=np.float64)
        frame = av.AudioFrame.from_ndarray(block, format="dblp", layout=layout)
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = first + start
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def strength(samples: NDArray[np.float32], frequency_hz: float, rate_hz: int = 16_000) -> float:
    """Amplitude of one frequency in a run of samples, by projection on a complex sinusoid."""
    phase = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    return float(2 * np.abs(np.mean(samples * phase)))


def good_clip(folder: Path) -> Path:
    """Three seconds of picture and sound with nothing wrong in them."""
    path = folder / "good.mp4"
    write_video(path, [gray(100 + k) for k in range(75)], 25, tone(440, 3, 16_000).astype(np.float32))
    return path


def serves(reader: MediaReader, good: Path) -> None:
    """Check that a reader reads :func:`good_clip`, whatever it went through before."""
    media = reader.read(good)
    assert len(media.frames) == 6
    assert len(media.waveform) >= 48_000


def failure(reader: MediaReader, path: Path, **arguments: object) -> MediaError:
    """The one error a file ends in; it is one line and names the file."""
    with pytest.raises(MediaError) as caught:
        reader.read(path, **arguments)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return caught.value


def frames_or_corrupt(reader: MediaReader, path: Path) -> list[np.ndarray]:
    """Frames of a file of which nothing but a kind of error is known: those it gives, or none and the right error."""
    try:
        return reader.read(path).frames
    except MediaError as caught:
        error = caught
    assert error.kind == "corrupt"
    return []
