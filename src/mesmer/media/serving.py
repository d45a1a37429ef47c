"""Many stretches of one stream in one go: which of them are near, and what each has been given (decoder process only).

A stretch's share is a matter of the file and the stretch alone: nothing here depends on what else is served beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from numpy.typing import NDArray

from mesmer.media.source import PREROLL_S, Refusal
from mesmer.media.stretch import Stretch

MOVED: Final = object()
"""Said by a source that has come further in the file and has nothing to hand out."""


@dataclass
class Serving:
    """One stretch as one stream of the file serves it.

    Attributes:
        index: its place among the stretches asked for.
        stretch: what was asked for.
        handed_out: frames or samples so far.
        decoded_samples: of the whole stream, up to the end of the stretch.
        damaged_packets, stamps_replaced: from a second before the stretch to its end.
        ended_s: where the stream ended; None if it was not read to its end.
        warnings: what was odd, as sentences.
    """

    index: int
    stretch: Stretch
    handed_out: int = 0
    decoded_samples: int = 0
    damaged_packets: int = 0
    stamps_replaced: int = 0
    ended_s: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing has been handed out."""
        return self.handed_out == 0

    def warn(self, sentence: str) -> None:
        """Note what was odd, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@dataclass
class Oddities:
    """What has gone wrong in a stream up to a place; a stretch is told what came after a second before it."""

    damaged_packets: int = 0
    stamps_replaced: int = 0

    def begin(self, serving: Serving) -> None:
        """What was up to here is not the stretch's."""
        serving.damaged_packets, serving.stamps_replaced = -self.damaged_packets, -self.stamps_replaced

    def end(self, serving: Serving) -> None:
        """What was up to here and not before is."""
        serving.damaged_packets += self.damaged_packets
        serving.stamps_replaced += self.stamps_replaced


@dataclass(frozen=True)
class Piece:
    """A frame or a block of samples for one stretch, and how many of its frames or samples came before."""

    serving: Serving
    before: int
    data: NDArray[Any]


@dataclass(frozen=True)
class Served:
    """A stretch got all there is for it, or is refused the rest."""

    serving: Serving
    refusal: Refusal | None = None


class Line:
    """Stretches waiting for their time to come, in order of their start, and those that are near.

    ``near`` holds the stretches that begin less than a second after the place reached, or have begun.
    """

    def __init__(self, stretches: Iterable[tuple[int, Stretch]]) -> None:
        servings = [Serving(index=index, stretch=stretch) for index, stretch in stretches]
        self._waiting = deque(sorted(servings, key=lambda serving: (serving.stretch.start_s, serving.index)))
        self.near: list[Serving] = []

    @property
    def empty(self) -> bool:
        """Whether every stretch has been served."""
        return not self.near and not self._waiting

    def come_to(self, time_s: float) -> list[Serving]:
        """Say which place has been reached; return the stretches that have come near."""
        coming = []
        while self._waiting and self._waiting[0].stretch.start_s - PREROLL_S < time_s:
            coming.append(self._waiting.popleft())
        self.near += coming
        return coming

    def leave(self, serving: Serving) -> None:
        """Take a stretch out: it is served."""
        self.near.remove(serving)

    def drop(self, index: int) -> None:
        """Take a stretch out wherever it is: nobody wants it any more."""
        self.near = [serving for serving in self.near if serving.index != index]
        self._waiting = deque(serving for serving in self._waiting if serving.index != index)
