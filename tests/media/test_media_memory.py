"""Reading needs no more memory for a long file than for a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from media.making import gray
from mesmer.media.writer import write_video

# Reads a file as a stream in a process of its own and prints how much memory it and its decoder took at most, in KiB.
PROGRAM = """
import sys
from pathlib import Path
from mesmer.media.reader import MediaReader
def peak_kib(pid):
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])
with MediaReader() as reader:
    stream = reader.stream(sys.argv[1], frame_interval_s=0.1)
    pieces = sum(1 for _ in stream)
    print(pieces, peak_kib("self"), peak_kib(reader.decoder_pid))
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures through /proc")


def make(path: Path, seconds: int) -> Path:
    frames = (gray(40 + k // 25 % 100) for k in range(seconds * 25))
    write_video(path, frames, 25, np.zeros(seconds * 16_000, np.float32), preset="ultrafast")
    return path


def peaks(path: Path) -> tuple[int, int, int]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)
    pieces, parent, child = (int(word) for word in done.stdout.split())
    return pieces, parent, child


def compare(tmp_path: Path, *, short_s: int, long_s: int, more_kib: int) -> None:
    short, long = peaks(make(tmp_path / "short.mp4", short_s)), peaks(make(tmp_path / "long.mp4", long_s))
    assert long[0] > 0.95 * short[0] * long_s / short_s
    assert long[1] - short[1] < more_kib
    assert long[2] - short[2] < more_kib


def test_three_minutes_need_as_much_as_ten_seconds(tmp_path: Path) -> None:
    compare(tmp_path, short_s=10, long_s=180, more_kib=4096)


@pytest.mark.slow
def test_an_hour_needs_little_more_than_a_minute(tmp_path: Path) -> None:
    """The table of contents of an mp4 file grows with it: 16 to 24 bytes for each packet, in three readers of the file."""
    compare(tmp_path, short_s=60, long_s=3600, more_kib=24 * 1024)
