from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesmer.media.wire import HEADER_BYTES_MAX, WireError, WireTimeoutError, receive, send

Pair = tuple[socket.socket, socket.socket]
plain = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(header=st.dictionaries(st.text(max_size=10), plain, max_size=6), data=st.binary(max_size=2000))
def test_what_is_sent_is_received(pair: Pair, header: dict[str, object], data: bytes) -> None:
    send(pair[0], header, data)
    got, got_data, files = receive(pair[1], max_data_bytes=2000, deadline=time.monotonic() + 5)
    assert got == header
    assert got_data.tobytes() == data
    assert files == []


def test_large_data_passes_in_pieces(pair: Pair) -> None:
    data = np.arange(3_000_000, dtype=np.uint8)
    thread = threading.Thread(target=send, args=(pair[0], {"a": 1}, memoryview(data.data)))
    thread.start()
    _, got, _ = receive(pair[1], max_data_bytes=3_000_000, deadline=time.monotonic() + 10)
    thread.join()
    np.testing.assert_array_equal(got, data)


def test_an_open_file_travels_with_a_header(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with open(tmp_path / "a", "rb") as file:
        send(pair[0], {"ask": "open"}, descriptors=[file.fileno()])
    header, _, (descriptor,) = receive(pair[1], max_data_bytes=0, descriptors=True)
    assert header == {"ask": "open"}
    assert os.read(descriptor, 100) == b"content"
    os.close(descriptor)


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">II", 0, 0),
        struct.pack(">II", HEADER_BYTES_MAX + 1, 0),
        struct.pack(">II", 2**32 - 1, 2**32 - 1),
        struct.pack(">II", 2, 101) + b"{}",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"\xff\xff",
        struct.pack(">II", 9000, 0) + b"[" * 9000,
    ],
)
def test_what_is_no_message_is_refused(pair: Pair, sent: bytes) -> None:
    pair[0].sendall(sent)
    with pytest.raises(WireError):
        receive(pair[1], max_data_bytes=100, deadline=time.monotonic() + 5)


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack(">II", 10, 10) + b"{}"])
def test_waiting_ends(pair: Pair, sent: bytes) -> None:
    pair[0].sendall(sent)
    started_s = time.monotonic()
    with pytest.raises(WireTimeoutError):
        receive(pair[1], max_data_bytes=100, deadline=started_s + 0.1)
    assert 0.09 <= time.monotonic() - started_s < 2
    pair[0].close()
    with pytest.raises(WireError):
        receive(pair[1], max_data_bytes=100, deadline=time.monotonic() + 5)


def test_a_drip_does_not_prolong_the_wait(pair: Pair) -> None:
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.02):
            pair[0].sendall(b"\0")

    pair[0].sendall(struct.pack(">II", 1000, 0))
    thread = threading.Thread(target=drip)
    thread.start()
    started_s = time.monotonic()
    with pytest.raises(WireTimeoutError):
        receive(pair[1], max_data_bytes=100, deadline=started_s + 0.3)
    assert time.monotonic() - started_s < 2
    ended.set()
    thread.join()


def test_sending_to_nobody(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(WireError):
        send(pair[0], {}, b"x" * 10_000_000)


def test_a_header_that_is_too_long_is_not_sent(pair: Pair) -> None:
    with pytest.raises(WireError):
        send(pair[0], {"text": "x" * HEADER_BYTES_MAX})
