"""The process that watches people: ``python -m mesmer.analysis.watcher_child SETTINGS``.

It takes requests on the socket that is its standard input: ``begin`` with another file, ``see`` a frame, ``forget`` what
was seen before a time, and tell what was seen ``between`` two times. ``see`` and ``between`` get an answer each, in order.
Requests are taken in while a frame is being looked at, so that whoever sends them need not wait. The process ends when the
socket does.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.analysis.people import PeopleWatcher
from mesmer.analysis.watcher_wire import Teller
from mesmer.analysis.watching import seen_between
from mesmer.config import PrepareSettings
from mesmer.media.guard import die_with
from mesmer.media.wire import WireError, receive, send
from mesmer.signals.mtcnn import FaceDetector

FRAME_BYTES_MAX = 2**31 - 1

_Request = tuple[dict[str, Any], NDArray[np.uint8]]


def main(settings: dict[str, Any]) -> None:
    """Serve the socket on descriptor 0 until it closes."""
    if settings["parent"] is not None:
        die_with(settings["parent"])
    torch.set_num_threads(1)
    channel = socket.socket(fileno=os.dup(0))
    requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
    send(channel, {"answer": "ready"})
    threading.Thread(target=_take_in, args=(channel.dup(), requests), daemon=True).start()
    watcher, teller = _begun(settings)
    while True:
        request, data = requests.get()
        asked = request["ask"]
        if asked == "begin":
            watcher, teller = _begun(request)
        elif asked == "see":
            started_s = time.perf_counter()
            watcher.see(data.reshape(request["height_px"], request["width_px"], 3), request["time_s"])
            _answer(channel, {"answer": "seen", "busy_s": time.perf_counter() - started_s})
        elif asked == "forget":
            watcher.forget_before(request["time_s"])
        else:
            header, packed = teller.packed(seen_between(watcher, request["start_s"], request["end_s"]))
            _answer(channel, {"answer": "between", **header}, packed)


def _begun(settings: dict[str, Any]) -> tuple[PeopleWatcher, Teller]:
    detector = FaceDetector(min_face_px=settings["min_face_px"])
    prepare = PrepareSettings(**settings["prepare"])
    return PeopleWatcher(detector, settings=prepare, grid_s=settings["grid_s"]), Teller()


def _answer(channel: socket.socket, header: dict[str, Any], data: bytes = b"") -> None:
    try:
        send(channel, header, data)
    except WireError:
        os._exit(0)


def _take_in(channel: socket.socket, requests: queue.SimpleQueue[_Request]) -> None:
    """Put requests into the queue; whoever sends them bounds how many wait in it."""
    while True:
        try:
            request, data, _ = receive(channel, max_data_bytes=FRAME_BYTES_MAX)
        except WireError:
            os._exit(0)  # what is being looked at is for nobody any more
        requests.put((request, data))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
