"""The results of experiments as plain rows of text, for the terminal and for every file."""

from __future__ import annotations

from collections.abc import Mapping

from mesmer.evaluation.seed_intervals import Number
from mesmer.experiments.dial import Dial, DialPoint
from mesmer.experiments.result import PaperNumbers, Result, ResultRow
from mesmer.report.audit_grids import NOTHING, Grid
from mesmer.report.evaluation_table import HEADINGS, interval_text, percent

IN_PAPER = "as printed in the paper"


def result_grids(result: Result) -> list[Grid]:
    """Return the averages, the metrics of each emotion, and the differences; titles say what they are of."""
    grids = [_averages(result), *(_by_emotion(result, metric) for metric in (result.metrics[0], "f1"))]
    return [*grids, *([_differences(result)] if result.differences else [])]


def dial_grids(dial: Dial) -> list[Grid]:
    """Return the numbers of Figure 5."""
    named = [("MESM, dial turned", dial.turned), ("MESM, trained with each p", dial.retrained), ("FE2E", (dial.level,))]
    rows = [_point_row(title, point, dial) for title, points in named for point in points]
    headings = ("model", "p", "M multiply-adds", "of FE2E's (%)", *(HEADINGS[metric] for metric in dial.metrics))
    return [Grid(title=f"Metrics and cost against p, {dial.corpus}", headings=headings, rows=tuple(rows))]


def _averages(result: Result) -> Grid:
    costs = any(row.cost for row in result.rows)
    printed = any(row.paper and row.paper.giga_flops for row in result.rows)
    headings = ["answer"]
    headings += ["runs", "M multiply-adds", "M per second"] if costs else []
    headings += ["paper: G FLOPs per second"] if printed else []
    headings += [HEADINGS[metric] for metric in result.metrics]
    rows = []
    for row in result.rows:
        cells = [row.title]
        cells += _cost_cells(row) if costs else []
        cells += [NOTHING] if printed else []
        if row.note:
            rows.append((*cells, row.note, *[NOTHING] * (len(result.metrics) - 1)))
        else:
            rows.append((*cells, *(number_text(row.average[metric]) for metric in result.metrics)))
        if row.paper:
            blank = [NOTHING] * 3 if costs else []
            flops = [f"{row.paper.giga_flops:g}" if row.paper.giga_flops else NOTHING] if printed else []
            rows.append((IN_PAPER, *blank, *flops, *_printed_cells(row.paper.average, result.metrics)))
    return Grid(title=f"{result.title}: averages", headings=tuple(headings), rows=tuple(rows))


def _by_emotion(result: Result, metric: str) -> Grid:
    headings = ("answer", *(f"{emotion} ({result.positives[emotion]})" for emotion in result.emotions))
    rows = []
    for row in result.rows:
        if row.note:
            rows.append((row.title, row.note, *[NOTHING] * (len(result.emotions) - 1)))
        else:
            rows.append((row.title, *(number_text(row.per_emotion[e][metric], ends=False) for e in result.emotions)))
        if row.paper and row.paper.per_emotion:
            rows.append((IN_PAPER, *_printed_emotions(row.paper, metric, result)))
    return Grid(title=f"{HEADINGS[metric]} by emotion", headings=headings, rows=tuple(rows))


def _differences(result: Result) -> Grid:
    rows = [(one.title, *(number_text(one.average[metric]) for metric in result.metrics)) for one in result.differences]
    headings = ("difference", *(HEADINGS[metric] for metric in result.metrics))
    return Grid(title="Differences of the averages, in percentage points", headings=headings, rows=tuple(rows))


def _cost_cells(row: ResultRow) -> list[str]:
    runs = str(row.runs) if row.runs else NOTHING
    if row.cost is None:
        return [runs, NOTHING, NOTHING]
    return [runs, f"{row.cost.multiply_adds / 1e6:.1f}", f"{row.cost.per_second / 1e6:.1f}"]


def _printed_cells(numbers: Mapping[str, float], metrics: tuple[str, ...]) -> list[str]:
    return [f"{numbers[metric]:.1f}" if metric in numbers else NOTHING for metric in metrics]


def _printed_emotions(paper: PaperNumbers, metric: str, result: Result) -> list[str]:
    numbers = [paper.per_emotion.get(emotion, {}).get(metric) for emotion in result.emotions]
    return [NOTHING if number is None else f"{number:.1f}" for number in numbers]


def _point_row(title: str, point: DialPoint, dial: Dial) -> tuple[str, ...]:
    share = 100 * point.multiply_adds / dial.level.multiply_adds
    numbers = (number_text(point.average[metric]) for metric in dial.metrics)
    top_p = NOTHING if point is dial.level else f"{point.top_p:g}"
    return (title, top_p, f"{point.multiply_adds / 1e6:.1f}", f"{share:.0f}", *numbers)


def number_text(number: Number, *, ends: bool = True) -> str:
    """``64.2 ± 1.3 (58.1-69.9)``, with what there is of it; a negative end is set with "to"."""
    text = percent(number.mean)
    if number.deviation is not None:
        text += f" ± {percent(number.deviation)}"
    if ends and number.interval is not None:
        low, high = number.interval
        text += f" ({percent(low)} to {percent(high)})" if low < 0 else f" ({interval_text(number.interval)})"
    return text
