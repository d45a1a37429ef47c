"""Counts and means of a dataset, as in the paper's Tables 1 and 2, gathered row by row."""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mesmer.dataset.audit_paper import PaperTable
from mesmer.dataset.audit_record import Finding, LabelCounts, Lengths, SplitCounts
from mesmer.dataset.audit_rows import RowFacts
from mesmer.errors import DataError
from mesmer.records import MODALITIES, SPLITS

ALL = "all"

MAX_EMOTIONS = 256
"""More than so many emotions are refused: every two of them are counted together."""

WORDS_UP_TO = (0, 2, 5, 10, 15, 20, 30, 50, 100)
SECONDS_UP_TO = (0.4, 1, 2, 3, 4, 6, 8, 12, 20, 30, 60)


class Counts:
    """Counts rows of the splits."""

    def __init__(self, emotions: Sequence[str]) -> None:
        if len(emotions) > MAX_EMOTIONS:
            raise DataError(f"there are more than {MAX_EMOTIONS} emotions", field="emotions")
        self.emotions = tuple(emotions)
        self._splits = {split: _SplitSums() for split in SPLITS}
        self._labels = {split: np.zeros(len(emotions), dtype=np.int64) for split in SPLITS}
        self._words = np.zeros(len(emotions))
        self._seconds = np.zeros(len(emotions))
        self._together = np.zeros((len(emotions), len(emotions)), dtype=np.int64)
        self._labels_each: Counter[int] = Counter()

    def add(self, row: RowFacts) -> None:
        """Count one row."""
        self._splits[row.split].add(row)
        if row.scores is None:
            return
        carried = np.array(row.scores) > 0  # as in training and evaluation
        self._labels[row.split] += carried
        self._words += carried * row.words
        self._seconds += carried * row.duration_s
        self._together += np.outer(carried, carried)
        self._labels_each[int(carried.sum())] += 1

    def splits(self, names: Mapping[str, Mapping[str, int]]) -> dict[str, SplitCounts]:
        """Return the counts of each split and of all together, given unit -> names for each of them."""
        together = _SplitSums()
        for sums in self._splits.values():
            together.merge(sums)
        return {name: sums.counts(names[name]) for name, sums in (self._splits | {ALL: together}).items()}

    def labels(self, paper: PaperTable | None) -> tuple[LabelCounts, ...]:
        """Return a row per emotion, beside the paper's."""
        rows = []
        for place, emotion in enumerate(self.emotions):
            utterances = {split: int(counts[place]) for split, counts in self._labels.items()}
            total = sum(utterances.values())
            rows.append(
                LabelCounts(
                    emotion=emotion,
                    words_mean=float(self._words[place]) / total if total else None,
                    seconds_mean=float(self._seconds[place]) / total if total else None,
                    utterances=utterances,
                    paper=paper.rows.get(emotion) if paper else None,
                )
            )
        return tuple(rows)

    def together(self) -> tuple[tuple[int, ...], ...]:
        """Return how many utterances carry each two emotions; on the diagonal, each one."""
        return tuple(tuple(row) for row in self._together.tolist())

    def labels_each(self) -> dict[int, int]:
        """Return number of labels -> utterances."""
        return dict(sorted(self._labels_each.items()))

    def lengths(self) -> tuple[Lengths, ...]:
        """Return the histograms of words and seconds."""
        words = {split: tuple(sums.words_bins) for split, sums in self._splits.items()}
        seconds = {split: tuple(sums.seconds_bins) for split, sums in self._splits.items()}
        word_bins = ("none", *(f"{a + 1}-{b}" for a, b in itertools.pairwise(WORDS_UP_TO)))
        second_bins = tuple(f"{a:g}-{b:g}" for a, b in zip((0, *SECONDS_UP_TO), SECONDS_UP_TO, strict=False))
        return (
            Lengths(title="Words per utterance", bins=(*word_bins, f"over {WORDS_UP_TO[-1]}"), counts=words),
            Lengths(title="Seconds per utterance", bins=(*second_bins, f"over {SECONDS_UP_TO[-1]}"), counts=seconds),
        )

    def findings(self) -> list[Finding]:
        """Return splits without utterances, and emotions that a split lacks."""
        found = []
        for split, sums in self._splits.items():
            if not sums.seconds:
                found.append(Finding(kind="empty_split", count=0, sentence=f"the {split} split is empty"))
            elif sums.unlabelled < len(sums.seconds):
                lacking = [e for e, count in zip(self.emotions, self._labels[split], strict=True) if not count]
                if lacking:
                    sentence = f"no utterance of {split} carries {' or '.join(lacking)}"
                    found.append(Finding(kind="missing_emotion", count=0, sentence=sentence, ids=tuple(lacking)))
        return found


class _SplitSums:
    """Sums over the rows of a split. Four bytes a row are kept, for the median."""

    def __init__(self) -> None:
        self.seconds = array("f")
        self.seconds_total = 0.0
        self.words = self.unlabelled = self.frames = self.frames_with_face = 0
        self.present: Counter[str] = Counter()
        self.words_bins = [0] * (len(WORDS_UP_TO) + 1)
        self.seconds_bins = [0] * (len(SECONDS_UP_TO) + 1)

    def add(self, row: RowFacts) -> None:
        self.seconds.append(row.duration_s)
        self.seconds_total += row.duration_s
        self.words += row.words
        self.unlabelled += row.scores is None and row.labels_fit
        self.frames += row.frames
        self.frames_with_face += row.frames_with_face
        self.present.update(name for name in MODALITIES if name not in row.absent)
        self.words_bins[bisect_left(WORDS_UP_TO, row.words)] += 1
        self.seconds_bins[bisect_left(SECONDS_UP_TO, row.duration_s)] += 1

    def merge(self, other: _SplitSums) -> None:
        self.seconds.extend(other.seconds)
        for name in ("seconds_total", "words", "unlabelled", "frames", "frames_with_face"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.present.update(other.present)

    def counts(self, names: Mapping[str, int]) -> SplitCounts:
        rows = len(self.seconds)
        return SplitCounts(
            utterances=rows,
            names=dict(names),
            hours=self.seconds_total / 3600,
            words_mean=self.words / rows if rows else None,
            seconds_mean=self.seconds_total / rows if rows else None,
            seconds_median=float(np.median(self.seconds)) if rows else None,
            seconds_least=min(self.seconds) if rows else None,
            seconds_most=max(self.seconds) if rows else None,
            unlabelled=self.unlabelled,
            present={name: self.present[name] for name in MODALITIES},
            frames=self.frames,
            frames_with_face=self.frames_with_face,
        )
