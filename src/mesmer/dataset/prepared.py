"""A prepared dataset on disk, opened for reading: its splits give clips exactly as :func:`make_clip` made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mesmer.config import FeatureSettings, PrepareSettings
from mesmer.dataset.facts import DatasetFacts, check_settings, read_facts
from mesmer.dataset.rows import read_clip
from mesmer.dataset.shards import Shards
from mesmer.errors import DataError, suggest
from mesmer.records import MODALITIES, SPLITS, Clip

if TYPE_CHECKING:  # reading clips must not load the features' networks
    from mesmer.dataset.feature_files import FeatureFiles


SMALL_CLIP_BYTES = 16 * 2**10
"""A clip of at most so many bytes (a still face, a sentence) is kept once it was read and checked: reading it again would
take longer than using it."""
KEPT_BYTES = 320 * 2**20
"""So much is kept of a split, at most."""
_CLIP_OVERHEAD_BYTES = 1_500


class PreparedDataset:
    """A prepared dataset. Make one with :meth:`open`.

    Attributes:
        folder: where it is.
        facts: what it is made of and with.
        emotions: the label set, in the order of the label vectors.
        settings: how media became clips.
        fingerprint: SHA-256 of its description, which holds the hashes of all shards.
        features: the hand-crafted features that its clips carry; None where they carry none.
    """

    features: FeatureFiles | None = None

    def __init__(self, folder: Path, facts: DatasetFacts, fingerprint: str) -> None:
        self.folder, self.facts, self.fingerprint = folder, facts, fingerprint
        self.emotions, self.settings = facts.emotions, facts.settings
        self._shards = {split: Shards(folder, facts.shards[split]) for split in SPLITS}
        self._splits: dict[str, PreparedSplit] = {}

    @classmethod
    def open(cls, folder: str | Path, *, settings: PrepareSettings | None = None, verify: bool = False) -> PreparedDataset:
        """Open a prepared dataset.

        Sizes, columns and row counts of all shards are checked now, the checksum of each page when it is read.

        Args:
            folder: of the dataset.
            settings: what it must have been prepared with; None takes any.
            verify: also compare the SHA-256 of every shard, which reads them whole.

        Raises:
            DataError: the folder is no prepared dataset, or a shard is missing or damaged; names it.
            StaleDatasetError: it was prepared with other settings, or by another version of MESMER.
        """
        facts, fingerprint = read_facts(Path(folder))
        if settings is not None:
            check_settings(facts.settings, settings, file=Path(folder))
        dataset = cls(Path(folder), facts, fingerprint)
        for split in SPLITS if verify else ():
            dataset._shards[split].verify(facts.shards[split])
        return dataset

    def split(self, name: str) -> PreparedSplit:
        """Return the split ``train``, ``valid`` or ``test``; it may be empty.

        Raises:
            DataError: there is no split of that name, or a shard is damaged.
        """
        if name not in SPLITS:
            raise DataError(f"there is no split '{name}'", file=self.folder, field="split", remedy=suggest(name, SPLITS))
        if name not in self._splits:
            self._splits[name] = PreparedSplit(
                name, self._shards[name], emotions=self.emotions, folder=self.folder, features=self.features
            )
        return self._splits[name]

    def with_features(self, settings: FeatureSettings | None) -> PreparedDataset:
        """Return the same dataset whose clips carry hand-crafted features, made before by ``mesmer features``.

        Args:
            settings: which features; None gives the dataset without.

        Raises:
            DataError: they were not made yet, or are damaged.
            StaleDatasetError: they were made from another dataset, or by another version of MESMER.
        """
        dataset = PreparedDataset(self.folder, self.facts, self.fingerprint)
        if settings is not None:
            from mesmer.dataset.feature_files import FeatureFiles

            dataset.features = FeatureFiles.open(self.folder, settings, fingerprint=self.fingerprint)
        return dataset


class PreparedSplit(Sequence[Clip]):
    """One split: ``split[i]`` is a clip; the small columns are at hand for all of its N utterances.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        emotions: the label set.
        folder: of the dataset.
        ids: N utterance ids.
        texts: N transcripts, empty where there is none.
        speakers, dialogues: N names, None where unknown.
        durations_s: float64 (N,).
        present: bool (N, M) in the order of ``MODALITIES``.
    """

    def __init__(
        self,
        name: str,
        shards: Shards,
        *,
        emotions: tuple[str, ...],
        folder: Path,
        features: FeatureFiles | None = None,
    ) -> None:
        self.name, self.emotions, self.folder = name, emotions, folder
        self._shards, self._features = shards, features
        self._kept: dict[int, Clip] = {}
        self._kept_bytes = 0
        index: dict[str, list[Any]] = shards.index().to_pydict()
        self.ids: tuple[str, ...] = tuple(index["id"])
        self.texts: tuple[str, ...] = tuple(index["text"])
        self.speakers: tuple[str | None, ...] = tuple(index["speaker"])
        self.dialogues: tuple[str | None, ...] = tuple(index["dialogue"])
        self.durations_s: NDArray[np.float64] = np.array(index["duration_s"], dtype=np.float64)
        absent = [[reason is not None for reason in index[f"absent_{name}"]] for name in MODALITIES]
        self.present: NDArray[np.bool_] = ~np.array(absent, dtype=bool).T.reshape(-1, len(MODALITIES))
        if len(set(self.ids)) != len(self.ids):
            raise DataError("an utterance stands twice in the split", file=folder, field=name)
        # (N, L) with NaN rows where unlabelled; never handed out with them.
        self._labels = np.full((len(self.ids), len(emotions)), np.nan, dtype=np.float32)
        for row, scores in enumerate(index["labels"]):
            if scores is None:
                continue
            if len(scores) != len(emotions) or not all(s is not None and 0.0 <= s <= 1.0 for s in scores):
                raise DataError(
                    "the labels are not a score in [0, 1] per emotion", file=folder, field=f"utterance {self.ids[row]!r}"
                )
            self._labels[row] = scores

    @property
    def labels(self) -> NDArray[np.float32]:
        """Scores, float32 (N, L).

        Raises:
            DataError: an utterance is unlabelled; names it.
        """
        unlabelled = np.flatnonzero(np.isnan(self._labels).any(axis=1))
        if len(unlabelled):
            raise DataError(
                f"{len(unlabelled)} of {len(self)} utterances of the {self.name} split are unlabelled, "
                f"{self.ids[unlabelled[0]]!r} is the first",
                file=self.folder,
                field="labels",
                remedy="label them, or leave them out of this split, and prepare again",
            )
        return self._labels.copy()

    def labels_of(self, rows: Sequence[int]) -> NDArray[np.float32] | None:
        """Return scores, float32 (B, L), of some rows; None where one of them is unlabelled."""
        labels = self._labels[list(rows)]
        return None if np.isnan(labels).any() else labels

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Clip:  # type: ignore[override]
        """Return the clip of one utterance.

        Raises:
            IndexError: there is no such row.
            DataError: the shard is damaged; names it.
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        clip = self._kept.get(row)
        if clip is None:
            table, place, file = self._shards.group_of(row)
            clip = self._keep(row, read_clip(table, place, file=file))
        return clip if self._features is None else replace(clip, features=self.features_of(row))

    def _keep(self, row: int, clip: Clip) -> Clip:
        """Keep a small clip while there is room; return it."""
        size = clip.faces.nbytes + clip.waveform.nbytes + len(clip.text) + _CLIP_OVERHEAD_BYTES
        if size <= SMALL_CLIP_BYTES and self._kept_bytes + size <= KEPT_BYTES:
            for values in (clip.faces, clip.face_times_s, clip.face_boxes_px, clip.face_found, clip.waveform):
                values.flags.writeable = False  # everybody gets this very clip
            self._kept[row] = clip
            self._kept_bytes += size
        return clip

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}, "_kept_bytes": 0}  # a process that reads ahead keeps its own

    def features_of(self, row: int) -> dict[str, NDArray[np.float32]]:
        """Return the hand-crafted features of one utterance alone: modality -> float32 (S, F).

        Raises:
            DataError: the split was opened without features, or they are damaged.
        """
        if self._features is None:
            raise DataError("the dataset was opened without features", file=self.folder, field="features")
        return self._features.read(self.name, row, self.ids[row])

    def source_of(self, row: int) -> tuple[str, float]:
        """Return the media file of an utterance, below the corpus's folder where it lies there, and where in it it begins,
        in seconds.
        """
        table, place, _ = self._shards.group_of(row)
        return table.column("media")[place].as_py(), table.column("start_s")[place].as_py() or 0.0

    def __iter__(self) -> Iterator[Clip]:
        return (self[row] for row in range(len(self)))
