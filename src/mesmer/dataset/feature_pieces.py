"""Making one piece of a dataset's hand-crafted features, here or in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import FeatureSettings
from mesmer.dataset.feature_files import piece_name
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.errors import ConfigError, DataError, MesmerError
from mesmer.records import MODALITIES
from mesmer.signals.handcrafted.clip_features import clip_features
from mesmer.signals.handcrafted.resources import load_resources
from mesmer.storage.paths import safe_join
from mesmer.storage.weights import load_metadata, save_tensors


@dataclass(frozen=True, kw_only=True)
class FeaturePiece:
    """One piece to be made: which rows of which split, and the plan it belongs to."""

    split: str
    number: int
    rows: range
    plan: str


@dataclass(frozen=True, kw_only=True)
class FeatureWork:
    """What a process needs to make pieces. ``media`` is the corpus's folder, for OpenFace."""

    dataset: Path
    folder: Path
    settings: FeatureSettings
    media: Path | None


class PieceMaker:
    """Makes pieces, one after another."""

    def __init__(self, work: FeatureWork) -> None:
        self._work = work
        self._dataset = PreparedDataset.open(work.dataset)
        self._resources = load_resources(work.settings, work.folder)

    def make(self, piece: FeaturePiece) -> int:
        """Write a piece; return how many utterances it holds."""
        split = self._dataset.split(piece.split)
        found = [self._features(split, row) for row in piece.rows]
        tensors = {}
        for name in MODALITIES:
            starts = np.cumsum([0, *(len(features[name]) for features in found)], dtype=np.int64)
            tensors[name] = torch.from_numpy(np.concatenate([features[name] for features in found]))
            tensors[f"{name}_starts"] = torch.from_numpy(starts)
        ids = "\n".join(split.ids[row] for row in piece.rows)
        metadata = {"plan": piece.plan, "ids": ids}
        save_tensors(self._work.folder / piece_name(piece.split, piece.number), tensors, metadata)
        return len(piece.rows)

    def _features(self, split: PreparedSplit, row: int) -> dict[str, NDArray[np.float32]]:
        clip, settings = split[row], self._work.settings
        media, start_s = None, 0.0
        if settings.visual == "openface" and not settings.openface:
            if self._work.media is None:
                raise ConfigError(
                    "where the media lie is not known",
                    field="--media",
                    remedy="name the corpus's folder, or a folder of OpenFace's CSV files with features.openface",
                )
            name, start_s = split.source_of(row)
            media = safe_join(self._work.media, name)
        features = clip_features(clip, settings, self._resources, media=media, start_s=start_s)
        for name, values in features.items():
            if not np.isfinite(values).all():
                raise DataError(
                    f"a {name} feature is not a finite number", file=split.folder, field=f"utterance {clip.id!r}"
                )
        return features


_maker: PieceMaker


def begin_process(work: FeatureWork) -> None:
    """Begin a process that makes pieces; it ends when its parent is gone."""
    global _maker
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    torch.set_num_threads(1)
    _maker = PieceMaker(work)


def make_in_process(piece: FeaturePiece) -> int:
    return _maker.make(piece)


def stands(piece: FeaturePiece, work: FeatureWork) -> bool:
    """Return whether the piece is on the disk, whole and of this plan."""
    try:
        return load_metadata(work.folder / piece_name(piece.split, piece.number)).get("plan") == piece.plan
    except MesmerError:
        return False
