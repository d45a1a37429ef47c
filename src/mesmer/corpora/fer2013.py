"""FER2013: 35,887 grey faces of 48 x 48 pixels in seven classes, as the challenge or those who passed it on deliver it.

Three forms are read: ``fer2013.csv`` (or ``icml_face_data.csv``) with the pixels as numbers; folders of pictures,
``train/angry/...`` and so on; and one Parquet table with the columns ``file``, ``emotion``, ``split`` and ``image``. The
official split is kept: Training, PublicTest (here ``valid``) and PrivateTest (``test``).

Pictures are cut out and upright already: nothing is detected, and every pixel is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mesmer.corpora.base import Corpus
from mesmer.corpora.parquet_tables import find_table, read_parquet
from mesmer.corpora.raw_files import find_root, visible_files
from mesmer.corpora.ready_clips import EKMAN_EMOTIONS, still_clip
from mesmer.corpora.small_pictures import MAX_PICTURE_BYTES, grey_picture, grey_pixels
from mesmer.corpora.text_files import Place, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import DataError, suggest
from mesmer.records import Clip, Utterance
from mesmer.storage.hashes import sha256_bytes
from mesmer.storage.reading import read_bytes

CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""What the numbers 0 to 6 of the CSV file mean."""
USAGES: Mapping[str, str] = {"training": "train", "publictest": "valid", "privatetest": "test"}
"""The challenge's name of a split, in small letters -> ours."""
FOLDERS: Mapping[str, str] = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}
VALID_SHARE = 10
"""Where no picture is of the validation split, one training picture of so many is taken for it, by the hash of its name."""

MAX_LINE_BYTES = 20_000
MAX_ROWS = 200_000
_PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class _Face:
    """One row of whichever form: where it stands, what it shows and what is said of it."""

    id: str
    media: Path
    emotion: str
    split: str
    pixels: NDArray[np.uint8]


def read_fer2013(root: str | Path) -> Corpus:
    """Read the corpus; the pictures are read too, 83 MB in all.

    Args:
        root: the CSV file, the Parquet table, or a folder that holds one of them or the folders of pictures.

    Raises:
        DataError: none of the forms is there, or a row is damaged: names the row.
    """
    faces, base = _faces(Path(root))
    utterances: list[Utterance] = []
    pixels: dict[str, NDArray[np.uint8]] = {}
    for face in faces:
        name, again = face.id, 2
        while name in pixels:  # a few pictures were published twice, under two emotions
            name, again = f"{face.id}-{again}", again + 1
        pixels[name] = face.pixels
        utterances.append(
            Utterance(id=name, corpus="fer2013", media=str(face.media), labels={face.emotion: 1.0}, split=face.split)
        )
    return Corpus(
        name="fer2013", emotions=EKMAN_EMOTIONS, utterances=tuple(utterances), root=base, ready=partial(_clip, pixels)
    )


def _clip(pixels: Mapping[str, NDArray[np.uint8]], utterance: Utterance) -> Clip:
    return still_clip(utterance, pixels[utterance.id])


def _faces(root: Path) -> tuple[Iterator[_Face], Path]:
    """Return the rows of the form that is there, and the folder they lie in."""
    if root.is_file():
        if root.suffix.lower() == ".csv":
            return _of_csv(root), root.parent
        if root.suffix.lower() == ".parquet":
            return _of_table(root), root.parent
        raise DataError(
            "this is neither fer2013.csv nor a Parquet table", file=root, remedy="give one of them, or a folder"
        )
    expected = "fer2013.csv, a Parquet table, or folders train and test of pictures"
    base = find_root(root, is_root=_holds_it, expected=expected)
    csv = next((base / name for name in CSV_NAMES if (base / name).is_file()), None)
    if csv is not None:
        return _of_csv(csv), base
    table = find_table(base)
    return (_of_table(table) if table else _of_folders(base)), base


def _holds_it(folder: Path) -> bool:
    files = any((folder / name).is_file() for name in CSV_NAMES) or bool(visible_files(folder, suffixes=[".parquet"]))
    return files or ((folder / "train").is_dir() and len(_split_folders(folder)) > 1)


def _split_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name.lower() in FOLDERS)


def _of_csv(path: Path) -> Iterator[_Face]:
    """Yield the rows of the challenge's table, a line at a time: it is larger than a text file should be."""
    with path.open("rb") as lines:
        place = Place(file=path, line=1)
        names = [name.strip().lower() for name in _text(lines.readline(MAX_LINE_BYTES + 1), place).split(",")]
        for name in ("emotion", "pixels", "usage"):
            if names.count(name) != 1:
                place.fail("header", f"the column '{name}' is missing", suggest(name, names))
        at = {name: column for column, name in enumerate(names)}
        line = 1
        while raw := lines.readline(MAX_LINE_BYTES + 1):
            line += 1
            place = Place(file=path, line=line)
            if line > MAX_ROWS:
                place.fail("length", f"more than {MAX_ROWS} lines", "is this fer2013.csv?")
            text = _text(raw, place)
            if not text.strip():
                continue
            cells = [cell.strip().strip('"') for cell in text.split(",")]
            if len(cells) != len(names):
                place.fail("cells", f"{len(cells)} cells where the header has {len(names)}")
            code = place.whole("emotion", cells[at["emotion"]], high=len(CODES) - 1)
            usage = cells[at["usage"]]
            if usage.lower() not in USAGES:
                place.fail("Usage", f"'{shorten(usage)}' is unknown", "known: Training, PublicTest, PrivateTest")
            yield _Face(
                id=f"{usage}_{line - 1:05d}",
                media=path,
                emotion=CODES[code],
                split=USAGES[usage.lower()],
                pixels=grey_pixels(cells[at["pixels"]], place),
            )
    if line == 1:
        place.fail("length", "the table has no rows", "fetch it again")


def _text(raw: bytes, place: Place) -> str:
    if len(raw) > MAX_LINE_BYTES:
        place.fail("length", f"the line is longer than {MAX_LINE_BYTES} bytes", "is this fer2013.csv?")
    try:
        return raw.decode("ascii").rstrip("\r\n")
    except UnicodeDecodeError as error:
        place.fail("encoding", f"byte {error.start + 1} is no plain character", "is this fer2013.csv?")


def _of_table(path: Path) -> Iterator[_Face]:
    kinds = {"file": pa.string(), "emotion": pa.string(), "split": pa.string(), "image": pa.binary()}
    columns = read_parquet(path, kinds)
    for row, (file, emotion, split, image) in enumerate(zip(*columns.values(), strict=True), start=1):
        place = Place(file=path, line=row)
        if split.lower() not in FOLDERS:
            place.fail("split", f"'{shorten(split)}' is unknown", "known: train, valid, test")
        name = place.name("file", file)
        yield _Face(
            id=Path(name).stem,
            media=path,
            emotion=_emotion(emotion, place),
            split=FOLDERS[split.lower()],
            pixels=grey_picture(image, place),
        )


def _of_folders(base: Path) -> Iterator[_Face]:
    """Yield the pictures of ``train/angry/...``; their names keep the official split where they tell it."""
    found = [
        (path, folder) for folder in _split_folders(base) for path in visible_files(folder, suffixes=_PICTURES, depth=1)
    ]
    if not found:
        raise DataError("there is no picture in the folders", file=base, remedy="give the folder of train and test")
    splits = [USAGES.get(path.name.partition("_")[0].lower()) or FOLDERS[folder.name.lower()] for path, folder in found]
    if "valid" not in splits:
        drawn = [split == "train" and _drawn(path) for split, (path, _) in zip(splits, found, strict=True)]
        splits = ["valid" if chosen else split for split, chosen in zip(splits, drawn, strict=True)]
    for (path, _), split in zip(found, splits, strict=True):
        place = Place(file=path, line=1)
        pixels = grey_picture(read_bytes(path, max_bytes=MAX_PICTURE_BYTES), place)
        yield _Face(id=path.stem, media=path, emotion=_emotion(path.parent.name, place), split=split, pixels=pixels)


def _drawn(path: Path) -> bool:
    return int(sha256_bytes(path.name.encode("utf-8", "replace"))[:8], 16) % VALID_SHARE == 0


def _emotion(word: str, place: Place) -> str:
    name = emotion_name(word)
    if name not in EKMAN_EMOTIONS:
        place.fail("emotion", f"'{shorten(word)}' is unknown", "known: " + ", ".join(EKMAN_EMOTIONS))
    return name
