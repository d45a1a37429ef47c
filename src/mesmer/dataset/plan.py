"""The plan of a preparation: its sources, the order of the rows, and the hashes that tell it from any other plan.

A source is one video with all its utterances: what a worker does at a time, and what survives a kill. A group is a few
utterances of one split, in the corpus's order: what lies together in the finished dataset. Since the plan alone says what
is in them, the finished dataset does not depend on who prepared which source, or when.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mesmer
from mesmer.config import PrepareSettings
from mesmer.config_dict import hashed
from mesmer.corpora.base import Corpus
from mesmer.dataset.splits import assign_splits
from mesmer.errors import DataError
from mesmer.records import SPLITS, Utterance
from mesmer.storage.hashes import sha256_bytes

GROUP_ROWS = 4
"""Utterances in a row group: few are read along with the one wanted."""
READY_GROUP_ROWS = 256
"""Still faces and sentences are small, and read in any order: the whole split is soon in memory."""
PACKAGES = ("av", "numpy", "pyarrow", "torch")
"""What the bits of a clip depend on, beside MESMER itself."""


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """An utterance, its place in the corpus, and the paths of its media as they will be stored."""

    place: int
    utterance: Utterance
    media: str
    sound_media: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be prepared.

    Attributes:
        corpus: the corpus.
        settings: how media become clips.
        sources: the utterances of each media file, in the corpus's order; files in order of first mention.
        groups: split -> its row groups, each a tuple of places.
        split_rule, split_seed: how the splits were chosen.
        manifest_sha256: of all utterances with their splits, and of the sizes of their media files.
        made_with: package -> version.
    """

    corpus: Corpus
    settings: PrepareSettings
    sources: tuple[tuple[PlannedRow, ...], ...]
    groups: Mapping[str, tuple[tuple[int, ...], ...]]
    split_rule: str
    split_seed: int
    manifest_sha256: str
    made_with: Mapping[str, str]

    def identity(self) -> dict[str, Any]:
        """Return what must agree for work done before to be used."""
        return {
            "corpus": self.corpus.name,
            "emotions": list(self.corpus.emotions),
            "settings": hashed(self.settings),
            "manifest_sha256": self.manifest_sha256,
            "made_with": dict(self.made_with),
        }

    @property
    def sha256(self) -> str:
        """Hash of :meth:`identity`."""
        return sha256_bytes(json.dumps(self.identity(), sort_keys=True).encode())


def make_plan(corpus: Corpus, *, settings: PrepareSettings, split_seed: int) -> Plan:
    """Return the plan for a corpus.

    Raises:
        DataError: there are no utterances, an id cannot be stored, or only some utterances have a split.
    """
    if not corpus.utterances:
        raise DataError("there are no utterances", file=corpus.root)
    utterances, rule = assign_splits(corpus.utterances, seed=split_seed)
    root = os.path.abspath(corpus.root)
    rows = [
        PlannedRow(
            place=place,
            utterance=utterance,
            media=_stored_path(utterance.media, root),
            sound_media=None if utterance.sound is None else _stored_path(utterance.sound, root),
        )
        for place, utterance in enumerate(utterances)
    ]
    for row in rows:
        if not row.utterance.id.strip() or row.utterance.id != _text(row.utterance.id):
            raise DataError(f"the id {row.utterance.id!r} is empty or no text", file=corpus.root, field="id")
    groups = {}
    many = GROUP_ROWS if corpus.ready is None else READY_GROUP_ROWS
    for split in SPLITS:
        chosen = [row.place for row in rows if row.utterance.split == split]
        groups[split] = tuple(tuple(chosen[i : i + many]) for i in range(0, len(chosen), many))
    sources: dict[str, list[PlannedRow]] = {}
    for row in rows:
        sources.setdefault(os.path.abspath(row.utterance.media), []).append(row)
    return Plan(
        corpus=corpus,
        settings=settings,
        sources=tuple(map(tuple, sources.values())),
        groups=groups,
        split_rule=rule,
        split_seed=split_seed,
        manifest_sha256=_manifest_hash(corpus, rows),
        made_with={"mesmer": mesmer.__version__, **{name: importlib.metadata.version(name) for name in PACKAGES}},
    )


def _stored_path(media: str, root: str) -> str:
    """Return the path below the corpus's folder where it lies there: the dataset then says nothing about this machine."""
    absolute = os.path.abspath(media)
    inside = os.path.commonpath([absolute, root]) == root
    return _text(Path(os.path.relpath(absolute, root)).as_posix() if inside else media)


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _manifest_hash(corpus: Corpus, rows: list[PlannedRow]) -> str:

    @functools.cache
    def size(media: str) -> int:
        return os.path.getsize(media) if os.path.isfile(media) else -1

    lines = [json.dumps([corpus.name, corpus.emotions, [dataclasses.asdict(row) for row in corpus.left_out]])]
    for row in rows:
        values = dataclasses.asdict(row.utterance) | {"media": row.media, "bytes": size(row.utterance.media)}
        if row.utterance.sound is not None:
            values |= {"sound": row.sound_media, "sound_bytes": size(row.utterance.sound)}
        lines.append(json.dumps(values, sort_keys=True))
    return sha256_bytes("\n".join(lines).encode())
