"""``mesmer prepare``: a raw corpus, or one made here, becomes a prepared dataset."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.corpus_options import OPTIONS, ROOTS, add_corpus_options
from mesmer.cli.parser import Parser
from mesmer.cli.prepare_composite import HELP as COMPOSITE_HELP
from mesmer.cli.prepare_composite import composite_parser, prepare_composite
from mesmer.config import PrepareSettings
from mesmer.config_dict import from_dict

HELP = "make a prepared dataset from media files"
DESCRIPTION = "Decode, track and crop a corpus once, so that training and evaluation read it fast."

_KINDS = {
    "synthetic": "drawn talking faces",
    "folder": "own clips",
    "iemocap": "IEMOCAP, as delivered",
    "cmu_mosei": "CMU-MOSEI, as delivered",
    "meld": "MELD, as delivered",
    "ravdess": "RAVDESS, as delivered",
    "crema_d": "CREMA-D, as delivered",
    "fer2013": "FER2013: still faces",
    "ravdess_speech": "RAVDESS: voices alone, in folds by actor",
    "goemotions": "GoEmotions: sentences",
}


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command, with one sub-command per kind of corpus."""
    kinds = parser.add_subcommands(required=True, dest="kind", metavar="KIND", title="kinds of corpus", description=None)
    by_place = not any(word == "--out" or word.startswith("--out=") for word in words)
    for name, words_of_help in _KINDS.items():
        kind = _synthetic_parser() if name == "synthetic" else _corpus_parser(name, by_place=by_place)
        kind.add_argument("--workers", type=int, default=1, help="processes; 0 works in this one")
        kind.add_argument("--engine", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster")
        kind.add_argument("--address", type=str, help="with --engine ray: of the cluster; else one starts on this machine")
        kind.add_argument("--settings", type=PrepareSettings, default=PrepareSettings())
        kinds.add_subcommand(name, kind, help=words_of_help)
    kinds.add_subcommand("composite", composite_parser(), help=COMPOSITE_HELP)


def _synthetic_parser() -> Parser:
    parser = Parser(description="Make a synthetic corpus of talking faces under OUT/raw and prepare it in OUT.")
    parser.add_argument("out", metavar="OUT", help="folder of the prepared dataset")
    parser.add_argument("--size", default="small", help="tiny (40 utterances), small (960) or medium (3780)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn")
    return parser


def _corpus_parser(name: str, *, by_place: bool) -> Parser:
    parser = Parser(description=f"Prepare {_KINDS[name]}.")
    metavar, words = ROOTS[name]
    parser.add_argument("root", metavar=metavar, help=words)
    # A place that may be left empty would be taken as empty by argparse as soon as an option stands before it.
    parser.add_argument("out", metavar="OUT", nargs=None if by_place else "?", help="folder of the prepared dataset")
    parser.add_argument("--out", dest="named_out", metavar="OUT", type=str, help="the same, by name")
    if OPTIONS[name]:
        add_corpus_options(parser, name)
    parser.add_argument("--splits", metavar="FOLDER", type=str, help="lists of ids: train_split.txt and so on")
    rules = "random, speaker, dialogue or video, with shares as in random:70/10/20; or leave-one-session-out"
    parser.add_argument("--split", metavar="RULE", type=str, help=rules)
    if "fold" not in OPTIONS[name]:
        parser.add_argument(
            "--fold", metavar="N", type=int, help="with leave-one-session-out: the session that is the test"
        )
    parser.add_argument("--seed", type=int, default=0, help="of a split that is drawn")
    parser.add_argument("--limit", metavar="N", type=int, help="a trial: so many utterances at most")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    return parser


def run(arguments: Any) -> int:
    """Prepare, and say what came of it."""
    chosen = arguments[arguments.kind]
    if arguments.kind == "composite":
        return prepare_composite(chosen)
    settings = from_dict(PrepareSettings, chosen.settings.as_dict(), file="command line", path="settings")
    if arguments.kind != "synthetic":
        from mesmer.cli.prepare_corpus import prepare_corpus

        return prepare_corpus(arguments.kind, chosen, settings)

    from mesmer.cli.prepare_corpus import prepare_and_tell
    from mesmer.corpora.synthetic.generator import make_synthetic
    from mesmer.training.progress import Counter

    raw = Path(chosen.out) / "raw"
    with Counter("making media", file=sys.stderr) as counter:
        corpus = make_synthetic(raw, size=chosen.size, seed=chosen.seed, workers=chosen.workers, progress=counter)
    prepare_and_tell(corpus, chosen, settings)
    return 0
