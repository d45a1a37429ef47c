"""``mesmer sweep``: tries values of any settings, and says which were good and which of them mattered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mesmer.cli.parser import Parser

HELP = "search for good settings: random, grid or TPE"
DESCRIPTION = "Train one model after another with other values of the keys of SPEC, judged on the validation split."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("spec", metavar="SPEC", type=str, help="YAML file: base settings, keys and their values, method")
    parser.add_argument("--data", type=str, required=True, help="prepared dataset; its test split is not looked at")
    parser.add_argument("--out", type=str, required=True, help="folder of the sweep; given again, it goes on")
    parser.add_argument("--workers", type=int, help="trials at a time (1; on Ray as many as there are processors)")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster")
    parser.add_argument("--address", type=str, help="of the Ray cluster; else one starts on this machine")


def run(arguments: Any) -> int:
    """Sweep, print the best trials and what mattered, and say where the files are."""
    from mesmer.errors import ConfigError
    from mesmer.experiments.sweep import BEST_FILE, sweep
    from mesmer.experiments.sweep_spec import read_spec
    from mesmer.report.experiment_files import print_grids
    from mesmer.report.sweep_files import sweep_grids, write_sweep

    if arguments.address and arguments.engine != "ray":
        raise ConfigError("an address is of a Ray cluster", field="--address", remedy="add --engine ray")
    workers = arguments.workers
    if workers is None:
        workers = 0 if arguments.engine == "ray" else 1
    result = sweep(
        read_spec(arguments.spec),
        data=arguments.data,
        folder=arguments.out,
        workers=workers,
        engine=arguments.engine,
        address=arguments.address,
        screen=sys.stderr,
    )
    print_grids(sweep_grids(result), (), (), file=sys.stdout)
    for path in write_sweep(result):
        print(f"file: {path}")
    best = result.folder / BEST_FILE
    print(f"next: mesmer train --config {best} --data {arguments.data} --run RUN")
    return 0
