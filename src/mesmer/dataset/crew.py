"""Sharing work out to workers, and what happens when one of them dies: the rules, whatever work and workers they are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mesmer.dataset.pieces import Places, RowDone, Started, Task
from mesmer.errors import MesmerError

MAX_DEATHS = 2
"""Utterances tried together at which workers died so often are tried in two halves; a single one is given up."""


@dataclass(frozen=True)
class Brought:
    """What came of a task, where it is more than files."""

    value: Any


@dataclass(frozen=True)
class Done:
    """A worker has done its task."""


@dataclass(frozen=True)
class Failed:
    """A worker cannot go on: the error, or the traceback of a defect."""

    error: MesmerError | None
    traceback: str


@dataclass(frozen=True)
class Died:
    """A worker is gone; its exit code, where it is known."""

    code: int | None


Told = Started | RowDone | Brought | Done | Failed | Died


class Worker(Protocol):
    """Does one task at a time."""

    def start(self, task: Task) -> None:
        """Give it a task."""

    def stop(self) -> object:
        """End it, whatever it is at."""


class Crew(Protocol):
    """Where workers come from."""

    def hire(self) -> Worker:
        """Return a new worker."""

    def heard(self, workers: Sequence[Worker]) -> Iterable[tuple[Worker, Told]]:
        """Wait until workers say something; return who said what."""


@dataclass
class _At:
    """What a worker is at: its task, the rows that it does in one go, and how many are done."""

    task: Task
    places: Places = ()
    rows_done: int = 0


def run_crew(tasks: Sequence[Task], crew: Crew, done: Callable[[int], None], *, workers: int) -> None:
    """Do the tasks with so many workers; ``done`` is told of rows, in any order. As :func:`brought`."""
    for _ in brought(tasks, crew, done, workers=workers):
        pass


def brought(tasks: Sequence[Task], crew: Crew, done: Callable[[int], None], *, workers: int) -> Iterator[Any]:
    """Do the tasks with so many workers, and yield what these bring, in any order; ``done`` is told of rows.

    A task whose worker died is done again. Rows at which two workers died are tried in halves, and one alone at which two
    died is given up, and told as such.

    Raises:
        MesmerError: a file cannot be written, or workers die before they start on anything.
        RuntimeError: a defect of this project, with its traceback.
    """
    pending = deque(tasks)
    deaths: Counter[Places] = Counter()
    hired: dict[Worker, _At | None] = {}
    try:
        while pending or any(hired.values()):
            while len(hired) < workers and len(pending) > sum(at is None for at in hired.values()):
                hired[crew.hire()] = None
            for worker, at in hired.items():
                if pending and at is None:
                    hired[worker] = _At(pending.popleft())
                    worker.start(_task_of(hired[worker]))
            for worker, told in crew.heard(list(hired)):
                if isinstance(told, Brought):
                    yield told.value
                    continue
                again = _hear(hired, worker, told, deaths, done)
                if again is not None:
                    pending.appendleft(again)
            for worker in [worker for worker, at in hired.items() if at is None and not pending]:
                del hired[worker]  # another one may wait for its place
                worker.stop()
    finally:
        for worker in hired:
            worker.stop()


def _task_of(at: _At | None) -> Task:
    assert at is not None
    return at.task


def _hear(
    hired: dict[Worker, _At | None], worker: Worker, told: Told, deaths: Counter[Places], done: Callable[[int], None]
) -> Task | None:
    """Note what a worker said; return the task to do again, if it died at one."""
    at = hired[worker]
    if isinstance(told, Failed):
        raise told.error or RuntimeError(f"a worker process failed:\n{told.traceback}")
    if isinstance(told, Died):
        del hired[worker]
        if at is None:  # it had nothing to do
            return None
        done(-at.rows_done)
        return _after_death(at, told.code, deaths)
    assert at is not None
    if isinstance(told, Started):
        at.places = told.places
    elif isinstance(told, RowDone):
        if at.rows_done < len(at.task.rows) - 1:  # the last row counts when the file stands
            at.rows_done += 1
            done(1)
    else:
        hired[worker] = None
        done(len(at.task.rows) - at.rows_done)
    return None


def _after_death(at: _At, code: int | None, deaths: Counter[Places]) -> Task:
    """Return the task to try again after its worker died.

    Raises:
        MesmerError: workers die before they start on anything.
    """
    deaths[at.places] += 1
    if deaths[at.places] < MAX_DEATHS:
        return at.task
    if not at.places:
        killed = code is not None and code < 0
        raise MesmerError(
            f"worker processes die before they begin (exit code {code})",
            remedy="free some memory or use fewer workers"
            if killed
            else "in a script of your own, call it below if __name__ == '__main__', or set workers=0",
        )
    if len(at.places) > 1:
        middle = len(at.places) // 2
        halves = at.places[:middle], at.places[middle:]
        parted = [part for places in at.task.passes for part in (halves if places == at.places else (places,))]
        return replace(at.task, passes=tuple(parted))
    given_up = {**at.task.given_up, at.places[0]: "the process that was at it died, twice"}
    return replace(at.task, given_up=given_up)
