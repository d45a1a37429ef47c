"""Our end of the process that watches people: frames go there, and answers come back while more frames are read."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.watcher_wire import ANSWER_BYTES_MAX, Listener
from mesmer.analysis.watching import Everyone, Seen, WatcherError
from mesmer.config import PrepareSettings
from mesmer.dataset.threads import processors
from mesmer.media.facts import MediaFacts
from mesmer.media.process import ChildProcess
from mesmer.media.wire import WireError, WireTimeoutError

MODULE = "mesmer.analysis.watcher_child"
BESIDE_FROM_S = 60.0
"""Starting a process takes some two seconds; in shorter files that is not worth it."""
QUEUED_BYTES = 24 * 2**20
"""Frames that wait to be looked at may take so much: some four seconds at 640x360."""
LEAST_QUEUED = 2
UPDATE_EVERY_S = 10.0
"""After so many seconds of the file the process tells everyone it knows, whether it is asked or not."""
PATIENCE_S = 300.0
"""A look takes some milliseconds; after so long without an answer the process is given up."""


def pays(facts: MediaFacts) -> bool:
    """Whether a file is worth a process: there is a picture, it is long enough, and a processor would be idle."""
    return facts.has_video and facts.duration_s >= BESIDE_FROM_S and processors() > 1


class WatcherProcess:
    """Starts the process with the first file and keeps it for the next one."""

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._file: WatchingBeside | None = None
        self._finalizer: weakref.finalize[..., object] | None = None

    def begin(self, *, min_face_px: int, prepare: PrepareSettings, grid_s: float) -> WatchingBeside:
        """Return what watches one file; it ends what watched the file before.

        Args:
            min_face_px: of the detector.
            prepare: sizes of frames and crops.
            grid_s: seconds between frames.

        Raises:
            MediaError: kind ``crash``, the process cannot be started.
        """
        settings = {"min_face_px": min_face_px, "prepare": asdict(prepare), "grid_s": grid_s}
        # Only a process that has answered all that was asked of it, and was told that no more comes, serves another file:
        # whatever way a file was left, what is still on its way must not be taken for an answer about the next one.
        if self._process is None or not self._process.alive or self._file is None or not self._file.finished:
            self.close()
            self._process = ChildProcess(MODULE, name="face", settings=settings, environment=os.environ)
            self._finalizer = weakref.finalize(self, ChildProcess.end, self._process)
            self._file = WatchingBeside(self._process, ready=False)
        else:
            self._file = WatchingBeside(self._process, ready=True)
            self._file.tell({"ask": "begin", **settings})
        return self._file

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process. The next file starts another one."""
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._process is not None:
            self._process.end()
        self._process = self._file = None


class WatchingBeside:
    """Watches one file in the process beside this one; see :class:`~mesmer.analysis.watching.Watching`.

    Attributes:
        busy_s: how long the process has looked at frames.
        finished: all frames were looked at and all questions answered.

    Raises:
        WatcherError: (every method but ``so_far``) the process has died, does not answer, or serves another file.
    """

    def __init__(self, process: ChildProcess, *, ready: bool) -> None:
        self._process, self._ready = process, ready
        self._listener = Listener()
        self._queued: deque[int] = deque()  # bytes of each frame that was not looked at yet
        self._asked = self._updates = 0
        self._updated_s = 0.0
        self._answers: list[Seen] = []
        self.busy_s = 0.0
        self.finished = False

    @property
    def owed(self) -> bool:
        """Whether answers are still to come."""
        return bool(self._queued or self._asked or self._updates)

    def see(self, frame: NDArray[np.uint8], time_s: float) -> None:
        """Send the next frame; wait while too many are not looked at yet."""
        while len(self._queued) >= LEAST_QUEUED and sum(self._queued) + frame.nbytes > QUEUED_BYTES:
            self._hear()
        height_px, width_px = frame.shape[:2]
        pixels = memoryview(np.ascontiguousarray(frame).data).cast("B")
        self.tell({"ask": "see", "time_s": time_s, "height_px": height_px, "width_px": width_px}, pixels)
        self._queued.append(frame.nbytes)
        if time_s >= self._updated_s + UPDATE_EVERY_S:
            self._updated_s = time_s
            self._update()

    def forget_before(self, time_s: float) -> None:
        """Send word to forget the sightings before a time."""
        self.tell({"ask": "forget", "time_s": time_s})

    def ask(self, start_s: float, end_s: float) -> None:
        """Send a question."""
        self.tell({"ask": "between", "start_s": start_s, "end_s": end_s})
        self._asked += 1

    def answers(self, *, wait: bool) -> list[Seen]:
        """Return the answers that have come; with ``wait`` all that are asked for."""
        while self._asked if wait else self.owed and self._is_ours().has_answered:
            self._hear()
        given, self._answers = self._answers, []
        return given

    def so_far(self) -> Everyone:
        """Return everyone whom the last answer knew; it is some seconds old, at most ``UPDATE_EVERY_S`` and the queue."""
        return self._listener.everyone

    def close(self) -> None:
        """Wait until every frame is looked at and everyone is known."""
        self._update()
        while self.owed:
            self._hear()
        self.finished = True

    def tell(self, request: dict[str, object], data: memoryview | bytes = b"") -> None:
        """Send a request."""
        with self._whole_messages():
            if not self._ready:
                self._process.wait_ready()
                self._ready = True
            self._is_ours().tell(request, data, timeout_s=PATIENCE_S)

    def _update(self) -> None:
        self.tell({"ask": "everyone"})
        self._updates += 1

    def _hear(self) -> None:
        with self._whole_messages():
            header, data = self._is_ours().hear(max_data_bytes=ANSWER_BYTES_MAX, timeout_s=PATIENCE_S)
            answer = header.get("answer")
            if answer not in ("seen", "between", "everyone"):
                raise WatcherError(f"the process that follows faces failed: {header.get('message', answer)}")
        if answer == "seen":
            self._queued.popleft()
            self.busy_s += header["busy_s"]
            return
        seen = self._listener.unpacked(header, data)
        if answer == "between":
            self._asked -= 1
            self._answers.append(seen)
        else:
            self._updates -= 1

    def _is_ours(self) -> ChildProcess:
        if not self._process.ours:
            raise WatcherError("this analysis has ended: its analyzer was closed, forked or has opened another file")
        return self._process

    @contextmanager
    def _whole_messages(self) -> Iterator[None]:
        """End the process where a message was cut in two, by Ctrl-C or by its death: the next file gets another one."""
        try:
            yield
        except WireError as error:
            raise self._failed(error) from error
        except BaseException:
            self._process.end()
            raise

    def _failed(self, error: WireError) -> WatcherError:
        code = self._process.end()
        how = "gives no sign of life" if isinstance(error, WireTimeoutError) else f"failed: {error}"
        if code and not isinstance(error, WireTimeoutError):  # 0: it ended because we did
            how = f"has ended (exit status {code})"
        remedy = "there may be too little memory: end what else runs, and try again"
        return WatcherError(f"the process that follows faces {how}", remedy=remedy)
