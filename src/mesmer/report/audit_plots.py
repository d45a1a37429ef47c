"""The plots of an audit: groups of horizontal bars, as numbers that a template draws as SVG. No drawing library is needed.

Lengths are in units of the drawing, which is 330 wide and scales with the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mesmer.dataset.audit_record import UNITS, Audit
from mesmer.records import SPLITS
from mesmer.report.audit_grids import shown

WIDTH = 330
BARS_FROM = 108
BARS_WIDTH = 172
_BAR_HEIGHT = 14
_GAP = 9
_TOP = 26
_LABEL_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar. ``series`` chooses its colour, ``text`` stands at its end, ``label`` at its left if it opens a group."""

    series: str
    label: str
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawing: the section of the page it belongs to, its title, what it shows in words, its legend and its bars."""

    section: Literal["counts", "leakage", "labels"]
    title: str
    described: str
    legend: tuple[str, ...]
    height: float
    bars: tuple[Bar, ...]


def audit_plots(audit: Audit) -> tuple[Plot, ...]:
    """Return the plots of an audit, those that have something to show."""
    plots = [_leak_plot(audit), _label_plot(audit), *_length_plots(audit)]
    return tuple(plot for plot in plots if plot.bars)


def _label_plot(audit: Audit) -> Plot:
    groups = [(row.emotion, [(split, row.utterances[split], f"{row.utterances[split]:,}") for split in SPLITS])
              for row in audit.labels]  # fmt: skip
    most = max((value for _, bars in groups for _, value, _ in bars), default=0)
    words = "; ".join(f"{shown(name, 30)}: " + ", ".join(f"{s} {text}" for s, _, text in bars) for name, bars in groups)
    return _plot("labels", "Utterances that carry each emotion", words, groups, most=most)


def _leak_plot(audit: Audit) -> Plot:
    shares = [(f"{leak.unit}: {leak.of}", leak, leak.affected / leak.utterances) for leak in audit.leaks
              if leak.with_ == "train" and leak.known]  # fmt: skip
    groups = [(name, [(leak.of, share, f"{100 * share:.0f} %")]) for name, leak, share in shares]
    words = "; ".join(leak.sentence for _, leak, _ in shares)
    units = [UNITS[unit] for unit in dict.fromkeys(leak.unit for _, leak, _ in shares)]
    title = "Share of utterances whose " + " or ".join(name.removesuffix("s") for name in units) + " is also in train"
    return _plot("leakage", title, words, groups, most=1.0)


def _length_plots(audit: Audit) -> list[Plot]:
    plots = []
    for lengths in audit.lengths:
        totals = {split: sum(lengths.counts[split]) for split in SPLITS}
        used = [n for n in range(len(lengths.bins)) if any(lengths.counts[split][n] for split in SPLITS)]
        groups = []
        for n in range(min(used, default=0), max(used, default=-1) + 1):
            bars = [
                (split, lengths.counts[split][n] / totals[split], f"{100 * lengths.counts[split][n] / totals[split]:.0f} %")
                for split in SPLITS
                if totals[split]
            ]
            groups.append((lengths.bins[n], bars))
        most = max((share for _, bars in groups for _, share, _ in bars), default=0.0)
        words = "; ".join(f"{name}: " + ", ".join(f"{split} {text}" for split, _, text in bars) for name, bars in groups)
        plots.append(_plot("counts", f"{lengths.title}, share of each split", words, groups, most=most))
    return plots


def _plot(
    section: Literal["counts", "leakage", "labels"],
    title: str,
    described: str,
    groups: Sequence[tuple[str, Sequence[tuple[str, float, str]]]],
    *,
    most: float,
) -> Plot:
    """Lay out groups of (series, value, text) from top to bottom; the value ``most`` fills the width."""
    bars = []
    y = float(_TOP)
    for name, values in groups:
        for number, (series, value, text) in enumerate(values):
            label = shown(name, _LABEL_CHARS) if number == 0 else ""
            width = BARS_WIDTH * value / most if most else 0.0
            bars.append(Bar(series=series, label=label, y=y, width=round(width, 2), height=_BAR_HEIGHT - 1, text=text))
            y += _BAR_HEIGHT
        y += _GAP
    legend = tuple(split for split in SPLITS if any(bar.series == split for bar in bars))
    return Plot(section=section, title=title, described=described, legend=legend, height=y, bars=tuple(bars))
