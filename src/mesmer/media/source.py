"""Opening an untrusted container and pulling decoded frames out of it, whatever state it is in (decoder process only)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

from mesmer.media.container import CONTAINERS
from mesmer.media.limits import Limits

PULSE_S = 0.5
"""A sign of life is due at least this often while there is nothing to hand out."""

SEEK_FROM_S = 5.0
"""Stretches that begin later than this are sought; earlier ones are read from the start."""

PREROLL_S = 1.0
"""Seeking aims this much before the stretch, so that decoders and the resampling filter have settled."""

MESSAGE_CHARACTERS_MAX = 500

_DEMUX_ERRORS_MAX = 32
_READ_BYTES = 256 * 1024


class Refusal(Exception):
    """A file that is not read; becomes a MediaError of this kind in the parent."""

    def __init__(self, kind: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.field = field

    def told(self) -> dict[str, str | None]:
        """Return it as the answer says it."""
        return {"kind": self.kind, "message": str(self)[:MESSAGE_CHARACTERS_MAX], "field": self.field}


@dataclass
class Damage:
    """What went wrong while one stream was decoded."""

    packets: int = 0


class Pulse:
    """Says when a sign of life is due."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def due(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._last_s < PULSE_S:
            return False
        self._last_s = now_s
        return True


class _Bytes:
    """A file for PyAV on a descriptor that several readers share: each keeps its own place."""

    name = "media"

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._place = 0

    def read(self, count: int) -> bytes:
        data = os.pread(self._descriptor, min(count, max(0, self._size_bytes - self._place)), self._place)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("seek before the start")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A file the parent has opened, and how far it may be trusted: every ``open`` gives a fresh, independent container."""

    descriptor: int
    size_bytes: int
    container: str
    limits: Limits
    threads: int = 1

    def open(self) -> InputContainer:
        """Open the container with the one demuxer of its kind; nothing in it can make FFmpeg open another file.

        Raises:
            Refusal: it is damaged, or asks for more than the limits allow.
        """
        options = {
            "protocol_whitelist": "none",
            "format_whitelist": CONTAINERS[self.container],
            "enable_drefs": "0",
            "use_absolute_path": "0",
            "max_streams": str(self.limits.streams),
            "max_pixels": str(self.limits.pixels),
        }
        try:
            container = av.open(
                _Bytes(self.descriptor, self.size_bytes),
                "r",
                format=self.container,
                options=options,
                metadata_errors="replace",
                buffer_size=_READ_BYTES,
                io_open=_refuse_to_open,
            )
        except MemoryError as error:
            # FFmpeg also answers "no memory" to one stream too many.
            raise Refusal("limit", "asks for more memory or streams than allowed", field="memory_bytes") from error
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise Refusal("corrupt", f"cannot be opened as {self.container}: {reason(error)}") from error
        self._check(container)
        return container

    def _check(self, container: InputContainer) -> None:
        if len(container.streams) > self.limits.streams:
            over(self.limits, "streams", len(container.streams))
        for stream in container.streams.video:
            if stream.codec_context is not None and stream.width * stream.height > self.limits.pixels:
                over(self.limits, "pixels", stream.width * stream.height)
        for sound in container.streams.audio:
            if sound.codec_context is not None:
                check_sound(self.limits, sound.sample_rate, sound.layout.nb_channels)


def over(limits: Limits, name: str, value: float) -> NoReturn:
    """Refuse a file that goes beyond a limit."""
    raise beyond(limits, name, value)


def beyond(limits: Limits, name: str, value: float) -> Refusal:
    """Return the refusal of what goes beyond a limit."""
    return Refusal("limit", f"{value:,g} {name} is more than the limit of {getattr(limits, name):,g}", field=name)


def check_sound(limits: Limits, sample_rate_hz: int, channels: int) -> None:
    """Refuse sampling rates and channel counts beyond the limits."""
    if sample_rate_hz > limits.sample_rate_hz:
        over(limits, "sample_rate_hz", sample_rate_hz)
    if channels > limits.channels:
        over(limits, "channels", channels)


def reason(error: BaseException) -> str:
    """FFmpeg's words for an error, without the codes around them."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def picture_stream(container: InputContainer) -> Any:
    """Return the stream that shows the picture, or None; covers and thumbnails are none."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    return _chosen(streams)


def sound_stream(container: InputContainer) -> Any:
    """Return the stream that holds the sound, or None."""
    return _chosen(list(container.streams.audio))


def _chosen(streams: list[Any]) -> Any:
    """The first stream that is marked as default and can be decoded, else the first that can, else the first."""
    usable = [stream for stream in streams if stream.codec_context is not None]
    default = [stream for stream in usable if stream.disposition & Disposition.default]
    return next(iter(default or usable or streams), None)


def origin_s(container: InputContainer) -> float:
    """Time stamp that counts as 0, in seconds: the earliest of the file, if it is after 0 (as players have it)."""
    return max(0, container.start_time or 0) / av.time_base


def time_s(pts: int | None, stream: Any) -> float | None:
    """Return a time stamp of a stream in seconds."""
    return None if pts is None or stream.time_base is None else float(pts * stream.time_base)


def decoded(container: InputContainer, stream: Any, *, threads: int, damage: Damage, pulse: Pulse) -> Iterator[Any]:
    """Yield the frames (VideoFrame or AudioFrame) of one stream in the order of decoding; None is a sign of life.

    Damaged packets are counted and skipped; a container that keeps failing ends there.
    """
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all
    stream.codec_context.thread_count = threads
    stream.codec_context.thread_type = "AUTO" if threads > 1 else "SLICE"
    packets = container.demux(stream)
    errors = 0
    while True:
        if pulse.due():
            yield None
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            damage.packets += 1
            errors += 1
            if errors > _DEMUX_ERRORS_MAX:
                yield from _flushed(stream)
                return
            packets = container.demux(stream)
            continue
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            damage.packets += 0 if isinstance(error, EOFError) else 1
            continue
        errors = 0
        yield from frames


def _flushed(stream: Any) -> list[Any]:
    try:
        return list(stream.decode(None))
    except av.error.FFmpegError:
        return []


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError("a media file may not open other files")
