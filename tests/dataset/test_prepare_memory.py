"""An hour of video needs little more memory to prepare than ten minutes, in all processes together."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mesmer.dataset.prepared import PreparedDataset
from mesmer.media.writer import write_video
from process_memory import family, resident_mib

PROGRAM = """
import sys
from pathlib import Path
from mesmer.config import PrepareSettings
from mesmer.corpora.folder import read_folder
from mesmer.dataset.prepare import prepare
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    prepare(read_folder(folder / "manifest.csv"), folder / "out", settings=PrepareSettings(frame_interval_s=1.0), workers=1)
"""
MORE_MIB = 64

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures through /proc")


def make(folder: Path, minutes: int) -> Path:
    """One low-resolution video with an utterance of 5 s in every 6 s."""
    folder.mkdir()
    seconds, fps = minutes * 60, 4
    frames = (np.full((48, 64, 3), 40 + k % 150, np.uint8) for k in range(seconds * fps))
    hum = (0.3 * np.sin(np.arange(seconds * 16_000, dtype=np.float32) * 0.05)).astype(np.float32)
    write_video(folder / "long.mp4", frames, fps, hum, preset="ultrafast")
    rows = [
        f"long.mp4,{start},{start + 5},words,fear,{('train', 'valid', 'test')[start % 3]}" for start in range(0, seconds, 6)
    ]
    (folder / "manifest.csv").write_text("\n".join(["path,start_s,end_s,text,labels,split", *rows]))
    return folder


def peak_mib(folder: Path) -> float:
    """Prepare in a process of its own and return the largest memory of it and its children, looked at all the time."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])
    peak, pause = 0.0, threading.Event()
    while process.poll() is None:
        with contextlib.suppress(OSError):  # one of them has just ended
            peak = max(peak, sum(resident_mib(pid) for pid in family(process.pid)))
        pause.wait(0.1)
    assert process.returncode == 0
    return peak


def compare(tmp_path: Path, *, short: int, long: int) -> None:
    folders = make(tmp_path / "short", short), make(tmp_path / "long", long)
    few, many = (peak_mib(folder) for folder in folders)
    print(f"peak at {short} minutes {few:.0f} MiB, at {long} minutes {many:.0f} MiB")
    facts = PreparedDataset.open(folders[1] / "out").facts
    assert (facts.rows_out, facts.quarantined) == (long * 10, 0)
    assert many - few < MORE_MIB


@pytest.mark.slow
def test_sixty_minutes_need_little_more_memory_than_ten(tmp_path: Path) -> None:
    compare(tmp_path, short=10, long=60)
