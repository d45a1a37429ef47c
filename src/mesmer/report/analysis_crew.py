"""Many files analysed by several workers: processes of this machine, or actors of a Ray cluster. The results are the same.

The rules of sharing out are those of preparation (:mod:`mesmer.dataset.crew`): a file whose worker died is tried once more,
then it has failed, and the others go on.
"""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Literal

from mesmer.analysis.analyze import Analyzer
from mesmer.analysis.recipe import AnalyzerRecipe
from mesmer.dataset.crew import Brought, Crew, brought
from mesmer.dataset.pieces import Started, Task
from mesmer.dataset.workers import LocalCrew, MakeWork
from mesmer.errors import ConfigError, MesmerError
from mesmer.report.analysis_files import (
    RESULT_FILE,
    AnalyzedFile,
    analyze_file,
    check_transcripts,
)

STOPPED_EXIT_CODE = 143
"""Of a worker that was told to end, as a shell tells of SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class FileTask(Task):
    """One file to analyse; ``rows`` is its place among all files. Paths are absolute."""

    rows: tuple[int, ...]
    path: Path
    folder: Path
    transcripts: Path | None
    again: bool
    blur_faces: bool


def analyze_by_crew(
    files: Sequence[tuple[Path, Path]],
    *,
    recipe: AnalyzerRecipe,
    workers: int,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    transcripts: Path | None = None,
    again: bool = False,
    blur_faces: bool = False,
) -> Iterator[AnalyzedFile]:
    """Analyse files by several workers at a time, and yield what became of each as it ends, in any order.

    Args:
        files: each with the folder of its result.
        recipe: of the analyzer that each worker opens for itself.
        workers: how many; 0 is as many as a cluster has processors.
        engine: processes here, or ``ray``: actors on a cluster that sees files, model and results under the same paths.
        address: of the cluster; None starts one on this machine for as long as it takes.
        transcripts, again, blur_faces: as for :func:`~mesmer.report.analysis_files.analyze_files`.

    Raises:
        ConfigError: there are no workers, one transcript is given for several files, or there is no such cluster.
        MesmerError: the model cannot be loaded, or workers die before they start on anything.
    """
    if workers < 0 or (engine == "local" and not workers):
        raise ConfigError(f"{workers} workers", field="workers", remedy="use 1 or more")
    check_transcripts(files, transcripts)
    tasks = [
        FileTask(
            rows=(place,),
            passes=((place,),),
            path=path.absolute(),
            folder=folder.absolute(),
            transcripts=None if transcripts is None else transcripts.absolute(),
            again=again,
            blur_faces=blur_faces,
        )
        for place, (path, folder) in enumerate(files)
    ]
    make = functools.partial(file_worker, recipe.absolute(), polite=engine == "local")
    with _crew(engine, make, address) as (crew, most):
        for place, one in brought(tasks, crew, lambda rows: None, workers=min(workers or most, len(tasks))):
            path, folder = files[place]
            if one.analysis is not None and not (folder / RESULT_FILE).is_file():
                remedy = "let files, model and results lie under the same paths on every node of the cluster"
                raise MesmerError("a worker has written a result that is not seen here", file=folder, remedy=remedy)
            yield replace(one, path=path, folder=folder)


@contextlib.contextmanager
def file_worker(recipe: AnalyzerRecipe, *, polite: bool) -> Iterator[Callable[[FileTask], Iterator[Started | Brought]]]:
    """Give what analyses the files of a worker. A polite one writes what it knows when it is told to end."""
    if polite:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        with recipe.open(beside=False) as analyzer:
            yield functools.partial(_analyzed, analyzer)
    except KeyboardInterrupt:  # it comes between two files as well: nothing is at hand then, and nothing needs telling
        raise SystemExit(STOPPED_EXIT_CODE) from None
    finally:
        if polite:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending already


def _analyzed(analyzer: Analyzer, task: FileTask) -> Iterator[Started | Brought]:
    place = task.rows[0]
    yield Started(task.passes[0])
    if place in task.given_up:
        error = MesmerError(task.given_up[place], file=task.path)
        yield Brought((place, AnalyzedFile(path=task.path, folder=task.folder, error=error)))
        return
    try:
        one = analyze_file(
            task.path,
            task.folder,
            analyzer=analyzer,
            transcripts=task.transcripts,
            again=task.again,
            blur_faces=task.blur_faces,
        )
    except KeyboardInterrupt:
        raise SystemExit(STOPPED_EXIT_CODE) from None
    yield Brought((place, one))


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _crew(engine: str, make: MakeWork, address: str | None) -> Iterator[tuple[Crew, int]]:
    """Give the crew, and how many workers it can have."""
    if engine == "ray":
        from mesmer.dataset.ray_crew import RayCrew

        with RayCrew(make, seen=lambda task: True, address=address) as crew:
            yield crew, crew.processors
    else:
        yield LocalCrew(make), 1
