"""What the guarded decoder costs: starting it, and how its memory and its owner's grow with the length of a file.

    python benchmarks/media_costs.py [--minutes 1 10] [--starts 5]

Files of a blank picture, 25 frames a second, and silence are made and streamed, each by a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from measuring import told_by
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video

STREAM = """
import sys
from mesmer.media.reader import MediaReader
with MediaReader() as reader:
    for piece in reader.stream(sys.argv[1], frame_interval_s=0.5):
        pass
    print(peak_mib(), peak_mib(reader.decoder_pid))
"""


def make(path: Path, minutes: int) -> Path:
    frames = (np.full((48, 64, 3), 40 + number // 25 % 100, np.uint8) for number in range(minutes * 60 * 25))
    write_video(path, frames, 25, np.zeros(minutes * 60 * 16_000, np.float32), preset="ultrafast")
    return path


def start_s(path: Path) -> float:
    """Processor time a decoder has used when it has looked at its first file."""
    with MediaReader() as reader:
        reader.probe(path)
        times = psutil.Process(reader.decoder_pid).cpu_times()
        return float(times.user + times.system)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs=2, default=[1, 10])
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        files = [make(Path(folder) / f"{minutes}.mp4", minutes) for minutes in options.minutes]
        seconds = statistics.median(start_s(files[0]) for _ in range(options.starts))
        print(f"start of a decoder: {seconds:.2f} s of processor time")
        short, long = (told_by(STREAM, file) for file in files)
    hours = (options.minutes[1] - options.minutes[0]) / 60
    for name, few, many in zip(("asking process", "decoder"), short, long, strict=True):
        print(
            f"{name}: at most {few:.1f} MiB at {options.minutes[0]} minutes, {many:.1f} at {options.minutes[1]}: "
            f"{(many - few) / hours:.1f} MiB more for an hour"
        )


if __name__ == "__main__":
    main()
