"""The last step of a preparation: rows to shards, the quarantine list, the card, and last ``dataset.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from mesmer.corpora.base import LeftOut
from mesmer.dataset.card import CARD_FILE, make_card
from mesmer.dataset.facts import PUBLIC_SPLITS, DatasetFacts, ShardFacts, write_facts
from mesmer.dataset.pieces import Piece, PieceTask, Quarantined, find_piece
from mesmer.dataset.plan import Plan
from mesmer.dataset.prepared_rows import PreparedRows
from mesmer.dataset.removal import LEFT_OUT, rule_of
from mesmer.dataset.shards import write_shard
from mesmer.errors import DataError
from mesmer.storage.atomic import write_text
from mesmer.storage.hashes import sha256_file

WORK_FOLDER = ".preparing"
QUARANTINE_FILE = "quarantine.jsonl"
SHARD_BYTES = 256 * 2**20
"""A shard is about so large at most."""


class Rows(Protocol):
    """Rows by the places of their utterances in the corpus."""

    def __contains__(self, place: int) -> bool:
        """Whether there is a row."""

    def size_bytes(self, place: int) -> int:
        """Bytes that a row takes on the disk, about."""

    def table(self, places: Sequence[int]) -> pa.Table:
        """Return rows in the order of ``places``."""


def join(plan: Plan, tasks: Sequence[PieceTask], out: Path) -> DatasetFacts:
    """Join the prepared sources into the dataset ``out`` and return its facts; one row group at a time is in memory.

    Raises:
        DataError: a source is missing or damaged, or no utterance became a clip.
        MesmerError: the folder cannot be written.
    """
    pieces = [_found(task) for task in tasks]
    quarantined = sorted((row for piece in pieces for row in piece.quarantined), key=lambda row: row.place)
    if not any(piece.places for piece in pieces):
        first = quarantined[0]
        raise DataError(
            f"not one of the {len(quarantined)} utterances could be prepared; the first, '{first.id}': {first.reason}",
            file=out,
            remedy=f"delete '{WORK_FOLDER}' in this folder once the cause is gone",
        )
    return write_dataset(plan, PreparedRows(pieces), quarantined, out)


def write_dataset(plan: Plan, rows: Rows, quarantined: Sequence[Quarantined], out: Path) -> DatasetFacts:
    """Write the rows of a plan as the dataset ``out`` and return its facts; ``dataset.json`` comes last.

    Raises:
        DataError: a row cannot be had.
        MesmerError: the folder cannot be written.
    """
    shards = {split: _write_shards(split, groups, rows, out) for split, groups in plan.groups.items()}
    written = sum(shard.rows for split in shards.values() for shard in split)
    if written + len(quarantined) != len(plan.corpus.utterances):
        raise AssertionError("an utterance was lost or written twice")
    choices = plan.corpus.choices
    lines = [
        *(_left_out(row) for row in plan.corpus.left_out),
        *({"id": row.id, "media": row.media, "kind": row.kind, "reason": row.reason} for row in quarantined),
    ]
    facts = DatasetFacts(
        corpus=plan.corpus.name,
        emotions=plan.corpus.emotions,
        settings=plan.settings,
        manifest_sha256=plan.manifest_sha256,
        options=choices.options,
        split_rule=choices.split_rule or plan.split_rule,
        split_seed=choices.split_seed if choices.split_rule else plan.split_seed,
        limited_from=choices.limited_from,
        rows_in=len(plan.corpus.utterances) + len(plan.corpus.left_out),
        rows_out=written,
        quarantined=len(lines),
        made_with=plan.made_with,
        shards=shards,
        notes=choices.notes,
    )
    write_text(out / QUARANTINE_FILE, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    removed = Counter(rule_of(line["kind"], line["reason"]) for line in lines)
    write_text(out / CARD_FILE, make_card(facts, removed))
    write_facts(out, facts)
    return facts


def _left_out(row: LeftOut) -> dict[str, str]:
    """Return the line of a row that the corpus's reader left out; ``listed`` is the split of a list that names it."""
    listed = {} if row.listed is None else {"listed": row.listed}
    return {"id": row.id, "media": row.file, "kind": LEFT_OUT, "reason": row.rule, **listed}


def _found(task: PieceTask) -> Piece:
    piece = find_piece(task)
    if piece is None:
        raise DataError("a prepared source is missing or damaged", file=task.path, remedy="run again")
    return piece


def _write_shards(split: str, groups: Sequence[Sequence[int]], rows: Rows, out: Path) -> tuple[ShardFacts, ...]:
    """Write the shards of a split, its rows in the plan's groups without those that are in quarantine."""
    there = [kept for group in groups if (kept := [place for place in group if place in rows])]
    shared_out = _shared_out(there, rows)
    shards = []
    for number, chosen in enumerate(shared_out):
        path = out / f"{PUBLIC_SPLITS[split]}-{number:05d}-of-{len(shared_out):05d}.parquet"
        write_shard(path, (rows.table(group) for group in chosen))
        count = sum(len(group) for group in chosen)
        shards.append(ShardFacts(name=path.name, rows=count, bytes=path.stat().st_size, sha256=sha256_file(path)))
    return tuple(shards)


def _shared_out(groups: Sequence[Sequence[int]], rows: Rows) -> list[list[Sequence[int]]]:
    shards: list[list[Sequence[int]]] = []
    filled = SHARD_BYTES
    for group in groups:
        size = sum(rows.size_bytes(place) for place in group)
        if filled + size > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(group)
        filled += size
    return shards
