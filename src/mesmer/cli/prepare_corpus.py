"""``mesmer prepare`` for a corpus as delivered: unpack, read, split, and then prepare, or only say what would be done."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from mesmer.cli.corpus_options import OPTIONS, chosen_options
from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.delivery import archives_of, unpack, unpacked_folder
from mesmer.corpora.parquet_tables import find_table
from mesmer.corpora.sound_tables import unpack_sounds, unpacked_sounds
from mesmer.dataset.choose import choose
from mesmer.dataset.outlook import look_ahead
from mesmer.dataset.prepare import prepare
from mesmer.dataset.splits import SESSIONS, parse_split
from mesmer.errors import ConfigError, DataError
from mesmer.media.reader import MediaReader
from mesmer.report.prepare_text import lists_text, outlook_text, packed_text, prepared_text
from mesmer.training import progress

UNPACKED = ".unpacked"
"""Archives are unpacked beside OUT, in a folder of its name with this ending."""


def prepare_corpus(kind: str, arguments: Any, settings: PrepareSettings) -> int:
    """Prepare a corpus, or say what would be done, and return the exit code."""
    out = _out(arguments)
    cache = out.with_name(out.name + UNPACKED)
    split, session = None, arguments.fold if "fold" not in OPTIONS[kind] else None
    if arguments.split is not None or session is not None:
        split = parse_split(arguments.split or SESSIONS, fold=session)
    root = Path(arguments.root)
    packed, unpacked = _packed(kind, root, cache)
    if packed and arguments.dry_run and not unpacked:
        print(packed_text(packed, cache))
        return 0
    if packed:
        print(f"unpacking to {cache}, unless that was done before", file=sys.stderr)
        root = unpack_sounds(packed[0], cache=cache) if packed[0].suffix == ".parquet" else unpack(root, cache=cache)
    print(f"reading {root}", file=sys.stderr)
    with MediaReader() as reader:
        chosen = choose(
            kind,
            root,
            options=chosen_options(kind, arguments),
            lists=arguments.splits,
            split=split,
            seed=arguments.seed,
            limit=arguments.limit,
            probe=reader.probe,
        )
        if arguments.dry_run:
            print(outlook_text(chosen, look_ahead(chosen.corpus, settings=settings, probe=reader.probe), out))
            return 0
    if not chosen.corpus.utterances:
        reasons = Counter(row.rule for row in chosen.corpus.left_out).most_common(3)
        told = "; ".join(f"{rule} ({count:,})" for rule, count in reasons)
        raise DataError(f"every row is left out: {told}", file=root, remedy="--dry-run tells all of it")
    prepare_and_tell(chosen.corpus, arguments, settings)
    if chosen.missing or chosen.unlisted:
        print(lists_text(chosen))
    return 0


def _out(arguments: Any) -> Path:
    """Return the folder of the dataset, named by its place or by ``--out``, and put it where the rest looks for it."""
    if (arguments.out is None) == (arguments.named_out is None):
        problem = "missing: 'out'" if arguments.out is None else "the folder of the dataset is named twice"
        raise ConfigError(problem, remedy="name it once, as OUT or with --out OUT")
    arguments.out = arguments.out if arguments.out is not None else arguments.named_out
    return Path(arguments.out)


def _packed(kind: str, root: Path, cache: Path) -> tuple[tuple[Path, ...], bool]:
    """Return the archives that a corpus was delivered in, or its table of sound files, and whether they were unpacked."""
    table = find_table(root) if kind == "ravdess_speech" and root.exists() else None
    if table is not None:
        return (table,), unpacked_sounds(table, cache=cache).is_dir()
    archives = archives_of(root) if kind != "folder" else ()
    return archives, bool(archives) and unpacked_folder(root, cache=cache) is not None


def prepare_and_tell(corpus: Corpus, arguments: Any, settings: PrepareSettings) -> None:
    """Prepare with the engine asked for, and print what stands there."""
    with progress.Counter("preparing", file=sys.stderr) as counter:
        prepare(
            corpus,
            arguments.out,
            settings=settings,
            workers=arguments.workers,
            engine=arguments.engine,
            ray_address=arguments.address,
            progress=counter,
        )
    print(prepared_text(Path(arguments.out)))
