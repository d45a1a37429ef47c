"""Times of decoded frames, made to go forward whatever the file's time stamps do (decoder process only)."""

from __future__ import annotations

JUMP_S = 10.0
"""A time stamp further ahead than this, and beyond the end the file claims, is not believed."""

CONTINUOUS_SLACK_S = 0.05
"""Sound is one run of samples as long as its time stamps differ from the sample count by no more than this."""


class Timeline:
    """Gives each frame of a stream its time.

    Time stamps are believed where they can be: a missing one, one that goes back, and one that leaps beyond the file's
    end are replaced by the time at which the frame before ended, and counted.

    Args:
        claimed_end_s: where the file says it ends; None if it does not say.
        continuous: the frames follow each other without gaps unless a time stamp clearly says so (sound). Otherwise each
            time stamp counts as it is (pictures).
    """

    def __init__(self, *, claimed_end_s: float | None, continuous: bool) -> None:
        self._claimed_end_s = claimed_end_s
        self._continuous = continuous
        self._last_s: float | None = None
        self.end_s = 0.0
        self.replaced = 0

    def place(self, stamp_s: float | None, length_s: float) -> float:
        """Return the time of the next frame, given its time stamp and how long it lasts."""
        time_s = self._believed(stamp_s)
        if time_s is None:
            self.replaced += 1
            time_s = self.end_s
        elif self._continuous and self._last_s is not None and abs(time_s - self.end_s) <= CONTINUOUS_SLACK_S:
            time_s = self.end_s
        self._last_s = time_s
        self.end_s = time_s + length_s
        return time_s

    def _believed(self, stamp_s: float | None) -> float | None:
        if stamp_s is None:
            return None
        leaps = stamp_s > self.end_s + JUMP_S
        if leaps and self._claimed_end_s is not None and stamp_s > self._claimed_end_s + 1.0:
            return None
        if self._last_s is None:
            return stamp_s
        earliest_s = self.end_s - CONTINUOUS_SLACK_S if self._continuous else self._last_s
        return None if stamp_s < earliest_s else stamp_s
