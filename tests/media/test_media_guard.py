"""What the decoder process may not do, tried in a process with the same bounds."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mesmer.media.reader import MediaReader


def guarded(code: str, *arguments: str, memory: int = 1 << 30) -> str:
    """Run Python code in a process with the decoder's bounds and return what it prints."""
    program = f"""
import os, sys, socket, signal
from mesmer.media.guard import give_up_privileges, renew_processor_time
give_up_privileges(memory_bytes={memory}, parent=os.getppid())
def attempt(action):
    try:
        action()
    except (OSError, MemoryError) as error:
        print(type(error).__name__)
    else:
        print("allowed")
{textwrap.dedent(code)}
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() + (f" ended by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else "")


def has_landlock() -> bool:
    import ctypes

    return sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 6


def test_it_cannot_write_files(tmp_path: Path) -> None:
    target = tmp_path / "written"
    out = guarded("attempt(lambda: open(sys.argv[1], 'wb', buffering=0).write(b'x'))", str(target))
    assert "allowed" not in out
    assert not target.exists() or target.stat().st_size == 0


def test_it_cannot_take_more_memory() -> None:
    assert guarded("attempt(lambda: bytearray(300 << 20))", memory=200 << 20) == "MemoryError"
    assert guarded("attempt(lambda: bytearray(100 << 20))", memory=200 << 20) == "allowed"


def test_it_cannot_run_for_ever() -> None:
    code = """
    renew_processor_time(1)
    while True:
        pass
    """
    assert guarded(code).strip() == "ended by SIGXCPU"


@pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock of version 6")
def test_it_can_open_no_file_and_reach_no_network(good: Path, tmp_path: Path) -> None:
    assert guarded("attempt(lambda: open(sys.argv[1], 'rb'))", str(good)) == "PermissionError"
    assert guarded("attempt(lambda: os.listdir('/'))") == "PermissionError"
    assert guarded("attempt(lambda: os.execv('/bin/sh', ['sh']))") == "PermissionError"
    assert guarded("attempt(lambda: os.kill(os.getppid(), 0))") == "PermissionError"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert guarded(f"attempt(lambda: socket.create_connection(('127.0.0.1', {port})))") == "PermissionError"


def test_it_imports_only_what_it_needs() -> None:
    code = "import mesmer.media.child, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"av", "numpy", "mesmer"} <= set(loaded)
    assert not {"torch", "scipy", "PIL", "transformers", "pyarrow", "matplotlib"} & set(loaded)


def test_it_knows_nothing_of_our_environment(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc")
    monkeypatch.setenv("HF_TOKEN", "a secret")
    with MediaReader() as one:
        one.probe(good)
        environment = Path(f"/proc/{one.decoder_pid}/environ").read_bytes()
    assert b"a secret" not in environment
    assert b"PYTHONPATH" in environment
