"""The process that watches people: ``python -m mesmer.analysis.watcher_child SETTINGS``.

It takes requests on the socket that is its standard input: ``begin`` with another file, ``see`` a frame, ``forget`` what
was seen before a time, and tell what was seen ``between`` two times, or of ``everyone``. All but ``begin`` and ``forget``
get an answer each, in order. Requests are taken in while a frame is being looked at, so that whoever sends them need not
wait. The process ends when the socket does.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.analysis.people import PeopleWatcher
from mesmer.analysis.watcher_wire import Teller
from mesmer.analysis.watching import Seen, everyone, seen_between
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
    try:
        _serve(channel, requests, settings)
    except Exception as error:  # a defect of ours, or no memory: tell where
        place = traceback.extract_tb(error.__traceback__)[-1]
        _answer(channel, {"answer": "error", "message": f"{type(error).__name__}: {error} ({place.name})"[:1000]})
    os._exit(1)


def _serve(channel: socket.socket, requests: queue.SimpleQueue[_Request], settings: dict[str, Any]) -> None:
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
        elif asked == "between":
            header, packed = teller.packed(seen_between(watcher, request["start_s"], request["end_s"]))
            _answer(channel, {"answer": "between", **header}, packed)
        else:
            header, packed = teller.packed(Seen(everyone=everyone(watcher)))
            _answer(channel, {"answer": "everyone", **header}, packed)


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
    try:
        while True:
            request, data, _ = receive(channel, max_data_bytes=FRAME_BYTES_MAX)
            requests.put((request, data))
    except WireError:
        os._exit(0)  # what is being looked at is for nobody any more
    finally:
        os._exit(1)  # no memory for a frame, say: nobody would take in the next request


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
