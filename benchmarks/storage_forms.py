"""How many bytes faces and sound take, stored in one way or another, and what reading them costs.

    mesmer prepare synthetic tiny --size tiny --seed 0
    python benchmarks/storage_forms.py tiny [--clips 40] [--rounds 3]

Of the first clips of a prepared dataset's train split (of sound, those that are not silent). Reading is processor time of
one thread, everything in turn; Parquet is written in row groups of four, as shards are. Last, what a row of the dataset
itself costs (``PreparedSplit[number]``).
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

from measuring import print_table, processor_s
from mesmer.dataset.prepared import PreparedDataset
from mesmer.dataset.sound import to_pcm16
from mesmer.records import Clip

GROUP = 4
RATE_HZ = 16_000


def parquet(
    path: Path, cells: Sequence[object], kind: pa.DataType, *, delta: bool = False
) -> tuple[int, Callable[[], None]]:
    """Write one column; return its bytes in the file, and what reads all of it."""
    pq.write_table(
        pa.table({"cell": pa.array(cells, type=kind)}), path, row_group_size=GROUP, compression="zstd", compression_level=3,
        use_dictionary=False, column_encoding={"cell.list.element": "DELTA_BINARY_PACKED"} if delta else None,
    )  # fmt: skip

    def read() -> None:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False)

    groups = pq.read_metadata(path)
    return sum(groups.row_group(group).column(0).total_compressed_size for group in range(groups.num_row_groups)), read


def flac(sound: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def png(face: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face).save(file, format="PNG")
    return file.getvalue()


def compare_forms(clips: Sequence[Clip], folder: Path, *, rounds: int) -> None:
    faces, sounds = [clip.faces for clip in clips], [to_pcm16(clip.waveform) for clip in clips if clip.waveform.any()]
    pngs = [png(face) for of_clip in faces for face in of_clip]
    flacs = [flac(sound) for sound in sounds]
    zstd = parquet(folder / "faces", [of_clip.tobytes() for of_clip in faces], pa.binary())
    packed = parquet(folder / "sound", [sound.tobytes() for sound in sounds], pa.binary())
    listed = parquet(folder / "list", sounds, pa.list_(pa.int16()), delta=True)
    forms = {
        "faces as PNG": (sum(map(len, pngs)), lambda: [np.asarray(Image.open(io.BytesIO(one))) for one in pngs]),
        "**faces raw, zstd**": zstd,
        "sound as bytes, zstd": packed,
        "sound as FLAC": (sum(map(len, flacs)), lambda: [soundfile.read(io.BytesIO(one), dtype="int16") for one in flacs]),
        "**sound as list of int16, delta-packed, zstd**": listed,
    }
    taken = processor_s({name: read for name, (_, read) in forms.items()}, rounds=rounds)
    raw = {"faces": sum(one.nbytes for one in faces), "sound": sum(one.nbytes for one in sounds)}
    print(
        f"{len(clips)} clips, {len(pngs)} faces; raw: faces {raw['faces'] / 1e3:.0f} kB, sound {raw['sound'] / 1e3:.0f} kB"
    )
    rows = []
    for name, (size_bytes, _) in forms.items():
        of = "faces" if "faces" in name else "sound"
        unit_ms = 1000 * taken[name] / (len(pngs) if of == "faces" else len(sounds))
        each = f"{unit_ms:.3f} ms a {'face' if of == 'faces' else 'clip'}"
        rows.append([name, f"{size_bytes / 1e3:.0f} kB", f"{size_bytes / raw[of]:.2f}", each])
    print_table(["form", "bytes", "of raw", "reading"], rows)


def read_rows(data: Path, *, clips: int, rounds: int) -> None:
    split = PreparedDataset.open(data).split("train")

    def fresh(rows: range) -> None:
        opened = PreparedDataset.open(data).split("train")
        for row in rows:
            opened[row]

    tasks = {
        "opening alone": lambda: fresh(range(0)),
        "first row of each row group": lambda: fresh(range(0, clips, GROUP)),
        "in order": lambda: fresh(range(clips)),
        "row group still in memory": lambda: [split[row] for row in range(clips)],
    }
    taken = processor_s(tasks, rounds=rounds)
    opening = taken.pop("opening alone")
    counts = {"first row of each row group": -(-clips // GROUP), "in order": clips}
    rows = [
        [name, f"{1000 * (seconds - (opening if name in counts else 0)) / counts.get(name, clips):.2f}"]
        for name, seconds in taken.items()
    ]
    print()
    print_table(["a row", "ms of processor time"], rows)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="prepared dataset")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(words)
    split = PreparedDataset.open(chosen.data).split("train")
    count = min(chosen.clips, len(split))
    clips = [split[row] for row in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        compare_forms(clips, Path(folder), rounds=chosen.rounds)
    read_rows(chosen.data, clips=count, rounds=chosen.rounds)


if __name__ == "__main__":
    main()
