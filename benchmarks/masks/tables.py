"""Scores of the finished runs as a table, with 95 % intervals: accuracy of faces, unweighted average recall of voices.

Intervals resample the test faces, the drawn people, or the actors; they hold for the seeds at hand, each of which is shown.
That of the hits is over the seeds (Student's t). *Evidence* is the share of drawn faces in which blurring what shows the
emotion moves the answer more than blurring as much anywhere else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from scipy.stats import t as student
from torch import Tensor

from masks.study import Result, Study

RESAMPLES = 4000


def print_tables(study: Study, results: Sequence[Result], *, json_file: Path | None) -> None:
    """Print one row for every mask and density, in Markdown, and save the numbers behind it."""
    classes = int(max(result.labels.max() for result in results)) + 1
    weights = _resamples(results)
    found = {(r.mask, r.density): [s for s in results if (s.mask, s.density) == (r.mask, r.density)] for r in results}
    counts = {run: _counts(same, classes) for run, same in found.items()}
    columns = ("mask", "density (blocks)", "p", "M multiply-adds", f"{study.metric}, %", "each", "against dense")
    print(f"| {' | '.join((*columns, 'learnt against it', 'hits', 'evidence, %'))} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for mask, density in study.runs():
        run = mask, density
        row = _row(study, found[run], counts[run], counts.get(("dense", None)), counts.get(("learnt", density)), weights)
        rows.append({"mask": mask, "wanted_density": density, **row})
        print(_line(mask, row))
    for mask, density in study.runs():
        _print_places(f"{mask} at {density}", [r.places for r in found[mask, density] if r.places is not None])
    if json_file is not None:
        json_file.write_text(json.dumps({"study": study.name, "width": study.width, "rows": rows}, indent=1) + "\n")


def _print_places(name: str, places: Sequence[Tensor]) -> None:
    """Print how often each square of the first block is kept, in percent, mean of the seeds."""
    if places:
        print(f"\n{name}, kept squares of the first block, %:")
        for row in (100 * torch.stack(list(places)).mean(0)).round().int().tolist():
            print("    " + " ".join(f"{share:3d}" for share in row))


def _resamples(results: Sequence[Result]) -> Tensor:
    """Return how often each group is drawn, float (1 + resamples, groups); the first row draws each once."""
    groups = int(max(result.groups.max() for result in results)) + 1
    known = torch.zeros(groups)
    for result in results:
        known[result.groups] = 1.0
    draw = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(known, int(known.sum()) * RESAMPLES, replacement=True, generator=draw).view(RESAMPLES, -1)
    counts = torch.zeros(RESAMPLES, groups).scatter_add_(1, drawn, torch.ones(drawn.shape))
    return torch.cat([known[None], counts])


def _counts(runs: Sequence[Result], classes: int) -> tuple[Tensor, Tensor]:
    """Return right answers and examples, float (groups, classes), of all runs together."""
    groups = int(max(run.groups.max() for run in runs)) + 1
    right, all_of_them = torch.zeros(groups * classes), torch.zeros(groups * classes)
    for run in runs:
        cell = run.groups * classes + run.labels
        right.index_add_(0, cell, run.right.float())
        all_of_them.index_add_(0, cell, torch.ones(len(cell)))
    return right.view(groups, classes), all_of_them.view(groups, classes)


def _metric(study: Study, counts: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """Return the metric in every resample, in percent; a class that a resample has lost is left out of the mean."""
    weights = weights[:, : len(counts[0])]
    right, number = weights @ counts[0], weights @ counts[1]
    if study.metric == "accuracy":
        return 100 * right.sum(1) / number.sum(1)
    return 100 * (right / number).nanmean(1)


def _row(
    study: Study,
    runs: Sequence[Result],
    counts: tuple[Tensor, Tensor],
    dense: tuple[Tensor, Tensor] | None,
    learnt: tuple[Tensor, Tensor] | None,
    weights: Tensor,
) -> dict[str, object]:
    own = _metric(study, counts, weights)
    row: dict[str, object] = {
        "densities": torch.tensor([run.densities for run in runs]).mean(0).tolist(),
        "top_p": sum(run.top_p for run in runs) / len(runs),
        "multiply_adds": sum(run.multiply_adds for run in runs) / len(runs),
        "value": _interval(own),
        "each": [100 * (run.accuracy if study.metric == "accuracy" else run.recall) for run in runs],
    }
    if dense is not None:
        row["against_dense"] = _interval(own - _metric(study, dense, weights))
    if all(run.evidence is not None for run in runs):
        row["evidence"] = _interval(_share(runs, weights))
    pointing = [run.pointing for run in runs if run.pointing is not None]
    if pointing:
        row["pointing"] = torch.tensor(pointing).mean(0).tolist()
        row["times_chance"] = _over_seeds([hits / chance for hits, chance in pointing])
    if learnt is not None:
        row["learnt_against_it"] = _interval(_metric(study, learnt, weights) - own)
    return row


def _share(runs: Sequence[Result], weights: Tensor) -> Tensor:
    """Return in every resample the share of faces, in percent, whose evidence moves the answer most."""
    matters, asked = (torch.zeros(weights.shape[1]) for _ in range(2))
    for run in runs:
        assert run.evidence is not None
        known = ~run.evidence.isnan()
        matters.index_add_(0, run.groups[known], run.evidence[known])
        asked.index_add_(0, run.groups[known], torch.ones(int(known.sum())))
    return 100 * (weights @ matters) / (weights @ asked)


def _interval(values: Tensor) -> list[float]:
    """Return the value on all examples, and the middle 95 % of the resamples."""
    low, high = torch.quantile(values[1:], torch.tensor([0.025, 0.975])).tolist()
    return [float(values[0]), low, high]


def _over_seeds(values: Sequence[float]) -> list[float]:
    """Return the mean, and its 95 % interval where there are several."""
    mean = fmean(values)
    if len(values) < 2:
        return [mean]
    half = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return [mean, mean - half, mean + half]


def _line(mask: str, row: dict[str, object]) -> str:
    def cell(name: str, sign: str = "") -> str:
        value = row.get(name)
        if not isinstance(value, list):
            return ""
        return f"{value[0]:{sign}.1f} ({value[1]:{sign}.1f} to {value[2]:{sign}.1f})"

    densities, each = row["densities"], row["each"]
    assert isinstance(densities, list)
    assert isinstance(each, list)
    shares = f"{sum(densities) / 3:.2f} ({', '.join(f'{d:.2f}' for d in densities)})"
    singles = ", ".join(f"{value:.1f}" for value in each)
    millions = f"{row['multiply_adds'] / 1e6:.1f}"  # type: ignore[operator]
    pointing = row.get("pointing")
    hits = ""
    if isinstance(pointing, list):
        times = row["times_chance"]
        assert isinstance(times, list)
        over_seeds = f" ({times[1]:.2f} to {times[2]:.2f})" if len(times) == 3 else ""
        hits = f"{pointing[0]:.2f} of {pointing[1]:.2f}: {times[0]:.2f} times{over_seeds}"
    return (
        f"| {mask} | {shares} | {row['top_p']:.2f} | {millions} | {cell('value')} | {singles} |"
        f" {cell('against_dense', '+')} | {cell('learnt_against_it', '+')} | {hits} | {cell('evidence')} |"
    )
