"""Shared fixtures. Tests run on one thread: small tensors on two busy threads can be a hundred times slower."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples every time, so that a verdict can be repeated; `make explore` looks at others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; tests that need it skip where it is not there (see CONTRIBUTING.md)."""
    folder = Path(os.environ.get("MESMER_REAL_DATA", REAL_DATA))
    if not folder.is_dir():
        pytest.skip("real recordings are not here; set MESMER_REAL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def ravdess_clips(real_data: Path) -> list[Path]:
    """The real audio-visual clips, sorted by name."""
    clips = sorted((real_data / "ravdess_clips").glob("*.mp4"))
    if not clips:
        pytest.skip("no RAVDESS clips in the folder of real recordings")
    return clips
