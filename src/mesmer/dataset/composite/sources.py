"""What a composite is made of: three prepared datasets of one modality each, their rows sorted by split and emotion.

No source is in two splits: what stands in an earlier split (train, valid, test) is not used in a later one, neither the
same content, bit for bit, nor the same sentence in other capitals.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.dataset.sound import to_pcm16
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import DataError
from mesmer.records import MODALITIES, SPLITS, Clip

NONE = "none"
"""Name of the pool of rows that carry none of the six emotions."""
UNINFORMATIVE: frozenset[str] = frozenset({"neutral", "calm", "none"})
"""Labels of the sources that count as none of the six."""
PART_OF: Mapping[str, str] = {"text": "words", "audio": "voices", "visual": "faces"}
"""Modality -> the option that names its source."""
SOURCE_OPTIONS: Mapping[str, str] = {f"{part}_corpus": modality for modality, part in PART_OF.items()}
"""Option in the facts of a composite that names the corpus of a source -> modality."""


@dataclass(frozen=True, kw_only=True)
class Pools:
    """The rows of one source that may be used.

    Attributes:
        rows: split -> emotion, or :data:`NONE` -> int64, row numbers in that split of the source.
        labels: split -> row -> the emotions it carries, in the order of the six.
        left_out: reason -> rows that are not used.
    """

    rows: Mapping[str, Mapping[str, NDArray[np.int64]]]
    labels: Mapping[str, Mapping[int, tuple[str, ...]]]
    left_out: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The three sources.

    Attributes:
        folders: modality -> folder of its prepared dataset.
        pools: modality -> its rows.
        fingerprints: modality -> fingerprint of its dataset.
        corpora: modality -> name of its corpus.
    """

    folders: Mapping[str, Path]
    pools: Mapping[str, Pools]
    fingerprints: Mapping[str, str]
    corpora: Mapping[str, str]

    def open(self) -> dict[str, PreparedDataset]:
        """Return modality -> its dataset, opened for reading."""
        return {modality: PreparedDataset.open(folder) for modality, folder in self.folders.items()}


def read_sources(folders: Mapping[str, str | Path]) -> Sources:
    """Look through the sources.

    Args:
        folders: modality -> folder of a prepared dataset that has it.

    Raises:
        DataError: one is no prepared dataset, lacks one of the six emotions or a split, has an utterance that is
            unlabelled, or a person in two splits; or they were prepared with different settings.
    """
    opened = {modality: PreparedDataset.open(folders[modality]) for modality in MODALITIES}
    first = next(iter(opened.values()))
    for dataset in opened.values():
        # Whether silence was cut is the voices' own affair: a composite has pictures, and lays each voice anew.
        if dataset.settings.beside_a_picture() != first.settings.beside_a_picture():
            raise DataError(
                f"the sources were prepared with other settings than {first.folder}",
                file=dataset.folder,
                field="settings",
                remedy="prepare all three with the same settings",
            )
    return Sources(
        folders={modality: Path(folder) for modality, folder in folders.items()},
        pools={modality: _pools(dataset, modality) for modality, dataset in opened.items()},
        fingerprints={modality: dataset.fingerprint for modality, dataset in opened.items()},
        corpora={modality: dataset.facts.corpus for modality, dataset in opened.items()},
    )


@dataclass
class _Seen:
    """Contents and people met so far, and the split they were met in."""

    contents: dict[bytes, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)


def _pools(dataset: PreparedDataset, modality: str) -> Pools:
    lacking = [name for name in SIX_EMOTIONS if name not in dataset.emotions]
    if lacking:
        raise DataError(
            f"the label set lacks '{lacking[0]}'", file=dataset.folder, field="emotions", remedy="use a source with all six"
        )
    seen, left_out = _Seen(), Counter[str]()
    rows: dict[str, dict[str, NDArray[np.int64]]] = {}
    labels: dict[str, dict[int, tuple[str, ...]]] = {}
    for split in SPLITS:
        carried = _carried(dataset.split(split), modality, seen, left_out)
        pools = {
            name: np.array([row for row, emotions in carried.items() if name in (emotions or (NONE,))], dtype=np.int64)
            for name in (*SIX_EMOTIONS, NONE)
        }
        for name, pool in pools.items():
            if not len(pool):
                raise DataError(
                    f"the {split} split has no utterance that can stand for '{name}'",
                    file=dataset.folder,
                    field="--" + PART_OF[modality],
                    remedy="use a source that has all six emotions, and none of them, in every split",
                )
        rows[split], labels[split] = pools, carried
    return Pools(rows=rows, labels=labels, left_out=dict(left_out))


def _carried(split: PreparedSplit, modality: str, seen: _Seen, left_out: Counter[str]) -> dict[int, tuple[str, ...]]:
    """Return row -> the six's emotions that it carries, of the rows that can be used."""
    scores, present = split.labels, split.present[:, MODALITIES.index(modality)]
    carried: dict[int, tuple[str, ...]] = {}
    for row, clip in enumerate(split):
        positive = [name for name, score in zip(split.emotions, scores[row], strict=True) if score > 0]
        person = split.speakers[row]
        if person is not None and seen.people.setdefault(person, split.name) != split.name:
            raise DataError(
                f"'{person}' is in the splits {seen.people[person]} and {split.name}",
                file=split.folder,
                field="speaker",
                remedy="prepare the source with --split speaker, so that no person is in two splits",
            )
        reason = _refused(positive, modality, bool(present[row]))
        if reason is None and seen.contents.setdefault(_digest(clip, modality), split.name) != split.name:
            reason = "the same content is in an earlier split"
        if reason is not None:
            left_out[reason] += 1
            continue
        carried[row] = tuple(name for name in SIX_EMOTIONS if name in positive)
    return carried


def _refused(positive: list[str], modality: str, present: bool) -> str | None:
    if not present:
        return "it has nothing of the modality"
    if any(name not in UNINFORMATIVE and name not in SIX_EMOTIONS for name in positive):
        return "it carries an emotion that is none of the six"
    if modality != "text" and sum(name in SIX_EMOTIONS for name in positive) > 1:
        return "it carries several emotions"
    return None


def _digest(clip: Clip, modality: str) -> bytes:
    if modality == "text":
        content = " ".join(clip.text.split()).casefold().encode()
    else:
        content = to_pcm16(clip.waveform).tobytes() if modality == "audio" else clip.faces.tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()
