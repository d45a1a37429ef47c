"""Processes that do tasks, such as preparing sources. One that dies costs the task it was at, no more.

Workers are started afresh (``spawn``) and hold only their own end of one pipe: when the parent is killed the pipe closes
and they end by themselves.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from mesmer.config import PrepareSettings
from mesmer.dataset.crew import Died, Done, Failed, Told, Worker
from mesmer.dataset.pieces import PieceTask, RowDone, Started, Task, make_piece
from mesmer.dataset.threads import one_thread
from mesmer.errors import MesmerError
from mesmer.media.reader import MediaReader
from mesmer.signals.mtcnn import FaceDetector

PATIENCE_S = 20.0
"""A worker that is told to end may finish writing for so long, also on a busy machine; then it is killed."""

MakeParts = Callable[[PrepareSettings], AbstractContextManager[tuple[MediaReader, FaceDetector]]]
"""Gives a started reader and a detector; must be a module's own function, for it goes to other processes by name."""


MakePieces = Callable[[], AbstractContextManager[Callable[[PieceTask], Iterator[Started | RowDone]]]]
"""Gives what prepares a source and tells how far it is; it goes to other processes: made of module functions."""

MakeWork = Callable[[], AbstractContextManager[Callable[[Any], Iterator[Any]]]]
"""The same for any kind of task: what it gives takes a task and yields what :mod:`mesmer.dataset.crew` understands."""


@contextlib.contextmanager
def make_parts(settings: PrepareSettings) -> Iterator[tuple[MediaReader, FaceDetector]]:
    """Give the reader and the detector that preparation uses."""
    with MediaReader() as reader:
        yield reader, FaceDetector(min_face_px=settings.min_face_px)


@contextlib.contextmanager
def media_pieces(
    settings: PrepareSettings, parts: MakeParts
) -> Iterator[Callable[[PieceTask], Iterator[Started | RowDone]]]:
    """Give what prepares sources that are media files."""
    with parts(settings) as (reader, detector):
        yield functools.partial(make_piece, reader=reader, detector=detector, settings=settings)


def run_here(tasks: Sequence[PieceTask], make: MakePieces, done: Callable[[int], None]) -> None:
    """Prepare the sources in this process, on one thread; ``done`` is told of each row. Raises as :func:`make_piece`."""
    with one_thread(), make() as made:
        for task in tasks:
            left = len(task.rows)
            for told in made(task):
                if isinstance(told, RowDone) and left > 1:  # the last row counts when the file stands
                    left -= 1
                    done(1)
            done(left)


class LocalCrew:
    """Worker processes on this machine.

    Args:
        make: gives each process what does its tasks.
    """

    def __init__(self, make: MakeWork) -> None:
        self._make = make

    def hire(self) -> LocalWorker:
        """Start a process."""
        return LocalWorker(self._make)

    def heard(self, workers: Sequence[Worker]) -> list[tuple[Worker, Told]]:
        """Wait until workers say something; return who said what."""
        by_pipe = {worker.pipe: worker for worker in workers if isinstance(worker, LocalWorker)}
        return [(by_pipe[pipe], by_pipe[pipe].hear()) for pipe in wait(list(by_pipe)) if isinstance(pipe, Connection)]


class LocalWorker:
    """One process, as the parent sees it."""

    def __init__(self, make: MakeWork) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._busy = False
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, make), daemon=False)
        self._process.start()
        theirs.close()  # or the pipe would stay open when the worker dies

    def start(self, task: Task) -> None:
        """Give it a task."""
        self._busy = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is dead: hearing it tells
            self.pipe.send(task)

    def hear(self) -> Told:
        """Take one message."""
        try:
            told: Told = self.pipe.recv()
        except (EOFError, OSError):
            return Died(self.stop())
        self._busy = self._busy and not isinstance(told, Done)
        return told

    def stop(self) -> int | None:
        """End the process if it has not ended, and return its exit code."""
        if self.pipe.closed:
            return None
        self.pipe.close()
        self._process.join(0 if self._busy else 0.5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code


def _serve(pipe: Connection, make: MakeWork) -> None:
    """Do tasks until the pipe closes; what a worker process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which closes the pipe
    torch.set_num_threads(1)
    # The parent is gone; or a worker that takes SIGTERM for Ctrl-C was told to end while it was ending already.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        try:
            with make() as made:
                while True:
                    task: Any = pipe.recv()
                    for told in made(task):
                        pipe.send(told)
                    pipe.send(Done())
        except MesmerError as error:
            pipe.send(Failed(error, ""))
        except Exception as error:
            if isinstance(error, (EOFError, BrokenPipeError, ConnectionResetError)):
                raise
            pipe.send(Failed(None, traceback.format_exc()))
