"""Hand-crafted features of a whole prepared dataset: made once, in any number of processes, through any kill.

The result does not depend on the number of processes. What was made before a kill stays; the same command goes on.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

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
from mesmer.dataset.feature_pieces import (
    FeaturePiece,
    FeatureWork,
    PieceMaker,
    begin_process,
    make_in_process,
    stands,
)
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.dataset.row_count import row_counter
from mesmer.dataset.threads import one_thread
from mesmer.errors import ConfigError, MesmerError, StaleDatasetError
from mesmer.records import MODALITIES, SPLITS
from mesmer.signals.handcrafted.clip_features import VERSION
from mesmer.signals.handcrafted.resources import FeatureResources, make_resources
from mesmer.signals.handcrafted.words import unknown_share
from mesmer.storage.atomic import remove_leftovers, write_json
from mesmer.storage.hashes import sha256_bytes, sha256_file
from mesmer.storage.locking import locked_folder
from mesmer.storage.reading import read_json

PLAN_FILE = "plan.json"
SMALLEST_DEVIATION = 1e-6

Statistics = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


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
        facts = read_facts(folder)
        check_facts(facts, folder, dataset=opened.fingerprint, settings=settings)
        if settings.text == "glove" and settings.glove:
            _check_words(folder, facts, make_resources(settings, train_texts=()))
        return FeatureFiles.open(opened.folder, settings, fingerprint=opened.fingerprint)
    resources = make_resources(settings, train_texts=opened.split("train").texts)
    busy = MesmerError("these features are being made already", file=folder, remedy="wait for it")
    with locked_folder(folder, busy=busy):
        remove_leftovers(folder)
        plan = _plan(folder, opened, settings, resources)
        pieces = [
            FeaturePiece(
                split=split, number=first // PIECE_ROWS, rows=range(first, min(first + PIECE_ROWS, rows)), plan=plan
            )
            for split in SPLITS
            if (rows := len(opened.split(split)))
            for first in range(0, rows, PIECE_ROWS)
        ]
        work = FeatureWork(dataset=opened.folder, folder=folder, settings=settings, media=media)
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


def _check_words(folder: Path, facts: FeatureFacts, resources: FeatureResources) -> None:
    if facts.words != resources.words.identity:
        raise StaleDatasetError(
            "these features were made with another file of word vectors",
            file=folder,
            field="words",
            remedy=f"name that file, or delete {folder} to make them anew",
        )


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


def _make_all(
    pieces: list[FeaturePiece], work: FeatureWork, workers: int, progress: Callable[[int, int], None] | None
) -> None:
    """Make the pieces that are not there yet."""
    missing = [piece for piece in pieces if not stands(piece, work)]
    done = row_counter(
        total=sum(len(piece.rows) for piece in pieces),
        missing=sum(len(piece.rows) for piece in missing),
        progress=progress,
    )
    if not missing:
        return
    if not workers:
        with one_thread():
            maker = PieceMaker(work)
            for piece in missing:
                done(maker.make(piece))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), context, initializer=begin_process, initargs=(work,)) as pool:
        waiting = [pool.submit(make_in_process, piece) for piece in missing]
        try:
            for one in as_completed(waiting):
                done(one.result())
        except BrokenProcessPool:
            raise MesmerError(
                "a process that makes features died", file=work.folder, remedy="free some memory or use fewer workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _finish(
    folder: Path,
    dataset: PreparedDataset,
    settings: FeatureSettings,
    resources: FeatureResources,
    pieces: list[FeaturePiece],
) -> None:
    """Write down what was made."""
    names = [piece_name(piece.split, piece.number) for piece in pieces]
    steps: dict[str, int] = dict.fromkeys(MODALITIES, 0)
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
