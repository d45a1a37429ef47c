"""The whole utterance on one strip: faces and spectrogram with what the first layer kept, and the shares of the steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesmer.explain.explanation import Explanation
from mesmer.explain.seeing import SEEN
from mesmer.report.audit_grids import shown
from mesmer.report.explain_marks import (
    COLOURS,
    HATCHES,
    PAGE_IN,
    drawing_style,
    footnote,
    frequency_axis,
    save_figure,
)
from mesmer.report.explain_steps import face_picture, picked_steps, random_note, sound_pictures

MOST_FACES = 14
_BAR_IN, _SOUND_IN = 0.55, 0.8


def write_strip(explanation: Explanation, folder: Path, *, blur: bool) -> list[Path]:
    """Write ``strip.png`` and ``strip.svg``; nothing where there is neither picture nor sound.

    Raises:
        MesmerError: they cannot be written.
    """
    if not explanation.steps:
        return []
    with drawing_style():
        return save_figure(strip_figure(explanation, blur=blur), folder / "strip.png")


def strip_figure(explanation: Explanation, *, blur: bool) -> Figure:
    """Return the strip; its time axis is in seconds from the utterance's start."""
    rows: list[tuple[str, float]] = []
    layers = [-1, 0] if explanation.sites else [-1]
    faces = picked_steps(len(explanation.clip.faces), MOST_FACES) if "visual" in explanation.steps else []
    face_in = 0.88 * PAGE_IN / max(len(faces), 6)
    rows += [(f"face{layer}", face_in) for layer in layers if faces]
    rows += [("bars_visual", _BAR_IN)] if faces else []
    if "audio" in explanation.steps:
        rows += [(f"sound{layer}", _SOUND_IN) for layer in layers]
        rows += [("bars_audio", _BAR_IN)]
    notes = [f"{name}: {' '.join(random_note(explanation, name))}" for name in SEEN if random_note(explanation, name)]
    above, below = 0.22, 0.36 + 0.12 * len(notes)
    height = sum(inches + 0.07 for _, inches in rows) + above + below
    figure = Figure(figsize=(PAGE_IN, height))
    end_s = _end_s(explanation)
    top = height - above
    for number, (kind, inches) in enumerate(rows):
        axes = figure.add_axes((0.09, (top - inches) / height, 0.9, inches / height))
        top -= inches + 0.07
        if kind.startswith("face"):
            _faces(axes, explanation, faces, int(kind[4:]), blur=blur)
        elif kind.startswith("sound"):
            _sound(axes, explanation, int(kind[5:]), end_s=end_s)
        else:
            _bars(axes, explanation, "visual" if kind == "bars_visual" else "audio", end_s=end_s)
        if not kind.startswith("face"):
            axes.set_xlim(0, end_s)
            axes.tick_params(labelbottom=number == len(rows) - 1)
    axes.set_xlabel("time (s)", labelpad=1)
    emotion = explanation.emotions[explanation.leading]
    method = next(iter(explanation.steps.values())).method.replace("_", " ")
    title = f"kept by the first layer at top_p {explanation.top_p:g}; bars: part of each step in {shown(emotion, 20)}"
    figure.text(0.09, 1 - 0.05 / height, f"{title} ({method})", va="top", fontsize=7)
    footnote(figure, notes)
    return figure


def _end_s(explanation: Explanation) -> float:
    sound_s = len(explanation.chunks) * explanation.mel.chunk_ms / 1000
    last_s = float(explanation.clip.face_times_s[-1]) + 0.1 if len(explanation.clip.face_times_s) else 0.0
    return max(sound_s, last_s, 0.1)


def _faces(axes: Axes, explanation: Explanation, faces: list[int], layer: int, *, blur: bool) -> None:
    slots = max(len(faces), 6)
    for slot, step in enumerate(faces):
        picture = face_picture(explanation, step, layer, blur=blur)
        axes.imshow(picture, extent=(slot + 0.03, slot + 0.97, 0, 1), aspect="auto", interpolation="nearest")
        if layer < 0:
            time_s = f"{explanation.clip.face_times_s[step]:.1f} s"
            axes.text(
                slot + 0.06, 0.05, time_s, fontsize=5.5, color="white", bbox={"fc": "black", "ec": "none", "pad": 0.8}
            )
    axes.set_xlim(0, slots)
    axes.set_ylim(0, 1)
    axes.axis("off")


def _sound(axes: Axes, explanation: Explanation, layer: int, *, end_s: float) -> None:
    pictures = sound_pictures(explanation, layer)
    whole = pictures.transpose(1, 0, 2, 3).reshape(pictures.shape[1], -1, 3)
    seconds = len(pictures) * explanation.mel.chunk_ms / 1000
    extent = (0, seconds, -0.5, explanation.mel.num_bands - 0.5)
    axes.imshow(whole, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    frequency_axis(axes, explanation.mel, label=True)
    axes.set_ylabel("kHz", labelpad=1)


def _bars(axes: Axes, explanation: Explanation, modality: str, *, end_s: float) -> None:
    parts = explanation.steps[modality].steps[:, explanation.leading]  # type: ignore[index]
    if modality == "audio":
        width_s = explanation.mel.chunk_ms / 1000
        begin_s = np.arange(len(parts)) * width_s
    else:
        begin_s = explanation.clip.face_times_s
        gaps = np.diff(begin_s)
        width_s = float(np.median(gaps)) if len(gaps) else end_s - float(begin_s[0])
    axes.bar(
        begin_s,
        parts,
        0.9 * width_s,
        align="edge",
        color=COLOURS[modality],
        hatch=HATCHES[modality],
        edgecolor="white",
        lw=0,
    )
    axes.axhline(0, color="black", lw=0.6)
    axes.set_ylabel(f"{modality}\n(log-odds)", labelpad=1, fontsize=6)
    axes.spines[["top", "right"]].set_visible(False)
