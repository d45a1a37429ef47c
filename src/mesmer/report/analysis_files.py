"""Many files to many results on disk: one folder for each, gone on with where it was stopped, failures listed.

A folder holds ``analysis.json`` (written last: what has it is done), ``utterances.csv``, ``.srt``, ``.vtt``, ``.eaf``,
``report.html`` and ``faces/``; while a file is being analysed, ``utterances.jsonl`` holds what is known so far.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.analyze import Analyzer
from mesmer.analysis.result import FORMAT, VERSION, Analysis, AnalyzedPerson
from mesmer.analysis.transcripts import ENDINGS, Transcript, read_transcript_file
from mesmer.errors import ConfigError, MesmerError
from mesmer.report.analysis_exports import csv_text, eaf_text, srt_text, vtt_text
from mesmer.report.analysis_page import analysis_page
from mesmer.report.face_pictures import MAX_FACES, blurred, png_bytes
from mesmer.storage.atomic import plain_error, write_bytes, write_json, write_text
from mesmer.storage.reading import read_json

RESULT_FILE = "analysis.json"
RUNNING_FILE = "utterances.jsonl"
REPORT_FILE = "report.html"
FACES_FOLDER = "faces"
MEDIA_ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv"),
    *(".wav", ".flac", ".mp3", ".m4a", ".mka", ".ogg", ".oga", ".opus"),
)
"""What is taken from a folder; a file that is named is read whatever its name."""
MAX_RESULT_BYTES = 512 * 2**20


@dataclass(frozen=True, kw_only=True)
class AnalyzedFile:
    """What became of a file: ``analysis`` (None where it was done before), or ``error``; ``folder`` holds the result."""

    path: Path
    folder: Path
    analysis: Analysis | None = None
    error: MesmerError | None = None


def find_files(inputs: Sequence[str | Path], out: str | Path) -> list[tuple[Path, Path]]:
    """Return each media file among files and folders, and the folder for its result.

    Raises:
        ConfigError: an input does not exist, there is nothing to analyse, or two files would share a folder.
    """
    found: list[tuple[Path, Path]] = []
    out = Path(out)
    for path in map(Path, inputs):
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in MEDIA_ENDINGS and file.is_file())
            found += [(file, out / file.relative_to(path)) for file in inside]
        elif path.exists():
            found.append((path, out / path.name))
        else:
            raise ConfigError("there is no such file or folder", file=path)
    if not found:
        remedy = f"name the files, or a folder with files that end in {', '.join(MEDIA_ENDINGS)}"
        raise ConfigError("there is nothing to analyse", file=inputs[0] if inputs else None, remedy=remedy)
    owners: dict[Path, Path] = {}
    for path, folder in found:
        other = owners.setdefault(folder, path)
        if other.resolve() != path.resolve():
            remedy = "analyse one of them into another folder (--out)"
            raise ConfigError(f"its result would be in the same folder as that of {other}", file=path, remedy=remedy)
    return list(dict.fromkeys((path, folder) for folder, path in owners.items()))


def analyze_files(
    files: Sequence[tuple[Path, Path]],
    *,
    analyzer: Analyzer,
    transcripts: Path | None = None,
    again: bool = False,
    blur_faces: bool = False,
    progress: Callable[[Path, float, float], None] | None = None,
) -> Iterator[AnalyzedFile]:
    """Analyse files one after another, write their results, and yield what became of each.

    A file that has not changed since its whole result was made in the same way is not analysed again. An error of one file
    does not touch the others. When it is interrupted, what is known of the file at hand is written.

    Args:
        files: each with the folder of its result.
        analyzer: the model and all else.
        transcripts: a file for the one file there is; or a folder with files of the same names, but .srt, .vtt or .txt.
        again: analyse also what is done.
        blur_faces: write no picture of a face that is not blurred.
        progress: is told (file, seconds done, seconds in all).

    Raises:
        ConfigError: one transcript is given for several files.
    """
    check_transcripts(files, transcripts)
    for path, folder in files:
        yield analyze_file(
            path,
            folder,
            analyzer=analyzer,
            transcripts=transcripts,
            again=again,
            blur_faces=blur_faces,
            progress=None if progress is None else functools.partial(progress, path),
        )


def check_transcripts(files: Sequence[tuple[Path, Path]], transcripts: Path | None) -> None:
    """Refuse one transcript for several files, with a ConfigError."""
    if transcripts is not None and not transcripts.is_dir() and len(files) > 1:
        raise ConfigError("one transcript cannot serve several files", file=transcripts, remedy="give their folder")


def analyze_file(
    path: Path,
    folder: Path,
    *,
    analyzer: Analyzer,
    transcripts: Path | None = None,
    again: bool = False,
    blur_faces: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> AnalyzedFile:
    """Analyse one file into its folder, unless that is done, and return what became of it; as :func:`analyze_files`."""
    try:
        transcript = _transcript_for(path, transcripts)
        if not again and _is_done(path, folder, analyzer, transcript, blur_faces):
            return AnalyzedFile(path=path, folder=folder)
        analysis = _analyze_into(path, folder, analyzer, transcript, progress, blur_faces)
        return AnalyzedFile(path=path, folder=folder, analysis=analysis)
    except MesmerError as error:
        return AnalyzedFile(path=path, folder=folder, error=error)


def write_analysis(analysis: Analysis, folder: str | Path, *, blur_faces: bool = False) -> Analysis:
    """Write an analysis in all its forms into ``folder``; return it with the names of its pictures.

    Args:
        analysis: what to write.
        folder: is made if it is not there.
        blur_faces: blur the pictures of faces, in the files and in the page.

    Raises:
        MesmerError: the folder cannot be written.
    """
    folder = Path(folder)
    people: list[AnalyzedPerson] = []
    faces: dict[int, NDArray[np.uint8]] = {}
    for person in analysis.people:
        if person.thumbnail is not None:
            face = blurred(person.thumbnail) if blur_faces else person.thumbnail
            name = f"{FACES_FOLDER}/person-{person.number}.png"
            write_bytes(folder / name, png_bytes(face))
            person = replace(person, thumbnail=face, thumbnail_file=name)
            if len(faces) < MAX_FACES:
                faces[person.number] = face
        people.append(person)
    analysis = replace(analysis, people=people)
    forms = {"csv": csv_text, "srt": srt_text, "vtt": vtt_text, "eaf": eaf_text}
    for ending, form in forms.items():
        write_text(folder / f"utterances.{ending}", form(analysis))
    value = {**analysis.to_json(), "faces_blurred": blur_faces}
    write_text(folder / REPORT_FILE, analysis_page(value, faces=faces, blurred_before=blur_faces))
    write_json(folder / RESULT_FILE, value)
    return analysis


def _analyze_into(
    path: Path,
    folder: Path,
    analyzer: Analyzer,
    transcript: Transcript | None,
    progress: Callable[[float, float], None] | None,
    blur_faces: bool,
) -> Analysis:
    running = analyzer.open(path, transcript=transcript, progress=progress)
    unfinished = folder / RUNNING_FILE
    try:
        _clear(folder)
        with unfinished.open("w", encoding="utf-8") as lines:
            for row in running:
                lines.write(json.dumps(row.to_json(), ensure_ascii=False) + "\n")
                lines.flush()
        return write_analysis(running.result(), folder, blur_faces=blur_faces)
    except OSError as error:
        raise plain_error(error, folder) from error
    except BaseException as error:
        if not isinstance(error, MesmerError):  # interrupted, perhaps while the result was written: what is known is kept
            write_analysis(running.result(), folder, blur_faces=blur_faces)
        raise
    finally:
        try:
            _remove(unfinished)
        finally:  # an interruption that comes just before it is gone does not keep it
            _remove(unfinished)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # where not even the folder can be made, that is what has to be told
        file.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Make the folder, and take away what an older analysis left that the new one may not write over."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (folder / RESULT_FILE, folder / REPORT_FILE, *(folder / FACES_FOLDER).glob("person-*.png")):
        old.unlink(missing_ok=True)


def _transcript_for(path: Path, transcripts: Path | None) -> Transcript | None:
    if transcripts is None:
        return None
    if not transcripts.is_dir():
        return read_transcript_file(transcripts)
    named = (transcripts / f"{path.stem}{ending}" for ending in ENDINGS)
    file = next((file for file in named if file.is_file()), None)
    return None if file is None else read_transcript_file(file)


def _is_done(path: Path, folder: Path, analyzer: Analyzer, transcript: Transcript | None, blur_faces: bool) -> bool:
    """Whether the whole result of this very file, made in the same way, is there, and shows no more than is asked for."""
    file = folder / RESULT_FILE
    if not file.is_file() or not path.is_file():
        return False
    try:
        found: Any = read_json(file, max_bytes=MAX_RESULT_BYTES)
        if (found["format"], found["version"], found["complete"]) != (FORMAT, VERSION, True):
            return False
        if blur_faces and not found.get("faces_blurred", False):
            return False
        facts, source = path.stat(), found["source"]
        made = analyzer.made_by(transcript, has_audio=source["has_audio"])
        same_file = (source["size_bytes"], source["modified_ns"]) == (facts.st_size, facts.st_mtime_ns)
        return bool(same_file and found["model"] == analyzer.model_facts() and found["made_by"] == made)
    except (MesmerError, KeyError, TypeError):
        return False  # damaged or of another kind: it is made anew
