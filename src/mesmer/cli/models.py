"""``mesmer models``: which models are at hand and what each may be used for; their cards; turning and packing one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser

HELP = "list the models at hand, show their cards, check them, turn or pack one"
DESCRIPTION = (
    "List the models at hand: where they are, what they read, what they were trained on, what they may be used for."
)

_MOST_TEXT_BYTES = 2**20


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command, with its sub-commands; without one it lists."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    actions = parser.add_subcommands(required=False, dest="action", metavar="ACTION", title="actions", description=None)
    for name, told in (("show", "print a model's card"), ("check", "compare a model's files with their hashes")):
        action = Parser(description=told.capitalize() + ".")
        action.add_argument("name", metavar="NAME", help="as `mesmer models` lists it; or a run or model folder")
        actions.add_subcommand(name, action, help=told)
    actions.add_subcommand("turn", _turn_parser(), help="save a run at another p, decided anew")
    actions.add_subcommand("pack", _pack_parser(), help="make a model others can use of a run")


def _turn_parser() -> Parser:
    parser = Parser(
        description="Save a trained model at another p; calibration and thresholds are fitted anew on the validation split."
    )
    parser.add_argument("run", metavar="RUN", help="run or model folder")
    parser.add_argument("--top-p", required=True, type=float, help="nucleus mass of the sparse blocks, in (0, 1]")
    parser.add_argument("--data", required=True, type=str, help="prepared dataset that it was trained on")
    parser.add_argument("--out", metavar="DIR", required=True, type=str, help="folder of the new model")
    parser.add_argument("--batch-size", type=int, default=16, help="utterances at a time")
    return parser


def _pack_parser() -> Parser:
    parser = Parser(description="Pack a run: half precision, self-contained, with card, licences, provenance and hashes.")
    parser.add_argument("run", metavar="RUN", help="run or model folder")
    parser.add_argument(
        "--out", metavar="DIR", required=True, type=str, help="folder of the packed model; its name is the name"
    )
    parser.add_argument("--card", metavar="FILE", type=str, help="your own card, Markdown; else one is made from the facts")
    parser.add_argument(
        "--trained-on", metavar="NAMES", type=str, help="its data: ravdess,fer2013,goemotions; else as stored"
    )
    parser.add_argument("--summary", metavar="TEXT", type=str, default="", help="one sentence for the list")
    parser.add_argument("--use", metavar="TEXT", type=str, help="what it may be used for; else what its data allow")
    parser.add_argument(
        "--license", metavar="ID", type=str, help="of the weights, such as cc-by-nc-sa-4.0; else from its data"
    )
    parser.add_argument("--numbers", metavar="FILE", nargs="+", type=str, help="results: JSON of mesmer evaluate --out")
    parser.add_argument(
        "--notice", metavar="FILE", type=str, help="licence of the text encoder, where it is not known here"
    )
    parser.add_argument("--precision", choices=("fp16", "fp32"), default="fp16", help="of the weights in the file")
    parser.add_argument("--max-mb", type=float, default=80.0, help="a larger model is refused")
    return parser


def run(arguments: Any) -> int:
    """List, show, check, turn or pack."""
    from mesmer.models.catalogue import Catalogue

    if arguments.action in ("turn", "pack"):
        return {"turn": _turn, "pack": _pack}[arguments.action](arguments[arguments.action])
    if arguments.action in ("show", "check"):
        return {"show": _show, "check": _check}[arguments.action](arguments[arguments.action].name)

    from mesmer.report.models_text import entry_json, print_models

    entries = Catalogue.here().entries()
    if arguments.json:
        print(json.dumps({"models": [entry_json(one) for one in entries]}))
    else:
        print_models(entries, file=sys.stdout)
    return 0


def _show(name: str) -> int:
    from mesmer.models.catalogue import read_card
    from mesmer.training.run_folder import model_folder

    print(read_card(model_folder(name)))
    return 0


def _check(name: str) -> int:
    from mesmer.models.catalogue import Catalogue
    from mesmer.models.packing import check_files
    from mesmer.training.run_folder import model_folder

    catalogue = Catalogue.here()
    files = catalogue.check(name) if name in catalogue else check_files(model_folder(name))
    print(f"{name}: sound; {len(files)} files are as they were saved: {', '.join(files)}")
    return 0


def _turn(arguments: Any) -> int:
    from mesmer.evaluation.turning import turn_model
    from mesmer.models.loading import load_model
    from mesmer.report.pack_inputs import train_settings
    from mesmer.training.run_folder import model_source

    loaded = load_model(model_source(arguments.run))
    turned = turn_model(
        loaded,
        arguments.out,
        data=arguments.data,
        top_p=arguments.top_p,
        batch_size=arguments.batch_size,
        train=train_settings(arguments.run, loaded),
    )
    share = turned.multiply_adds / max(turned.dense_multiply_adds, 1.0)  # words alone compute none
    print(f"p {turned.top_p:g}: validation F1 {100 * turned.valid_f1:.1f}, {100 * share:.0f} % of the dense multiply-adds")
    print(f"model: {arguments.out}")
    return 0


def _pack(arguments: Any) -> int:
    from mesmer.models.packing import CARD_FILE, pack_model
    from mesmer.report.pack_inputs import PackInputs, provenance_and_card

    inputs = PackInputs(
        run=arguments.run,
        name=Path(arguments.out).resolve().name,
        trained_on=None if arguments.trained_on is None else tuple(arguments.trained_on.split(",")),
        summary=arguments.summary,
        use=arguments.use,
        license=arguments.license,
        numbers=tuple(arguments.numbers or ()),
        card=arguments.card,
        notice=arguments.notice,
    )
    loaded, provenance, card, notices = provenance_and_card(inputs)
    size = pack_model(
        loaded,
        arguments.out,
        provenance=provenance,
        card=card,
        notices=notices,
        precision=arguments.precision,
        most_bytes=round(arguments.max_mb * 1e6),
    )
    print(f"{provenance.name}: {size / 1e6:.1f} MB in {arguments.out}; licence {provenance.license}; {provenance.use}")
    print(f"read and mend its card: {Path(arguments.out) / CARD_FILE}")
    return 0
