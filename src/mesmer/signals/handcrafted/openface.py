"""Action units from OpenFace 2 (Baltrusaitis, Zadeh, Lim and Morency, 2018): its CSV files, or the user's own installation.

OpenFace's licence does not let it come with this project; ``FeatureExtraction`` is run where it is on the path.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError, DependencyError
from mesmer.storage.paths import safe_join
from mesmer.storage.reading import read_bytes

INTENSITIES: tuple[str, ...] = tuple(
    f"AU{unit:02d}_r" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
)
PRESENCES: tuple[str, ...] = tuple(
    f"AU{unit:02d}_c" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
)
COLUMNS: tuple[str, ...] = (*INTENSITIES, *PRESENCES)
"""17 intensities from 0 to 5 and 18 presences, 0 or 1."""

PROGRAM = "FeatureExtraction"
LONGEST_RUN_S = 600.0
MOST_CSV_BYTES = 1 * 2**30
NEAR_S = 0.25
"""A face whose frame lies farther from every tracked frame has no units: zeros, as OpenFace writes where it sees
nothing."""


@dataclass(frozen=True, kw_only=True)
class UnitTrack:
    """What OpenFace saw: ``times_s`` float64 (N,) from the file's start, ``units`` float32 (N, 35), tracked frames only."""

    times_s: NDArray[np.float64]
    units: NDArray[np.float32]

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the units at times, float32 (S, 35): those of the nearest tracked frame, zeros where none is near."""
        units = np.zeros((len(times_s), len(COLUMNS)), dtype=np.float32)
        if len(self.times_s) and len(times_s):
            away_s = np.abs(self.times_s[None] - times_s[:, None])
            nearest = away_s.argmin(axis=1)
            near = away_s.min(axis=1) <= NEAR_S
            units[near] = self.units[nearest[near]]
        return units


def read_units(file: str | Path) -> UnitTrack:
    """Read a CSV file of OpenFace 2; of several faces the one tracked longest.

    Raises:
        DataError: the file is missing, too large, or not such a file; names line and column.
    """
    try:
        text = read_bytes(file, max_bytes=MOST_CSV_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("this is not a text", file=file, remedy="give a CSV file of OpenFace 2") from None
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        heads = [name.strip() for name in next(rows, [])]
        for name in ("timestamp", *COLUMNS):
            if name not in heads:
                remedy = "run FeatureExtraction with -aus, or all of its outputs"
                raise DataError("the column is missing", file=file, field=name, remedy=remedy)
        wanted = [heads.index(name) for name in ("timestamp", *COLUMNS)]
        face, success = (heads.index(name) if name in heads else None for name in ("face_id", "success"))
        faces: dict[str, list[list[float]]] = {}
        for cells in rows:
            if not cells:
                continue
            if len(cells) != len(heads):
                raise DataError(f"{len(heads)} values are expected", file=file, field=f"line {rows.line_num}")
            if success is not None and float(cells[success]) < 0.5:
                continue
            key = "" if face is None else cells[face].strip()
            faces.setdefault(key, []).append([float(cells[place]) for place in wanted])
    except (csv.Error, ValueError) as problem:
        raise DataError(f"not a number ({problem})", file=file, field=f"line {rows.line_num}") from None
    longest = max(faces.values(), key=len, default=[])
    table = np.array(longest, dtype=np.float64).reshape(-1, 1 + len(COLUMNS))
    if not np.isfinite(table).all():
        raise DataError("a number is not finite", file=file)
    return UnitTrack(times_s=table[:, 0], units=table[:, 1:].astype(np.float32))


def find_units(folder: Path, utterance_id: str) -> UnitTrack:
    """Return what the file ``ID.csv`` of a folder says; its time stamps count from the utterance's start.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    file = safe_join(folder, f"{utterance_id}.csv")
    if not file.is_file():
        raise DataError(
            "there is no CSV file of OpenFace for this utterance",
            file=file,
            remedy="run FeatureExtraction on its clip, or set features.visual: landmarks",
        )
    return read_units(file)


def run_openface(media: Path) -> UnitTrack:
    """Run the user's ``FeatureExtraction`` on a media file and return what it saw.

    Raises:
        DependencyError: it is not on the path.
        DataError: it fails, takes too long, or writes nothing that can be read.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise DependencyError(
            f"OpenFace's {PROGRAM} is not on the path",
            field="features.visual",
            remedy="install OpenFace 2, name a folder of its CSV files with features.openface, or use landmarks",
        )
    with tempfile.TemporaryDirectory(prefix="mesmer-openface-") as folder:
        words = [program, "-f", str(media.resolve()), "-aus", "-out_dir", folder, "-of", "units"]
        try:
            done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            raise DataError(f"OpenFace took longer than {LONGEST_RUN_S:g} s", file=media) from None
        except OSError as problem:
            raise DataError(f"OpenFace cannot be run ({problem.strerror})", file=program) from None
        written = Path(folder) / "units.csv"
        if done.returncode or not written.is_file():
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
            raise DataError(f"OpenFace failed (exit code {done.returncode}: {last[0][:200]})", file=media)
        return read_units(written)
