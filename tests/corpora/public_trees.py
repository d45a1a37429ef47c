"""Writes small corpora of still faces, voices and sentences in every form in which the public gets the large ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

FER_WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER_SPLITS = ("train", "train", "train", "valid", "test")
FER_USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}


def grey_faces(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def png(grey: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(grey).save(data, format="PNG")
    return data.getvalue()


def fer_rows(count: int) -> list[tuple[str, str, str]]:
    """Name, word and split of so many faces; every word comes in every split if there are enough."""
    splits = [FER_SPLITS[(n // len(FER_WORDS)) % len(FER_SPLITS)] for n in range(count)]
    return [(f"{FER_USAGES[s]}_{n:05d}.png", FER_WORDS[n % len(FER_WORDS)], s) for n, s in enumerate(splits)]


def write_fer_table(root: Path, faces: NDArray[np.uint8]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    names, words, splits = zip(*fer_rows(len(faces)), strict=True)
    pq.write_table(
        pa.table({"file": names, "emotion": words, "split": splits, "image": [png(face) for face in faces]}),
        root / "fer2013.parquet",
    )
    return root


def write_fer_csv(root: Path, faces: NDArray[np.uint8], *, icml: bool = False) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    lines = ["emotion, Usage, pixels" if icml else "emotion,pixels,Usage"]
    for face, (_, word, split) in zip(faces, fer_rows(len(faces)), strict=True):
        pixels, code = " ".join(map(str, face.ravel())), FER_WORDS.index(word)
        usage = FER_USAGES[split]
        lines.append(f"{code}, {usage}, {pixels}" if icml else f'{code},"{pixels}",{usage}')
    (root / ("icml_face_data.csv" if icml else "fer2013.csv")).write_text("\n".join(lines) + "\n")
    return root


def write_fer_folders(root: Path, faces: NDArray[np.uint8], *, named: bool = True) -> Path:
    """``train`` and ``test`` as they were passed on: the two tests of the challenge in one folder, told by their names."""
    for n, (face, (name, word, split)) in enumerate(zip(faces, fer_rows(len(faces)), strict=True)):
        folder = root / ("train" if split == "train" else "test") / word
        folder.mkdir(parents=True, exist_ok=True)
        (folder / (name if named else f"im{n:05d}.png")).write_bytes(png(face))
    return root


def write_goemotions(root: Path, rows: Sequence[tuple[str, str, str, str]], labels: Sequence[str], *, fine: bool) -> Path:
    """Rows are split, text, label numbers, id."""
    root.mkdir(parents=True, exist_ok=True)
    for split, name in (("train", "train.tsv"), ("valid", "dev.tsv"), ("test", "test.tsv")):
        lines = ["\t".join(row[1:]) for row in rows if row[0] == split]
        (root / name).write_bytes(("\n".join(lines) + "\n").encode())
    (root / ("emotions.txt" if fine else "labels.txt")).write_text("\n".join(labels) + "\n")
    return root


def write_voice_table(root: Path, names: Sequence[str], sounds: Sequence[bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"file": list(names), "audio": list(sounds)}), root / "voices.parquet")
    return root
