"""``mesmer evaluate``: the table of a model on a split, with every single modality and the trivial answers beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.records import SPLITS

HELP = "print the table of a trained model on a split"
DESCRIPTION = "Evaluate a trained model on a split of a prepared dataset."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("run_folder", metavar="RUN", type=str, help="folder of a run, or of a model, or a hub id")
    parser.add_argument("--data", type=str, required=True, help="prepared dataset")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which split")
    parser.add_argument("--batch-size", type=int, default=16, help="utterances at a time")
    parser.add_argument("--top-p", type=float, help="nucleus mass of the sparse blocks, in (0, 1]")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Evaluate and print."""
    from mesmer.evaluation.evaluate import evaluate_model
    from mesmer.models.loading import load_model
    from mesmer.report.evaluation_table import print_table
    from mesmer.training.run_folder import model_source

    loaded = load_model(model_source(arguments.run_folder))
    table = evaluate_model(
        loaded, data=arguments.data, split=arguments.split, batch_size=arguments.batch_size, top_p=arguments.top_p
    )
    if arguments.json:
        print(json.dumps({"model": str(arguments.run_folder), **table.to_json()}))
    else:
        print_table(table, file=sys.stdout)
    return 0
