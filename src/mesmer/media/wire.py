"""Messages between the reader and its decoder process: a small JSON header, then raw bytes; nothing is unpickled.

On the wire: length of the header and of the bytes (two big-endian uint32), the header, the bytes. Both ends bound what
they accept before they allocate it. The file to decode travels as an open descriptor beside a header.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES_MAX = 16 * 1024
GOES_ON = ("frame", "sound")
"""After these answers the decoder gets the next one ready before it is asked for it."""
_LENGTHS = struct.Struct(">II")


class WireError(Exception):
    """The other end is gone, or what it sent is no message of ours."""


class WireTimeoutError(WireError):
    """The other end did not answer in time."""


def send(
    channel: socket.socket, header: dict[str, Any], data: memoryview | bytes = b"", *, descriptors: Sequence[int] = ()
) -> None:
    """Send one message.

    Raises:
        WireError: the other end is gone, or takes nothing any more (see ``socket.settimeout``).
    """
    text = json.dumps(header, allow_nan=False).encode()
    if len(text) > HEADER_BYTES_MAX:
        raise WireError(f"a header of {len(text)} bytes is too long")
    start = _LENGTHS.pack(len(text), len(data)) + text
    try:
        if descriptors:
            sent = socket.send_fds(channel, [start], descriptors)
            start = start[sent:]
        channel.sendall(start)
        if len(data):
            channel.sendall(data)
    except OSError as error:
        raise WireError(f"cannot send: {error}") from error


def receive(
    channel: socket.socket, *, max_data_bytes: int, deadline: float | None = None, descriptors: bool = False
) -> tuple[dict[str, Any], NDArray[np.uint8], list[int]]:
    """Wait for one message and return its header, its bytes and the descriptors that came with it (at most one).

    Args:
        channel: a connected stream socket.
        max_data_bytes: more bytes than this are refused before they are read.
        deadline: value of ``time.monotonic()`` at which waiting ends; None waits for ever.
        descriptors: whether to accept an open file.

    Raises:
        WireTimeoutError: the deadline passed.
        WireError: the other end is gone or sent something else than a message.
    """
    prefix = np.empty(_LENGTHS.size, dtype=np.uint8)
    files = _receive_with_file(channel, prefix) if descriptors else []
    try:
        if not descriptors:
            _fill(channel, prefix, deadline)
        header_bytes, data_bytes = _LENGTHS.unpack(prefix.tobytes())
        if not 0 < header_bytes <= HEADER_BYTES_MAX or data_bytes > max_data_bytes:
            raise WireError(f"a message of {header_bytes} and {data_bytes} bytes is refused")
        text = np.empty(header_bytes, dtype=np.uint8)
        _fill(channel, text, deadline)
        try:
            header = json.loads(text.tobytes())
        except (ValueError, RecursionError) as error:
            raise WireError("the header is not JSON") from error
        if not isinstance(header, dict):
            raise WireError("the header is not an object")
        data = np.empty(data_bytes, dtype=np.uint8)
        _fill(channel, data, deadline)
    except BaseException:
        for file in files:
            os.close(file)
        raise
    return header, data, files


def _receive_with_file(channel: socket.socket, prefix: NDArray[np.uint8]) -> list[int]:
    try:
        start, files, _, _ = socket.recv_fds(channel, len(prefix), 1)
    except OSError as error:
        raise WireError(f"cannot receive: {error}") from error
    if not start:
        raise WireError("the other end has closed")
    prefix[: len(start)] = np.frombuffer(start, dtype=np.uint8)
    _fill(channel, prefix[len(start) :], None)
    return files


def _fill(channel: socket.socket, target: NDArray[np.uint8], deadline: float | None) -> None:
    view = memoryview(target.data)
    done = 0
    while done < len(view):
        if deadline is None:
            channel.settimeout(None)
        else:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise WireTimeoutError("no answer in time")
            channel.settimeout(remaining_s)
        try:
            count = channel.recv_into(view[done:])
        except TimeoutError as error:
            raise WireTimeoutError("no answer in time") from error
        except OSError as error:
            raise WireError(f"cannot receive: {error}") from error
        if count == 0:
            raise WireError("the other end has closed")
        done += count
