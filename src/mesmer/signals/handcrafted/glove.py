"""A file of word vectors in GloVe's published format, read once into a table that is mapped from the disk ever after.

One word and its numbers per line, in text or in a zip file. The table is kept in the user's cache folder
(``$MESMER_CACHE``, else ``~/.cache/mesmer``), named after the file's path, size and time of change.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import ConfigError, DataError
from mesmer.signals.handcrafted.words import WordTable
from mesmer.storage.atomic import atomic_folder, write_json
from mesmer.storage.hashes import sha256_bytes
from mesmer.storage.reading import read_json

VARIABLE, CACHE_VARIABLE = "MESMER_GLOVE", "MESMER_CACHE"
MOST_BYTES = 16 * 2**30
MOST_WORDS = 5_000_000
LONGEST_LINE_BYTES = 64 * 1024
_MOST_WORDLIST_BYTES = 256 * 2**20
_AT_ONCE = 10_000


def glove_file(named: str) -> Path:
    """Return the file of word vectors: the one named; the one of ``$MESMER_GLOVE`` if none is named, or it is not there (a
    model names the file of the machine it was trained on).

    Raises:
        ConfigError: none is named, or there is no such file.
    """
    elsewhere = os.environ.get(VARIABLE, "")
    name = elsewhere if elsewhere and not (named and Path(named).is_file()) else named
    remedy = f"download one of GloVe's and name it with features.glove or ${VARIABLE}, or set features.text: corpus"
    if not name:
        raise ConfigError("no file of word vectors is named", field="features.glove", remedy=remedy)
    if not Path(name).is_file():
        raise ConfigError("there is no such file of word vectors", file=name, field="features.glove", remedy=remedy)
    return Path(name)


def glove_words(file: Path, *, width: int) -> WordTable:
    """Return the table of a file of word vectors.

    Args:
        file: text or zip; of a zip file with several texts the one whose name ends in ``WIDTHd.txt``.
        width: numbers per word.

    Raises:
        DataError: the file is no such table, or of another width; names the line.
        MesmerError: the cache folder cannot be written.
    """
    state = file.stat()
    about = f"{file.resolve()} {state.st_size} {state.st_mtime_ns} {width}"
    kept = _cache_folder() / f"glove-{sha256_bytes(about.encode())[:16]}"
    if not (kept / "table.json").is_file():
        with atomic_folder(kept) as folder:
            _convert(file, folder, width)
    facts = read_json(kept / "table.json", max_bytes=_MOST_WORDLIST_BYTES)
    vectors: NDArray[np.float32] = np.memmap(
        kept / "vectors.f32", dtype=np.float32, mode="r", shape=(len(facts["words"]), width)
    )
    return WordTable(kind="glove", words=facts["words"], vectors=vectors, identity=facts["sha256"])


def _cache_folder() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "mesmer"


def _convert(file: Path, folder: Path, width: int) -> None:
    """Write ``vectors.f32`` and ``table.json`` of a file of word vectors. Raises as :func:`glove_words`."""
    words: list[str] = []
    digest = sha256()
    with _opened(file, width) as lines, (folder / "vectors.f32").open("wb") as out:
        for block in _blocks(lines):
            digest.update(b"".join(block))
            rows = _vectors(block, width)
            if rows is None:  # something is wrong, or a word holds a space: line by line, to say which or to cut it right
                entries = [_entry(line, width, file, len(words) + 1 + place) for place, line in enumerate(block)]
                words += [word for word, _ in entries]
                rows = np.stack([vector for _, vector in entries])
            else:
                words += [line.split(b" ", 1)[0].decode("utf-8", "replace") for line in block]
            if not np.isfinite(rows).all():
                bad = len(words) - len(block) + 1 + int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
                raise DataError("a number is not finite", file=file, field=f"line {bad}")
            if len(words) > MOST_WORDS:
                raise DataError(f"more than {MOST_WORDS} words", file=file, remedy="cut the file after its frequent words")
            out.write(rows.tobytes())
    if not words:
        raise DataError("the file is empty", file=file, remedy="give a file of word vectors")
    write_json(folder / "table.json", {"sha256": digest.hexdigest(), "words": words})


def _vectors(block: list[bytes], width: int) -> NDArray[np.float32] | None:
    """Return the vectors of lines that are each one word and its numbers; None where a line is anything else."""
    if any(line.count(b" ") != width or line.startswith(b" ") for line in block):
        return None
    numbers = b" ".join(line.rstrip(b"\r\n").split(b" ", 1)[1] for line in block)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # what numpy says of text that is no number
        try:
            found = np.fromstring(numbers, dtype=np.float32, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return found.reshape(len(block), width) if len(found) == len(block) * width else None


def _entry(line: bytes, width: int, file: Path, number: int) -> tuple[str, NDArray[np.float32]]:
    """Return the word and the vector of a line. Some published words hold spaces, so the line is cut from its end."""
    parts = line.rstrip(b"\r\n").rsplit(b" ", width)
    if len(parts) != width + 1 or not parts[0]:
        found = len(line.split()) - 1
        raise DataError(
            f"a word and {width} numbers are expected, there are {found}",
            file=file,
            field=f"line {number}",
            remedy=f"set features.text_width: {found}" if found > 1 else "give a file of word vectors",
        )
    try:
        vector = np.array(parts[1:], dtype=np.float32)
    except ValueError:
        raise DataError(
            "a word and its numbers are expected",
            file=file,
            field=f"line {number}",
            remedy="is features.text_width right?",
        ) from None
    try:  # a longer vector than asked for would leave its first numbers to the word
        float(parts[0].rsplit(b" ", 1)[-1])
        longer = b" " in parts[0]
    except ValueError:
        longer = False
    if longer:
        raise DataError(f"more than {width} numbers", file=file, field=f"line {number}", remedy="set features.text_width")
    return parts[0].decode("utf-8", "replace"), vector


def _blocks(lines: IO[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    while line := lines.readline(LONGEST_LINE_BYTES):
        block.append(line)
        if len(block) == _AT_ONCE:
            yield block
            block = []
    if block:
        yield block


@contextmanager
def _opened(file: Path, width: int) -> Iterator[IO[bytes]]:
    """Open the lines of a text, or of the one in a zip file that has the width.

    Raises:
        DataError: there is none, it is too large, or the zip file is damaged.
    """
    if not zipfile.is_zipfile(file):
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"the file is larger than {MOST_BYTES} bytes", file=file)
        with file.open("rb") as lines:
            yield lines
        return
    try:
        with zipfile.ZipFile(file) as archive:
            texts = [entry for entry in archive.infolist() if entry.filename.endswith(".txt")]
            fitting = [entry for entry in texts if entry.filename.endswith(f"{width}d.txt")] or texts
            if len(fitting) != 1:
                names = ", ".join(entry.filename for entry in texts[:8]) or "no text"
                raise DataError(f"the zip file holds {names}; none is clearly of {width} numbers", file=file)
            if fitting[0].file_size > MOST_BYTES:
                raise DataError(f"{fitting[0].filename} is larger than {MOST_BYTES} bytes", file=file)
            with archive.open(fitting[0]) as packed:
                yield io.BufferedReader(packed)  # type: ignore[type-var]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as problem:
        raise DataError(f"the zip file is damaged ({problem})", file=file, remedy="download it again") from None
