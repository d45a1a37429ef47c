"""How fast a video of two people is analysed, stage by stage, and how much memory it takes as it goes on.

``python benchmarks/analyze.py [--minutes 10] [--seed 11] [--video FILE] [--model RUN] [--json OUT]``

Without ``--video`` a 640x360 video of two drawn people is made (``tests/analysis/two_people.py``), and what is found
is held against its truth. Without ``--model`` a model of the usual size with random weights is used: what it says is worth
nothing, what it costs is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from mesmer.analysis import Analysis, Analyzer
from mesmer.config import ModelSettings, PrepareSettings
from mesmer.models.registry import build_model
from mesmer.report.analysis_text import stage_shares
from mesmer.signals.text import train_tokenizer

sys.path.append(str(Path(__file__).parents[1] / "tests" / "analysis"))
from two_people import Turn, long_plan, make_two_people

IN_TIME_S = 0.3
TURNS_PER_MINUTE = 24
SEED = 11


def make_video(path: Path, minutes: float, *, seed: int = SEED) -> list[Turn]:
    """Draw two people who take turns for about so long; return the truth."""
    turns, away = long_plan(round(TURNS_PER_MINUTE * minutes), seed=seed)
    make_two_people(path, turns=turns, away=away, seed=seed)
    return turns


def random_model(folder: Path) -> Path:
    tokenizer = train_tokenizer(["we lost the letter last night", "leave me alone"], 80)
    torch.manual_seed(0)
    build_model(ModelSettings(), tokenizer_size=tokenizer.size).save_pretrained(
        folder, tokenizer=tokenizer, prepare=PrepareSettings()
    )
    return folder


def memory_mib() -> tuple[float, float]:
    """Return the resident memory of this process, and of the decoders beside it."""
    process = psutil.Process(os.getpid())
    children = sum(child.memory_info().rss for child in process.children(recursive=True))
    return process.memory_info().rss / 2**20, children / 2**20


def analyzed(video: Path, model: Path) -> tuple[Analysis, list[tuple[float, float, float]]]:
    """Return the analysis, and (seconds done, MiB here, MiB in decoders) about every half minute."""
    memory: list[tuple[float, float, float]] = []

    def tell(done_s: float, of_s: float) -> None:
        if not memory or done_s >= memory[-1][0] + 30 or done_s >= of_s - 1:
            memory.append((done_s, *memory_mib()))

    with Analyzer(model) as analyzer:
        return analyzer.analyze(video, progress=tell), memory


def held_against(analysis: Analysis, turns: list[Turn]) -> dict[str, Any]:
    """Return the shares of turns found in time, and of those with the right face."""
    shared: dict[tuple[int, int], float] = {}
    for row in analysis.utterances:
        for turn in turns:
            if row.person is not None:
                both_s = min(row.end_s, turn.end_s) - max(row.start_s, turn.start_s)
                shared[turn.person, row.person] = shared.get((turn.person, row.person), 0.0) + max(0.0, both_s)

    def alone(turn: Turn) -> bool:
        return not any(other is not turn and other.start_s < turn.end_s and turn.start_s < other.end_s for other in turns)

    told: dict[str, Any] = {"turns": len(turns), "rows": len(analysis.utterances)}
    for name, chosen in (("alone", [turn for turn in turns if alone(turn)]), ("all", turns)):
        in_time = right = 0
        for turn in chosen:
            rows = [
                row
                for row in analysis.utterances
                if abs(row.start_s - turn.start_s) <= IN_TIME_S and abs(row.end_s - turn.end_s) <= IN_TIME_S
            ]
            in_time += bool(rows)
            right += any(
                row.person is not None
                and shared.get((turn.person, row.person), 0) > shared.get((1 - turn.person, row.person), 0)
                for row in rows
            )
        told[name] = {"turns": len(chosen), "in_time": in_time / len(chosen), "right_face": right / max(in_time, 1)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=SEED, help="of the people, their turns and what they say")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, turns = Path(scratch), None
        video = arguments.video
        if video is None:
            video = folder / "two people.mp4"
            started = time.perf_counter()
            turns = make_video(video, arguments.minutes, seed=arguments.seed)
            print(f"drawn in {time.perf_counter() - started:.0f} s")
        analysis, memory = analyzed(video, arguments.model or random_model(folder / "model"))
    cost = analysis.cost
    print(
        f"{analysis.analyzed_s:.0f} s of {analysis.source.get('width_px')}x{analysis.source.get('height_px')}, "
        f"{len(analysis.people)} faces, {len(analysis.utterances)} utterances, {torch.get_num_threads()} threads: "
        f"{cost['seconds_total']:.1f} s, {cost['real_time_factor']:.1f} x real time"
    )
    print(stage_shares(analysis))
    for done_s, here, decoders in memory:
        print(f"  at {done_s:6.0f} s: {here:5.0f} MiB here, {decoders:5.0f} MiB in decoders")
    truth = None if turns is None else held_against(analysis, turns)
    if truth is not None:
        for name in ("alone", "all"):
            one = truth[name]
            print(
                f"turns ({name}, {one['turns']}): {100 * one['in_time']:.1f} % found within {IN_TIME_S} s, "
                f"{100 * one['right_face']:.1f} % of them with the right face"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({"cost": dict(cost), "memory": memory, "truth": truth}, indent=2))


if __name__ == "__main__":
    main()
