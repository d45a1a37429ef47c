"""Hand-crafted features of a whole prepared dataset: made once, in any number of processes, through any kill.

The result does not depend on the number of processes. What was made before a kill stays; the same command goes on.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import FeatureSettings
from mesmer.config_dict import to_dict
from mesmer.dataset.feature_files import (
    FACTS_FILE,
    PIECE_ROWS,
    FeatureFacts,
    FeatureFiles,
    check_facts,
    features_folder,
    piece_name,
    read_facts,
    write_facts,
)
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.records import MODALITIES, SPLITS
from mesmer.signals.handcrafted.clip_features import VERSION, clip_features
from mesmer.signals.handcrafted.resources import FeatureResources, load_resources, make_resources
from mesmer.signals.handcrafted.words import unknown_share
from mesmer.storage.atomic import plain_error, remove_leftovers, write_json
from mesmer.storage.hashes import sha256_bytes, sha256_file
from mesmer.storage.paths import safe_join
from mesmer.storage.reading import read_json
from mesmer.storage.weights import load_metadata, save_tensors

PLAN_FILE, LOCK_FILE = "plan.json", "lock"
SMALLEST_DEVIATION = 1e-6

Statistics = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One piece to be made: which rows of which split, and the plan it belongs to."""

    split: str
    number: int
    rows: range
    plan: str


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a process needs to make pieces. ``media`` is the corpus's folder, for OpenFace."""

    dataset: Path
    folder: Path
    settings: FeatureSettings
    media: Path | None


def make_features(
    dataset: PreparedDataset | str | Path,
    settings: FeatureSettings,
    *,
    workers: int = 0,
    media: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureFiles:
    """Make the features of a prepared dataset beside it; go on with what was begun; do nothing if all is done.

    Args:
        workers: processes; 0 works in this one.
        media: the corpus's folder, below which the utterances' media lie; needed only where OpenFace is to be run.
        progress: is told how many utterances are done, and how many there are.

    Raises:
        StaleDatasetError: the folder holds features, finished or not, of something else.
        MesmerError: the settings name what is not there, or the folder cannot be written or is in use.
    """
    if workers < 0:
        raise ConfigError(f"workers is {workers}", field="workers", remedy="use 0 or more")
    opened = dataset if isinstance(dataset, PreparedDataset) else PreparedDataset.open(dataset)
    folder = features_folder(opened.folder, settings)
    if (folder / FACTS_FILE).is_file():
        check_facts(read_facts(folder), folder, dataset=opened.fingerprint, settings=settings)
        return FeatureFiles.open(opened.folder, settings, fingerprint=opened.fingerprint)
    resources = make_resources(settings, train_texts=opened.split("train").texts)
    with _locked(folder):
        plan = _plan(folder, opened, settings, resources)
        pieces = [
            _Piece(split=split, number=first // PIECE_ROWS, rows=range(first, min(first + PIECE_ROWS, rows)), plan=plan)
            for split in SPLITS
            if (rows := len(opened.split(split)))
            for first in range(0, rows, PIECE_ROWS)
        ]
        work = _Work(dataset=opened.folder, folder=folder, settings=settings, media=media)
        _make_all(pieces, work, workers, progress)
        _finish(folder, opened, settings, resources, pieces)
    return FeatureFiles.open(opened.folder, settings, fingerprint=opened.fingerprint)


def feature_statistics(split: PreparedSplit) -> Statistics:
    """Return modality -> mean and deviation, float32 (F,) each, over all steps of a split that holds features.

    Those of the training split are what features are standardised with. A number that never changes has deviation 1, and so
    has a modality without steps, with mean 0.
    """
    sums: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], int]] = {}
    for row in range(len(split)):
        for name, values in split.features_of(row).items():
            doubled = values.astype(np.float64)
            total, squares, steps = sums.get(name, (np.zeros(values.shape[1]), np.zeros(values.shape[1]), 0))
            sums[name] = total + doubled.sum(axis=0), squares + (doubled**2).sum(axis=0), steps + len(values)
    found: Statistics = {}
    for name, (total, squares, steps) in sums.items():
        mean = total / max(steps, 1)
        variance = np.maximum(squares / max(steps, 1) - mean**2, 0.0)
        deviation = np.sqrt(variance)
        still = deviation <= SMALLEST_DEVIATION * np.maximum(np.abs(mean), 1.0)
        found[name] = mean.astype(np.float32), np.where(still, 1.0, deviation).astype(np.float32)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process alone.

    Raises:
        MesmerError: it cannot be written, or another process is making these features.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise plain_error(error, folder) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # falls with the process, however it ends
        except OSError:
            raise MesmerError("these features are being made already", file=folder, remedy="wait for it") from None
        remove_leftovers(folder)
        yield
    finally:
        os.close(lock)


def _plan(folder: Path, dataset: PreparedDataset, settings: FeatureSettings, resources: FeatureResources) -> str:
    """Return the hash of what is to be made; begin the folder, or refuse one that was begun with something else."""
    plan = {
        "dataset": dataset.fingerprint,
        "words": resources.words.identity,
        "version": VERSION,
        "settings": to_dict(replace(settings, glove="", openface="")),
    }
    if not (folder / PLAN_FILE).is_file():
        resources.save(folder)
        write_json(folder / PLAN_FILE, plan)
    elif (begun := read_json(folder / PLAN_FILE)) != plan:
        field = next((key for key in plan if not isinstance(begun, dict) or begun.get(key) != plan[key]), None)
        raise StaleDatasetError(
            f"the features begun here are made from another {field}", file=folder, field=field, remedy=f"delete {folder}"
        )
    return sha256_bytes(json.dumps(plan, sort_keys=True).encode())


def _make_all(pieces: list[_Piece], work: _Work, workers: int, progress: Callable[[int, int], None] | None) -> None:
    """Make the pieces that are not there yet."""
    missing = [piece for piece in pieces if not _stands(piece, work)]
    total, left = sum(len(piece.rows) for piece in pieces), sum(len(piece.rows) for piece in missing)

    def done(rows: int) -> None:
        nonlocal left
        left -= rows
        if progress:
            progress(total - left, total)

    done(0)
    if not missing:
        return
    if not workers:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order would change the last bits
        try:
            maker = _Maker(work)
            for piece in missing:
                done(maker.make(piece))
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), context, initializer=_begin, initargs=(work,)) as pool:
        waiting = [pool.submit(_make, piece) for piece in missing]
        try:
            for one in as_completed(waiting):
                done(one.result())
        except BrokenProcessPool:
            raise MesmerError(
                "a process that makes features died", file=work.folder, remedy="free some memory or use fewer workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


class _Maker:
    """Makes pieces, one after another."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._dataset = PreparedDataset.open(work.dataset)
        self._resources = load_resources(work.settings, work.folder)

    def make(self, piece: _Piece) -> int:
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


_maker: _Maker


def _begin(work: _Work) -> None:
    """Begin a process that makes pieces; it ends when its parent is gone."""
    global _maker
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    torch.set_num_threads(1)
    _maker = _Maker(work)


def _make(piece: _Piece) -> int:
    return _maker.make(piece)


def _stands(piece: _Piece, work: _Work) -> bool:
    """Return whether the piece is on the disk, whole and of this plan."""
    try:
        return load_metadata(work.folder / piece_name(piece.split, piece.number)).get("plan") == piece.plan
    except MesmerError:
        return False


def _finish(
    folder: Path,
    dataset: PreparedDataset,
    settings: FeatureSettings,
    resources: FeatureResources,
    pieces: list[_Piece],
) -> None:
    """Write down what was made."""
    names = [piece_name(piece.split, piece.number) for piece in pieces]
    steps: dict[str, int] = dict.fromkeys(MODALITIES, 0)
    from safetensors import safe_open

    for name in names:
        with safe_open(folder / name, framework="np") as opened:
            for modality in MODALITIES:
                steps[modality] += opened.get_slice(modality).get_shape()[0]
    facts = FeatureFacts(
        settings=to_dict(replace(settings, glove="", openface="")),
        dataset=dataset.fingerprint,
        words=resources.words.identity,
        version=VERSION,
        unknown_words={split: round(unknown_share(dataset.split(split).texts, resources.words), 4) for split in SPLITS},
        steps=steps,
        pieces={name: sha256_file(folder / name) for name in names},
    )
    write_facts(folder, facts)
    (folder / PLAN_FILE).unlink(missing_ok=True)
