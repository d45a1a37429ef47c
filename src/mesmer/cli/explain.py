"""``mesmer explain``: pictures of what a model looked at, the paper's figures, and how far either can be trusted."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.cli.predict import MODEL_HELP, model_name, read_transcript
from mesmer.errors import ConfigError
from mesmer.records import SPLITS

HELP = "show what a model looked at, and check that it means something"
DESCRIPTION = "Show what a model looked at in a clip; draw the paper's figures; or check that the marks mean something."

METHODS = ("occlusion", "integrated_gradients")


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("clip", metavar="CLIP", nargs="?", help="video or sound file")
    parser.add_argument("--grid", metavar="DATASET", help="draw the paper's figures from a prepared dataset instead")
    parser.add_argument("--check", metavar="DATASET", help="measure on a prepared dataset how far the marks can be trusted")
    parser.add_argument("--transcript", metavar="TEXT", help="what is said; or a file ending in .txt that holds it")
    parser.add_argument("--model", metavar="RUN", help=MODEL_HELP)
    parser.add_argument("--runs", metavar="RUNS", help="with --check: further runs of other seeds, separated by commas")
    parser.add_argument("--top-p", type=float, help="nucleus mass of the sparse blocks, in (0, 1]")
    parser.add_argument(
        "--steps", choices=METHODS, default="occlusion", help="how the parts of the time steps are computed"
    )
    parser.add_argument("--out", metavar="DIR", default="explained", help="folder of the pictures")
    parser.add_argument("--blur", action="store_true", help="blur faces outside the kept sites")
    parser.add_argument("--split", choices=SPLITS, default="test", help="with --grid and --check: which split")
    parser.add_argument("--clips", type=int, default=60, help="with --check: utterances looked at, evenly spread")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Explain, draw or check, and print."""
    wanted = [name for name in ("clip", "grid", "check") if arguments[name] is not None]
    if len(wanted) != 1:
        remedy = "give one of CLIP, --grid DATASET and --check DATASET"
        raise ConfigError("one thing is explained at a time" if wanted else "nothing to explain", remedy=remedy)
    return {"clip": _clip, "grid": _grid, "check": _check}[wanted[0]](arguments)


def _clip(arguments: Any) -> int:
    transcript, explainer = read_transcript(arguments.transcript), _explainer(arguments)

    from mesmer.report.explain_pictures import write_pictures
    from mesmer.report.explain_text import print_explanation

    explanation = explainer.explain(explainer.read(arguments.clip, transcript=transcript))
    paths = write_pictures(explanation, arguments.out, blur=arguments.blur)
    if arguments.json:
        print(json.dumps({**explanation.to_json(), "files": [str(path) for path in paths]}))
    else:
        print_explanation(explanation, paths, file=sys.stdout)
    return 0


def _grid(arguments: Any) -> int:
    from mesmer.dataset.prepared import PreparedDataset
    from mesmer.explain.choose import one_per_emotion
    from mesmer.report.explain_grid import write_grids

    split = PreparedDataset.open(arguments.grid).split(arguments.split)
    chosen = one_per_emotion(_explainer(arguments), split)
    paths = write_grids(chosen, arguments.out, blur=arguments.blur)
    if arguments.json:
        rows = {emotion: explanation.to_json() for emotion, explanation in chosen}
        print(json.dumps({"rows": rows, "files": [str(path) for path in paths]}))
    else:
        for emotion, explanation in chosen:
            print(f"{emotion}: {explanation.clip.id}")
        print("\n".join(str(path) for path in paths if path.suffix == ".png"))
    return 0


def _check(arguments: Any) -> int:
    from mesmer.explain.check import check_explanations
    from mesmer.models.loading import load_model
    from mesmer.report.explain_check_text import print_check
    from mesmer.storage.atomic import write_json
    from mesmer.training.run_folder import model_source

    names = [model_name(arguments.model), *filter(None, (arguments.runs or "").split(","))]
    report = check_explanations(
        [load_model(model_source(name)) for name in names],
        data=arguments.check,
        split=arguments.split,
        clips=arguments.clips,
        top_p=arguments.top_p,
        progress=None if arguments.json else lambda done, of: print(f"{done} of {of}", file=sys.stderr),
    )
    file = Path(arguments.out) / "check.json"
    write_json(file, {"models": names, **report.to_json()})
    if arguments.json:
        print(json.dumps({"models": names, **report.to_json()}))
    else:
        print_check(report, file=sys.stdout)
        print(f"all numbers: {file}")
    return 0


def _explainer(arguments: Any) -> Any:
    from mesmer.explain.explainer import Explainer

    return Explainer(model_name(arguments.model), top_p=arguments.top_p, steps=arguments.steps)
