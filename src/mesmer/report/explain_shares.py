"""Which modality, and which word, speaks for which emotion: bars and coloured words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mesmer.explain.explanation import Explanation
from mesmer.records import MODALITIES
from mesmer.report.audit_grids import shown
from mesmer.report.explain_marks import COLOURS, COLUMN_IN, HATCHES, drawing_style, save_figure

MOST_WORDS = 80
_LINE_CHARS = 44


def write_share_pictures(explanation: Explanation, folder: Path) -> list[Path]:
    """Write ``shares`` and, where there are words, ``words``, each as PNG and SVG.

    Raises:
        MesmerError: they cannot be written.
    """
    with drawing_style():
        paths = save_figure(share_figure(explanation), folder / "shares.png")
        if explanation.words is not None and len(explanation.words.spans):
            paths += save_figure(word_figure(explanation), folder / "words.png")
    return paths


def share_figure(explanation: Explanation) -> Figure:
    """Return stacked bars: what each modality adds to the log-odds of each emotion, and the sum as a mark."""
    emotions = explanation.emotions
    figure = Figure(figsize=(COLUMN_IN, 0.24 * len(emotions) + 0.68))
    axes = figure.add_axes((0.22, 0.34 / figure.get_figheight(), 0.75, 1 - 0.58 / figure.get_figheight()))
    places = np.arange(len(emotions))
    above, below = np.zeros(len(emotions)), np.zeros(len(emotions))
    parts = {name: explanation.shares[name] for name in MODALITIES if name in explanation.shares}
    if np.any(explanation.offsets):
        parts["offset"] = explanation.offsets
    for name, values in parts.items():
        left = np.where(values > 0, above, below)
        axes.barh(places, values, 0.66, left, color=COLOURS[name], hatch=HATCHES[name], edgecolor="white", lw=0, label=name)
        above, below = above + np.clip(values, 0, None), below + np.clip(values, None, 0)
    axes.plot(explanation.log_odds, places, "D", ms=3.6, color="black", label="sum", zorder=3)
    axes.axvline(0, color="black", lw=0.6)
    labels = [f"{shown(name, 16)}{' *' if name in explanation.decisions else ''}" for name in emotions]
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlabel("part of the log-odds (* expressed)", labelpad=1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="upper center", ncols=len(parts) + 1, frameon=False, fontsize=6, handlelength=1.4, columnspacing=1)
    return figure


def word_figure(explanation: Explanation) -> Figure:
    """Return the transcript, each word on a colour that says how much it speaks for or against the likeliest emotion."""
    words = explanation.words
    assert words is not None
    values = words.influence[:MOST_WORDS, explanation.leading]
    said = [shown(explanation.clip.text[begin:end], 24) for begin, end in words.spans[:MOST_WORDS]]
    lines: list[list[int]] = [[]]
    used = 0
    for number, word in enumerate(said):
        room = max(len(word), 6) + 1
        if used + room > _LINE_CHARS and lines[-1]:
            lines.append([])
            used = 0
        lines[-1].append(number)
        used += room
    height = 0.36 * len(lines) + 0.3
    figure = Figure(figsize=(COLUMN_IN, height))
    axes = figure.add_axes((0.01, 0.0, 0.98, 1.0))
    axes.set_xlim(0, _LINE_CHARS)
    axes.set_ylim(height, 0)
    axes.axis("off")
    emotion = explanation.emotions[explanation.leading]
    cut = "" if len(words.spans) <= MOST_WORDS else f", first {MOST_WORDS} of {len(words.spans)} words"
    axes.text(0, 0.13, f"what each word adds to the log-odds of {shown(emotion, 20)}{cut}", va="center")
    limit = max(float(np.abs(values).max()), 1e-9)
    colour = colormaps["PuOr_r"]
    for row, line in enumerate(lines):
        x, y = 0.0, 0.3 + 0.36 * row
        for number in line:
            room = max(len(said[number]), 6)
            strength = values[number] / limit
            axes.add_patch(Rectangle((x, y), room, 0.32, color=colour(0.5 + 0.42 * strength), lw=0))
            ink = "white" if abs(strength) > 0.75 else "black"
            axes.text(x + room / 2, y + 0.11, said[number], ha="center", va="center", fontsize=6.5, color=ink)
            number_text = f"{values[number]:+.2f}"
            axes.text(x + room / 2, y + 0.24, number_text, ha="center", va="center", fontsize=5, color=ink)
            x += room + 1
    return figure
