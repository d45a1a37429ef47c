"""Write frames and a waveform as an mp4 file that is the same, bit for bit, every time it is made on one machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mesmer.errors import MediaError
from mesmer.storage.atomic import atomic_file

_AUDIO_BLOCK_SAMPLES = 1024


def write_video(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction | int,
    waveform: NDArray[np.float32] | None = None,
    sample_rate_hz: int = 16_000,
    *,
    crf: int = 23,
    preset: str = "veryfast",
) -> None:
    """Write an mp4 file: H.264 (one thread) and, if there is a waveform, mono AAC.

    The file appears whole or not at all: see :func:`~mesmer.storage.atomic.atomic_file`. Frames are taken one at a time, so
    a generator of any length needs little memory. Sizes that are odd in one direction are stored without chroma
    subsampling, since H.264's usual 4:2:0 needs even sizes.

    Args:
        path: where the file shall be; missing folders are made.
        frames: uint8 (H, W, 3) RGB, all of one size; frame k is shown at k / fps seconds.
        fps: frames per second, a whole number or a fraction (``Fraction(30000, 1001)``).
        waveform: float32 (T,), mono, in [-1, 1]; None or empty writes no audio stream.
        sample_rate_hz: of the waveform.
        crf: quality of the picture, 0 (lossless) to 51; 23 is x264's own default.
        preset: x264's trade of time for size.

    Raises:
        MediaError: there is neither a frame nor sound to write, or the encoder refuses it.
        MesmerError: the disk is full or read-only, or the path cannot be written.
        ValueError: a frame is not uint8 RGB of the first frame's size, or the waveform is not one-dimensional.
    """
    path = Path(path)
    sound = None if waveform is None or len(waveform) == 0 else np.asarray(waveform, dtype=np.float32)
    if sound is not None and sound.ndim != 1:
        raise ValueError(f"the waveform has shape {sound.shape}; it must be (T,)")
    try:
        # The exact flags leave out dates and library versions, which would differ between two runs.
        with (
            atomic_file(path) as temporary,
            av.open(str(temporary), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container,
        ):
            _encode(container, frames, Fraction(fps), sound, sample_rate_hz, crf=crf, preset=preset, path=path)
    except av.error.FFmpegError as error:
        raise MediaError(f"cannot be written: {error.strerror}", kind="corrupt", file=path) from error


def _encode(
    container: OutputContainer,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction,
    sound: NDArray[np.float32] | None,
    sample_rate_hz: int,
    *,
    crf: int,
    preset: str,
    path: Path,
) -> None:
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None and sound is None:
        raise MediaError("there is neither a frame nor sound to write", kind="no_streams", file=path)
    video = None if first is None else _video_stream(container, first, fps, crf=crf, preset=preset)
    audio = None if sound is None else _audio_stream(container, sample_rate_hz)
    blocks = iter(()) if sound is None else _audio_frames(sound, sample_rate_hz)
    next_block = next(blocks, None)
    # Sound is written as far as the picture has come, so that the file can be read front to back in little memory.
    if first is not None and video is not None:
        for index, picture in enumerate(_chain(first, iterator)):
            if picture.shape != first.shape or picture.dtype != np.uint8:
                raise ValueError(f"frame {index} is {picture.dtype} {picture.shape}, the first is uint8 {first.shape}")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index
            frame.time_base = 1 / fps
            container.mux(video.encode(frame))
            while audio is not None and next_block is not None and next_block.time <= (index + 1) / fps:
                container.mux(audio.encode(next_block))
                next_block = next(blocks, None)
        container.mux(video.encode(None))
    while audio is not None and next_block is not None:
        container.mux(audio.encode(next_block))
        next_block = next(blocks, None)
    if audio is not None:
        container.mux(audio.encode(None))


def _video_stream(
    container: OutputContainer, first: NDArray[np.uint8], fps: Fraction, *, crf: int, preset: str
) -> VideoStream:
    if first.ndim != 3 or first.shape[2] != 3 or first.dtype != np.uint8:
        raise ValueError(f"the first frame is {first.dtype} {first.shape}; it must be uint8 (H, W, 3)")
    # Macroblock-tree rate control reads memory that x264 does not set: with it, one clip in five differs between two runs.
    options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuv444p" if first.shape[0] % 2 or first.shape[1] % 2 else "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    stream.codec_context.time_base = 1 / fps
    return stream


def _audio_stream(container: OutputContainer, sample_rate_hz: int) -> AudioStream:
    stream = container.add_stream("aac", rate=sample_rate_hz, layout="mono")
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream


def _audio_frames(sound: NDArray[np.float32], sample_rate_hz: int) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), _AUDIO_BLOCK_SAMPLES):
        block = np.ascontiguousarray(sound[start : start + _AUDIO_BLOCK_SAMPLES])[None]
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate = sample_rate_hz
        frame.pts = start
        frame.time_base = Fraction(1, sample_rate_hz)
        yield frame


def _chain(first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    yield first
    yield from rest
