"""How probable speech is, for each 32 ms of sound: by silero-VAD where it is installed, else by loudness alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.analysis.asr import load_silero
from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import DependencyError

STEP_SAMPLES = 512
STEP_S = STEP_SAMPLES / SAMPLE_RATE_HZ
"""32 ms: one probability."""


class Hearing(Protocol):
    """Hears speech, one step of 512 samples after the other. ``name`` is told in the result."""

    name: str

    def begin(self) -> None:
        """Begin with another file."""

    def speech(self, samples: NDArray[np.float32]) -> float:
        """Return how probable speech is in the next step, float32 (512,)."""


class SileroHearing:
    """silero-VAD: a small recurrent network trained on speech in some thousand languages."""

    name = "silero-vad"

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self) -> None:
        """Forget what was heard."""
        self._model.reset_states()

    @torch.no_grad()
    def speech(self, samples: NDArray[np.float32]) -> float:
        """Return the network's probability of speech."""
        return float(self._model(torch.from_numpy(samples), SAMPLE_RATE_HZ))


FLOOR_STEPS = round(8 / STEP_S)
ABOVE_FLOOR_DB = 10.0
LOWEST_DBFS = -50.0
SOFTNESS_DB = 2.0


class LoudnessHearing:
    """Whatever is 10 dB louder than the quietest of the last 8 s, and louder than -50 dBFS, is taken for speech.

    It takes music and noise for speech as well; it is there so that the base install works.
    """

    name = "loudness"

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=FLOOR_STEPS)

    def begin(self) -> None:
        """Forget how quiet it was."""
        self._recent.clear()

    def speech(self, samples: NDArray[np.float32]) -> float:
        """Return a half where the loudness is at its limit, more above it."""
        level_dbfs = loudness_dbfs(samples)
        self._recent.append(level_dbfs)
        limit = max(min(self._recent) + ABOVE_FLOOR_DB, LOWEST_DBFS)
        if len(self._recent) < FLOOR_STEPS // 8:  # too little was heard to know how quiet it can be
            limit = LOWEST_DBFS
        return float(1 / (1 + np.exp(np.clip((limit - level_dbfs) / SOFTNESS_DB, -50, 50))))


class Deaf:
    """For files without sound."""

    name = "none"

    def begin(self) -> None:
        """Nothing to forget."""

    def speech(self, samples: NDArray[np.float32]) -> float:
        """Return 0."""
        return 0.0


def loudness_dbfs(samples: Sequence[float] | NDArray[np.float32]) -> float:
    """Return the root mean square level of samples in dB of full scale, at least -100."""
    return float(10 * np.log10(np.mean(np.square(np.asarray(samples, dtype=np.float64))) + 1e-10))


def best_hearing() -> tuple[Hearing, str | None]:
    """Return silero-VAD, or, where it cannot be used, :class:`LoudnessHearing` and a sentence that says so."""
    try:
        return SileroHearing(load_silero()), None
    except DependencyError as error:
        sentence = "speech was told from silence by its loudness alone, so music and noise may be taken for speech"
        return LoudnessHearing(), f"{error.message}: {sentence}; {error.remedy}"
