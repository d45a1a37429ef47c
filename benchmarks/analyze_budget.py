"""Measures what the settings that ``mesmer analyze --budget`` chooses from cost, and how many turns they find.

``python benchmarks/analyze_budget.py --model RUN [--minutes 2] [--rounds 3] [--out src/mesmer/analysis/budget_table.json]``

A video of two drawn people at 640x360 is made and analysed with every setting in turn, round after round. Cost is processor
time of the analysis and of its decoders, the median over the rounds, in multiples of the video's length: what it takes on
one free processor, and more than on two. Unlike the clock on the wall it hardly depends on what else the machine does.
The order of the settings is that of how well they can do, the best first.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

import psutil
import torch

from analyze import held_against, make_video, random_model
from mesmer.analysis import Analyzer
from mesmer.analysis.budget import Budget, Setting

SETTINGS = [
    Setting(looks_per_s=looks, top_p=top_p, precision=precision, cost=0.0)
    for looks, top_p, precision in (
        *((8, None, "fp32"), (8, None, "bf16"), (8, 0.3, "bf16")),
        *((4, None, "fp32"), (4, 0.3, "bf16"), (2, 0.3, "bf16")),
    )
]
TOLERANCE = 1e9
"""The budget given, so that none is exceeded."""


def measured(video: Path, turns: list, model: Path, rounds: int) -> list[dict[str, Any]]:
    costs: list[list[float]] = [[] for _ in SETTINGS]
    found: list[dict[str, Any]] = [{} for _ in SETTINGS]
    for number in range(rounds):
        for place, setting in enumerate(SETTINGS):
            with Analyzer(model, budget=Budget(asked=TOLERANCE, setting=setting, fits=True)) as analyzer:
                before_s = processor_s()
                analysis = analyzer.analyze(video)
                costs[place].append((processor_s() - before_s) / analysis.analyzed_s)
            found[place] = held_against(analysis, turns)["all"]
            print(
                f"round {number}: {setting.looks_per_s} {setting.top_p} {setting.precision}: {costs[place][-1]:.3f}x",
                flush=True,
            )
    return [
        {
            "looks_per_s": setting.looks_per_s,
            "top_p": setting.top_p,
            "precision": setting.precision,
            "cost": round(statistics.median(costs[place]), 4),
            "ratio": round(statistics.median(a / b for a, b in zip(costs[place], costs[0], strict=True)), 3),
            "turns_in_time": round(found[place]["in_time"], 3),
            "right_face": round(found[place]["right_face"], 3),
        }
        for place, setting in enumerate(SETTINGS)
    ]


def processor_s() -> float:
    """Return the processor time of this process and its children so far."""
    here = psutil.Process()
    times = [one.cpu_times() for one in (here, *here.children(recursive=True))]
    ended = here.cpu_times()
    return sum(one.user + one.system for one in times) + ended.children_user + ended.children_system


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        video = folder / "two people.mp4"
        turns = make_video(video, arguments.minutes)
        settings = measured(video, turns, arguments.model or random_model(folder / "model"), arguments.rounds)
    on = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "video": f"{arguments.minutes:g} minutes of two drawn people, 640x360, 25 frames a second, without words",
        "model": "of the usual size with random weights" if arguments.model is None else "MESM",
        "rounds": arguments.rounds,
    }
    text = json.dumps({"made_by": "benchmarks/analyze_budget.py", "measured_on": on, "settings": settings}, indent=2) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
