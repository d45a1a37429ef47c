"""A reader and a detector for preparation tests that need no decoder: the media file's own text says what is in it.

``{"seed": 3, "seconds": 2.0}`` is a clip of noise. ``"fail": kind`` raises that MediaError, ``"die"`` ends the process as a
crash would, ``"die_at_s"`` does so where a stretch begins there, ``"hang_s"`` takes its time, ``"sound"`` and ``"picture"``
set to false leave the stream out, ``"silent"`` is digital silence, ``"defect"`` is a mistake of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import MediaError
from mesmer.media.facts import Frame, MediaFacts, SoundBlock, StretchEnd
from mesmer.media.limits import Limits
from mesmer.media.stretch import Stretch
from mesmer.records import Clip, Utterance
from mesmer.signals.mtcnn import Detections


class Dies(BaseException):
    """Stands for the death of a worker that is no process."""


class MadeReader:
    """Like a real reader it serves many stretches of a file in one go; each gets what the file's text says, whole."""

    limits = Limits()

    def another(self) -> MadeReader:
        return MadeReader()

    def close(self) -> None: ...

    def stretches(self, path: str, stretches: Mapping[int, Stretch]) -> MadePass:
        try:
            made = json.loads(Path(path).read_text())
        except FileNotFoundError:
            raise MediaError("the file does not exist", kind="missing", file=path, remedy="look for it") from None
        if made.get("die"):
            os._exit(7)
        if made.get("die_once") and not Path(made["die_once"]).exists():
            Path(made["die_once"]).write_text("died")
            os._exit(7)
        if any(stretch.start_s == made.get("die_at_s") for stretch in stretches.values()):
            raise Dies
        if made.get("fail"):
            raise MediaError("the file is broken", kind=made["fail"], file=path)
        if made.get("defect"):
            raise ZeroDivisionError("a mistake of ours")
        time.sleep(made.get("hang_s", 0))
        return MadePass(made, stretches)


class MadePass:
    """Frames, then sound, then the end, stretch after stretch."""

    def __init__(self, made: dict[str, Any], stretches: Mapping[int, Stretch]) -> None:
        self._made, self._stretches = made, stretches
        self.facts = MediaFacts(
            container="made",
            size_bytes=1,
            duration_s=made.get("seconds", 1.0),
            has_video=made.get("picture", True),
            has_audio=made.get("sound", True),
        )
        self._pieces = self._all()

    def __iter__(self) -> Iterator[tuple[int, Frame | SoundBlock | StretchEnd]]:
        return self._pieces

    def __next__(self) -> tuple[int, Frame | SoundBlock | StretchEnd]:
        return next(self._pieces)

    def _all(self) -> Iterator[tuple[int, Frame | SoundBlock | StretchEnd]]:
        for number, stretch in self._stretches.items():
            for piece in self._one(stretch):
                yield number, piece

    def _one(self, stretch: Stretch) -> Iterator[Frame | SoundBlock | StretchEnd]:
        made, facts = self._made, self.facts
        generator = np.random.default_rng(made["seed"])
        steps = int(np.ceil(facts.duration_s / stretch.frame_interval_s)) if facts.has_video and stretch.want_video else 0
        for step in range(steps):
            pixels = generator.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            yield Frame(time_s=step * stretch.frame_interval_s, pixels=pixels)
        if facts.has_audio and stretch.want_audio:
            samples = generator.uniform(-1, 1, int(facts.duration_s * 16_000)).astype(np.float32)
            samples *= {"mix": 1.0, "left": 0.5, "right": 0.25}[stretch.channel] * (not made.get("silent"))
            for n in range(0, len(samples), 9000):
                yield SoundBlock(start_s=n / 16_000, samples=samples[n : n + 9000])
        heard = facts.has_audio and stretch.want_audio
        yield StretchEnd(
            video_absent=None if steps else "no stream" if stretch.want_video else "not asked",
            audio_absent=None if heard else "no stream" if stretch.want_audio else "not asked",
            warnings=("made for a test",) if made.get("warn") else (),
        )


class MadeDetector:
    """Sees one face in every frame whose first pixel is bright."""

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        return [_seen(int(frame[0, 0, 0] >= 64)) for frame in frames]

    def detect_near(self, frame: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Detections:
        return self.detect([frame])[0]


def _seen(count: int) -> Detections:
    boxes = np.tile(np.array([20, 10, 60, 50], np.float32), (count, 1))
    return Detections(boxes, np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32))


@contextlib.contextmanager
def made_parts(settings: PrepareSettings) -> Iterator[tuple[Any, Any]]:
    yield MadeReader(), MadeDetector()


def made_corpus(root: Path, made: Sequence[dict[str, Any]], **changes: Any) -> Corpus:
    """A corpus of one utterance per description; four speakers, labels and texts that vary."""
    root.mkdir(parents=True, exist_ok=True)
    utterances = []
    for n, what in enumerate(made):
        file = root / f"clip{n:03d}.json"
        if not what.get("no_file"):
            file.write_text(json.dumps({"seed": n, **what}))
        utterances.append(
            Utterance(
                id=f"u{n:03d}",
                corpus="made",
                media=str(file),
                speaker=f"s{n % 4}",
                dialogue=None if n % 3 else f"d{n % 2}",
                text=what.get("text", f"words number {n}"),
                labels=what.get("labels", {SIX_EMOTIONS[n % 6]: 1.0, SIX_EMOTIONS[(n + 1) % 6]: 0.25}),
                split=what.get("split", ("train", "train", "valid", "test")[n % 4]),
            )
        )
    values = {"name": "made", "emotions": SIX_EMOTIONS, "utterances": tuple(utterances), "root": root} | changes
    return Corpus(**values)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def same_clip(one: Clip, other: Clip) -> bool:
    """Equal in every bit."""
    arrays = ("faces", "face_times_s", "face_boxes_px", "face_found", "waveform")
    same = all(
        getattr(one, name).dtype == getattr(other, name).dtype and np.array_equal(getattr(one, name), getattr(other, name))
        for name in arrays
    )
    rest = ("id", "text", "absent", "duration_s", "warnings", "picture_end_s", "sound_end_s", "people", "stamps_replaced")
    return same and all(getattr(one, name) == getattr(other, name) for name in rest)
