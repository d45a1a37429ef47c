"""Which utterances of a file are prepared in one go through it: all of them, unless too many go on at the same time."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from mesmer.dataset.plan import PlannedRow

MAX_OPEN = 8
"""Utterances that may go on at the same time in one pass: each holds a few frames in memory."""
MAX_SOUND_FILES = 4
"""Sound files that may go on at the same time in one pass: each has a decoder process."""


def passes(rows: Sequence[PlannedRow]) -> tuple[tuple[PlannedRow, ...], ...]:
    """Return the utterances of one file as few groups, each for one pass, in order of their start.

    A pass is the first that an utterance fits into; where no more than eight go on at a time there is one.
    """
    ordered = sorted(rows, key=lambda row: (row.utterance.start_s or 0.0, row.place))
    last_use_s: dict[str, float] = {}
    for row in ordered:
        if row.utterance.sound is not None:
            last_use_s[row.utterance.sound] = max(last_use_s.get(row.utterance.sound, 0.0), _end_s(row))
    made: list[_Pass] = []
    for row in ordered:
        fitting = next((one for one in made if one.takes(row)), None)
        if fitting is None:
            fitting = _Pass(last_use_s)
            made.append(fitting)
        fitting.add(row)
    return tuple(tuple(one.rows) for one in made)


class _Pass:
    """The utterances of one pass so far; they come in order of their start."""

    def __init__(self, last_use_s: Mapping[str, float]) -> None:
        self.rows: list[PlannedRow] = []
        self._last_use_s = last_use_s  # sound file -> where its last utterance ends
        self._open_ends_s: list[float] = []
        self._sound_ends_s: dict[str, float] = {}

    def takes(self, row: PlannedRow) -> bool:
        """Whether there is room for this utterance."""
        start_s, sound = row.utterance.start_s or 0.0, row.utterance.sound
        while self._open_ends_s and self._open_ends_s[0] <= start_s:
            heapq.heappop(self._open_ends_s)
        if len(self._open_ends_s) >= MAX_OPEN:
            return False
        self._sound_ends_s = {file: end_s for file, end_s in self._sound_ends_s.items() if end_s > start_s}
        return sound is None or sound in self._sound_ends_s or len(self._sound_ends_s) < MAX_SOUND_FILES

    def add(self, row: PlannedRow) -> None:
        self.rows.append(row)
        heapq.heappush(self._open_ends_s, _end_s(row))
        if row.utterance.sound is not None:
            self._sound_ends_s[row.utterance.sound] = self._last_use_s[row.utterance.sound]


def _end_s(row: PlannedRow) -> float:
    return math.inf if row.utterance.end_s is None else row.utterance.end_s
