"""The picture of one time step: the face, or the chunk of sound, and what each layer kept of it (Figures 3, 4 and 6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mesmer.explain.explanation import Explanation
from mesmer.explain.map_test import SENTENCE_LINES
from mesmer.explain.seeing import Seen
from mesmer.report.explain_marks import (
    COLUMN_IN,
    blurred_outside,
    drawing_style,
    footnote,
    frequency_axis,
    grey_face,
    grey_sound,
    marked,
    save_figure,
)

MOST_STEPS = 12
"""Steps of one modality that get pictures of their own, evenly spread over the recording; the strip shows all of it."""

_PANEL_IN = {"visual": 0.84, "audio": 1.35}


def picked_steps(steps: int, most: int = MOST_STEPS) -> list[int]:
    """Return at most ``most`` of the steps, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, steps - 1, min(most, steps))}) if steps else []


def write_step_pictures(explanation: Explanation, folder: Path, *, blur: bool) -> list[Path]:
    """Write ``{modality}_step{nn}.png`` and ``.svg`` (all layers) and ``{modality}_step{nn}_{original,layerN}.png``.

    Steps are counted from 1.

    Raises:
        MesmerError: they cannot be written.
    """
    paths: list[Path] = []
    with drawing_style():
        for modality in explanation.steps:
            for step in picked_steps(_count(explanation, modality)):
                layers = [-1, *range(explanation.blocks)]
                name = f"{modality}_step{step + 1:02d}"
                paths += save_figure(step_figure(explanation, modality, step, layers, blur=blur), folder / f"{name}.png")
                for layer in layers:
                    single = step_figure(explanation, modality, step, [layer], blur=blur)
                    file = folder / f"{name}_{'original' if layer < 0 else f'layer{layer + 1}'}.png"
                    paths += save_figure(single, file, svg=False)
    return paths


def step_figure(explanation: Explanation, modality: Seen, step: int, layers: list[int], *, blur: bool) -> Figure:
    """Return a figure of one step: a panel for each of ``layers``, -1 for the original."""
    note = random_note(explanation, modality)
    panel_height = _PANEL_IN[modality]
    below = 0.06 if modality == "visual" else 0.34
    foot = 0.14 * len(note)
    above = 0.18
    width = COLUMN_IN if len(layers) > 1 else 1.75
    height = panel_height + below + foot + above
    figure = Figure(figsize=(width, height))
    left = 0.02 if modality == "visual" else 0.44 / width
    grid = figure.subplots(
        1,
        len(layers),
        squeeze=False,
        gridspec_kw={
            "left": left, "right": 0.98, "bottom": (below + foot) / height, "top": 1 - above / height, "wspace": 0.08,
        },
    )[0]  # fmt: skip
    for axes, layer in zip(grid, layers, strict=True):
        if modality == "visual":
            draw_face(axes, explanation, step, layer, blur=blur)
        else:
            draw_chunk(axes, explanation, step, layer, first=layer == layers[0])
        axes.set_title(_title(explanation, modality, step, layer, alone=len(layers) == 1), pad=2)
    footnote(figure, note)
    return figure


def draw_face(axes: Axes, explanation: Explanation, step: int, layer: int, *, blur: bool) -> None:
    """Draw one face, with the sites a layer kept marked; layer -1 is the original."""
    axes.imshow(face_picture(explanation, step, layer, blur=blur), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def face_picture(explanation: Explanation, step: int, layer: int, *, blur: bool) -> NDArray[np.float64]:
    """Return the picture of a face, RGB (48, 48, 3) in [0, 1]."""
    face = explanation.clip.faces[step]
    first = explanation.sites.get(("visual", 0))
    if blur:
        face = blurred_outside(face, np.zeros((1, 1), dtype=bool) if first is None else first.kept[step])
    if layer < 0:
        answer: NDArray[np.float64] = face / 255
        return answer
    return marked(grey_face(face), explanation.sites[("visual", layer)].kept[step])


def draw_chunk(axes: Axes, explanation: Explanation, step: int, layer: int, *, first: bool) -> None:
    """Draw one chunk of the spectrogram over time and frequency, with the sites a layer kept marked."""
    picture = sound_pictures(explanation, layer)[step]
    mel = explanation.mel
    begin_s = step * mel.chunk_ms / 1000
    end_s = begin_s + mel.chunk_ms / 1000
    extent = (begin_s, end_s, -0.5, mel.num_bands - 0.5)
    axes.imshow(picture, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axes.set_xticks([begin_s + 0.1, end_s - 0.1], [f"{begin_s + 0.1:.1f}", f"{end_s - 0.1:.1f}"])
    axes.set_xlabel("time (s)", labelpad=1)
    frequency_axis(axes, mel, label=first)


def sound_pictures(explanation: Explanation, layer: int) -> NDArray[np.float64]:
    """Return the pictures of all chunks, RGB (S, bands, frames, 3) in [0, 1]."""
    grey = grey_sound(explanation.chunks)
    if layer < 0 or not len(grey):
        return np.repeat(grey[..., None], 3, axis=-1)
    kept = explanation.sites[("audio", layer)].kept
    return np.stack([marked(one, sites) for one, sites in zip(grey, kept, strict=True)])


def random_note(explanation: Explanation, modality: Seen) -> list[str]:
    """Return what must be said on every picture of a map that does not beat a random one."""
    test = explanation.tests.get(modality)
    if test is None or test.beats_random:
        return []
    return list(SENTENCE_LINES)


def _title(explanation: Explanation, modality: Seen, step: int, layer: int, *, alone: bool) -> str:
    begin_s = explanation.clip.face_times_s[step] if modality == "visual" else step * explanation.mel.chunk_ms / 1000
    if layer < 0:
        return f"{'face' if modality == 'visual' else 'sound'}, {begin_s:.2f} s"
    kept = explanation.sites[(modality, layer)].kept[step]
    words = f"layer {layer + 1}: {100 * kept.mean():.0f} %"
    return f"{words} kept" if alone else words


def _count(explanation: Explanation, modality: Seen) -> int:
    return len(explanation.clip.faces) if modality == "visual" else len(explanation.chunks)
