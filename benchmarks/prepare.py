"""How fast video is prepared: seconds of video per second by stage, with workers, beside searching every frame in full.

``python benchmarks/prepare.py [FILE ...] [--rounds 3] [--workers 1 2] [--json OUT]``; without files a small synthetic
corpus is made. Stages are measured one after the other within each round, so that a busy machine slows all alike; medians
of rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.synthetic.generator import make_synthetic
from mesmer.dataset.clip import make_clip
from mesmer.dataset.prepare import prepare
from mesmer.dataset.rows import make_row, make_table
from mesmer.dataset.shards import write_shard
from mesmer.emotions import SIX_EMOTIONS
from mesmer.media.facts import Frame
from mesmer.media.reader import MediaReader
from mesmer.media.stretch import Stretch
from mesmer.records import Utterance
from mesmer.signals import faces
from mesmer.signals.boxes import overlap
from mesmer.signals.mtcnn import FaceDetector

SETTINGS = PrepareSettings()


class Clock:
    """Seconds by name, one entry for each round."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.rounds[-1][name] = self.rounds[-1].get(name, 0.0) + time.perf_counter() - started_s

    def median_s(self, name: str) -> float:
        return statistics.median(one[name] for one in self.rounds)


def decoded(reader: MediaReader, path: Path) -> list[NDArray[np.uint8]]:
    stretch = Stretch(frame_interval_s=SETTINGS.frame_interval_s, max_frame_side_px=SETTINGS.max_frame_side_px)
    return [piece.pixels for _, piece in reader.stretches(path, {0: stretch}) if isinstance(piece, Frame)]


def followed(frames: list[NDArray[np.uint8]], detector: FaceDetector, clock: Clock) -> faces.FaceTrack:
    """Follow the face of a clip, its crops timed apart."""
    cut = faces.crop_face

    def timed(frame: NDArray[np.uint8], square: NDArray[np.float32]) -> NDArray[np.uint8]:
        with clock.at("crops"):
            return cut(frame, square)

    faces.crop_face = timed
    try:
        with clock.at("faces and crops"):
            return faces.crop_faces(frames, detector, settings=SETTINGS)
    finally:
        faces.crop_face = cut


def one_round(paths: list[Path], reader: MediaReader, detector: FaceDetector, clock: Clock, folder: Path) -> list[float]:
    """Go through the stages for every file; return how much each followed box overlaps that of a search in full."""
    clock.rounds.append({})
    overlaps = []
    for path in paths:
        with clock.at("decode"):
            frames = decoded(reader, path)
        with clock.at("every frame in full"):
            full = [detector.detect([frame])[0] for frame in frames]
        track = followed(frames, detector, clock)
        utterance = Utterance(id=path.name, corpus="benchmark", media=str(path))
        clip = make_clip(utterance, reader=reader, detector=detector, settings=SETTINGS)
        with clock.at("write"):
            row = make_row(utterance, clip, media=path.name, sound_media=None, emotions=SIX_EMOTIONS)
            write_shard(folder / "row.parquet", [make_table([row])])
        for frame, box, there, found in zip(frames, track.boxes_px, track.found, full, strict=True):
            squares = [
                faces.face_square(one, margin=SETTINGS.face_margin, height_px=frame.shape[0], width_px=frame.shape[1])
                for one in found.boxes_px
            ]
            both = there and squares
            overlaps.append(
                max((float(overlap(box[None], one[None])[0, 0]) for one in squares), default=0.0) if both else 0.0
            )
    clock.rounds[-1]["faces"] = clock.rounds[-1].pop("faces and crops") - clock.rounds[-1]["crops"]
    return overlaps


def with_workers(corpus: Corpus, counts: list[int], clock: Clock, folder: Path) -> None:
    for count in counts:
        with clock.at(f"prepare, workers {count}"):
            prepare(corpus, folder / f"{len(clock.rounds)}-{count}", settings=SETTINGS, workers=count)


def measure(paths: list[Path], *, rounds: int, workers: list[int]) -> dict[str, Any]:
    clock, detector = Clock(), FaceDetector(min_face_px=SETTINGS.min_face_px)
    with tempfile.TemporaryDirectory() as scratch, MediaReader() as reader:
        folder = Path(scratch)
        video_s = sum(reader.probe(path).duration_s for path in paths)
        frames = sum(len(decoded(reader, path)) for path in paths)  # and everything has been used once
        utterances = tuple(Utterance(id=str(n), corpus="benchmark", media=str(path)) for n, path in enumerate(paths))
        corpus = Corpus(name="benchmark", emotions=SIX_EMOTIONS, utterances=utterances, root=paths[0].parent)
        for _ in range(rounds):
            overlaps = one_round(paths, reader, detector, clock, folder)
            with_workers(corpus, workers, clock, folder)
    stages = ["decode", "faces", "crops", "write", "every frame in full", *(f"prepare, workers {n}" for n in workers)]
    medians = {stage: clock.median_s(stage) for stage in stages}
    return {
        "files": len(paths),
        "video_s": round(video_s, 2),
        "frames": frames,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "video_s_per_s": {stage: round(video_s / seconds, 2) for stage, seconds in medians.items()},
        "ms_per_frame": {stage: round(1000 * seconds / frames, 2) for stage, seconds in medians.items()},
        "faces_times_faster_than_in_full": round(medians["every frame in full"] / medians["faces"], 2),
        "share_of_boxes_with_overlap_0.7": round(float(np.mean(np.array(overlaps) >= 0.7)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        paths = arguments.files
        if not paths:
            corpus = make_synthetic(Path(scratch) / "raw", size="tiny", seed=0, workers=1)
            paths = sorted({Path(utterance.media) for utterance in corpus.utterances})[:12]
        found = measure(paths, rounds=arguments.rounds, workers=arguments.workers)
    print(f"{found['files']} files, {found['video_s']} s of video, {found['frames']} frames; {found['rounds']} rounds")
    print("| stage | s of video per s | ms per frame |\n|---|---|---|")
    for stage, rate in found["video_s_per_s"].items():
        print(f"| {stage} | {rate} | {found['ms_per_frame'][stage]} |")
    print(f"faces: {found['faces_times_faster_than_in_full']} times faster than every frame in full,", end=" ")
    print(f"{100 * found['share_of_boxes_with_overlap_0.7']:.1f} % of the boxes overlap by 0.7 or more")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
