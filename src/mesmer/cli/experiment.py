"""``mesmer experiment``: the paper's tables and figures, and ours, on a prepared dataset; trains what is missing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError, suggest

if TYPE_CHECKING:
    from mesmer.experiments.recipes import Recipes
    from mesmer.experiments.runs import Runs

HELP = "make the paper's tables and figures: train, evaluate, write"
DESCRIPTION = "Make tables and figures of many runs. Trains what is missing, goes on where it was stopped, then evaluates."

COUNTED = ("table1", "table2")
TRAINED = ("table3", "table4", "table5", "figure5", "missing", "curves")
STUDIED = ("composite",)
EXPERIMENTS = (*COUNTED, *TRAINED, *STUDIED)


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("names", metavar="NAME", nargs="+", type=str, help=", ".join(EXPERIMENTS))
    parser.add_argument("--data", type=str, required=True, help="prepared dataset")
    parser.add_argument("--out", type=str, required=True, help="folder of results; its runs/ serve every experiment")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each row, with the seeds 0, 1, ...")
    parser.add_argument("--small", action="store_true", help="small models, for any corpus: minutes each on a CPU")
    parser.add_argument("--configs", metavar="FOLDER", type=str, help="your settings, one YAML file per model")
    parser.add_argument("--set", metavar="K=V", nargs="+", type=str, help="settings of every run: train.epochs=3")
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals; 0 makes none")
    parser.add_argument("--workers", type=int, default=1, help="processes that make hand-crafted features")
    parser.add_argument("--jobs", type=int, default=1, help="runs trained at a time, in processes of this machine")
    parser.add_argument("--points", metavar="P,P", type=str, help="of figure5, curves: values of p; else 0.1, 0.2, ... 1")
    parser.add_argument("--retrain", action="store_true", help="of figure5: also train MESM anew for each p")
    parser.add_argument("--model", type=str, default="mesm", help="of missing: which model")
    parser.add_argument(
        "--run", type=str, help="of composite: the trained model: a run, a model folder, a name or a hub id"
    )


def run(arguments: Any) -> int:
    """Make the experiments, one after another, and say where the files are."""
    for name in arguments.names:
        if name not in EXPERIMENTS:
            raise ConfigError(f"there is no experiment '{name}'", field="NAME", remedy=suggest(name, EXPERIMENTS))
    if any(name in STUDIED for name in arguments.names):
        from mesmer.cli.experiment_composite import run_composite

        if len(set(arguments.names)) > 1:
            raise ConfigError("it needs a trained model", field="composite", remedy="ask for it alone")
        return run_composite(arguments, points=_points(arguments.points), command=command_line(arguments))

    from mesmer.evaluation.table import Resampling
    from mesmer.experiments.comparison import ABOUT, check_corpus
    from mesmer.experiments.recipes import Recipes, configs_folder
    from mesmer.experiments.runs import Runs

    runs = Runs(
        data=arguments.data,
        folder=arguments.out,
        seeds=arguments.seeds,
        screen=sys.stderr,
        resampling=Resampling(resamples=arguments.resamples),
        workers=arguments.workers,
        jobs=arguments.jobs,
    )
    points = _points(arguments.points)
    values = assignments(arguments.set or ())
    recipes = None
    if any(name in TRAINED for name in arguments.names):  # whatever would be refused later is refused now
        recipes = Recipes(configs_folder(runs.corpus, small=arguments.small, folder=arguments.configs), values)
        for model in _models_of(arguments):
            recipes.read(model)
    for name in set(arguments.names) & set(ABOUT):
        check_corpus(name, runs.corpus)
    command = command_line(arguments)
    for name in dict.fromkeys(arguments.names):
        if name in COUNTED or recipes is None:
            paths = _count(name, arguments, command)
        else:
            paths = _train(name, runs, recipes, arguments, points, command)
        for path in paths:
            print(f"{name}: {path}")
    return 0


def _count(name: str, arguments: Any, command: str) -> list[Path]:
    """Write and print Table 1 or 2: the counts of the data."""
    from mesmer.dataset.audit import audit_dataset
    from mesmer.experiments.comparison import check_corpus
    from mesmer.report.experiment_files import count_grids, print_grids, write_counts
    from mesmer.training.progress import Counter

    with Counter("reading", file=sys.stderr) as counter:
        audit = audit_dataset(arguments.data, progress=counter)
    check_corpus({"table1": "table3", "table2": "table4"}[name], audit.corpus)
    print_grids(count_grids(audit), (), (), file=sys.stdout)
    return write_counts(name, audit, Path(arguments.out), command=command)


def _train(name: str, runs: Runs, recipes: Recipes, arguments: Any, points: tuple[float, ...], command: str) -> list[Path]:
    """Train and evaluate what an experiment needs; write and print it."""
    from mesmer.experiments.ablation import ablate, missing_modalities
    from mesmer.experiments.comparison import compare_models
    from mesmer.experiments.curves import draw_curves
    from mesmer.experiments.dial import turn_dial
    from mesmer.experiments.result import Result
    from mesmer.report.curve_files import curve_grids, write_curves
    from mesmer.report.experiment_files import print_grids, write_result
    from mesmer.report.experiment_grids import dial_grids, result_grids
    from mesmer.report.experiment_plots import write_dial, write_subsets

    out = Path(arguments.out)
    if name == "figure5":
        dial = turn_dial(runs, recipes, points=points, retrain=arguments.retrain)
        print_grids(dial_grids(dial), dial.notes, dial.warnings, file=sys.stdout)
        return [*write_result(dial, out, command=command), *write_dial(dial, out)]
    if name == "curves":
        curves = draw_curves(runs, recipes, points=points)
        print_grids(curve_grids(curves), curves.notes, curves.warnings, file=sys.stdout)
        return write_curves(curves, out, command=command)
    result: Result
    if name == "missing":
        result = missing_modalities(runs, recipes, model=arguments.model)
    else:
        result = ablate(runs, recipes) if name == "table5" else compare_models(name, runs, recipes)
    print_grids(result_grids(result), result.notes, result.warnings, file=sys.stdout)
    figures = write_subsets(result, out) if name == "missing" else []
    return [*write_result(result, out, command=command), *figures]


def _models_of(arguments: Any) -> set[str]:
    """Return the models that the experiments asked for train."""
    from mesmer.experiments.recipes import SIX_MODELS

    needed = {"table3": SIX_MODELS, "table4": SIX_MODELS, "missing": (arguments.model,), "curves": ("mesm",)}
    return {model for name in arguments.names if name in TRAINED for model in needed.get(name, ("mesm", "fe2e"))}


def assignments(words: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` words as dotted name -> value, read as YAML.

    Raises:
        ConfigError: a word is not of that form.
    """
    from mesmer.training.settings_file import parse_yaml

    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ConfigError(f"'{word}' is not of the form KEY=VALUE", field="--set", remedy="such as train.epochs=3")
        values[name] = parse_yaml(value)
    return values


def command_line(arguments: Any) -> str:
    """Return the command that makes the same again, folders by their last names."""
    words = ["mesmer", "experiment", *arguments.names]
    words += ["--data", Path(arguments.data).name, "--out", Path(arguments.out).name, "--seeds", str(arguments.seeds)]
    words += ["--small"] if arguments.small else []
    words += ["--configs", Path(arguments.configs).name] if arguments.configs else []
    words += ["--set", *arguments.set] if arguments.set else []
    words += ["--resamples", str(arguments.resamples)] if arguments.resamples != 1000 else []
    words += ["--points", arguments.points] if arguments.points else []
    words += ["--retrain"] if arguments.retrain else []
    words += ["--model", arguments.model] if arguments.model != "mesm" else []
    words += ["--run", Path(arguments.run).name] if arguments.run else []
    return shlex.join(words)


def _points(text: str | None) -> tuple[float, ...]:
    from mesmer.experiments.dial import POINTS

    if text is None:
        return POINTS
    try:
        return tuple(sorted({float(word) for word in text.split(",")}))
    except ValueError:
        raise ConfigError(f"'{text}' is no list of numbers", field="--points", remedy="such as 0.1,0.5,1") from None
