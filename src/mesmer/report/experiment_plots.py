"""Figure 5: metrics and cost against p, with FE2E's level drawn in; and one model against seven on subsets of modalities.

Colours are those of Okabe and Ito, which people of every colour vision tell apart; marks and line styles differ as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesmer.evaluation.seed_intervals import Number
from mesmer.experiments.ablation import SEVEN
from mesmer.experiments.dial import Dial, DialPoint
from mesmer.experiments.result import Result
from mesmer.report.evaluation_plots import BLACK, BLUE, GREY, ORANGE, write_figure

_NAMES = {"accuracy": "accuracy (%)", "weighted_accuracy": "weighted accuracy (%)", "f1": "F1 (%)"}


def write_dial(dial: Dial, folder: Path) -> list[Path]:
    """Write ``figure5.png`` and ``figure5.svg``, and return the files. Raises MesmerError where they cannot be written."""
    return list(write_figure(dial_figure(dial), folder / dial.name))


def write_subsets(result: Result, folder: Path) -> list[Path]:
    """Write ``missing.png`` and ``missing.svg`` of that experiment. Returns and raises as :func:`write_dial`."""
    return list(write_figure(subsets_figure(result), folder / result.name))


def dial_figure(dial: Dial) -> Figure:
    """Return one panel per metric, and one for the multiply-adds, one below the other, over the same p."""
    figure = Figure(figsize=(5.6, 2.1 * (len(dial.metrics) + 1) + 0.9), layout="constrained")
    panels = list(figure.subplots(len(dial.metrics) + 1, 1, sharex=True))
    for metric, axes in zip(dial.metrics, panels, strict=False):
        _draw_level(axes, dial.level.average[metric])
        _draw_points(axes, dial.turned, metric, marker="o", line="-", colour=BLUE, label="MESM, dial turned after training")
        each = {"marker": "s", "line": "--", "colour": ORANGE, "label": "MESM, trained with each p"}
        _draw_points(axes, dial.retrained, metric, shift=0.012, **each)
        axes.set_ylabel(f"average\n{_NAMES[metric]}", fontsize=9)
    _draw_cost(panels[-1], dial)
    panels[-1].set_xlabel("p, the attention mass that the nucleus keeps", fontsize=9)
    panels[-1].set_xlim(0, 1.04)
    for axes in panels:
        axes.axvline(dial.trained_p, color=GREY, linewidth=1, linestyle="-", zorder=0, label="p of its training")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    runs = "1 run" if len(dial.seeds) == 1 else f"mean of {len(dial.seeds)} runs"
    bars = ", 95 % intervals" if dial.level.average["f1"].interval else ""
    figure.suptitle(
        f"MESM's answers and cost against p\n{dial.corpus}, test split, {runs}{bars}", fontsize=9, parse_math=False
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def subsets_figure(result: Result) -> Figure:
    """Return for each subset of the modalities the F1 of the one model beside that of the model trained on it."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    pairs = (("the one model, modalities hidden", BLUE, "o"), ("a model trained on the subset", ORANGE, "s"))
    for shift, (label, colour, marker) in enumerate(pairs):
        numbers = [row.average["f1"] for row in result.rows[shift : 2 * len(SEVEN) : 2]]
        places = [place + 0.16 * (2 * shift - 1) for place in range(len(SEVEN))]
        _draw_numbers(axes, places, numbers, marker=marker, line="", colour=colour, label=label)
    answered = next(row for row in result.rows if row.title == "answer all").average["f1"]
    axes.axhline(100 * answered.mean, color=BLACK, linewidth=0.9, linestyle=":", label="answer all, always")
    axes.set_xticks(range(len(SEVEN)), SEVEN)
    axes.set_xlabel("modalities given: text (T), audio (A), visual (V)", fontsize=9)
    axes.set_ylabel("average F1 (%)", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    runs = "1 run each" if len(result.seeds) == 1 else f"mean of {len(result.seeds)} runs"
    title = f"{result.corpus}, {result.utterances} test utterances, {runs}, 95 % intervals"
    axes.set_title(title, fontsize=9, parse_math=False)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def _draw_level(axes: Axes, number: Number) -> None:
    axes.axhline(
        100 * number.mean,
        color=BLACK,
        linewidth=1.1,
        linestyle=":",
        label="FE2E, with its interval" if number.interval else "FE2E",
    )
    if number.interval:
        axes.axhspan(*(100 * end for end in number.interval), color=BLACK, alpha=0.08, linewidth=0)


def _draw_points(
    axes: Axes,
    points: Sequence[DialPoint],
    metric: str,
    *,
    marker: str,
    line: str,
    colour: str,
    label: str,
    shift: float = 0.0,
) -> None:
    """Draw one metric at each p; ``shift`` keeps the intervals of two series apart."""
    if points:
        places = [point.top_p + shift for point in points]
        numbers = [point.average[metric] for point in points]
        _draw_numbers(axes, places, numbers, marker=marker, line=line, colour=colour, label=label)


def _draw_numbers(
    axes: Axes, places: Sequence[float], numbers: Sequence[Number], *, marker: str, line: str, colour: str, label: str
) -> None:
    means = [100 * number.mean for number in numbers]
    ends = [number.interval or (number.mean, number.mean) for number in numbers]
    # An interval is of resampled means and need not hold the mean itself; a bar has no negative length.
    below = [max(0.0, mean - 100 * low) for mean, (low, _) in zip(means, ends, strict=True)]
    above = [max(0.0, 100 * high - mean) for mean, (_, high) in zip(means, ends, strict=True)]
    axes.errorbar(
        places,
        means,
        yerr=(below, above),
        fmt=marker,
        linestyle=line,
        color=colour,
        markersize=5,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
        label=label,
    )


def _draw_cost(axes: Axes, dial: Dial) -> None:
    axes.axhline(dial.level.multiply_adds / 1e6, color=BLACK, linewidth=1.1, linestyle=":")
    for points, marker, line, colour in ((dial.turned, "o", "-", BLUE), (dial.retrained, "s", "--", ORANGE)):
        costs = [point.multiply_adds / 1e6 for point in points]
        axes.plot([point.top_p for point in points], costs, marker=marker, linestyle=line, color=colour, markersize=5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("multiply-adds\nper utterance (M)", fontsize=9)
