"""``mesmer evaluate``: the table of a model on a split, or of anybody's scores, with the trivial answers beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError
from mesmer.records import SPLITS

if TYPE_CHECKING:
    from mesmer.evaluation.evaluate import Evaluation
    from mesmer.evaluation.seeds import SeedTable
    from mesmer.evaluation.table import Resampling

HELP = "print the table of a trained model on a split, or of score files"
DESCRIPTION = "Evaluate trained models on a split of a prepared dataset, or score files of any origin."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("runs", metavar="RUN", nargs="*", type=str, help="run, model folder or hub id; several are seeds")
    parser.add_argument("--scores", metavar="FILE", nargs="+", type=str, help="instead: score files; several are seeds")
    parser.add_argument("--against", metavar="OTHER", type=str, help="compare with this run, or score file, pair by pair")
    parser.add_argument("--data", type=str, help="prepared dataset, for runs")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which split, for runs")
    parser.add_argument("--batch-size", type=int, default=16, help="utterances at a time, for runs")
    parser.add_argument("--top-p", type=float, help="nucleus mass of the sparse blocks, in (0, 1], for runs")
    parser.add_argument("--thresholds", metavar="T", type=str, help="a number for all, or a JSON file of emotion: number")
    parser.add_argument("--valid-scores", metavar="FILE", type=str, help="with --scores: choose thresholds on this file")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap; 0 makes no intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--out", metavar="FILE", type=str, help="also write the table: .csv, .md, .tex or .json")
    parser.add_argument("--plots", metavar="FOLDER", type=str, help="also draw reliability, coverage-risk, confusion")
    parser.add_argument("--save-scores", metavar="FILE", type=str, help="also write what the run answered as a score file")


def run(arguments: Any) -> int:
    """Evaluate, print, and write what was asked for."""
    names = _check(arguments)

    from mesmer.evaluation.table import Resampling
    from mesmer.report.evaluation_files import check_suffix, write_table

    if arguments.out:
        check_suffix(Path(arguments.out))
    resampling = Resampling(resamples=arguments.resamples, seed=arguments.seed)
    others = [arguments.against] if arguments.against else []
    evaluate = _evaluate_scores if arguments.scores else _evaluate_run
    evaluations = [evaluate(name, arguments, resampling) for name in [*names, *others]]
    if len(names) > 1:
        from mesmer.evaluation.seeds import over_seeds

        seeds = over_seeds([one.table for one in evaluations])
        _print_seeds(names, seeds, evaluations, as_json=arguments.json)
    else:
        _print_one([*names, *others], evaluations, arguments, resampling)
    if arguments.out:
        write_table(evaluations[0].table if len(names) == 1 else seeds, arguments.out)
    if arguments.plots:
        from mesmer.report.evaluation_plots import write_plots

        for path in write_plots(evaluations[0], arguments.plots):
            print(f"figure: {path}", file=sys.stderr)
    if arguments.save_scores:
        from mesmer.evaluation.score_files import write_scores

        write_scores(arguments.save_scores, evaluations[0].truth, evaluations[0].answers[0].probabilities)
    return 0


def _check(arguments: Any) -> list[str]:
    """Return the runs or score files.

    Raises:
        ConfigError: arguments that do not go together.
    """
    names = list(arguments.scores or arguments.runs)
    if bool(arguments.scores) == bool(arguments.runs):
        raise ConfigError("name either runs, or --scores with score files", remedy="see mesmer evaluate --help")
    if arguments.runs and not arguments.data:
        raise ConfigError("missing: 'data'", remedy="name with --data the prepared dataset to evaluate on")
    if arguments.runs and arguments.valid_scores:
        raise ConfigError("a run has thresholds of its own", field="--valid-scores", remedy="use it with --scores")
    if arguments.scores and (arguments.data or arguments.top_p is not None):
        raise ConfigError(
            "a score file needs no data and has no dial", field="--scores", remedy="leave out --data, --top-p"
        )
    single = [f"--{n.replace('_', '-')}" for n in ("against", "plots", "save_scores") if getattr(arguments, n)]
    if len(names) > 1 and single:
        raise ConfigError("this needs one run, not several", field=single[0], remedy="name one at a time")
    return names


def _evaluate_run(name: str, arguments: Any, resampling: Resampling) -> Evaluation:
    from mesmer.evaluation.evaluate import evaluate_model
    from mesmer.models.loading import load_model
    from mesmer.training.run_folder import model_source

    loaded = load_model(model_source(name))
    return evaluate_model(
        loaded,
        data=arguments.data,
        split=arguments.split,
        batch_size=arguments.batch_size,
        top_p=arguments.top_p,
        thresholds=_thresholds(arguments.thresholds, loaded.model.settings.emotions),
        resampling=resampling,
    )


def _evaluate_scores(name: str, arguments: Any, resampling: Resampling) -> Evaluation:
    from mesmer.evaluation.evaluate_scores import evaluate_scores
    from mesmer.evaluation.score_files import read_scores

    scores = read_scores(name)
    first = scores if name == (arguments.scores[0]) else read_scores(arguments.scores[0])
    return evaluate_scores(
        first.reordered(scores),  # a second file may hold the same utterances in another order
        validation=read_scores(arguments.valid_scores) if arguments.valid_scores else None,
        thresholds=_thresholds(arguments.thresholds, first.truth.emotions),
        resampling=resampling,
    )


def _thresholds(given: str | None, emotions: tuple[str, ...]) -> Mapping[str, float] | float | None:
    from mesmer.evaluation.score_files import read_thresholds

    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        return read_thresholds(given, emotions)


def _print_one(names: list[str], evaluations: list[Evaluation], arguments: Any, resampling: Resampling) -> None:
    """Print one evaluation, and its comparison where a second is given."""
    from mesmer.evaluation.curves import evaluation_json
    from mesmer.evaluation.paired import check_same_truth, compare
    from mesmer.report.comparison_table import print_comparison
    from mesmer.report.evaluation_table import print_evaluation

    first = evaluations[0]
    told = {"scores" if arguments.scores else "model": names[0], **evaluation_json(first)}
    comparison = None
    if len(evaluations) > 1:
        second = evaluations[1]
        check_same_truth(first.truth, second.truth)
        pair = (names[0], names[1])
        comparison = compare(first.truth, first.answers[0], second.answers[0], names=pair, resampling=resampling)
        told["against"] = comparison.to_json()
    if arguments.json:
        print(json.dumps(told, allow_nan=False))
        return
    print_evaluation(first, file=sys.stdout)
    if comparison is not None:
        print_comparison(comparison, file=sys.stdout)


def _print_seeds(names: list[str], seeds: SeedTable, evaluations: list[Evaluation], *, as_json: bool) -> None:
    from mesmer.report.comparison_table import print_seeds

    if as_json:
        tables = [one.table.to_json() for one in evaluations]
        print(json.dumps({"runs": names, "seeds": seeds.to_json(), "tables": tables}, allow_nan=False))
    else:
        print_seeds(seeds, file=sys.stdout)
