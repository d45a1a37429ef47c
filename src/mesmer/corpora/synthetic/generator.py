"""Make the synthetic corpus: a folder of mp4 files with a manifest and the truth about each of them.

The folder appears whole or not at all, and the same settings give the same bytes on one machine, whatever the number of
worker processes.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.corpora.synthetic.plan import (
    EVIDENCE,
    UtterancePlan,
    carried_probability,
    plan_corpus,
    plan_unseen,
    size_named,
)
from mesmer.corpora.synthetic.rendering import perform, truth_of
from mesmer.corpora.synthetic.voice import SAMPLE_RATE_HZ
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError
from mesmer.media.writer import write_video
from mesmer.records import SPLITS
from mesmer.storage.atomic import atomic_folder, read_json, write_json, write_text
from mesmer.storage.hashes import sha256_file

FORMAT = "mesmer-synthetic-corpus"
VERSION = 2
"""Changes whenever the same settings would give other files."""

CRF = 23
MAX_WORKERS = 64
_MAX_RECORD_BYTES = 1024**2

Progress = Callable[[int, int], None]


def make_synthetic(
    out: str | Path, *, size: str = "small", seed: int = 0, workers: int = 1, progress: Progress | None = None
) -> Corpus:
    """Make the synthetic corpus of a size and a seed in the folder ``out``, or return it if it is there already.

    Args:
        out: folder to be made: ``media/*.mp4``, ``manifest.jsonl``, ``truth.jsonl``, ``corpus.json``, and ``unseen.mp4``
            with ``unseen.txt``, a clip of a speaker who is in no split.
        size: ``tiny``, ``small`` or ``medium`` (see :data:`mesmer.corpora.synthetic.plan.SIZES`).
        seed: of everything drawn, 0 or more.
        workers: processes; the result does not depend on it.
        progress: is told (utterances done, utterances in all).

    Raises:
        ConfigError: there is no such size, or a number is out of range.
        DataError: ``out`` is something else than this corpus, or was changed; nothing is ever overwritten.
        MesmerError: the folder cannot be written.
    """
    out = Path(out)
    plans = plan_corpus(size=size, seed=seed)
    if not 1 <= workers <= MAX_WORKERS:
        raise ConfigError(f"{workers} workers were asked for", field="workers", remedy=f"use 1 to {MAX_WORKERS}")
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        _check_same(out, size=size, seed=seed)
        return _read(out)
    with atomic_folder(out) as folder:
        (folder / "media").mkdir()
        truths = _make_all(plans, folder=folder, seed=seed, workers=workers, progress=progress)
        _write_tables(folder, plans, truths)
        _make_unseen(folder, seed=seed)
        write_json(folder / "corpus.json", _record(folder, plans, size=size, seed=seed))
    return _read(out)


def read_truth(root: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the truth about every utterance of the synthetic corpus in the folder ``root``, in the manifest's order.

    Raises:
        DataError: there is no such file, or a line of it is not JSON.
    """
    path = Path(root) / "truth.jsonl"
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise DataError("the line is not JSON", file=path, field=f"line {number}") from None
    except OSError as error:
        raise DataError(f"the truth cannot be read ({error.strerror})", file=path) from None


def make_utterance(plan: UtterancePlan, *, path: Path, seed: int) -> dict[str, Any]:
    """Draw, speak and write one planned utterance; return the truth about it."""
    performance = perform(plan, seed=seed)
    write_video(path, performance.pictures(), plan.fps, performance.speech.waveform, SAMPLE_RATE_HZ, crf=CRF)
    return truth_of(performance)


def _make_one(job: tuple[UtterancePlan, str, int]) -> str:
    """The work of a worker process: one file; returns its truth as one line of JSON."""
    plan, folder, seed = job
    return _json_line(make_utterance(plan, path=Path(folder) / "media" / f"{plan.id}.mp4", seed=seed))


def _make_all(
    plans: Sequence[UtterancePlan], *, folder: Path, seed: int, workers: int, progress: Progress | None
) -> list[str]:
    jobs = [(plan, str(folder), seed) for plan in plans]
    lines: list[str] = []

    def collect(results: Iterator[str]) -> None:
        for line in results:
            lines.append(line)
            if progress is not None:
                progress(len(lines), len(jobs))

    if workers == 1:
        collect(map(_make_one, jobs))
        return lines
    # Fresh processes: a copy of one that runs threads (torch's, for instance) can hang.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        collect(pool.map(_make_one, jobs, chunksize=4))
    except BrokenProcessPool:
        raise DataError("a worker process died", file=folder, remedy="try again with fewer workers") from None
    finally:
        pool.shutdown(cancel_futures=True)
    return lines


def _write_tables(folder: Path, plans: Sequence[UtterancePlan], truths: Sequence[str]) -> None:
    rows = []
    for plan, truth in zip(plans, truths, strict=True):
        text = json.loads(truth)["text"]["sentence"]
        row = {"path": f"media/{plan.id}.mp4", "id": plan.id, "speaker": plan.speaker, "text": text}
        rows.append(_json_line({**row, "labels": dict(plan.labels), "split": plan.split}))
    write_text(folder / "manifest.jsonl", "".join(rows))
    write_text(folder / "truth.jsonl", "".join(truths))


def _make_unseen(folder: Path, *, seed: int) -> None:
    truth = make_utterance(plan_unseen(seed=seed), path=folder / "unseen.mp4", seed=seed)
    write_text(folder / "unseen.txt", truth["text"]["sentence"] + "\n")


def _record(folder: Path, plans: Sequence[UtterancePlan], *, size: str, seed: int) -> dict[str, Any]:
    """What ``corpus.json`` says: the settings, the evidence, and what came of them."""
    counts: dict[str, Any] = {}
    for split in SPLITS:
        chosen = [plan for plan in plans if plan.split == split]
        emotions = Counter(emotion for plan in chosen for emotion in plan.labels)
        counts[split] = {
            "utterances": len(chosen),
            "speakers": len({plan.speaker for plan in chosen}),
            "neutral": sum(not plan.labels for plan in chosen),
            "emotions": {emotion: emotions[emotion] for emotion in SIX_EMOTIONS},
        }
    return {
        "format": FORMAT,
        "version": VERSION,
        "size": size,
        "seed": seed,
        "emotions": list(SIX_EMOTIONS),
        "evidence": {
            name: {"drawn": share, "given_at_least_one": round(carried_probability(name), 6)}
            for name, share in EVIDENCE.items()
        },
        "counts": counts,
        "sha256": {name: sha256_file(folder / name) for name in ("manifest.jsonl", "truth.jsonl")},
    }


def _check_same(out: Path, *, size: str, seed: int) -> None:
    """Refuse a folder that is not this corpus, whole and unchanged."""
    remedy = "choose another folder, or delete this one"
    path = out / "corpus.json"
    if not out.is_dir() or not path.is_file():
        raise DataError("something else stands here", file=out, remedy=remedy)
    record = read_json(path, max_bytes=_MAX_RECORD_BYTES)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError("this is not a synthetic corpus", file=path, field="format", remedy=remedy)
    for field, value in (("version", VERSION), ("size", size), ("seed", seed)):
        if record.get(field) != value or isinstance(record.get(field), bool):
            problem = f"the corpus here was made with {field} {record.get(field)!r}, not {value!r}"
            raise DataError(problem, file=path, field=field, remedy=remedy)
    hashes = record.get("sha256")
    for name in ("manifest.jsonl", "truth.jsonl"):
        if not isinstance(hashes, dict) or hashes.get(name) != sha256_file(out / name):
            raise DataError("the file was changed since the corpus was made", file=out / name, remedy=remedy)
    if size_named(size).utterances != sum(1 for _ in (out / "media").glob("*.mp4")):
        raise DataError("media files are missing or were added", file=out / "media", remedy=remedy)


def _read(out: Path) -> Corpus:
    return read_folder(out / "manifest.jsonl", emotions=SIX_EMOTIONS, name="synthetic")


def _json_line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
