"""``mesmer finetune``: own labels in one command, on the branches of an existing model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.cli.predict import model_name

HELP = "teach an existing model your own labels"
DESCRIPTION = "Teach an existing model the labels of a prepared dataset: its branches stay, new heads and fusion learn."

_SETTINGS = ("learning_rate", "batch_size", "epochs", "patience", "seed", "threads")


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--data", metavar="DATASET", type=str, required=True, help="prepared dataset with your labels")
    parser.add_argument("--run", metavar="OUT", type=str, required=True, help="folder of the run, new unless --resume")
    parser.add_argument("--from", metavar="MODEL", type=str, help="run, folder or name of the model; else the default")
    parser.add_argument("--map", metavar="FILE", type=str, help="YAML, new label: [emotion, ...]; what is compared with")
    parser.add_argument("--resume", action="store_true", help="go on with the run if it was begun")
    parser.add_argument("--learning-rate", type=float, help="of heads and fusion (0.003)")
    parser.add_argument("--batch-size", type=int, help="utterances per step (16)")
    parser.add_argument("--epochs", type=int, help="at most so many (100)")
    parser.add_argument("--patience", type=int, help="stop after so many epochs without a better validation F1 (20)")
    parser.add_argument("--seed", type=int, help="of everything random (0)")
    parser.add_argument("--threads", type=int, help="CPU threads; 1 makes the outcome the same bit for bit (all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Fine-tune and print."""
    named = model_name(arguments["from"])

    from mesmer.models.loading import load_model
    from mesmer.report.finetune_text import print_finetune
    from mesmer.training.finetune import FINETUNE, finetune
    from mesmer.training.run_folder import model_source
    from mesmer.training.zero_shot import read_map

    given = {name: arguments[name] for name in _SETTINGS if arguments[name] is not None}
    result = finetune(
        base=load_model(model_source(named)),
        data=arguments.data,
        folder=arguments.run,
        settings=replace(FINETUNE, **given),
        stated_map=None if arguments.map is None else read_map(arguments.map),
        resume=arguments.resume,
        screen=None if arguments.json else sys.stderr,
    )
    if arguments.json:
        print(json.dumps(result.to_json(), allow_nan=False))
    else:
        print_finetune(result, file=sys.stdout)
        print(f"next: mesmer analyze VIDEO --model {result.folder}")
    return 0
