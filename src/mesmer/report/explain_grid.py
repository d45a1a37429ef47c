"""The paper's figures 3, 4 and 6: one row per emotion, the original and what each layer kept, of faces and sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mesmer.explain.explanation import Explanation
from mesmer.explain.seeing import Seen
from mesmer.report.audit_grids import shown
from mesmer.report.explain_marks import COLUMN_IN, drawing_style, footnote, grey_sound, grown, save_figure
from mesmer.report.explain_steps import draw_chunk, draw_face

HIGHEST_SHARE = 0.10
"""Figure 4 shows only the highest tenth of the spectrogram's values."""

_ROW_IN = {"visual": 0.74, "audio": 1.05}


def write_grids(chosen: Sequence[tuple[str, Explanation]], folder: str | Path, *, blur: bool = False) -> list[Path]:
    """Write ``figure3_faces``, ``figure6_sounds`` and ``figure4_highest``, each as PNG and SVG.

    Args:
        chosen: (emotion, explanation of an utterance that expresses it), in the order of the rows.
        folder: made where it is missing.
        blur: blur faces outside the sites that the first layer kept.

    Raises:
        MesmerError: they cannot be written.
    """
    folder, paths = Path(folder), []
    with drawing_style():
        for modality, name in (("visual", "figure3_faces"), ("audio", "figure6_sounds")):
            rows = [(emotion, one) for emotion, one in chosen if modality in one.steps]
            if rows:
                paths += save_figure(grid_figure(rows, modality, blur=blur), folder / f"{name}.png")  # type: ignore[arg-type]
        heard = [one for _, one in chosen if "audio" in one.steps]
        if heard:
            paths += save_figure(highest_figure(heard[0]), folder / "figure4_highest.png")
    return paths


def grid_figure(rows: Sequence[tuple[str, Explanation]], modality: Seen, *, blur: bool) -> Figure:
    """Return a figure with a row per emotion: the step of the largest share, and what each layer kept of it."""
    layers = [-1, *range(max(one.blocks for _, one in rows))]
    doubted = [one.tests[modality].beats_random is False if modality in one.tests else False for _, one in rows]
    notes = ["+ marks do not beat a random map: blurring elsewhere matters as much"] if any(doubted) else []
    below = (0.05 if modality == "visual" else 0.3) + 0.14 * len(notes)
    height = _ROW_IN[modality] * len(rows) + below + 0.2
    figure = Figure(figsize=(COLUMN_IN, height))
    left = 0.13 if modality == "visual" else 0.22
    grid = figure.subplots(len(rows), len(layers), squeeze=False, gridspec_kw={
        "left": left, "right": 0.99, "bottom": below / height, "top": 1 - 0.2 / height, "wspace": 0.06,
        "hspace": 0.06 if modality == "visual" else 0.32,
    })  # fmt: skip
    for row, (emotion, one) in enumerate(rows):
        step = leading_step(one, modality, emotion)
        for column, layer in enumerate(layers):
            axes = grid[row, column]
            if layer >= one.blocks:
                axes.axis("off")
            elif modality == "visual":
                draw_face(axes, one, step, layer, blur=blur)
            else:
                draw_chunk(axes, one, step, layer, first=column == 0)
                if row < len(rows) - 1:
                    axes.set_xlabel("")
                if column == 0:
                    axes.set_ylabel("kHz", labelpad=1)
            if row == 0:
                axes.set_title("original" if layer < 0 else f"layer {layer + 1}", pad=2)
        middle = grid[row, 0].get_position()
        mark = " +" if doubted[row] else ""
        label = f"{shown(emotion, 14)}{mark}"
        figure.text(0.008, (middle.y0 + middle.y1) / 2, label, rotation=90, va="center", ha="left", fontsize=6.5)
    footnote(figure, notes)
    return figure


def highest_figure(explanation: Explanation) -> Figure:
    """Return Figure 4: the highest tenth of one chunk's values, and which of them each layer kept."""
    step = leading_step(explanation, "audio", explanation.emotions[explanation.leading])
    layers = [-1, *range(explanation.blocks)]
    height = 1.75
    figure = Figure(figsize=(COLUMN_IN, height))
    grid = figure.subplots(1, len(layers), squeeze=False, gridspec_kw={
        "left": 0.14, "right": 0.99, "bottom": 0.2, "top": 0.9, "wspace": 0.08,
    })[0]  # fmt: skip
    values = explanation.chunks[step]
    faint = values < np.quantile(values, 1 - HIGHEST_SHARE)
    for axes, layer in zip(grid, layers, strict=True):
        draw_chunk(axes, explanation, step, layer, first=layer < 0)
        picture = np.repeat(grey_sound(values)[..., None], 3, axis=-1)
        if layer >= 0:
            kept = grown(explanation.sites[("audio", layer)].kept[step], *values.shape)
            picture[kept] = (213 / 255, 94 / 255, 0)
        picture[faint] = 0.0
        axes.images[0].set_data(picture)
        axes.set_title("highest 10 %" if layer < 0 else f"layer {layer + 1}", pad=2)
    return figure


def leading_step(explanation: Explanation, modality: Seen, emotion: str) -> int:
    """Return the step with the largest part in an emotion; of the chunks, among those that are sound to their end."""
    parts = explanation.steps[modality].steps[:, explanation.emotions.index(emotion)]
    whole = len(explanation.clip.waveform) // explanation.mel.chunk_samples
    return int((parts[:whole] if modality == "audio" and whole else parts).argmax())
