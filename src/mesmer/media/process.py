"""The reader's end of the decoder process: starting it, asking it, and ending it when it misbehaves."""

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
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import MediaError
from mesmer.media.limits import Limits
from mesmer.media.wire import WireError, WireTimeoutError, receive, send

START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0

# What the process gets of our environment: where shared libraries are, nothing else.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class DecoderProcess:
    """One running decoder process; it serves one file after another until it is ended.

    Raises:
        MediaError: kind ``crash``, it cannot be started.
    """

    def __init__(self, *, limits: Limits, threads: int) -> None:
        ours, theirs = socket.socketpair()
        # A process started by a short-lived thread would be killed with the thread, not with us.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else None
        settings = {"limits": asdict(limits), "threads": threads, "parent": parent}
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-s", "-B", "-m", "mesmer.media.child", json.dumps(settings)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C reaches us, and we end the process
                )
        except OSError as error:
            ours.close()
            raise MediaError(f"the decoder process cannot be started: {error}", kind="crash") from error
        self._channel = ours
        self._owner = os.getpid()
        _LIVE.add(self)
        try:
            header, _, _ = receive(ours, max_data_bytes=0, deadline=time.monotonic() + START_TIMEOUT_S)
        except WireError as error:
            self.end()
            raise MediaError(
                "the decoder process does not start", kind="crash", remedy="try: python -m mesmer.media.child"
            ) from error
        if header.get("answer") != "ready":
            self.end()
            raise MediaError("the decoder process does not start as it should", kind="crash")

    @property
    def pid(self) -> int:
        """Process id of the decoder process."""
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
        self._channel.settimeout(timeout_s)
        send(self._channel, request, data, descriptors=descriptors)
        header, answer, _ = receive(self._channel, max_data_bytes=max_data_bytes, deadline=deadline)
        return header, answer

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


def _environment() -> dict[str, str]:
    """Environment of the process: it finds what we can import, and nothing in the working folder."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    places = os.pathsep.join(place for place in sys.path if os.path.isabs(place) and os.pathsep not in place)
    return {**kept, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


_LIVE: weakref.WeakSet[DecoderProcess] = weakref.WeakSet()


def _forget_all() -> None:
    for process in list(_LIVE):
        process.forget()
    _LIVE.clear()


os.register_at_fork(after_in_child=_forget_all)
