"""Decoder processes start and end when they should."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from media.making import serves
from mesmer.errors import MediaError
from mesmer.media.reader import MediaReader, read_media


def gone(pid: int, *, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("stopped", [False, True])
def test_the_decoder_dies_with_its_owner(good: Path, stopped: bool) -> None:
    code = """
import sys, time
from mesmer.media.reader import MediaReader
reader = MediaReader()
reader.probe(sys.argv[1])
print(reader.decoder_pid, flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", code, str(good)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert gone(pid)


def test_closing_ends_the_decoder_and_reading_starts_another(good: Path) -> None:
    one = MediaReader()
    serves(one, good)
    pid = one.decoder_pid
    assert pid is not None
    one.close()
    assert one.decoder_pid is None
    assert gone(pid)
    serves(one, good)
    one.close()
    one.close()


def test_a_forgotten_reader_leaves_no_process(good: Path) -> None:
    one = MediaReader()
    one.probe(good)
    pid = one.decoder_pid
    assert pid is not None
    del one
    assert gone(pid)


def test_a_stream_ends_when_its_reader_opens_another_file(good: Path) -> None:
    with MediaReader() as one:
        stream = one.stream(good)
        next(stream)
        serves(one, good)
        with pytest.raises(RuntimeError, match="another file"):
            next(stream)


def test_a_decoder_left_in_the_middle_is_not_used_for_another_file(good: Path) -> None:
    """It may be at the next piece of the first file, and what that does to it must not be laid to the second one."""
    with MediaReader() as one:
        serves(one, good)
        pid = one.decoder_pid
        serves(one, good)
        assert one.decoder_pid == pid
        next(one.stream(good))
        assert one.decoder_pid == pid
        serves(one, good)
        assert one.decoder_pid not in (pid, None)


def test_a_decoder_that_dies_between_two_pieces_is_an_error_of_the_file(good: Path) -> None:
    with MediaReader() as one:
        stream = one.stream(good)
        next(stream)
        assert one.decoder_pid is not None
        os.kill(one.decoder_pid, signal.SIGKILL)
        with pytest.raises(MediaError, match="decoder") as caught:
            list(stream)
        assert caught.value.kind == "crash"
        assert str(good) in str(caught.value)
        serves(one, good)


def _read_in_worker(reader: MediaReader, path: Path) -> tuple[int, int | None]:
    return len(reader.read(path).frames), reader.decoder_pid


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_readers_go_to_worker_processes(good: Path, method: str) -> None:
    with MediaReader() as one:
        serves(one, good)
        pid = one.decoder_pid
        if method == "fork":
            assert in_fork(one, good) == (6, True)
        else:
            copy = pickle.loads(pickle.dumps(one))
            assert _read_in_worker(copy, good)[0] == 6
            assert copy.decoder_pid != pid
            copy.close()
        assert one.decoder_pid == pid
        serves(one, good)


def in_fork(reader: MediaReader, path: Path) -> tuple[int, bool]:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    before = reader.decoder_pid

    def work() -> None:
        frames, pid = _read_in_worker(reader, path)
        reader.close()
        queue.put((frames, pid != before))

    worker = context.Process(target=work)
    worker.start()
    result = queue.get()
    worker.join()
    assert worker.exitcode == 0
    return result


def test_a_reader_started_by_a_thread_outlives_it(good: Path) -> None:
    with MediaReader() as one:
        thread = threading.Thread(target=one.probe, args=(good,))
        thread.start()
        thread.join()
        time.sleep(0.1)
        pid = one.decoder_pid
        assert pid is not None
        serves(one, good)
        assert one.decoder_pid == pid


def test_many_clips_through_one_decoder_need_no_more_memory(good: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    with MediaReader() as one:
        for _ in range(20):
            one.read(good)
        before = resident_kib(one.decoder_pid)
        for _ in range(60):
            one.read(good)
        assert resident_kib(one.decoder_pid) - before < 3000
        assert len(os.listdir(f"/proc/{one.decoder_pid}/fd")) < 10


def resident_kib(pid: int | None) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def test_one_call_reads_one_file(good: Path) -> None:
    assert len(read_media(good, frame_interval_s=1.0).frames) == 3
