"""Our end of a process that serves us, the decoder above all: starting it, asking it, and ending it when it misbehaves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import MediaError
from mesmer.media.limits import Limits
from mesmer.media.wire import WireError, WireTimeoutError, receive, send

START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0

# What the decoder gets of our environment: where shared libraries are, nothing else.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class ChildProcess:
    """One running process of ours that answers on a socket; it ends with this one, whatever happens.

    Args:
        module: what it runs. It gets the settings as its one argument and the socket as standard input; first it says
            ``ready``.
        name: what error messages call it.
        settings: plain values; ``parent`` is added, see :func:`~mesmer.media.guard.die_with`.
        environment: its variables beside those by which it finds what we can import.

    Raises:
        MediaError: kind ``crash``, it cannot be started.
    """

    def __init__(self, module: str, *, name: str, settings: dict[str, Any], environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        # A process started by a short-lived thread would be killed with the thread, not with us.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else None
        self._module, self._name = module, name
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-s", "-B", "-m", module, json.dumps({**settings, "parent": parent})],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**environment, **_python_environment()},
                    start_new_session=True,  # Ctrl-C reaches us, and we end the process
                )
        except OSError as error:
            ours.close()
            raise MediaError(f"the {name} process cannot be started: {error}", kind="crash") from error
        self._channel = ours
        self._owner = os.getpid()
        _LIVE.add(self)

    def wait_ready(self) -> None:
        """Wait until it has started.

        Raises:
            MediaError: kind ``crash``, it does not.
        """
        try:
            header, _ = self.hear(max_data_bytes=0, timeout_s=START_TIMEOUT_S)
        except WireError as error:
            self.end()
            raise MediaError(
                f"the {self._name} process does not start", kind="crash", remedy=f"try: python -m {self._module}"
            ) from error
        if header.get("answer") != "ready":
            self.end()
            raise MediaError(f"the {self._name} process does not start as it should", kind="crash")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ours(self) -> bool:
        """Whether it is this process that started it, and has not let go of it; it may have died."""
        return self._owner == os.getpid() and self._channel.fileno() >= 0

    @property
    def alive(self) -> bool:
        """Whether it can be asked: it is ours, and it runs."""
        return self.ours and self._process.poll() is None

    def ask(
        self,
        request: dict[str, Any],
        data: bytes = b"",
        *,
        max_data_bytes: int,
        timeout_s: float,
        descriptors: Sequence[int] = (),
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """Send one request, with or without bytes, and return the answer's header and bytes.

        Raises:
            WireTimeoutError: it did not answer in time.
            WireError: it is gone or answers something that is no message.
        """
        deadline = time.monotonic() + timeout_s
        self.tell(request, data, timeout_s=timeout_s, descriptors=descriptors)
        return self.hear(max_data_bytes=max_data_bytes, timeout_s=deadline - time.monotonic())

    def tell(
        self,
        request: dict[str, Any],
        data: bytes | memoryview = b"",
        *,
        timeout_s: float,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Send one request, without waiting for its answer.

        Raises:
            WireError: it is gone, or takes nothing any more.
        """
        self._channel.settimeout(timeout_s)
        send(self._channel, request, data, descriptors=descriptors)

    def hear(self, *, max_data_bytes: int, timeout_s: float) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """Wait for the next answer and return its header and bytes; errors as :meth:`ask`."""
        header, answer, _ = receive(self._channel, max_data_bytes=max_data_bytes, deadline=time.monotonic() + timeout_s)
        return header, answer

    @property
    def has_answered(self) -> bool:
        """Whether there is something to hear, or it has ended."""
        return bool(wait([self._channel], timeout=0))

    def end(self) -> int | None:
        """Kill it and return how it had ended by itself before (see ``Popen.returncode``), or None."""
        _LIVE.discard(self)
        self._channel.close()
        if self._owner != os.getpid():
            return None
        code = None
        # A process that crashed needs a moment to be gone.
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=0.2)
        if code is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_END_TIMEOUT_S)
        return code

    def forget(self) -> None:
        """Let go of our end in a forked copy of the owner, so that the owner's death is still noticed."""
        self._channel.close()


class DecoderProcess(ChildProcess):
    """One running decoder process; it serves one file after another until it is ended.

    Raises:
        MediaError: kind ``crash``, it cannot be started.
    """

    def __init__(self, *, limits: Limits, threads: int) -> None:
        settings = {"limits": asdict(limits), "threads": threads}
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        super().__init__("mesmer.media.child", name="decoder", settings=settings, environment=kept)
        self.wait_ready()


def ended_error(process: DecoderProcess, error: WireError, *, file: str, limits: Limits) -> MediaError:
    """End a process that failed to answer, and return the error that says what it was."""
    remedy = "the file may be damaged or hostile; re-encode it with a tool you trust"
    code = process.end()
    if isinstance(error, WireTimeoutError):
        message = f"the decoder gave no sign of life for {limits.timeout_s:g} s"
        return MediaError(message, kind="timeout", file=file, field="timeout_s", remedy=remedy)
    if code == -signal.SIGXCPU:
        message = f"the decoder used more than {limits.cpu_s} s of processor time"
        return MediaError(message, kind="timeout", file=file, field="cpu_s", remedy=remedy)
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return MediaError(f"the decoder was ended by {name}", kind="crash", file=file, remedy=remedy)
    return MediaError(f"the decoder failed: {error}", kind="crash", file=file, remedy=remedy)


def _python_environment() -> dict[str, str]:
    """What makes the process find what we can import, and nothing in the working folder, and work on one thread."""
    places = os.pathsep.join(place for place in sys.path if os.path.isabs(place) and os.pathsep not in place)
    return {"PYTHONPATH": places, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


_LIVE: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


def _forget_all() -> None:
    for process in list(_LIVE):
        process.forget()
    _LIVE.clear()


os.register_at_fork(after_in_child=_forget_all)
