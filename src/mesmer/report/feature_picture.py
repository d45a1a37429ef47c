"""A picture of one utterance's hand-crafted features over time: words, sound and face, each number in its own row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mesmer.config import FeatureSettings
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import DataError
from mesmer.records import MODALITIES, SPLITS, Clip
from mesmer.signals.handcrafted.acoustics import STATISTICS
from mesmer.signals.handcrafted.clip_features import columns
from mesmer.signals.handcrafted.words import split_words
from mesmer.storage.atomic import atomic_file

WINDOW_S = 0.4
_LATER_STATISTICS = tuple(f"_{name}" for name in STATISTICS[1:])
_TITLES = {"text": "words", "audio": "sound, per 400 ms", "visual": "face, per sampled frame"}


def find_clip(dataset: PreparedDataset, utterance_id: str) -> Clip:
    """Return the clip of an utterance, with the features that the dataset was opened with.

    Raises:
        DataError: no split holds it.
    """
    for name in SPLITS:
        split = dataset.split(name)
        if utterance_id in split.ids:
            return split[split.ids.index(utterance_id)]
    raise DataError(f"there is no utterance '{utterance_id}'", file=dataset.folder, field="--picture")


def draw_features(clip: Clip, settings: FeatureSettings, out: Path) -> None:
    """Write the picture of a clip that carries features, as PNG.

    Each number is shown in deviations from its own mean over the clip; the scale ends at 2.5 of them.

    Raises:
        MesmerError: the file cannot be written.
    """
    assert clip.features is not None
    figure = Figure(figsize=(12, 15), layout="constrained")
    plots = figure.subplots(len(MODALITIES), 1, height_ratios=[1, 3, 2])
    for name, plot in zip(MODALITIES, plots, strict=True):
        values = clip.features[name]
        plot.set_title(
            f"{clip.id}: {_TITLES[name]} ({len(values)} steps of {values.shape[1]} numbers)", loc="left", fontsize=9
        )
        if not len(values):
            plot.text(0.5, 0.5, f"absent: {clip.absent.get(name, 'no steps')}", ha="center", transform=plot.transAxes)
            plot.set_axis_off()
            continue
        shown = plot.imshow(
            _own_scale(values).T, aspect="auto", cmap="RdBu_r", vmin=-2.5, vmax=2.5, interpolation="nearest"
        )
        if name != "text":
            names = columns(settings)[name]
            told = [row for row, one in enumerate(names) if len(names) < 60 or not one.endswith(_LATER_STATISTICS)]
            plot.set_yticks(told, [names[row] for row in told], fontsize=5)
        plot.set_xticks(range(len(values)), _step_names(clip, name, len(values)), fontsize=6, rotation=45)
        figure.colorbar(shown, ax=plot, label="deviations from the clip's mean", fraction=0.02)
    with atomic_file(out) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _own_scale(values: NDArray[np.float32]) -> NDArray[np.float32]:
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 1e-6, deviation, 1.0)


def _step_names(clip: Clip, name: str, steps: int) -> list[str]:
    if name == "text":
        return [word.replace("$", r"\$") for word in split_words(clip.text)]
    if name == "audio":
        return [f"{window * WINDOW_S:.1f} s" for window in range(steps)]
    return [f"{time_s:.1f} s" for time_s in clip.face_times_s]
