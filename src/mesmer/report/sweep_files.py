"""A sweep as files: every trial and what mattered as Markdown, CSV and JSON, and a figure of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mesmer.experiments.sweep import SweepResult
from mesmer.experiments.sweep_spec import Choice, Range, Value
from mesmer.experiments.sweep_study import DONE, PRUNED, Trial
from mesmer.report.audit_grids import NOTHING, Grid
from mesmer.report.evaluation_plots import BLACK, BLUE, GREY, ORANGE, write_figure
from mesmer.report.text_grids import markdown_grid, markdown_text
from mesmer.storage.atomic import write_text

_PANEL_INCHES = 2.6
_MOST_PANELS = 12
_SHOWN = 20
_NOTE = (
    "F1: average over emotions on the validation split, best epoch, thresholds chosen on the same utterances: good for "
    "choosing, too high to report. The test split was not looked at."
)
_IMPORTANCE_NOTE = (
    "Share of what sets the best tenth of the finished trials apart from all of them that lies in each key (PED-ANOVA): a "
    "rough guide with a few dozen trials."
)


def write_sweep(result: SweepResult) -> list[Path]:
    """Write the table ``trials`` (CSV, Markdown, JSON) and the figure ``trials`` (PNG, SVG) into the sweep's folder.

    Raises:
        MesmerError: a file cannot be written.
    """
    folder = result.folder
    texts = {
        "trials.csv": _csv(result),
        "trials.md": _markdown(result),
        "trials.json": json.dumps(result.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [*(folder / name for name in texts), *write_figure(sweep_figure(result), folder / "trials")]


def sweep_grids(result: SweepResult, *, most: int = _SHOWN) -> list[Grid]:
    """Return the best trials, and what mattered."""
    keys = list(result.spec.keys)
    ranked = sorted(result.trials, key=lambda trial: (trial.state != DONE, -(trial.f1 or 0.0), trial.number))
    rows = tuple((str(t.number), str(t.state), _f1(t), _epochs(t), *(_cell(t, key) for key in keys)) for t in ranked[:most])
    states = [trial.state for trial in result.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(str(state) for state in states))
    title = f"Sweep on {result.data}: {len(states)} trials ({counts})"
    title += f", the best {most}" if len(states) > most else ""
    grids = [Grid(title=title, headings=("trial", "ended", "F1", "epochs", *keys), rows=rows, note=_NOTE)]
    if result.importance:
        shares = sorted(result.importance.items(), key=lambda item: -item[1])
        rows = tuple((key, f"{100 * share:.0f}") for key, share in shares)
        grids.append(Grid(title="What mattered", headings=("key", "share (%)"), rows=rows, note=_IMPORTANCE_NOTE))
    return grids


def sweep_figure(result: SweepResult) -> Figure:
    """Return a panel of what mattered, and one per key: the F1 of every trial against its value."""
    keys = sorted(result.spec.keys, key=lambda key: -result.importance.get(key, 0.0))[:_MOST_PANELS]
    across = min(3, len(keys) + 1)
    down = -(-(len(keys) + 1) // across)
    figure = Figure(figsize=(_PANEL_INCHES * across + 0.9, _PANEL_INCHES * down + 0.9), layout="constrained")
    panels = [axes for row in figure.subplots(down, across, squeeze=False) for axes in row]
    for axes in panels[len(keys) + 1 :]:
        axes.set_visible(False)
    _draw_importance(panels[0], result)
    for key, axes in zip(keys, panels[1:], strict=False):
        _draw_key(axes, result, key)
    for axes in panels:
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    title = f"Sweep on {result.data}: {len(result.trials)} trials, method {result.spec.method}"
    figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def _draw_importance(axes: Axes, result: SweepResult) -> None:
    axes.set_title("what mattered", fontsize=8)
    if not result.importance:
        axes.text(
            0.5, 0.5, "too few finished trials to say", ha="center", va="center", fontsize=7, transform=axes.transAxes
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return
    shares = sorted(result.importance.items(), key=lambda item: item[1])[-_MOST_PANELS:]
    axes.barh(range(len(shares)), [100 * share for _, share in shares], color=GREY, edgecolor=BLACK, linewidth=0.6)
    axes.set_yticks(range(len(shares)), [_short(key) for key, _ in shares], parse_math=False)
    axes.set_xlabel("share of importance (%)", fontsize=8)


def _draw_key(axes: Axes, result: SweepResult, key: str) -> None:
    of = result.spec.keys[key]
    for state, marker, colour, filled in ((PRUNED, "v", ORANGE, False), (DONE, "o", BLUE, True)):
        trials = [t for t in result.trials if t.state == state and t.f1 is not None]
        places = [_place(of, trial.values[key]) for trial in trials]
        label = {DONE: "trained to the end", PRUNED: "pruned"}[state]
        face = colour if filled else "none"
        heights = [100 * (trial.f1 or 0.0) for trial in trials]
        axes.scatter(places, heights, marker=marker, s=22, facecolors=face, edgecolors=colour, linewidths=1, label=label)
    best = (_place(of, result.best.values[key]), 100 * (result.best.f1 or 0.0))
    axes.scatter(*best, marker="*", s=110, facecolors="none", edgecolors=BLACK, linewidths=1, label="the best")
    if isinstance(of, Choice):
        axes.set_xticks(range(len(of.values)), [_text(value) for value in of.values], parse_math=False)
        axes.set_xlim(-0.5, len(of.values) - 0.5)
    elif of.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))  # more labels would lie over each other
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(_short(key), fontsize=8, parse_math=False)
    axes.set_ylabel("validation F1 (%)", fontsize=8)


def _place(of: Choice | Range, value: Value) -> float:
    if isinstance(of, Choice):
        return next(float(i) for i, one in enumerate(of.values) if type(one) is type(value) and one == value)
    assert isinstance(value, (int, float))
    return float(value)


def _short(key: str) -> str:
    return key.removeprefix("model.").removeprefix("train.")


def _f1(trial: Trial) -> str:
    return NOTHING if trial.f1 is None else f"{100 * trial.f1:.1f}"


def _epochs(trial: Trial) -> str:
    return NOTHING if trial.epochs is None else str(trial.epochs)


def _cell(trial: Trial, key: str) -> str:
    return _text(trial.values[key]) if key in trial.values else NOTHING


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)


def _csv(result: SweepResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(result.spec.keys)
    writer.writerow(["trial", "ended", "valid_f1", "epochs", "best_epoch", *keys, "reason"])
    for trial in result.trials:
        told: list[Any] = [trial.number, trial.state, trial.f1, trial.epochs, trial.best_epoch]
        told += [trial.values.get(key) for key in keys]
        writer.writerow(["" if cell is None else cell for cell in [*told, trial.reason]])
    return text.getvalue()


def _markdown(result: SweepResult) -> str:
    parts = []
    for grid in sweep_grids(result, most=len(result.trials)):
        table = markdown_grid(grid.headings, grid.rows)
        parts += [f"**{markdown_text(grid.title)}**", table, markdown_text(grid.note)]
    return "\n\n".join(parts) + "\n"
