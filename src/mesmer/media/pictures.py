"""The frames of a file at requested times (decoder process only).

For each time the frame being shown then is chosen: the last one whose time stamp is not later, or the first frame of all
for times before it. So 25, 29.97 and 30 frames per second and variable rates agree about what is seen when.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from mesmer.media.serving import MOVED, Piece, Served, Serving
from mesmer.media.source import (
    Damage,
    MediaFile,
    Pulse,
    Refusal,
    beyond,
    decoded,
    origin_s,
    over,
    picture_stream,
    time_s,
)
from mesmer.media.streaming import Streaming
from mesmer.media.stretch import SAME_TIME_S

_DAMAGE_BEFORE_FIRST_FRAME = 1000
_PIXEL_SHAPES = (Fraction(1, 4), Fraction(4))


class Pictures(Streaming):
    """Iterate over the chosen frames of one or many stretches, each as uint8 (H, W, 3) RGB, in order of time.

    A stretch says which times, and how large the frames may be.
    """

    seekable = ("mov", "matroska", "avi")
    continuous = False

    def _stream(self, container: InputContainer) -> Any:
        return picture_stream(container)

    def _read(self, container: InputContainer, *, sought: bool) -> Generator[Piece | Served | object | None, None, bool]:
        stream = picture_stream(container)
        origin = origin_s(container)
        frame_s = _frame_length_s(stream)
        timeline = self._timeline
        pulse = Pulse()
        shown: VideoFrame | None = None
        for frame in decoded(container, stream, threads=self._file.threads, damage=self._damage, pulse=pulse):
            if frame is None:
                yield None
                continue
            stamp_s = time_s(frame.pts, stream)
            if sought and shown is None and (stamp_s is None or stamp_s - origin > self._start_s + SAME_TIME_S):
                return False
            self._check(frame)
            length_s = float(frame.duration * stream.time_base) if frame.duration > 0 else frame_s
            now_s = timeline.place(None if stamp_s is None else stamp_s - origin, length_s)
            self._come_to(now_s)
            yield from self._serve(frame if shown is None else shown, stream, before_s=now_s)
            if self.line.empty:
                return True
            shown, self.reached_s, self._before = frame, now_s, self._oddities
            yield MOVED
        if sought and shown is None:
            return False
        self._come_to(math.inf)
        if shown is not None:
            yield from self._serve(shown, stream, before_s=timeline.end_s)
        for serving in list(self.line.near):
            serving.ended_s = timeline.end_s
            yield self._served(serving)
        return True

    def _served(self, serving: Serving, refusal: Refusal | None = None) -> Served:
        self.line.leave(serving)
        self._oddities.end(serving)
        return Served(serving, refusal)

    def _serve(self, frame: VideoFrame, stream: Any, *, before_s: float) -> Iterator[Piece | Served]:
        """Yield ``frame`` once for each requested time before ``before_s``, to each stretch; end those that are done."""
        converted: dict[int, NDArray[np.uint8]] = {}  # largest side -> pixels: stretches that overlap share them
        for serving in list(self.line.near):
            stretch = serving.stretch
            while not _done(serving) and _next_time_s(serving) < before_s - SAME_TIME_S:
                if _next_time_s(serving) - stretch.start_s > self._file.limits.duration_s:
                    length_s = _next_time_s(serving) - stretch.start_s
                    yield self._served(serving, beyond(self._file.limits, "duration_s", length_s))
                    break
                rotation, warning = upright(frame)
                if warning:
                    serving.warn(warning)
                side = stretch.max_frame_side_px
                if side not in converted:
                    converted[side] = _convert(frame, stream, rotation, side)
                serving.handed_out += 1
                yield Piece(serving, serving.handed_out - 1, converted[side])
            else:
                if _done(serving):
                    yield self._served(serving)

    def _check(self, frame: VideoFrame) -> None:
        if frame.width * frame.height > self._file.limits.pixels:
            over(self._file.limits, "pixels", frame.width * frame.height)


def _next_time_s(serving: Serving) -> float:
    return serving.stretch.start_s + serving.handed_out * serving.stretch.frame_interval_s


def _done(serving: Serving) -> bool:
    end_s = serving.stretch.end_s
    return end_s is not None and _next_time_s(serving) >= end_s - SAME_TIME_S


def _convert(frame: VideoFrame, stream: Any, rotation: int, max_side_px: int) -> NDArray[np.uint8]:
    width, height = shown_size(frame, stream)
    scale = min(1.0, max_side_px / max(width, height))
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
