"""Checks at the border of the decoder process: what may go in, and whether what comes out can be what it says.

The decoder has run a stranger's file and may be under its control. So nothing it sends is believed: kinds, sizes and
numbers are checked against what was asked, and text is cleaned before anybody prints it.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import ConfigError, MediaError
from mesmer.media.container import CONTAINERS, HEAD_BYTES, sniff
from mesmer.media.facts import MediaFacts, StretchEnd
from mesmer.media.limits import Limits
from mesmer.media.stretch import SOUND_BLOCK_SAMPLES, Stretch
from mesmer.media.wire import WireError

SHORTEST_INTERVAL_S = 0.001
_KINDS = frozenset({"corrupt", "limit", "range", "no_streams", "crash"})
_VIDEO_ABSENT = frozenset({None, "no stream", "no frames", "not asked"})
_AUDIO_ABSENT = frozenset({None, "no stream", "no samples", "corrupt", "not asked"})
_WARNINGS_MAX = 32
_TEXT_CHARACTERS_MAX = 500
_LARGEST = 1 << 53


def check_stretch(stretch: Stretch, limits: Limits, *, file: str | Path) -> None:
    """Refuse a stretch that no file could serve.

    Raises:
        MediaError: kind ``range``, the times are not times, or the end is not after the start.
        ConfigError: another argument is out of bounds.
    """
    for field, time_s in (("start_s", stretch.start_s), ("end_s", stretch.end_s)):
        if time_s is not None and not 0 <= time_s < _LARGEST:
            raise MediaError(f"{field} is {time_s:g}", kind="range", file=file, field=field, remedy="use seconds from 0 on")
    if stretch.end_s is not None and stretch.end_s <= stretch.start_s:
        message = f"end_s {stretch.end_s:g} is not after start_s {stretch.start_s:g}"
        raise MediaError(message, kind="range", file=file, field="end_s", remedy="give an end after the start")
    if not SHORTEST_INTERVAL_S <= stretch.frame_interval_s < _LARGEST:
        message = f"frame_interval_s is {stretch.frame_interval_s:g}"
        raise ConfigError(message, field="frame_interval_s", remedy=f"use seconds from {SHORTEST_INTERVAL_S} on")
    if not 1 <= stretch.max_frame_side_px <= limits.frame_side_px:
        message = f"max_frame_side_px is {stretch.max_frame_side_px}"
        raise ConfigError(message, field="max_frame_side_px", remedy=f"use 1 to {limits.frame_side_px}")
    if stretch.channel not in ("mix", "left", "right"):
        raise ConfigError(f"channel is {stretch.channel!r}", field="channel", remedy="use mix, left or right")


@contextlib.contextmanager
def opened(path: Path, limits: Limits) -> Iterator[tuple[int, str]]:
    """Open a media file and yield its descriptor and the name of its container.

    Raises:
        MediaError: it is missing, no regular file, empty, too large, or in no container that we read.
    """
    try:
        # Opening a device or a pipe can already do something, so look first; not to block covers a change in between.
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder" if path.is_dir() else "a device, pipe or socket"
            raise MediaError(f"is {what}, not a media file", kind="container", file=path)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise MediaError("there is no such file", kind="missing", file=path) from error
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"cannot be opened: {words}", kind="missing", file=path) from error
    try:
        yield descriptor, _container(descriptor, path, limits)
    finally:
        os.close(descriptor)


def _container(descriptor: int, path: Path, limits: Limits) -> str:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("is not a regular file", kind="container", file=path)
    if status.st_size == 0:
        raise MediaError("is empty", kind="empty", file=path, remedy="check that it was copied whole")
    if status.st_size > limits.file_bytes:
        message = f"has {status.st_size:,} bytes, more than the limit of {limits.file_bytes:,}"
        raise MediaError(message, kind="limit", file=path, field="file_bytes", remedy="cut or re-encode it")
    try:
        container = sniff(os.pread(descriptor, HEAD_BYTES, 0))
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", kind="corrupt", file=path) from error
    if container is None:
        message = "is no media file that is read here, by its content"
        raise MediaError(
            message, kind="container", file=path, remedy="use mp4, mov, m4a, mkv, webm, avi, flv, wav, flac, mp3 or ogg"
        )
    return container


def error(header: dict[str, Any], *, file: Path) -> MediaError:
    """Return the error that the decoder reports."""
    kind, field = header.get("kind"), header.get("field")
    return MediaError(
        _text(header.get("message")) or "cannot be read",
        kind=kind if kind in _KINDS else "crash",
        file=file,
        field=_text(field) or None if field is not None else None,
    )


def index(header: dict[str, Any], unfinished: Container[int]) -> int:
    """Return which stretch an answer is about. Raises WireError if that one has ended or was not asked for."""
    number = header.get("stretch")
    _expect(type(number) is int and number in unfinished, "answer about a stretch")
    return int(str(number))


def facts(header: dict[str, Any]) -> MediaFacts:
    """Return the facts in an answer.

    Raises:
        WireError: it is no such answer.
    """
    _expect(header.get("answer") == "facts" and header.get("container") in CONTAINERS, "facts")
    _expect(type(header.get("has_video")) is bool and type(header.get("has_audio")) is bool, "facts")
    rotation = header.get("rotation_deg", 0)
    _expect(rotation in (0, 90, 180, 270), "facts")
    return MediaFacts(
        container=header["container"],
        size_bytes=_whole(header.get("size_bytes")) or 0,
        duration_s=_number(header.get("duration_s")) or 0.0,
        has_video=header["has_video"],
        has_audio=header["has_audio"],
        width_px=_whole(header.get("width_px")),
        height_px=_whole(header.get("height_px")),
        fps=_number(header.get("fps")),
        rotation_deg=int(rotation),
        sample_rate_hz=_whole(header.get("sample_rate_hz")),
        channels=_whole(header.get("channels")),
        video_codec=_text(header.get("video_codec")) or None,
        audio_codec=_text(header.get("audio_codec")) or None,
    )


def frame(
    header: dict[str, Any], data: NDArray[np.uint8], stretch: Stretch, index: int, limits: Limits
) -> NDArray[np.uint8]:
    """Return the pixels in an answer, uint8 (H, W, 3). Raises WireError if they are not what was asked for."""
    height, width = _whole(header.get("height_px")) or 0, _whole(header.get("width_px")) or 0
    _expect(stretch.want_video and header.get("index") == index, "a frame")
    _expect(index * stretch.frame_interval_s <= _longest_s(stretch, limits), "a frame")
    _expect(min(height, width) >= 1 and max(height, width) <= stretch.max_frame_side_px, "a frame")
    _expect(len(data) == height * width * 3, "a frame")
    return data.reshape(height, width, 3)


def samples(
    header: dict[str, Any], data: NDArray[np.uint8], stretch: Stretch, num_before: int, limits: Limits
) -> NDArray[np.float32]:
    """Return the samples in an answer, float32 (T,). Raises WireError if they are not what was asked for."""
    count = _whole(header.get("samples")) or 0
    _expect(stretch.want_audio and 1 <= count <= SOUND_BLOCK_SAMPLES and len(data) == 4 * count, "sound")
    _expect(num_before + count <= _longest_s(stretch, limits) * SAMPLE_RATE_HZ, "sound")
    block = data.view(np.float32)
    _expect(bool(np.all(np.abs(block) <= 1.0)), "sound")  # NaN fails this too
    return block


def end(header: dict[str, Any]) -> StretchEnd:
    """Return the end of a stretch. Raises WireError if it is no such answer."""
    audio_absent, video_absent, warnings = (header.get(name) for name in ("audio_absent", "video_absent", "warnings"))
    _expect(header.get("answer") == "end" and isinstance(warnings, list) and len(warnings) <= _WARNINGS_MAX, "an end")
    _expect(isinstance(audio_absent, str | None) and audio_absent in _AUDIO_ABSENT, "an end")
    _expect(isinstance(video_absent, str | None) and video_absent in _VIDEO_ABSENT, "an end")
    return StretchEnd(
        audio_absent=audio_absent,
        video_absent=video_absent,
        warnings=tuple(_text(warning) for warning in warnings or ()),
        picture_end_s=_number(header.get("picture_end_s")),
        sound_end_s=_number(header.get("sound_end_s")),
        stamps_replaced=_whole(header.get("stamps_replaced")) or 0,
    )


def _longest_s(stretch: Stretch, limits: Limits) -> float:
    asked_s = math.inf if stretch.end_s is None else stretch.end_s - stretch.start_s
    return min(asked_s, limits.duration_s) + 1.0


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise WireError(f"its answer is no {what}".replace("no a ", "no ").replace("no an ", "no "))


def _whole(value: object) -> int | None:
    _expect(value is None or (type(value) is int and 0 <= value <= _LARGEST), "whole number")
    return value if isinstance(value, int) else None


def _number(value: object) -> float | None:
    _expect(value is None or (type(value) in (int, float) and 0 <= float(str(value)) <= _LARGEST), "number")
    return float(str(value)) if value is not None else None


def _text(value: object) -> str:
    if value is None:
        return ""
    _expect(isinstance(value, str), "text")
    return "".join(letter if letter.isprintable() else " " for letter in str(value)[:_TEXT_CHARACTERS_MAX])
