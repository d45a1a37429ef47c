"""``mesmer prepare`` for a corpus as delivered: unpack, read, split, and then prepare, or only say what would be done."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from mesmer.cli.corpus_options import chosen_options
from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.delivery import archives_of, unpack, unpacked_folder
from mesmer.dataset.choose import choose
from mesmer.dataset.outlook import look_ahead
from mesmer.dataset.prepare import prepare
from mesmer.dataset.splits import SESSIONS, parse_split
from mesmer.errors import DataError
from mesmer.media.reader import MediaReader
from mesmer.report.prepare_text import lists_text, outlook_text, packed_text, prepared_text
from mesmer.training import progress

UNPACKED = ".unpacked"
"""Archives are unpacked beside OUT, in a folder of its name with this ending."""


def prepare_corpus(kind: str, arguments: Any, settings: PrepareSettings) -> int:
    """Prepare a corpus, or say what would be done, and return the exit code."""
    out = Path(arguments.out)
    cache = out.with_name(out.name + UNPACKED)
    split = None
    if arguments.split is not None or arguments.fold is not None:
        split = parse_split(arguments.split or SESSIONS, fold=arguments.fold)
    root = Path(arguments.root)
    archives = archives_of(root) if kind != "folder" else ()
    if archives and arguments.dry_run and unpacked_folder(root, cache=cache) is None:
        print(packed_text(archives, cache))
        return 0
    if archives:
        print(f"unpacking to {cache}, unless that was done before", file=sys.stderr)
        root = unpack(root, cache=cache)
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
