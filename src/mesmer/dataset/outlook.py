"""What a preparation would do, without doing it: counts, what is missing, about how large the dataset would be."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.errors import MediaError
from mesmer.media.facts import MediaFacts
from mesmer.records import SPLITS, Utterance

FACE_BYTES = 5_070
"""A stored face, packed: measured on real clips (docs/prepared_dataset.md)."""
SOUND_BYTES_PER_S = 10_200
"""A second of stored sound, packed: measured on the same clips."""
ROW_BYTES = 1_500
"""What a row takes beside its faces and its sound."""

FILES_ASKED = 24
"""So many files at most are asked how long they are, where the corpus does not say; the others count as their mean."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What would be prepared.

    Attributes:
        rows_in: rows of the corpus, those left out included.
        utterances: split -> utterances.
        labels: emotion -> utterances that carry it (score above 0).
        media_files: different media files, and how many bytes they have together.
        gone: media files that are not there or cannot be read, though the corpus names them.
        hours: of all utterances together; None where no file says how long it is.
        bytes: of the dataset, about; None where the hours are unknown.
    """

    rows_in: int
    utterances: Mapping[str, int]
    labels: Mapping[str, int]
    media_files: int
    media_bytes: int
    gone: tuple[str, ...]
    hours: float | None
    bytes: int | None


def look_ahead(corpus: Corpus, *, settings: PrepareSettings, probe: Callable[[Path], MediaFacts]) -> Outlook:
    """Return what preparing the corpus would do. Nothing is written; a few media files are asked how long they are.

    Args:
        corpus: as chosen.
        settings: how media would become clips.
        probe: tells the facts of a media file, or raises a MediaError.
    """
    utterances = corpus.utterances
    files = dict.fromkeys(file for u in utterances for file in (u.media, u.sound) if file is not None)
    sizes = {file: os.path.getsize(file) for file in files if os.path.isfile(file)}
    seconds_mean, broken = (
        (0.0, []) if corpus.ready is not None else _seconds_mean([u for u in utterances if u.media in sizes], probe)
    )
    seconds = None if seconds_mean is None else seconds_mean * len(utterances)
    per_second = FACE_BYTES / settings.frame_interval_s + SOUND_BYTES_PER_S
    splits = Counter(utterance.split for utterance in utterances)
    return Outlook(
        rows_in=len(utterances) + len(corpus.left_out),
        utterances={split: splits[split] for split in SPLITS},
        labels={e: sum((u.labels or {}).get(e, 0) > 0 for u in utterances) for e in corpus.emotions},
        media_files=len(files),
        media_bytes=sum(sizes.values()),
        gone=tuple(sorted([*(file for file in files if file not in sizes), *broken])),
        hours=None if seconds is None else seconds / 3600,
        bytes=None if seconds is None else round(seconds * per_second + ROW_BYTES * len(utterances)),
    )


def _seconds_mean(utterances: Sequence[Utterance], probe: Callable[[Path], MediaFacts]) -> tuple[float | None, list[str]]:
    """Return the mean length of an utterance, and the files that could not say theirs."""
    known_s = [u.end_s - (u.start_s or 0.0) for u in utterances if u.end_s is not None]
    asked = [u for u in utterances if u.end_s is None]
    found_s: list[float] = []
    broken: list[str] = []
    # Drawn, for every n-th file of a corpus may be one actor's, or one sentence.
    for place in sorted(np.random.default_rng(0).permutation(len(asked))[:FILES_ASKED]):
        utterance = asked[place]
        try:
            duration_s = probe(Path(utterance.media)).duration_s
        except MediaError:
            broken.append(utterance.media)
        else:
            found_s.append(max(0.0, duration_s - (utterance.start_s or 0.0)))
    total_s, count = sum(known_s), len(known_s)
    if found_s:
        total_s += sum(found_s) / len(found_s) * len(asked)
        count += len(asked)
    return (total_s / count if count else None), broken
