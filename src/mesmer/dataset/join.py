"""The last step of a preparation: pieces to shards, the quarantine list, the card, and at the very end ``dataset.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mesmer.corpora.base import LeftOut
from mesmer.dataset.card import CARD_FILE, make_card
from mesmer.dataset.facts import PUBLIC_SPLITS, DatasetFacts, ShardFacts, write_facts
from mesmer.dataset.pieces import Piece, PieceTask, find_piece
from mesmer.dataset.plan import Plan
from mesmer.dataset.removal import LEFT_OUT, rule_of
from mesmer.dataset.shards import write_shard
from mesmer.errors import DataError
from mesmer.storage.atomic import write_text
from mesmer.storage.hashes import sha256_file

WORK_FOLDER = ".preparing"
QUARANTINE_FILE = "quarantine.jsonl"
SHARD_BYTES = 256 * 2**20
"""A shard is about so large at most."""


def join(plan: Plan, tasks: Mapping[str, Sequence[PieceTask]], out: Path) -> DatasetFacts:
    """Join the pieces into the dataset ``out`` and return its facts; one piece at a time is in memory.

    Raises:
        DataError: a piece is missing or damaged, or no utterance became a clip.
        MesmerError: the folder cannot be written.
    """
    pieces = {split: [_found(task) for task in chosen] for split, chosen in tasks.items()}
    quarantined = [row for split in pieces.values() for piece in split for row in piece.quarantined]
    quarantined.sort(key=lambda row: row.place)
    if not any(piece.rows for split in pieces.values() for piece in split):
        first = quarantined[0]
        raise DataError(
            f"not one of the {len(quarantined)} utterances could be prepared; the first, '{first.id}': {first.reason}",
            file=out,
            remedy=f"delete '{WORK_FOLDER}' in this folder once the cause is gone",
        )
    written: list[str] = []
    shards = {split: _write_shards(split, chosen, out, written) for split, chosen in pieces.items()}
    wanted = sorted(utterance.id for utterance in plan.corpus.utterances)
    if sorted([*written, *(row.id for row in quarantined)]) != wanted:
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
        rows_out=len(written),
        quarantined=len(lines),
        made_with=plan.made_with,
        shards=shards,
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
        raise DataError("a piece of the preparation is missing or damaged", file=task.path, remedy="run again")
    return piece


def _write_shards(split: str, pieces: Sequence[Piece], out: Path, written: list[str]) -> tuple[ShardFacts, ...]:
    """Write the shards of a split, a row group per piece, and note the ids of their rows in ``written``."""
    groups = _grouped([piece for piece in pieces if piece.rows])
    shards = []
    for number, group in enumerate(groups):
        path = out / f"{PUBLIC_SPLITS[split]}-{number:05d}-of-{len(groups):05d}.parquet"
        before = len(written)
        write_shard(path, _tables(group, written))
        rows = len(written) - before
        shards.append(ShardFacts(name=path.name, rows=rows, bytes=path.stat().st_size, sha256=sha256_file(path)))
    return tuple(shards)


def _grouped(pieces: Sequence[Piece]) -> list[list[Piece]]:
    groups: list[list[Piece]] = []
    filled = SHARD_BYTES
    for piece in pieces:
        size = piece.path.stat().st_size
        if filled + size > SHARD_BYTES:
            groups.append([])
            filled = 0
        groups[-1].append(piece)
        filled += size
    return groups


def _tables(pieces: Sequence[Piece], written: list[str]) -> Iterator[pa.Table]:
    for piece in pieces:
        table = piece.table()
        written.extend(table.column("id").to_pylist())
        yield table
