"""What is asked of a file: which stretch of it, and in which form (checked by the reader, obeyed by the decoder)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SAME_TIME_S = 1e-6
"""Times closer than this are one time; time stamps are whole numbers of some clock and seldom exactly round."""

SOUND_BLOCK_SAMPLES = 8000
"""Most samples in one block of sound: half a second."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One stretch of a file, in seconds from the file's first time stamp.

    Attributes:
        start_s, end_s: where it begins and ends; an end of None is the file's own.
        frame_interval_s: a frame is chosen for start_s + k x this, for k = 0, 1, ...
        max_frame_side_px: larger frames are shrunk to this longer side.
        channel: ``mix`` of all sound channels, or ``left`` or ``right``.
        want_video, want_audio: what is decoded.
    """

    start_s: float = 0.0
    end_s: float | None = None
    frame_interval_s: float = 0.5
    max_frame_side_px: int = 1280
    channel: str = "mix"
    want_video: bool = True
    want_audio: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return plain types; ``Stretch(**wire)`` is the way back."""
        return asdict(self)
