"""eGeMAPS (Eyben et al. 2016) by openSMILE: 88 functionals per 400 ms, where the user has installed it.

openSMILE's licence allows research and private use only, so it is no dependency of this project, not even an optional
one: the user installs it under its own terms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import DependencyError

NUM_COLUMNS = 88
WINDOW_SAMPLES = 6400


def egemaps_features(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return eGeMAPSv02 functionals of each 400 ms of a sound, float32 (S, 88), S = T / 6400 rounded up.

    The last window is filled with silence. What has no value in a window (the pitch of a whisper) is 0.

    Raises:
        DependencyError: openSMILE is not installed.
    """
    smile = _smile()
    windows = -(-len(waveform) // WINDOW_SAMPLES)
    padded = np.pad(waveform, (0, windows * WINDOW_SAMPLES - len(waveform)))
    rows = [smile.process_signal(part, SAMPLE_RATE_HZ).to_numpy()[0] for part in padded.reshape(windows, WINDOW_SAMPLES)]
    values = np.array(rows, dtype=np.float32).reshape(windows, NUM_COLUMNS)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


@lru_cache(maxsize=1)
def _smile() -> Any:
    try:
        import opensmile  # type: ignore[import-not-found]
    except ImportError:
        raise DependencyError(
            "openSMILE is not installed",
            field="features.audio",
            remedy="read its licence (research and private use) and run `pip install opensmile`, or use the set 'paper'",
        ) from None
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals, num_workers=1
    )
