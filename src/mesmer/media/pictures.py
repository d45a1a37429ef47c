"""The frames of a file at requested times (decoder process only).

For each time the frame being shown then is chosen: the last one whose time stamp is not later, or the first frame of all
for times before it. So 25, 29.97 and 30 frames per second and variable rates agree about what is seen when.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from mesmer.media.source import (
    PREROLL_S,
    SEEK_FROM_S,
    Damage,
    MediaFile,
    Pulse,
    decoded,
    origin_s,
    over,
    picture_stream,
    time_s,
)
from mesmer.media.stretch import SAME_TIME_S, Stretch
from mesmer.media.timeline import Timeline

_SEEKABLE = ("mov", "matroska", "avi")
_DAMAGE_BEFORE_FIRST_FRAME = 1000
_PIXEL_SHAPES = (Fraction(1, 4), Fraction(4))


class Pictures:
    """Iterate over the chosen frames as uint8 (H, W, 3) RGB, in order, with None as a sign of life.

    Args:
        file: the file; it is opened anew.
        stretch: which times, and how large the frames may be.
        claimed_end_s: where the file says its picture ends; None if it does not say.
    """

    def __init__(self, *, file: MediaFile, stretch: Stretch, claimed_end_s: float | None) -> None:
        self._file = file
        self._stretch = stretch
        self._claimed_end_s = claimed_end_s
        self._chosen = 0
        self.damage = Damage()
        self.warnings: list[str] = []
        self.ended_s: float | None = None

    @property
    def empty(self) -> bool:
        """Whether no frame has been handed out."""
        return self._chosen == 0

    @property
    def _next_time_s(self) -> float:
        return self._chosen * self._stretch.frame_interval_s

    def __iter__(self) -> Iterator[NDArray[np.uint8] | None]:
        if self._stretch.start_s > SEEK_FROM_S and self._file.container in _SEEKABLE:
            with self._file.open() as container:
                if _seek(container, self._stretch.start_s - PREROLL_S):
                    found = yield from self._choose(container, sought=True)
                    if found:
                        return
        self.damage = Damage()
        with self._file.open() as container:
            yield from self._choose(container, sought=False)

    def _choose(self, container: InputContainer, *, sought: bool) -> Generator[NDArray[np.uint8] | None, None, bool]:
        """Yield the chosen frames; return False if seeking led past the start, so that nothing was chosen."""
        stream = picture_stream(container)
        origin = origin_s(container)
        frame_s = _frame_length_s(stream)
        timeline = Timeline(claimed_end_s=self._claimed_end_s, continuous=False)
        pulse = Pulse()
        shown: VideoFrame | None = None
        for frame in decoded(container, stream, threads=self._file.threads, damage=self.damage, pulse=pulse):
            if frame is None:
                yield None
                continue
            stamp_s = time_s(frame.pts, stream)
            if sought and shown is None and (stamp_s is None or stamp_s - origin > self._stretch.start_s + SAME_TIME_S):
                return False
            self._check(frame)
            length_s = float(frame.duration * stream.time_base) if frame.duration > 0 else frame_s
            now_s = timeline.place(None if stamp_s is None else stamp_s - origin, length_s)
            yield from self._serve(frame if shown is None else shown, stream, before_s=now_s)
            if self._done:
                return True
            shown = frame
        if sought and shown is None:
            return False
        if shown is not None:
            yield from self._serve(shown, stream, before_s=timeline.end_s)
        self.ended_s = timeline.end_s
        if timeline.replaced:
            self.warnings.append(f"{timeline.replaced} time stamps of the picture were missing or wrong and were replaced")
        return True

    @property
    def _done(self) -> bool:
        end_s = self._stretch.end_s
        return end_s is not None and self._stretch.start_s + self._next_time_s >= end_s - SAME_TIME_S

    def _serve(self, frame: VideoFrame, stream: Any, *, before_s: float) -> Iterator[NDArray[np.uint8]]:
        """Yield ``frame`` once for each requested time before ``before_s``."""
        pixels = None
        while not self._done and self._stretch.start_s + self._next_time_s < before_s - SAME_TIME_S:
            if self._next_time_s > self._file.limits.duration_s:
                over(self._file.limits, "duration_s", self._next_time_s)
            if pixels is None:
                pixels = self._convert(frame, stream)
            self._chosen += 1
            yield pixels

    def _check(self, frame: VideoFrame) -> None:
        if frame.width * frame.height > self._file.limits.pixels:
            over(self._file.limits, "pixels", frame.width * frame.height)

    def _convert(self, frame: VideoFrame, stream: Any) -> NDArray[np.uint8]:
        rotation, warning = upright(frame)
        if warning and warning not in self.warnings:
            self.warnings.append(warning)
        width, height = shown_size(frame, stream)
        scale = min(1.0, self._stretch.max_frame_side_px / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        shrinks = width * height < frame.width * frame.height
        image = frame.reformat(width, height, "rgb24", interpolation="AREA" if shrinks else "BILINEAR", threads=1)
        return np.ascontiguousarray(np.rot90(image.to_ndarray(), rotation // 90))


def upright(frame: VideoFrame) -> tuple[int, str | None]:
    """Return the counter-clockwise turn a frame asks for (0, 90, 180 or 270 degrees), and a warning if it is another."""
    angle = frame.rotation % 360
    turn = round(angle / 90) * 90 % 360
    return turn, None if angle % 90 == 0 else f"the picture asks to be turned by {angle} degrees; {turn} were used"


def shown_size(frame: VideoFrame, stream: Any) -> tuple[int, int]:
    """Return width and height of a frame, before it is turned, with pixels that are not square stretched to be so."""
    shape = stream.sample_aspect_ratio
    if not shape or shape == 1 or not _PIXEL_SHAPES[0] <= shape <= _PIXEL_SHAPES[1]:
        return frame.width, frame.height
    return max(1, round(frame.width * shape)), frame.height


def first_frame(container: InputContainer, *, file: MediaFile) -> VideoFrame | None:
    """Decode the first frame of the picture, or None if there is none."""
    damage = Damage()
    for frame in decoded(container, picture_stream(container), threads=file.threads, damage=damage, pulse=Pulse()):
        if isinstance(frame, VideoFrame):
            return frame
        if damage.packets > _DAMAGE_BEFORE_FIRST_FRAME:
            break
    return None


def _frame_length_s(stream: Any) -> float:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(1 / rate) if rate and Fraction(1, 10) <= rate <= 1000 else 0.04


def _seek(container: InputContainer, target_s: float) -> bool:
    """Seek the picture to the last key frame before a time; False if the container cannot."""
    stream = picture_stream(container)
    try:
        container.seek(round((target_s + origin_s(container)) / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OverflowError, ZeroDivisionError):
        return False
    return True
