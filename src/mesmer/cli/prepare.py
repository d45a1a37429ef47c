"""``mesmer prepare``: a raw corpus, or one made here, becomes a prepared dataset."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.config import PrepareSettings
from mesmer.config_dict import from_dict

HELP = "make a prepared dataset from media files"
DESCRIPTION = "Decode, track and crop a corpus once, so that training and evaluation read it fast."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command, with one sub-command per kind of corpus."""
    kinds = parser.add_subcommands(required=True, dest="kind", metavar="KIND", title="kinds of corpus", description=None)
    synthetic = Parser(description="Make a synthetic corpus of talking faces under OUT/raw and prepare it in OUT.")
    synthetic.add_argument("out", metavar="OUT", help="folder of the prepared dataset")
    synthetic.add_argument("--size", default="small", help="tiny (40 utterances), small (960) or medium (3780)")
    synthetic.add_argument("--seed", type=int, default=0, help="of everything drawn")
    folder = Parser(description="Prepare your own clips.")
    folder.add_argument(
        "manifest", metavar="MANIFEST", help="CSV or JSONL: path, start_s, end_s, speaker, text, labels, split"
    )
    folder.add_argument("out", metavar="OUT", help="folder of the prepared dataset")
    for name, kind, words_of_help in (("synthetic", synthetic, "drawn talking faces"), ("folder", folder, "own clips")):
        kind.add_argument("--workers", type=int, default=1, help="processes")
        kind.add_argument("--settings", type=PrepareSettings, default=PrepareSettings())
        kinds.add_subcommand(name, kind, help=words_of_help)


def run(arguments: Any) -> int:
    """Prepare, and say what came of it."""
    chosen = arguments[arguments.kind]
    out, workers = Path(chosen.out), chosen.workers
    settings = from_dict(PrepareSettings, chosen.settings.as_dict(), file="command line", path="settings")

    from mesmer.dataset.prepare import prepare
    from mesmer.training.progress import Counter

    if arguments.kind == "synthetic":
        from mesmer.corpora.synthetic.generator import make_synthetic

        with Counter("making media", file=sys.stderr) as counter:
            corpus = make_synthetic(out / "raw", size=chosen.size, seed=chosen.seed, workers=workers, progress=counter)
    else:
        from mesmer.corpora.folder import read_folder

        corpus = read_folder(Path(chosen.manifest))
    with Counter("preparing", file=sys.stderr) as counter:
        report = prepare(corpus, out, settings=settings, workers=workers, progress=counter)
    print(f"{report.rows_out} of {report.rows_in} utterances prepared in {out}")
    if report.quarantined:
        print(f"{report.quarantined} in quarantine, each with its reason: {out / 'quarantine.jsonl'}")
    return 0
