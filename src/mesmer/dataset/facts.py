"""``dataset.json``: what a prepared dataset is made of and with, written last and checked first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mesmer.config import PrepareSettings
from mesmer.config_dict import from_dict, settings_hash, to_dict
from mesmer.emotions import check_label_set
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.records import SPLITS
from mesmer.storage.atomic import write_json
from mesmer.storage.hashes import sha256_bytes
from mesmer.storage.reading import parse_json, read_bytes

FACTS_FILE = "dataset.json"
FORMAT = "mesmer-prepared-dataset"
VERSION = 2
PUBLIC_SPLITS: Mapping[str, str] = {"train": "train", "valid": "validation", "test": "test"}
"""Our split -> the name that Hugging Face users expect, in file names and in the card."""

_SHARD_NAME = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "prepare the corpus again"


@dataclass(frozen=True, kw_only=True)
class ShardFacts:
    """One Parquet file: its name, rows, bytes and SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """A prepared dataset.

    Attributes:
        corpus: name of the corpus.
        emotions: the label set, in the order of the label vectors.
        settings: how media became clips.
        manifest_sha256: of the corpus's utterances and the sizes of their media files.
        options: option of the corpus's reader -> its value, where it is not the default.
        split_rule: how the splits were made (see :mod:`mesmer.dataset.splits`).
        split_seed: seed of what was drawn for it.
        limited_from: utterances there were before a trial took some of them; None where it has them all.
        rows_in, rows_out, quarantined: rows of the corpus; ``rows_in == rows_out + quarantined``.
        made_with: package -> version.
        shards: split -> its shards, in order.
        notes: sentences that belong above every number about these data; of most corpora there is none.
    """

    corpus: str
    emotions: tuple[str, ...]
    settings: PrepareSettings
    manifest_sha256: str
    options: Mapping[str, str]
    split_rule: str
    split_seed: int
    limited_from: int | None
    rows_in: int
    rows_out: int
    quarantined: int
    made_with: Mapping[str, str]
    shards: Mapping[str, tuple[ShardFacts, ...]]
    notes: tuple[str, ...] = ()

    def rows(self, split: str) -> int:
        """Utterances in a split."""
        return sum(shard.rows for shard in self.shards[split])


def write_facts(folder: Path, facts: DatasetFacts) -> None:
    """Write ``dataset.json``: from then on the folder is a prepared dataset."""
    values = asdict(facts) | {"settings": to_dict(facts.settings), "settings_hash": settings_hash(facts.settings)}
    if not facts.notes:
        del values["notes"]
    write_json(folder / FACTS_FILE, {"format": FORMAT, "version": VERSION, **values})


def read_facts(folder: Path) -> tuple[DatasetFacts, str]:
    """Return the facts of a prepared dataset and the SHA-256 of the file they stand in.

    Raises:
        DataError: the folder is no prepared dataset, or its ``dataset.json`` is damaged.
        StaleDatasetError: it was made by another version of MESMER, or its settings do not hash to what is written.
    """
    file = folder / FACTS_FILE
    if not file.is_file():
        raise DataError("this is not a prepared dataset", file=folder, remedy="make one with 'mesmer prepare'")
    data = read_bytes(file, max_bytes=64 * 2**20)
    values = parse_json(data, file=file)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError("this does not describe a prepared dataset", file=file, remedy=_REMEDY)
    if values.get("version") != VERSION:
        message = f"made in version {str(values.get('version'))[:20]} of the format, this is version {VERSION}"
        raise StaleDatasetError(message, file=file, field="version", remedy=_REMEDY)
    try:
        settings = from_dict(PrepareSettings, values.get("settings"), file=str(file), path="settings")
    except ConfigError as error:
        raise StaleDatasetError(error.message, file=file, field=error.field, remedy=_REMEDY) from None
    if values.get("settings_hash") != settings_hash(settings):
        raise StaleDatasetError("the settings do not fit their hash", file=file, field="settings_hash", remedy=_REMEDY)
    return _checked_facts(values, settings, file), sha256_bytes(data)


def _checked_facts(values: dict[str, Any], settings: PrepareSettings, file: Path) -> DatasetFacts:
    def require(good: bool, field: str) -> None:
        if not good:
            raise DataError("the description is damaged", file=file, field=field, remedy=_REMEDY)

    def number(field: str) -> int:
        value = values.get(field)
        require(type(value) is int and 0 <= value < 2**53, field)
        return value  # type: ignore[return-value]

    def text(field: str) -> str:
        require(isinstance(values.get(field), str), field)
        return values[field]

    def words(field: str) -> dict[str, str]:
        value = values.get(field)
        require(isinstance(value, dict) and all(isinstance(word, str) for word in value.values()), field)
        return value or {}

    emotions, shards, notes = values.get("emotions"), values.get("shards"), values.get("notes", [])
    require(isinstance(notes, list) and all(isinstance(note, str) for note in notes), "notes")
    require(isinstance(emotions, list) and all(isinstance(name, str) for name in emotions), "emotions")
    require(isinstance(shards, dict) and set(shards) == set(SPLITS), "shards")
    found = {}
    for split in SPLITS:
        require(isinstance(shards[split], list), f"shards.{split}")  # type: ignore[index]
        found[split] = tuple(_checked_shard(shard, split, require) for shard in shards[split])  # type: ignore[index]
    names = [shard.name for split in found.values() for shard in split]
    require(len(set(names)) == len(names), "shards")
    try:
        label_set = check_label_set(emotions or ())
    except MesmerError as error:
        raise DataError(error.message, file=file, field="emotions", remedy=_REMEDY) from None
    facts = DatasetFacts(
        corpus=text("corpus"),
        emotions=label_set,
        settings=settings,
        manifest_sha256=text("manifest_sha256"),
        options=words("options"),
        split_rule=text("split_rule"),
        split_seed=number("split_seed"),
        limited_from=None if values.get("limited_from") is None else number("limited_from"),
        rows_in=number("rows_in"),
        rows_out=number("rows_out"),
        quarantined=number("quarantined"),
        made_with=words("made_with"),
        shards=found,
        notes=tuple(notes),
    )
    require(facts.rows_in == facts.rows_out + facts.quarantined, "rows_in")
    require(facts.rows_out == sum(facts.rows(split) for split in SPLITS), "rows_out")
    return facts


def _checked_shard(shard: Any, split: str, require: Any) -> ShardFacts:
    where = f"shards.{split}"
    require(isinstance(shard, dict) and set(shard) == {"name", "rows", "bytes", "sha256"}, where)
    name = shard["name"]
    # A fixed pattern, so that no name leads out of the folder.
    require(isinstance(name, str) and bool(_SHARD_NAME.fullmatch(name)), f"{where}.name")
    require(name.startswith(PUBLIC_SPLITS[split] + "-"), f"{where}.name")
    for field in ("rows", "bytes"):
        require(type(shard[field]) is int and 0 < shard[field] < 2**53, f"{where}.{field}")
    require(isinstance(shard["sha256"], str) and bool(_SHA256.fullmatch(shard["sha256"])), f"{where}.sha256")
    return ShardFacts(**shard)


def check_settings(found: PrepareSettings, wanted: PrepareSettings, *, file: Path) -> None:
    """Refuse a dataset prepared with other settings.

    Raises:
        StaleDatasetError: names each setting that differs.
    """
    old, new = to_dict(found), to_dict(wanted)
    differing = [name for name in new if old[name] != new[name]]
    if differing:
        told = ", ".join(f"{name} {old[name]} instead of {new[name]}" for name in differing)
        raise StaleDatasetError(
            f"prepared with {told}",
            file=file,
            field=f"settings.{differing[0]}",
            remedy="prepare the corpus again, elsewhere",
        )
