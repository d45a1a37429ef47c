"""A corpus to a prepared dataset on disk: decode each utterance once, in any number of processes, through any kill.

Sources (one media file with all its utterances) are prepared into ``OUT/.preparing`` and joined into shards at the end;
``dataset.json`` is written last. Until then a second run goes on where the first one stopped, and the result is the same,
byte for byte.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.dataset.card import CARD_FILE
from mesmer.dataset.crew import run_crew
from mesmer.dataset.facts import FACTS_FILE, PUBLIC_SPLITS, DatasetFacts, check_settings
from mesmer.dataset.join import QUARANTINE_FILE, WORK_FOLDER, join
from mesmer.dataset.pieces import PieceTask, find_piece, make_task
from mesmer.dataset.plan import Plan, make_plan
from mesmer.dataset.prepared import PreparedDataset
from mesmer.dataset.ready_rows import prepare_ready
from mesmer.dataset.row_count import row_counter
from mesmer.dataset.workers import LocalCrew, MakeParts, MakePieces, make_parts, media_pieces, run_here
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.storage.atomic import plain_error, remove_leftovers, write_json
from mesmer.storage.locking import locked_folder
from mesmer.storage.reading import read_json

PLAN_FILE = "plan.json"

Run = Callable[[Sequence[PieceTask], Callable[[int], None]], None]
"""Prepares sources, telling of each row that is done."""


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
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    split_seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    parts: MakeParts = make_parts,
) -> PrepareReport:
    """Prepare a corpus in the folder ``out``; go on with a preparation that was stopped; do nothing if it is done.

    ``out`` may hold other files (such as the corpus itself), but none of the names that a dataset has.

    Args:
        corpus: what to prepare.
        settings: how media become clips.
        workers: processes; 0 works in this one (with Ray: as many as the cluster has processors). The result does not
            depend on it.
        engine: ``local``, processes of this machine, or ``ray``, actors on a Ray cluster, which must see the media and
            ``out`` under the same paths.
        ray_address: of the cluster; None starts one on this machine for as long as it takes.
        split_seed: of the splits, where the corpus gives none.
        progress: is told how many utterances are done, and how many there are.
        parts: gives each process its reader and its detector.

    A corpus whose clips are ready (still faces, sentences) is written by this process alone: there is nothing to decode.

    Raises:
        StaleDatasetError: ``out`` holds a dataset, finished or not, of another corpus, other settings or other versions.
        DataError: the corpus cannot be prepared, or not one utterance could.
        MesmerError: ``out`` cannot be written or holds other data, or another preparation is running there.
    """
    _check_workers(workers)
    if engine not in ("local", "ray"):
        raise ConfigError(f"there is no engine '{engine}'", field="engine", remedy="known: local, ray")
    if ray_address is not None and engine != "ray":
        raise ConfigError("an address is for the engine ray", field="address", remedy="leave it out, or use engine ray")
    if engine == "ray":
        means = _on_ray(settings, parts, workers=workers, address=ray_address)
    else:
        means = here(functools.partial(media_pieces, settings, parts), workers=workers)
    plan = make_plan(corpus, settings=settings, split_seed=split_seed)
    return prepare_plan(plan, Path(out), means=means, progress=progress)


def prepare_plan(
    plan: Plan, out: Path, *, means: AbstractContextManager[Run], progress: Callable[[int, int], None] | None = None
) -> PrepareReport:
    """Prepare what is planned, whatever its sources are, in the folder ``out``; as :func:`prepare` does, and raises.

    Args:
        means: gives what prepares the sources; entered only where one is missing.
    """
    if (out / FACTS_FILE).exists():
        facts = _finished(plan, out)
        _remove_work(out)  # a kill may have struck between the last write and this
        return _report(facts, out)
    with _work_folder(plan, out) as work:
        if plan.corpus.ready is not None:
            facts = prepare_ready(plan, out, progress)
            _remove_work(out)
            return _report(facts, out)
        tasks = _tasks(plan, work)
        with means as run:
            _make_pieces(tasks, run, progress)
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
    busy = MesmerError("another preparation is running here", file=out, remedy="wait for it")
    with locked_folder(work, busy=busy):
        remove_leftovers(work)
        remove_leftovers(out)
        if (work / PLAN_FILE).is_file():
            _check_plan(read_json(work / PLAN_FILE), plan, out)
        else:
            write_json(work / PLAN_FILE, plan.identity())
        yield work


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


def _tasks(plan: Plan, work: Path) -> list[PieceTask]:
    emotions, sha256 = plan.corpus.emotions, plan.sha256
    return [
        make_task(rows, path=work / f"source-{number:06d}.parquet", emotions=emotions, plan_sha256=sha256)
        for number, rows in enumerate(plan.sources)
    ]


@contextlib.contextmanager
def here(make: MakePieces, *, workers: int) -> Iterator[Run]:
    """Give what prepares sources in so many processes of this machine; 0 works in this one."""
    if workers:
        yield lambda tasks, done: run_crew(tasks, LocalCrew(make), done, workers=min(workers, len(tasks)))
    else:
        yield lambda tasks, done: run_here(tasks, make, done)


@contextlib.contextmanager
def _on_ray(settings: PrepareSettings, parts: MakeParts, *, workers: int, address: str | None) -> Iterator[Run]:
    """Give what prepares media files on a Ray cluster."""
    from mesmer.dataset.ray_crew import RayCrew

    make = functools.partial(media_pieces, settings, parts)
    with RayCrew(make, seen=lambda task: find_piece(task) is not None, address=address) as crew:
        yield lambda tasks, done: run_crew(tasks, crew, done, workers=min(workers or crew.processors, len(tasks)))


def _check_workers(workers: int) -> None:
    if workers < 0:
        raise ConfigError(f"workers is {workers}", field="workers", remedy="use 0 or more")


def _make_pieces(tasks: Sequence[PieceTask], run: Run, progress: Callable[[int, int], None] | None) -> None:
    """Prepare the sources that are not there yet."""
    missing = [task for task in tasks if find_piece(task) is None]
    done = row_counter(
        total=sum(len(task.rows) for task in tasks), missing=sum(len(task.rows) for task in missing), progress=progress
    )
    if missing:
        run(missing, done)


def _remove_work(out: Path) -> None:
    """Delete the pieces: the dataset stands without them."""
    try:
        shutil.rmtree(out / WORK_FOLDER)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise plain_error(error, out / WORK_FOLDER) from error
