"""A corpus to a prepared dataset on disk: decode each utterance once, in any number of processes, through any kill.

Pieces are made in ``OUT/.preparing`` and joined into shards at the end; ``dataset.json`` is written last. Until then a
second run goes on where the first one stopped, and the result is the same, byte for byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.dataset.card import CARD_FILE
from mesmer.dataset.facts import FACTS_FILE, PUBLIC_SPLITS, DatasetFacts, check_settings
from mesmer.dataset.join import QUARANTINE_FILE, WORK_FOLDER, join
from mesmer.dataset.pieces import PieceTask, find_piece
from mesmer.dataset.plan import Plan, make_plan
from mesmer.dataset.prepared import PreparedDataset
from mesmer.dataset.workers import MakeParts, make_parts, run_here, run_workers
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.storage.atomic import plain_error, remove_leftovers, write_json
from mesmer.storage.reading import read_json

PLAN_FILE = "plan.json"
LOCK_FILE = "lock"


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of a corpus: ``rows_in == rows_out + quarantined``. ``folder`` is where the dataset stands."""

    folder: Path
    rows_in: int
    rows_out: int
    quarantined: int


def prepare(
    corpus: Corpus,
    out: str | Path,
    *,
    settings: PrepareSettings,
    workers: int = 1,
    split_seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    parts: MakeParts = make_parts,
) -> PrepareReport:
    """Prepare a corpus in the folder ``out``; go on with a preparation that was stopped; do nothing if it is done.

    ``out`` may hold other files (such as the corpus itself), but none of the names that a dataset has.

    Args:
        corpus: what to prepare.
        settings: how media become clips.
        workers: processes; 0 works in this one. The result does not depend on it.
        split_seed: of the splits, where the corpus gives none.
        progress: is told how many utterances are done, and how many there are.
        parts: gives each process its reader and its detector.

    Raises:
        StaleDatasetError: ``out`` holds a dataset, finished or not, of another corpus, other settings or other versions.
        DataError: the corpus cannot be prepared, or not one utterance could.
        MesmerError: ``out`` cannot be written or holds other data, or another preparation is running there.
    """
    if workers < 0:
        raise ConfigError(f"workers is {workers}", field="workers", remedy="use 0 or more")
    out = Path(out)
    plan = make_plan(corpus, settings=settings, split_seed=split_seed)
    if (out / FACTS_FILE).exists():
        facts = _finished(plan, out)
        _remove_work(out)  # a kill may have struck between the last write and this
        return _report(facts, out)
    with _work_folder(plan, out) as work:
        tasks = _tasks(plan, work)
        _make_pieces(tasks, settings, parts, workers, progress)
        facts = join(plan, tasks, out)
    _remove_work(out)
    return _report(facts, out)


def _report(facts: DatasetFacts, out: Path) -> PrepareReport:
    return PrepareReport(folder=out, rows_in=facts.rows_in, rows_out=facts.rows_out, quarantined=facts.quarantined)


def _finished(plan: Plan, out: Path) -> DatasetFacts:
    """Return the facts of the dataset that stands in ``out`` already.

    Raises:
        DataError: it is damaged.
        StaleDatasetError: it was prepared from something else.
    """
    facts = PreparedDataset.open(out).facts
    check_settings(facts.settings, plan.settings, file=out)
    if (facts.corpus, facts.emotions, facts.manifest_sha256) != (
        plan.corpus.name,
        plan.corpus.emotions,
        plan.manifest_sha256,
    ):
        raise _other_corpus(out)
    return facts


@contextlib.contextmanager
def _work_folder(plan: Plan, out: Path) -> Iterator[Path]:
    """Give the folder for the pieces, for this process alone, begun now or by an earlier run of the same plan.

    Raises:
        StaleDatasetError: an earlier run had another plan.
        MesmerError: it cannot be written, is in use, or ``out`` holds files in the way.
    """
    work = out / WORK_FOLDER
    if not (work / PLAN_FILE).is_file():
        _refuse_foreign(out)
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = os.open(work / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise plain_error(error, work) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # falls with the process, however it ends
        except OSError:
            raise MesmerError("another preparation is running here", file=out, remedy="wait for it") from None
        remove_leftovers(work)
        remove_leftovers(out)
        if (work / PLAN_FILE).is_file():
            _check_plan(read_json(work / PLAN_FILE), plan, out)
        else:
            write_json(work / PLAN_FILE, plan.identity())
        yield work
    finally:
        os.close(lock)


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise MesmerError("this is a file, not a folder", file=out, remedy="choose another name")
    ours = [QUARANTINE_FILE, CARD_FILE, *(f"{name}-*.parquet" for name in PUBLIC_SPLITS.values())]
    found = [path.name for pattern in ours for path in out.glob(pattern)]
    if found:
        raise MesmerError(f"the folder already holds '{found[0]}'", file=out, remedy="choose another folder")


def _check_plan(found: Any, plan: Plan, out: Path) -> None:
    wanted = plan.identity()
    if found == wanted:
        return
    remedy = f"choose another folder, or delete '{WORK_FOLDER}' in this one to start anew"
    if not isinstance(found, dict):
        raise DataError("the plan of the preparation begun here is damaged", file=out / WORK_FOLDER, remedy=remedy)
    for part in ("settings", "made_with"):
        old, new = found.get(part), wanted[part]
        if isinstance(old, dict) and old != new:
            name = next((key for key in new if old.get(key) != new[key]), part)
            raise StaleDatasetError(
                f"the preparation begun here has {name} {old.get(name)} instead of {new.get(name)}",
                file=out,
                field=f"{part}.{name}",
                remedy=remedy,
            )
    raise _other_corpus(out)


def _other_corpus(out: Path) -> StaleDatasetError:
    message = "this was prepared from another corpus, other labels or splits, or media that have changed since"
    return StaleDatasetError(message, file=out, field="manifest_sha256", remedy="choose another folder")


def _tasks(plan: Plan, work: Path) -> dict[str, list[PieceTask]]:
    emotions, sha256 = plan.corpus.emotions, plan.sha256
    return {
        split: [
            PieceTask(path=work / f"{split}-{n:06d}.parquet", rows=rows, emotions=emotions, plan_sha256=sha256)
            for n, rows in enumerate(pieces)
        ]
        for split, pieces in plan.pieces.items()
    }


def _make_pieces(
    tasks: dict[str, list[PieceTask]],
    settings: PrepareSettings,
    parts: MakeParts,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Make the pieces that are not there yet."""
    every = [task for split in tasks.values() for task in split]
    missing = [task for task in every if find_piece(task) is None]
    total, left = sum(len(task.rows) for task in every), sum(len(task.rows) for task in missing)

    def done(task: PieceTask | None) -> None:
        nonlocal left
        left -= len(task.rows) if task else 0
        if progress:
            progress(total - left, total)

    done(None)
    if missing and workers:
        run_workers(missing, settings, parts, done, workers=min(workers, len(missing)))
    elif missing:
        run_here(missing, settings, parts, done)


def _remove_work(out: Path) -> None:
    """Delete the pieces: the dataset stands without them."""
    try:
        shutil.rmtree(out / WORK_FOLDER)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise plain_error(error, out / WORK_FOLDER) from error
