"""Sound that lies in files of its own, beside the picture: each file is gone through once for all its utterances.

A sound file follows the picture: it is read on when an utterance's picture has ended and its sound is asked for. So only
what overlaps is in memory, and how many readers there are is a matter of how many sound files go on at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import MediaError
from mesmer.media.facts import SoundBlock, StretchEnd
from mesmer.media.reader import MediaReader
from mesmer.media.readings import MediaPass
from mesmer.media.stretch import Stretch
from mesmer.records import Utterance


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The sound of an utterance, in blocks float32 (T,), and what was absent and odd."""

    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    end: StretchEnd


class SoundFiles:
    """The sound files of the utterances of one video; a context manager.

    Args:
        utterances: number -> utterance whose ``sound`` is a file of its own.
        reader: what further readers are made like.
    """

    def __init__(self, utterances: Mapping[int, Utterance], *, reader: MediaReader) -> None:
        self._like = reader
        self._idle: list[MediaReader] = []
        self._ours: list[MediaReader] = []
        by_file: dict[str, dict[int, Stretch]] = {}
        for number, utterance in utterances.items():
            stretch = Stretch(
                start_s=float(utterance.start_s or 0.0),
                end_s=None if utterance.end_s is None else float(utterance.end_s),
                channel=utterance.channel,
                want_video=False,
            )
            by_file.setdefault(str(utterance.sound), {})[number] = stretch
        self._files = {number: _SoundFile(path, chosen) for path, chosen in by_file.items() for number in chosen}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for reader in self._ours:
            reader.close()

    def use(self, reader: MediaReader) -> None:
        """Say that this reader is free now."""
        self._idle.append(reader)

    def heard(self, number: int, *, wanted: bool) -> Heard | MediaError | None:
        """Return the sound of an utterance, or the error of its file; None where it has no file of its own.

        Args:
            number: of the utterance; each is asked for once.
            wanted: False where the utterance is given up and its sound can be forgotten.
        """
        file = self._files.pop(number, None)
        if file is None:
            return None
        if not wanted:
            file.forget(number)
            heard: Heard | MediaError | None = None
        else:
            if file.reader is None:
                file.reader = self._free()
            heard = file.heard(number)
        if file.reader is not None and file not in self._files.values():
            self._idle.append(file.reader)
        return heard

    def _free(self) -> MediaReader:
        if not self._idle:
            self._ours.append(self._like.another())
            self._idle.append(self._ours[-1])
        return self._idle.pop()


class _SoundFile:
    """One sound file, read as far as it was needed."""

    def __init__(self, path: str, stretches: dict[int, Stretch]) -> None:
        self.reader: MediaReader | None = None
        self._path = path
        self._stretches = stretches
        self._reading: MediaPass | None = None
        self._blocks: dict[int, list[NDArray[np.float32]]] = {}
        self._ended: dict[int, StretchEnd] = {}
        self._error: MediaError | None = None

    def forget(self, number: int) -> None:
        """Keep nothing of an utterance any more."""
        self._blocks.pop(number, None)
        if self._reading is None:
            self._stretches.pop(number)

    def heard(self, number: int) -> Heard | MediaError:
        """Read on to the end of an utterance."""
        try:
            if self._reading is None and self._error is None:
                assert self.reader is not None
                self._blocks = {chosen: [] for chosen in self._stretches}
                self._reading = self.reader.stretches(self._path, self._stretches)
            while number not in self._ended and self._error is None and self._reading is not None:
                chosen, piece = next(self._reading)
                if isinstance(piece, StretchEnd):
                    self._ended[chosen] = piece
                elif isinstance(piece, SoundBlock) and chosen in self._blocks:
                    self._blocks[chosen].append(piece.samples)
        except MediaError as error:
            self._error = error
        end = self._ended.pop(number, None)
        if end is None:
            assert self._error is not None
            return self._error
        blocks = self._blocks.pop(number)
        return end.error or Heard(blocks=blocks, end=end)
