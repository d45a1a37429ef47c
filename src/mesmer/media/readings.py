"""One going through of a file, as its reader sees it: pieces of one stretch, or of many stretches at once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import MediaError
from mesmer.media import trust
from mesmer.media.facts import Frame, SoundBlock, StretchEnd
from mesmer.media.stretch import SOUND_BLOCK_SAMPLES, Stretch
from mesmer.media.wire import WireError, WireTimeoutError

if TYPE_CHECKING:
    from mesmer.media.reader import MediaReader


@dataclass
class _Progress:
    """What an unfinished stretch has got so far."""

    stretch: Stretch
    frames: int = 0
    samples: int = 0


class MediaPass:
    """Many stretches of a file in one go: iterate over it to get (number of the stretch, what came for it).

    What comes is a :class:`Frame` or a :class:`SoundBlock`, with times from the start of its stretch, and at last one
    :class:`StretchEnd` for each stretch. Iterating raises :class:`~mesmer.errors.MediaError` when the file cannot be read
    on; the stretches that had not ended by then have no end.

    Attributes:
        facts: about the whole file; there from the beginning.
    """

    def __init__(self, reader: MediaReader, path: Path, stretches: Mapping[int, Stretch], *, seek: bool) -> None:
        self._reader = reader
        self._path = path
        self._numbers = list(stretches)  # the decoder counts from 0
        self._unfinished = {index: _Progress(stretch) for index, stretch in enumerate(stretches.values())}
        self._largest_bytes = max(
            [4 * SOUND_BLOCK_SAMPLES, *(3 * stretch.max_frame_side_px**2 for stretch in stretches.values())]
        )
        self._waited_s = 0.0
        wire = json.dumps([stretch.to_wire() for stretch in stretches.values()]).encode()
        started_s = time.monotonic()
        self._turn, header = reader._open(path, wire, seek=seek)
        self._waited_s = time.monotonic() - started_s
        while header.get("answer") == "more":
            header, _ = self._ask(0)
        self.facts = self._trusted(trust.facts, header)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, Frame | SoundBlock | StretchEnd]:
        while self._unfinished:
            try:
                header, data = self._ask(self._largest_bytes)
            except MediaError:
                self._unfinished = {}
                raise
            if header.get("answer") != "more":
                index = self._trusted(trust.index, header, self._unfinished)
                return self._numbers[index], self._piece(index, header, data)
        raise StopIteration

    def _piece(self, index: int, header: dict[str, Any], data: Any) -> Frame | SoundBlock | StretchEnd:
        progress, answer = self._unfinished[index], header.get("answer")
        if answer == "frame":
            limits = self._reader.limits
            pixels = self._trusted(trust.frame, header, data, progress.stretch, progress.frames, limits)
            progress.frames += 1
            return Frame(time_s=(progress.frames - 1) * progress.stretch.frame_interval_s, pixels=pixels)
        if answer == "sound":
            limits = self._reader.limits
            samples = self._trusted(trust.samples, header, data, progress.stretch, progress.samples, limits)
            progress.samples += len(samples)
            return SoundBlock(start_s=(progress.samples - len(samples)) / SAMPLE_RATE_HZ, samples=samples)
        if answer == "refused":
            end = StretchEnd(error=self._trusted(trust.error, header, file=self._path))
        else:
            end = self._trusted(trust.end, header)
        del self._unfinished[index]
        self._waited_s = 0.0  # the time allowed is for one stretch
        return end

    def _ask(self, max_data_bytes: int) -> tuple[dict[str, Any], Any]:
        started_s = time.monotonic()
        answer = self._reader._next(self._turn, self._path, max_data_bytes)
        self._waited_s += time.monotonic() - started_s
        if self._waited_s > self._reader.limits.clip_timeout_s:
            raise self._reader._failed(WireTimeoutError("too slow"), self._path)
        return answer

    def _trusted(self, check: Any, *arguments: Any, **named: Any) -> Any:
        """Check an answer; a decoder that answers nonsense is ended."""
        try:
            return check(*arguments, **named)
        except WireError as error:
            self._unfinished = {}
            raise self._reader._failed(error, self._path) from error


class MediaStream:
    """One stretch of a file, piece by piece: iterate over it to get frames and blocks of sound.

    Frames come in order of time, and so do blocks; both about together, but where one begins late or pauses the other goes
    ahead.

    Attributes:
        facts: about the whole file; there from the beginning.
        audio_absent, video_absent, warnings: as in :class:`~mesmer.media.facts.Media`; there after the last piece.
    """

    def __init__(self, reader: MediaReader, path: Path, stretch: Stretch) -> None:
        self._pass = MediaPass(reader, path, {0: stretch}, seek=True)
        self.facts = self._pass.facts
        self.audio_absent: str | None = None
        self.video_absent: str | None = None
        self.warnings: tuple[str, ...] = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame | SoundBlock:
        _, piece = next(self._pass)
        if not isinstance(piece, StretchEnd):
            return piece
        if piece.error is not None:
            raise piece.error
        self.audio_absent, self.video_absent, self.warnings = piece.audio_absent, piece.video_absent, piece.warnings
        raise StopIteration
