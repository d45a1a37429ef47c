"""How picture and sound alike are gone through: near a late start where that can be done, else from the file's own start
(decoder process only).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import Any, ClassVar

import av
from av.container import InputContainer

from mesmer.media.serving import Line, Oddities, Piece, Served, Serving
from mesmer.media.source import PREROLL_S, SEEK_FROM_S, Damage, MediaFile, origin_s
from mesmer.media.stretch import Stretch
from mesmer.media.timeline import Timeline


class Streaming(ABC):
    """Iterate over what one stream of a file holds for one or many stretches, in order of time.

    Comes out: a ``Piece`` for each frame or block, ``Served`` for each stretch at its end, ``MOVED``, or None as a sign of
    life.

    Args:
        file: the file; it is opened anew.
        stretches: number and stretch: what is wanted.
        claimed_end_s: where the file says its stream ends; None if it does not say.
        seek: begin near the start of the one stretch, not at that of the file.

    Attributes:
        line: the stretches that are not served yet.
        reached_s: how far the stream has been gone through.
    """

    seekable: ClassVar[tuple[str, ...]]
    """Containers in which seeking leads to the same frames or samples."""

    continuous: ClassVar[bool]
    """Whether one frame must begin where the one before it ends."""

    def __init__(
        self, *, file: MediaFile, stretches: Sequence[tuple[int, Stretch]], claimed_end_s: float | None, seek: bool
    ) -> None:
        self._file = file
        self._stretches = stretches
        self._claimed_end_s = claimed_end_s
        self._seek = seek and len(stretches) == 1
        self._begin()

    def _begin(self) -> None:
        self._damage = Damage()
        self._timeline = Timeline(claimed_end_s=self._claimed_end_s, continuous=self.continuous)
        self._before = Oddities()  # when the last frame came
        self.line = Line(self._stretches)
        self.reached_s = 0.0

    def __iter__(self) -> Iterator[Piece | Served | object | None]:
        if self._seek and self._start_s > SEEK_FROM_S and self._file.container in self.seekable:
            with self._file.open() as container:
                if _seek(container, self._stream(container), self._start_s - PREROLL_S):
                    found = yield from self._read(container, sought=True)
                    if found:
                        return
        self._begin()
        with self._file.open() as container:
            yield from self._read(container, sought=False)

    @abstractmethod
    def _stream(self, container: InputContainer) -> Any:
        """Return the stream that is read."""

    @abstractmethod
    def _read(self, container: InputContainer, *, sought: bool) -> Generator[Piece | Served | object | None, None, bool]:
        """Yield what there is; return False if seeking led past the start, so that nothing was handed out."""

    @property
    def _start_s(self) -> float:
        return self._stretches[0][1].start_s

    @property
    def _oddities(self) -> Oddities:
        return Oddities(self._damage.packets, self._timeline.replaced)

    def _come_to(self, time_s: float) -> list[Serving]:
        """Say which place has been reached; return the stretches that have come near."""
        coming = self.line.come_to(time_s)
        for serving in coming:
            self._before.begin(serving)
        return coming


def _seek(container: InputContainer, stream: Any, target_s: float) -> bool:
    """Seek a stream to before a time, of a picture to the last key frame; False if the container cannot."""
    try:
        container.seek(round((target_s + origin_s(container)) / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OverflowError, ZeroDivisionError):
        return False
    return True
