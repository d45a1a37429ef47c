"""A clip to its hand-crafted features: the one road for prepared datasets and for prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.config import FeatureSettings
from mesmer.records import MODALITIES, Clip
from mesmer.signals.handcrafted import acoustics, landmark_measures, openface
from mesmer.signals.handcrafted.acoustics import acoustic_features
from mesmer.signals.handcrafted.egemaps import egemaps_features
from mesmer.signals.handcrafted.resources import FeatureResources
from mesmer.signals.handcrafted.words import word_features

VERSION = 1
"""Raised whenever the same clip gets other numbers; features of another version are stale."""


def clip_features(
    clip: Clip, settings: FeatureSettings, resources: FeatureResources, *, media: Path | None = None, start_s: float = 0.0
) -> dict[str, NDArray[np.float32]]:
    """Return modality -> float32 (S, F), F as in ``settings.widths``; no steps where the modality is absent.

    Text has a step per word, audio one per 400 ms, visual one per face.

    Args:
        media: the media file, for action units by OpenFace where no folder of its CSV files is named.
        start_s: where the clip begins in that file.

    Raises:
        MesmerError: an optional program, package or file that the settings ask for is missing or fails.
    """
    nothing = {name: np.zeros((0, width), dtype=np.float32) for name, width in settings.widths.items()}
    makers = {
        "text": lambda: word_features(clip.text, resources.words),
        "audio": lambda: _sound(clip, settings, resources),
        "visual": lambda: _face(clip, settings, resources, media, start_s),
    }
    return {name: nothing[name] if name in clip.absent else makers[name]() for name in MODALITIES}


def columns(settings: FeatureSettings) -> dict[str, tuple[str, ...]]:
    """Return modality -> names of its numbers; numbers without names of their own are counted."""
    named = {
        "audio": acoustics.COLUMNS if settings.audio == "paper" else None,
        "visual": landmark_measures.COLUMNS if settings.visual == "landmarks" else openface.COLUMNS,
    }
    return {
        name: named.get(name) or tuple(f"{name}_{number + 1}" for number in range(width))
        for name, width in settings.widths.items()
    }


def _sound(clip: Clip, settings: FeatureSettings, resources: FeatureResources) -> NDArray[np.float32]:
    if settings.audio == "egemaps":
        return egemaps_features(clip.waveform)
    return acoustic_features(clip.waveform, resources.phonet)


def _face(
    clip: Clip, settings: FeatureSettings, resources: FeatureResources, media: Path | None, start_s: float
) -> NDArray[np.float32]:
    if settings.visual == "landmarks":
        return landmark_measures.landmark_measures(clip.faces, resources.landmarks)
    if settings.openface or media is None:
        return openface.find_units(Path(settings.openface), clip.id).at(clip.face_times_s)
    return openface.run_openface(media).at(clip.face_times_s + start_s)
