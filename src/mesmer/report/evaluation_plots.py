"""The figures of an evaluation, PNG and SVG: reliability, coverage against risk, and what is taken for what.

Colours are those of Okabe and Ito, which people of every colour vision tell apart; marks and line styles differ as well.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mesmer.evaluation.abstention import CoverageRisk
from mesmer.evaluation.curves import Reliability, coverage_curves, reliability
from mesmer.evaluation.evaluate import Evaluation
from mesmer.evaluation.measures import BINS
from mesmer.storage.atomic import write_bytes

BLUE, ORANGE, GREY, BLACK = "#0072B2", "#D55E00", "#BBBBBB", "#333333"
_DPI = 150
_PANEL_INCHES = 2.6
_LEAST_KEPT = 10
"""A risk among fewer decisions than these is luck; the curve starts there."""


def write_plots(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Write every figure of an evaluation as PNG and SVG, and return the files.

    Raises:
        MesmerError: a file cannot be written.
    """
    figures = {
        "reliability": reliability_figure(evaluation),
        "coverage_risk": coverage_figure(evaluation),
        evaluation.table.confusion.kind.replace("-", "_"): confusion_figure(evaluation),
    }
    return [
        path for name, figure in figures.items() if figure is not None for path in write_figure(figure, Path(folder) / name)
    ]


def reliability_figure(evaluation: Evaluation) -> Figure:
    """Return one panel per emotion: share expressed against mean probability, and how many utterances each bin holds."""
    truth, answer, raw = evaluation.truth, evaluation.answers[0], evaluation.uncalibrated
    figure, panels = _panels(truth.emotions, f"Reliability: {_what(evaluation)}")
    for i, (emotion, axes) in enumerate(zip(truth.emotions, panels, strict=False)):
        told = reliability(truth.labels[:, i], answer.probabilities[:, i])
        before = None if raw is None else reliability(truth.labels[:, i], raw[:, i])
        _draw_reliability(axes, told, before, utterances=len(truth.ids))
        was = "" if before is None else f", uncalibrated {100 * before.error:.1f} %"
        axes.set_title(f"{emotion}\nECE {100 * told.error:.1f} %{was}", fontsize=9, parse_math=False)
    _label(figure, "mean probability in the bin", "share of utterances that express it")
    return figure


def coverage_figure(evaluation: Evaluation) -> Figure | None:
    """Return one panel per emotion: share of wrong decisions among those kept, against the share kept."""
    curves = coverage_curves(evaluation)
    if curves is None:
        return None
    name = f"Leaving out the decisions nearest to their threshold: {_what(evaluation)}"
    figure, panels = _panels(evaluation.truth.emotions, name)
    highest = max(float(curve.risk[-1]) for curve in curves.values())
    for (emotion, curve), axes in zip(curves.items(), panels, strict=False):
        _draw_coverage(axes, curve, utterances=len(evaluation.truth.ids))
        axes.set_ylim(0, max(1.0, 140 * highest))
        axes.set_title(emotion, fontsize=9, parse_math=False)
    _label(figure, "decisions kept (%)", "wrong among those kept (%)")
    return figure


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Return a grid of shares: what is answered (columns) where what is expressed (rows)."""
    found = evaluation.table.confusion
    shares = 100 * found.shares()
    figure = Figure(figsize=(2.4 + 0.62 * len(found.columns), 2.0 + 0.5 * len(found.rows)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for i in range(len(found.rows)):
        for j in range(len(found.columns)):
            colour = "white" if shares[i, j] < 55 else "black"
            text = f"{shares[i, j]:.0f}" if found.totals[i] else "-"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    rows = [f"{name} ({count})" for name, count in zip(found.rows, found.totals, strict=True)]
    axes.set_xticks(range(len(found.columns)), found.columns, rotation=40, ha="right", fontsize=8, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, fontsize=8, parse_math=False)
    axes.set_xlabel("answered" if found.kind == "confusion" else "decided")
    axes.set_ylabel("expressed (utterances)")
    bar = figure.colorbar(image, ax=axes)
    bar.set_label("% of the row's utterances")
    axes.set_title(f"{found.kind.capitalize()}: {_what(evaluation)}", fontsize=9, parse_math=False)
    return figure


def _what(evaluation: Evaluation) -> str:
    title, name = evaluation.answers[0].title, evaluation.table.title
    return title if title == name else f"{title}, {name}"


def _draw_reliability(axes: Axes, told: Reliability, before: Reliability | None, *, utterances: int) -> None:
    axes.bar(told.starts + 0.5 / BINS, told.counts / utterances, width=0.9 / BINS, color=GREY, label="share of utterances")
    axes.plot([0, 1], [0, 1], color=BLACK, linewidth=0.8, linestyle=":", label="probabilities that mean what they say")
    if before is not None:
        axes.plot(before.confidence, before.rate, "s--", color=ORANGE, markersize=3.5, linewidth=1, label="uncalibrated")
    label = "calibrated" if before is not None else "as given"
    axes.plot(told.confidence, told.rate, "o-", color=BLUE, markersize=4.5, linewidth=1.4, label=label)
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


def _draw_coverage(axes: Axes, curve: CoverageRisk, *, utterances: int) -> None:
    shown = np.round(curve.coverage * utterances) >= min(_LEAST_KEPT, utterances)
    level = 100 * curve.risk[-1]
    axes.plot([0, 100], [level, level], color=BLACK, linewidth=0.8, linestyle=":", label="nothing left out")
    axes.plot(100 * curve.coverage[shown], 100 * curve.risk[shown], "-", color=BLUE, linewidth=1.5, label="kept")
    if curve.stored_coverage is not None and curve.stored_risk is not None:
        point = (100 * curve.stored_coverage, 100 * curve.stored_risk)
        axes.plot(*point, "D", color=ORANGE, markersize=6, label="the model's rule of 'unsure'")
    axes.set(xlim=(0, 101), xticks=[0, 50, 100])


def _panels(emotions: tuple[str, ...], title: str) -> tuple[Figure, list[Axes]]:
    across = min(3, len(emotions))
    down = -(-len(emotions) // across)
    size = (max(4.4, _PANEL_INCHES * across + 0.5), _PANEL_INCHES * down + 1.1)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    panels = [axes for row in grid for axes in row]
    for axes in panels[len(emotions) :]:
        axes.set_visible(False)
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[max(0, len(emotions) - across) : len(emotions)]:
        axes.tick_params(labelbottom=True)
    figure.suptitle(title, fontsize=10, parse_math=False)
    return figure, panels


def _label(figure: Figure, x: str, y: str) -> None:
    for axes in figure.axes:
        if axes.get_visible() and axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)


def write_figure(figure: Figure, stem: Path) -> Iterator[Path]:
    """Write one figure twice; the same figure gives the same bytes."""
    FigureCanvasAgg(figure)
    # The salt and the missing date keep the SVG from being another one each time.
    with matplotlib.rc_context({"svg.hashsalt": "mesmer", "svg.fonttype": "none"}):
        for suffix in (".png", ".svg"):
            data = io.BytesIO()
            metadata = {"Date": None} if suffix == ".svg" else None
            figure.savefig(data, format=suffix[1:], dpi=_DPI, metadata=metadata)
            path = stem.with_suffix(suffix)
            write_bytes(path, data.getvalue())
            yield path
