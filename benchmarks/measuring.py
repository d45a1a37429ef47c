"""What the small benchmarks share: tasks timed in turn, memory of another process, and drawn things to measure on."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mesmer.corpora.synthetic.plan import plan_unseen
from mesmer.corpora.synthetic.rendering import perform

PEAK_MIB = """
import re
def peak_mib(pid="self"):
    return int(re.search(r"VmHWM:\\s*(\\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024
"""
"""Begins a program that says how much memory a process took at most (Linux)."""


def processor_s(tasks: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the processor's seconds of each task: all in turn, round after round, the median.

    Processor time hardly depends on what else the machine does, unlike the clock on the wall. Each runs once before.
    """
    for task in tasks.values():
        task()
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start_s = time.process_time()
            task()
            taken[name].append(time.process_time() - start_s)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def told_by(program: str, *words: object) -> list[float]:
    """Run Python code in a process of its own, with ``peak_mib`` at hand; return the numbers it prints."""
    command = [sys.executable, "-c", PEAK_MIB + program, *map(str, words)]
    return [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def drawn_frames(count: int, *, width_px: int, height_px: int) -> list[NDArray[np.uint8]]:
    """Return frames of the synthetic corpus's unseen speaker, twelve or so a second, on a grey ground of this size."""
    performance = perform(plan_unseen(seed=0), seed=0)
    frames = []
    for picture in list(performance.pictures())[::2][:count]:
        ground = Image.new("RGB", (width_px, height_px), (120, 120, 120))
        side = min(width_px, height_px)
        person = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        ground.paste(person, ((width_px - side) // 2, (height_px - side) // 2))
        frames.append(np.array(ground))
    return frames


def drawn_voice(duration_s: float) -> NDArray[np.float32]:
    """Return the unseen speaker's sentence at 16 kHz, said again and again for so long."""
    said = perform(plan_unseen(seed=0), seed=0).speech.waveform.astype(np.float32)
    return np.resize(said, int(duration_s * 16_000))


def folder_bytes(folder: Path) -> int:
    """Return the size of the Parquet files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.parquet"))
