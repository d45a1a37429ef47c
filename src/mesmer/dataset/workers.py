"""Processes that make pieces. Each owns one reader and one detector; one that dies costs the piece it was at, no more.

Workers are started afresh (``spawn``) and hold only their own end of one pipe: when the parent is killed the pipe closes
and they end by themselves.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from mesmer.config import PrepareSettings
from mesmer.dataset.pieces import PieceTask, make_piece
from mesmer.errors import MesmerError
from mesmer.media.reader import MediaReader
from mesmer.signals.mtcnn import FaceDetector

MAX_DEATHS = 2
"""An utterance at which the worker died so often is given up."""
_NOWHERE = -1

MakeParts = Callable[[PrepareSettings], AbstractContextManager[tuple[MediaReader, FaceDetector]]]
"""Gives a started reader and a detector; must be a module's own function, for it goes to other processes by name."""


@contextlib.contextmanager
def make_parts(settings: PrepareSettings) -> Iterator[tuple[MediaReader, FaceDetector]]:
    """Give the reader and the detector that preparation uses."""
    with MediaReader() as reader:
        yield reader, FaceDetector(min_face_px=settings.min_face_px)


def run_here(
    tasks: Sequence[PieceTask], settings: PrepareSettings, parts: MakeParts, done: Callable[[PieceTask], None]
) -> None:
    """Make the pieces in this process, on one thread. Raises as :func:`make_piece`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the last bits of a detection
    try:
        with parts(settings) as (reader, detector):
            for task in tasks:
                make_piece(task, reader=reader, detector=detector, settings=settings, starting=lambda place: None)
                done(task)
    finally:
        torch.set_num_threads(threads)


def run_workers(
    tasks: Sequence[PieceTask],
    settings: PrepareSettings,
    parts: MakeParts,
    done: Callable[[PieceTask], None],
    *,
    workers: int,
) -> None:
    """Make the pieces in ``workers`` processes; ``done`` is called here for each, in any order.

    A piece whose worker died is tried again; an utterance at which two workers died is given up, and told as such.

    Raises:
        MesmerError: a piece cannot be written, or workers die before they start on anything.
    """
    pending = deque(tasks)
    deaths: Counter[int] = Counter()
    crew: list[_Worker] = []
    try:
        while pending or any(worker.task for worker in crew):
            while pending and len(crew) < workers:
                crew.append(_Worker(settings, parts))
            for worker in crew:
                if pending and worker.task is None:
                    worker.start(pending.popleft())
            ready = wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                task = worker.task
                if not worker.hear(done):
                    crew.remove(worker)
                    if task is None:  # it had nothing to do
                        worker.stop()
                    else:
                        pending.appendleft(_after_death(worker, task, deaths))
    finally:
        for worker in crew:
            worker.stop()


def _after_death(worker: _Worker, task: PieceTask, deaths: Counter[int]) -> PieceTask:
    """Return the task to try again after its worker died.

    Raises:
        MesmerError: workers die before they start on anything.
    """
    code = worker.stop()
    place = worker.place if worker.place is not None else _NOWHERE
    deaths[place] += 1
    if deaths[place] < MAX_DEATHS:
        return task
    if place == _NOWHERE:
        killed = code is not None and code < 0
        raise MesmerError(
            f"preparation processes die before they begin (exit code {code})",
            remedy="free some memory or use fewer workers"
            if killed
            else "in a script of your own, call it below if __name__ == '__main__', or set workers=0",
        )
    return replace(task, given_up={**task.given_up, place: "the process that prepared it died, twice"})


@dataclass(frozen=True)
class _Failed:
    """What a worker says when it cannot go on: the error, or the traceback of a defect."""

    error: MesmerError | None
    traceback: str


class _Worker:
    """One process, as the parent sees it.

    Attributes:
        task: the piece it is at, or None.
        place: the utterance it is at, or None before the first of a piece.
    """

    def __init__(self, settings: PrepareSettings, parts: MakeParts) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.task: PieceTask | None = None
        self.place: int | None = None
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, settings, parts), daemon=False)
        self._process.start()
        theirs.close()  # or the pipe would stay open when the worker dies

    def start(self, task: PieceTask) -> None:
        self.task, self.place = task, None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is dead: hearing it tells
            self.pipe.send(task)

    def hear(self, done: Callable[[PieceTask], None]) -> bool:
        """Take one message; return False if the worker is dead.

        Raises:
            MesmerError: what the worker cannot go on after.
            RuntimeError: a defect of this project, with its traceback.
        """
        try:
            said: Any = self.pipe.recv()
        except (EOFError, OSError):
            return False
        if isinstance(said, _Failed):
            raise said.error or RuntimeError(f"a preparation process failed:\n{said.traceback}")
        if isinstance(said, int):
            self.place = said
        elif self.task is not None:
            task, self.task = self.task, None
            done(task)
        return True

    def stop(self) -> int | None:
        """End the process if it has not ended, and return its exit code."""
        self.pipe.close()
        self._process.join(0.5 if self.task is None else 0)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code


def _serve(pipe: Connection, settings: PrepareSettings, parts: MakeParts) -> None:
    """Make pieces until the pipe closes; what a worker process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which closes the pipe
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        try:
            with parts(settings) as (reader, detector):
                while True:
                    task = pipe.recv()
                    make_piece(task, reader=reader, detector=detector, settings=settings, starting=pipe.send)
                    pipe.send(None)
        except MesmerError as error:
            pipe.send(_Failed(error, ""))
        except Exception as error:
            if isinstance(error, (EOFError, BrokenPipeError, ConnectionResetError)):
                raise
            pipe.send(_Failed(None, traceback.format_exc()))
