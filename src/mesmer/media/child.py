"""The decoder process: ``python -m mesmer.media.child SETTINGS``. It imports numpy and PyAV only, and trusts no file.

It answers on the socket that is its standard input and output. A request ``open`` brings an open file and says what is
wanted of it, ``next`` asks for the next answer about it; each request gets exactly one answer. While a frame or a block of
sound is being worked on at the other end, the next answer is got ready. The process ends when the socket does.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import socket
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from mesmer.media.guard import give_up_privileges, renew_processor_time
from mesmer.media.limits import Limits
from mesmer.media.mono import Resampler, to_mono
from mesmer.media.session import Answer, answers
from mesmer.media.source import MediaFile, Refusal
from mesmer.media.stretch import Stretch
from mesmer.media.wire import GOES_ON, WireError, receive, send

STRETCHES_BYTES_MAX = 64 * 2**20


def main(settings: dict[str, Any]) -> None:
    """Serve the socket on descriptor 0 until it closes."""
    channel = socket.socket(fileno=os.dup(0))
    limits = Limits(**settings["limits"])
    av.logging.set_level(None)
    _warm_up()
    give_up_privileges(memory_bytes=limits.memory_bytes, parent=settings["parent"])
    send(channel, {"answer": "ready"})
    current: Iterator[Answer] = iter(())
    file: int | None = None
    ready: Answer | None = None
    while True:
        try:
            request, data, files = receive(channel, max_data_bytes=STRETCHES_BYTES_MAX, descriptors=True)
        except WireError:
            return
        if request["ask"] == "open":
            ready = None
            del current  # closes the containers that read the file before
            if file is not None:
                os.close(file)
            file = files[0]
            renew_processor_time(limits.cpu_s)
            current = _opened(request, json.loads(data.tobytes()), file, limits, settings["threads"])
        header, pixels = ready or _next(current)
        if header["answer"] in ("end", "refused"):
            renew_processor_time(limits.cpu_s)  # a long file is read for many stretches
        try:
            send(channel, header, b"" if pixels is None else memoryview(np.ascontiguousarray(pixels).data).cast("B"))
        except WireError:
            return
        ready = _next(current) if header["answer"] in GOES_ON else None


def _opened(
    request: dict[str, Any], stretches: list[dict[str, Any]], descriptor: int, limits: Limits, threads: int
) -> Iterator[Answer]:
    file = MediaFile(
        descriptor=descriptor,
        size_bytes=os.fstat(descriptor).st_size,
        container=request["container"],
        limits=limits,
        threads=threads,
    )
    return answers(file, [Stretch(**stretch) for stretch in stretches], seek=request["seek"])


def _next(current: Iterator[Answer]) -> Answer:
    try:
        return next(current)
    except Refusal as refusal:
        return {"answer": "error", **refusal.told()}, None
    except StopIteration:
        return {"answer": "error", **Refusal("crash", "was asked for more than there is").told()}, None
    except Exception as error:  # a defect of ours: tell where, and let the next file be served
        place = traceback.extract_tb(error.__traceback__)[-1]
        defect = Refusal("crash", f"the decoder failed: {type(error).__name__}: {error} ({place.name})")
        return {"answer": "error", **defect.told()}, None


def _warm_up() -> None:
    """Load everything that Python would load on first use: nothing can be loaded after the file system is given up."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name.rpartition(".")[2] not in ("__main__", "datasets"):
            importlib.import_module(module.name)
    importlib.import_module("encodings.idna")  # sockets load it late
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").reformat(8, 8, "yuv420p")
    np.rot90(picture.reformat(16, 16, "rgb24", interpolation="AREA", threads=1).to_ndarray())
    sound = av.AudioFrame.from_ndarray(np.zeros((2, 64), np.float32), format="fltp", layout="stereo")
    sound.sample_rate = 44_100
    resampler = Resampler(sound.sample_rate)
    resampler.push(to_mono(sound, channel="mix")[0])
    resampler.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
