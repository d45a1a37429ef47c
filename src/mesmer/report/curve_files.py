"""The curves of single modalities as files: tables, and a figure of F1 over the share of sites that were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mesmer.experiments.curves import Curve, CurvePoint, Curves
from mesmer.report.audit_grids import Grid
from mesmer.report.evaluation_plots import BLACK, BLUE, ORANGE, write_figure
from mesmer.report.experiment_files import write_grids
from mesmer.report.experiment_grids import number_text

TITLE = "F1 against the share of sites looked at"
_TITLES = {"TAV": "all modalities", "A": "sound alone", "V": "picture alone"}
_STYLES = {"TAV": (BLACK, "o", "-"), "A": (ORANGE, "s", "--"), "V": (BLUE, "^", "-.")}


def write_curves(curves: Curves, folder: Path, *, command: str) -> list[Path]:
    """Write ``curves.md``, ``.tex``, ``.csv``, ``.json``, ``.png`` and ``.svg``, and return the files.

    Args:
        command: what made them.

    Raises:
        MesmerError: a file cannot be written.
    """
    stem = folder / curves.name
    files = write_grids(
        stem,
        title=TITLE,
        grids=curve_grids(curves),
        notes=curves.notes,
        warnings=curves.warnings,
        command=command,
        rows=_rows(curves),
        told=curves.to_json(),
    )
    return [*files, *write_figure(curve_figure(curves), stem)]


def curve_grids(curves: Curves) -> list[Grid]:
    """Return one table: a row for each model and p."""
    headings = ("model", "p", "density, faces", "density, sound", "M multiply-adds", "of dense (%)", "average F1 (%)")
    rows = tuple(_cells(curve, point) for curve in curves.curves for point in curve.points)
    knees = "; ".join(f"{_title(curve)} {curve.knee:g}" for curve in curves.curves)
    note = f"Knee, the smallest p from which on average F1 stays within 1 point of that at the largest: {knees}."
    return [Grid(title=f"{TITLE}, {curves.corpus}", headings=headings, rows=rows, note=note)]


def curve_figure(curves: Curves) -> Figure:
    """Return F1 over density, one line per model, and below it the executed share of multiply-adds over p."""
    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1)
    for curve in curves.curves:
        colour, marker, line = _STYLES.get(curve.subset, (BLACK, "o", ":"))
        places = [_density(point) for point in curve.points]
        means = [100 * point.f1.mean for point in curve.points]
        ends = [point.f1.interval or (point.f1.mean, point.f1.mean) for point in curve.points]
        low = [max(0.0, mean - 100 * end[0]) for mean, end in zip(means, ends, strict=True)]
        high = [max(0.0, 100 * end[1] - mean) for mean, end in zip(means, ends, strict=True)]
        above.errorbar(
            places, means, yerr=(low, high), fmt=marker, linestyle=line, color=colour, markersize=5, linewidth=1.4,
            elinewidth=0.9, capsize=2, label=_title(curve),
        )  # fmt: skip
        shares = [100 * point.multiply_adds / point.dense_multiply_adds for point in curve.points]
        below.plot(
            [point.top_p for point in curve.points], shares, marker=marker, linestyle=line, color=colour, markersize=5
        )
    above.set_xlabel("density: share of sites that the first sparse block keeps", fontsize=9)
    above.set_ylabel("average F1 (%)", fontsize=9)
    below.set_xlabel("p, the attention mass that the nucleus keeps", fontsize=9)
    below.set_ylabel("multiply-adds\n(% of skipping nothing)", fontsize=9)
    below.set_ylim(bottom=0)
    for axes in (above, below):
        axes.set_xlim(0, 1.04)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    runs = "1 run each" if len(curves.seeds) == 1 else f"mean of {len(curves.seeds)} runs each"
    bars = ", 95 % intervals" if curves.curves[0].points[0].f1.interval else ""
    above.set_title(f"{curves.corpus}, test split, {runs}{bars}", fontsize=9, parse_math=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _title(curve: Curve) -> str:
    return _TITLES.get(curve.subset, curve.subset)


def _density(point: CurvePoint) -> float:
    """Return the mean over the modalities; where none was counted (a dense model) all is looked at."""
    return sum(point.density.values()) / len(point.density) if point.density else 1.0


def _cells(curve: Curve, point: CurvePoint) -> tuple[str, ...]:
    each = (f"{point.density[name]:.2f}" if name in point.density else "-" for name in ("visual", "audio"))
    share = 100 * point.multiply_adds / point.dense_multiply_adds
    cost = f"{point.multiply_adds / 1e6:.1f}"
    return (_title(curve), f"{point.top_p:g}", *each, cost, f"{share:.0f}", number_text(point.f1))


def _rows(curves: Curves) -> list[Sequence[Any]]:
    headings = ["subset", "p", "density_visual", "density_audio", "multiply_adds", "dense_multiply_adds", "f1_mean",
                "f1_deviation", "f1_low", "f1_high"]  # fmt: skip
    rows: list[Sequence[Any]] = [headings]
    for curve in curves.curves:
        for point in curve.points:
            densities = [point.density.get(name, "") for name in ("visual", "audio")]
            deviation = "" if point.f1.deviation is None else point.f1.deviation
            ends = point.f1.interval or ("", "")
            cost = [point.multiply_adds, point.dense_multiply_adds]
            rows.append([curve.subset, point.top_p, *densities, *cost, point.f1.mean, deviation, *ends])
    return rows
