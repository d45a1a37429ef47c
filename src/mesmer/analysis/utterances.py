"""Sound to utterances: where speech begins and ends, cut at its quietest where it goes on for long.

Utterances begin and end on a grid of whole time steps, so that the frames and the sound of each are frames and sound of the
whole file, decoded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.hearing import STEP_S, STEP_SAMPLES, Hearing, loudness_dbfs
from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import ConfigError

FADED_DB = 40.0
"""What is so much quieter than the loudest of an utterance is no longer its sound."""
SMOOTHED_STEPS = 5
"""The quietest place is looked for in the loudness averaged over so many steps."""


@dataclass(frozen=True, kw_only=True)
class UtteranceSettings:
    """How speech becomes utterances.

    Attributes:
        longest_s: longer speech is cut, at its quietest place in the second half.
        pause_s: a silence of this length ends an utterance.
        shortest_s: shorter speech is none.
        begins_at, ends_below: probability of speech.
        lead_s: an utterance begins so much before its speech was noticed.
        gaps: what lies between speech becomes utterances too, without words.
        look_every_s: about so long is the time between two frames that are looked at: mouths move four times a second.
    """

    longest_s: float = 15.0
    pause_s: float = 0.3
    shortest_s: float = 0.25
    begins_at: float = 0.5
    ends_below: float = 0.35
    lead_s: float = 0.06
    gaps: bool = False
    look_every_s: float = 0.125

    def __post_init__(self) -> None:
        if not 0.05 <= self.look_every_s <= 0.5:
            raise ConfigError(f"{self.look_every_s:g} s is not allowed", field="look_every_s", remedy="use 0.05 to 0.5")
        if not 1.0 <= self.longest_s <= 60.0:
            raise ConfigError(f"{self.longest_s:g} s is not allowed", field="longest_s", remedy="use 1 to 60")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of the file, in seconds from its start. ``kind`` says whether speech was heard in it."""

    start_s: float
    end_s: float
    kind: Literal["speech", "gap"]


class Segmenter:
    """Finds the segments of sound that comes in any portions; remembers as much as the longest one.

    Args:
        hearing: hears speech.
        grid_s: segments begin and end at whole multiples of it.
        settings: lengths and limits.
    """

    def __init__(self, hearing: Hearing, *, grid_s: float, settings: UtteranceSettings) -> None:
        self._hearing = hearing
        self._grid_s = grid_s
        self._settings = settings
        self._rest = np.zeros(0, np.float32)
        self._step = 0
        self._begun: int | None = None  # the first step of the speech that goes on
        self._voiced_end = 0  # the step after the last one with speech
        self._levels: list[float] = []  # of the speech that goes on
        self._told_s = 0.0  # what lies before has been handed out
        self.speech_s = 0.0
        hearing.begin()

    @property
    def heard_s(self) -> float:
        """How far the sound has been heard."""
        return self._step * STEP_S

    @property
    def keep_from_s(self) -> float:
        """What lies before is in no segment to come."""
        if self._settings.gaps:
            return self._told_s
        earliest = self.heard_s if self._begun is None else self._begun * STEP_S
        return max(self._told_s, self._down(earliest - self._settings.lead_s))

    def push(self, samples: NDArray[np.float32]) -> list[Segment]:
        """Hear the next samples, float32 (T,), mono, 16 kHz; return the segments that ended."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // STEP_SAMPLES * STEP_SAMPLES
        self._rest = waiting[whole:]
        found: list[Segment] = []
        for start in range(0, whole, STEP_SAMPLES):
            piece = np.ascontiguousarray(waiting[start : start + STEP_SAMPLES])
            found += self._take(self._hearing.speech(piece), loudness_dbfs(piece))
        return found

    def finish(self, end_s: float) -> list[Segment]:
        """Return what is left at the end of the file, at ``end_s``."""
        found = self._close(end_s) if self._begun is not None else []
        return found + self._gaps_until(end_s, end_s)

    def _take(self, probability: float, level_dbfs: float) -> list[Segment]:
        settings, step = self._settings, self._step
        self._step += 1
        if self._begun is None:
            if probability < settings.begins_at:
                return self._gaps_until(self._told_s + settings.longest_s, self._down(self.heard_s - settings.lead_s))
            self._begun, self._levels = step, []
        self._levels.append(level_dbfs)
        if probability >= settings.ends_below:
            self._voiced_end = step + 1
        elif (step + 1 - self._voiced_end) * STEP_S >= settings.pause_s:
            return self._close(math.inf)
        if (step + 1 - self._begun) * STEP_S >= settings.longest_s - settings.lead_s - 2 * self._grid_s:
            return self._cut()
        return []

    def _close(self, file_end_s: float) -> list[Segment]:
        """End the speech that goes on where it was last heard."""
        assert self._begun is not None
        begun, self._begun = self._begun, None
        if (self._voiced_end - begun) * STEP_S < self._settings.shortest_s:
            return []
        return self._speech(begun, min(self._nearest(self._sound_end(begun) * STEP_S), file_end_s))

    def _sound_end(self, begun: int) -> int:
        """Return the step after the last one that is not far quieter than the loudest, of those shortly before the end.

        A network goes on to hear speech for a while after its last sound.
        """
        levels = self._levels[: self._voiced_end - begun]
        faded_dbfs = max(levels, default=0.0) - FADED_DB
        end, least = self._voiced_end, max(begun + 1, self._voiced_end - round(self._settings.pause_s / STEP_S))
        while end > least and levels[end - begun - 1] < faded_dbfs:
            end -= 1
        return end

    def _cut(self) -> list[Segment]:
        """End the speech at its quietest place, and begin again there."""
        assert self._begun is not None
        smooth = np.convolve(self._levels, np.ones(SMOOTHED_STEPS) / SMOOTHED_STEPS, mode="same")
        half, last = len(smooth) // 2, len(smooth) - SMOOTHED_STEPS
        place = half + int(np.argmin(smooth[half:last]))
        begun, self._begun = self._begun, self._begun + place
        self._levels = self._levels[place:]
        end_s = self._nearest(self._begun * STEP_S)
        return self._speech(begun, end_s)

    def _speech(self, begun: int, end_s: float) -> list[Segment]:
        start_s = max(self._told_s, self._down(begun * STEP_S - self._settings.lead_s))
        if end_s <= start_s:
            return []
        gaps = self._gaps_until(start_s, start_s)
        self._told_s = end_s
        self.speech_s += end_s - start_s
        return [*gaps, Segment(start_s=start_s, end_s=end_s, kind="speech")]

    def _gaps_until(self, target_s: float, known_s: float) -> list[Segment]:
        """Hand out the silence up to ``target_s`` if gaps are wanted, and it is known to be none else, in pieces."""
        found: list[Segment] = []
        if not self._settings.gaps or known_s < target_s:
            return found
        while target_s - self._told_s > self._settings.longest_s / 100:
            end_s = min(target_s, self._told_s + self._down(self._settings.longest_s))
            if end_s - self._told_s >= 1.0:
                found.append(Segment(start_s=self._told_s, end_s=end_s, kind="gap"))
            self._told_s = end_s
        return found

    def _down(self, time_s: float) -> float:
        return max(0.0, round(math.floor(time_s / self._grid_s + 1e-6) * self._grid_s, 6))

    def _nearest(self, time_s: float) -> float:
        return round(round(time_s / self._grid_s) * self._grid_s, 6)


def sample_at(time_s: float) -> int:
    """Return the number of the sample at a time."""
    return round(time_s * SAMPLE_RATE_HZ)
