"""The study of a composite corpus as tables, files and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesmer.evaluation.paired import Difference
from mesmer.evaluation.table import Row
from mesmer.experiments.ablation import SEVEN
from mesmer.experiments.composite_result import LOSS_ALLOWED, CompositeStudy, Versus
from mesmer.report.audit_grids import NOTHING, Grid
from mesmer.report.evaluation_plots import BLACK, BLUE, GREY, ORANGE, write_figure
from mesmer.report.evaluation_table import HEADINGS, interval_text, percent
from mesmer.report.experiment_files import grid_rows, write_grids

_SHOWN = ("accuracy", "weighted_accuracy", "f1", "auroc", "calibration_error")


def write_study(study: CompositeStudy, folder: Path, *, command: str) -> list[Path]:
    """Write ``composite.md``, ``.tex``, ``.csv``, ``.json``, ``.png`` and ``.svg``, and return the files.

    Raises:
        MesmerError: a file cannot be written.
    """
    grids = study_grids(study)
    files = write_grids(
        folder / study.name,
        title=f"A composite corpus, {study.table.utterances} utterances of the test split",
        grids=grids,
        notes=study.notes,
        warnings=study.warnings,
        command=command,
        rows=grid_rows(grids),
        told=study.to_json(),
    )
    return [*files, *write_figure(study_figure(study), folder / study.name)]


def study_grids(study: CompositeStudy) -> list[Grid]:
    """Return the answers, fused against part, shuffled against not, and the answers against p."""
    grids = [_answers(study), _versus("Fused against the best part, average F1", "best part", study.fusions)]
    grids.append(
        _versus("The model against itself on shuffled data, average F1", "data", study.losses, note=_verdict(study))
    )
    if study.curve_table is not None:
        grids.append(_curve(study))
    return grids


def _answers(study: CompositeStudy) -> Grid:
    rows = []
    for row in study.table.rows:
        numbers, ends = row.average.to_json(), {} if row.intervals is None else row.intervals.average
        cells = [_with_interval(numbers[name], ends.get(name)) for name in _SHOWN]
        valid = percent(study.valid_f1[row.name]) if row.name in study.valid_f1 else NOTHING
        rows.append((row.title, *cells, valid))
    headings = ("answer", *(HEADINGS[name] for name in _SHOWN), "F1, validation")
    return Grid(title="Answers", headings=headings, rows=tuple(rows))


def _versus(title: str, second: str, pairs: Sequence[Versus], *, note: str = "") -> Grid:
    rows = []
    for pair in pairs:
        voices, sentences = pair.by_speaker.average["f1"], pair.by_sentence.average["f1"]
        ends = [_ends(one) for one in (voices, sentences)]
        p = [_p(one) for one in (voices, sentences)]
        numbers = (percent(voices.first), percent(voices.second), f"{100 * voices.difference:+.1f}")
        rows.append((pair.first, pair.second, *numbers, ends[0], p[0], ends[1], p[1]))
    headings = ("answer", second, "F1", "its F1", "difference", "by voice", "p", "by sentence", "p")
    return Grid(title=title, headings=headings, rows=tuple(rows), note=note)


def _verdict(study: CompositeStudy) -> str:
    row = study.table.row("all shuffled")
    ends = None if row.intervals is None else row.intervals.average["auroc"]
    found = "no better than chance" if study.chance else "BETTER THAN CHANCE: the construction leaks"
    return f"All shuffled: AUROC {_with_interval(row.average.auroc, ends)}, {found}."


def _curve(study: CompositeStudy) -> Grid:
    assert study.curve_table is not None
    dense = study.curve[-1].multiply_adds
    rows = []
    for point in study.curve:
        row = study.curve_table.row(f"p={point.top_p:g}")
        difference = point.against_dense.average["f1"]
        rows.append(
            (
                f"{point.top_p:g}",
                f"{point.multiply_adds / 1e6:.1f}",
                f"{100 * point.multiply_adds / dense:.0f}",
                _f1(row),
                f"{100 * difference.difference:+.1f}",
                _ends(difference),
                _p(difference),
                percent(point.valid_f1),
            )
        )
    headings = ("p", "M multiply-adds", "% of p = 1", "F1", "less p = 1", "by voice", "p-value", "F1, validation")
    note = (
        f"Trained with p = {study.trained_p:g}. Knee: p = {study.knee:g}, the smallest that loses at most "
        f"{100 * LOSS_ALLOWED:g} point on the validation split. Multiply-adds of an utterance, in the convolution branches."
    )
    return Grid(title="Answers against p", headings=headings, rows=tuple(rows), note=note)


def study_figure(study: CompositeStudy) -> Figure:
    """Return F1 of every answer with its interval, and below it F1 against multiply-adds, each point with its p."""
    panels = 1 if study.curve_table is None else 2
    figure = Figure(figsize=(6.0, 3.4 * panels), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    _draw_answers(axes[0], study)
    if study.curve_table is not None:
        _draw_curve(axes[1], study)
    for one in axes:
        one.tick_params(labelsize=8)
        one.spines[["top", "right"]].set_visible(False)
        one.set_ylabel("average F1 (%)", fontsize=9)
    ends = ", 95 % intervals" if study.table.rows[0].intervals else ""
    title = f"{study.corpus}: {study.table.utterances} test utterances{ends}"
    figure.suptitle(title + "\nmodalities come from different people", fontsize=9, parse_math=False)
    return figure


def _draw_answers(axes: Axes, study: CompositeStudy) -> None:
    rows = [row for row in study.table.rows if row.name in SEVEN or row.name.endswith("shuffled")]
    for place, row in enumerate(rows):
        shuffled = row.name.endswith("shuffled")
        _draw_bar(axes, place, row, ORANGE if shuffled else BLUE, "s" if shuffled else "o")
    axes.axhline(
        100 * study.table.row("all").average.f1, color=BLACK, linewidth=0.9, linestyle=":", label="answer all, always"
    )
    axes.set_xticks(range(len(rows)), [row.name.replace(" ", "\n") for row in rows])
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False, loc="lower left")


def _draw_curve(axes: Axes, study: CompositeStudy) -> None:
    assert study.curve_table is not None
    costs = [point.multiply_adds / 1e6 for point in study.curve]
    rows = [study.curve_table.row(f"p={point.top_p:g}") for point in study.curve]
    axes.plot(costs, [100 * row.average.f1 for row in rows], color=BLUE, linewidth=1.2)
    for cost, point, row in zip(costs, study.curve, rows, strict=True):
        _draw_bar(axes, cost, row, BLUE, "o")
        axes.annotate(f"{point.top_p:g}", (cost, 100 * row.average.f1), (3, 5), textcoords="offset points", fontsize=7)
        if point.top_p == study.knee:
            axes.axvline(cost, color=GREY, linewidth=1, zorder=0, label=f"knee: p = {point.top_p:g}")
    axes.set_xlim(left=0)
    axes.set_xlabel("multiply-adds per utterance (M), each point with its p", fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _draw_bar(axes: Axes, place: float, row: Row, colour: str, marker: str) -> None:
    value = 100 * row.average.f1
    low, high = (value, value) if row.intervals is None else (100 * end for end in row.intervals.average["f1"])
    spread = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar([place], [value], yerr=spread, fmt=marker, color=colour, markersize=5, elinewidth=0.9, capsize=2)


def _f1(row: Row) -> str:
    return _with_interval(row.average.f1, None if row.intervals is None else row.intervals.average["f1"])


def _with_interval(value: float, ends: Any) -> str:
    return percent(value) + (f" ({interval_text(ends)})" if ends is not None else "")


def _ends(difference: Difference) -> str:
    if difference.interval is None:
        return NOTHING
    low, high = difference.interval
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _p(difference: Difference) -> str:
    return NOTHING if difference.p is None else f"{difference.p:.3f}"
