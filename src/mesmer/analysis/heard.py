"""What going through a file gives: a turn of speech with all that was seen and heard of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.people import Sighting
from mesmer.analysis.speaking import Turn
from mesmer.media.facts import Frame


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A turn of speech (or a gap) with all that was decoded of it: what a clip is made from.

    ``frames`` are those at the model's own interval from the start; ``waveform`` is float32 (T,). ``seen`` are the
    sightings of each person in it, by number, and ``known`` is how many people were seen in the file up to then.
    """

    kind: str
    turn: Turn
    frames: Sequence[Frame]
    waveform: NDArray[np.float32]
    picture_absent: str | None
    sound_absent: str | None
    seen: Mapping[int, Sequence[Sighting]]
    known: int
