"""How far the marks of a model can be trusted, measured on a split: every test of this room, with intervals by speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, DataError, ModelError
from mesmer.evaluation.bootstrap import clusters_of
from mesmer.evaluation.predictions import turned_to
from mesmer.explain.against_truth import held_against_truth
from mesmer.explain.check_result import Check, mean_of
from mesmer.explain.faithfulness import ORDERS, Curves, area, curves_of
from mesmer.explain.sanity import PARTS, Likeness, likeness, redrawn
from mesmer.explain.seeing import SEEN, batch_of, end_to_end
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel
from mesmer.records import Clip

Progress = Callable[[int, int], None]


def check_explanations(
    models: Sequence[LoadedModel],
    *,
    data: str | Path,
    split: str = "test",
    clips: int = 60,
    top_p: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Check:
    """Measure how far the marks of one model, in one or several training runs, can be trusted.

    Curves and sanity are those of the first run; the pointing game takes all runs, and the whole split where the truth is
    known.

    Args:
        models: runs of one model that differ in their seed.
        data: prepared dataset.
        split: of it.
        clips: utterances for curves, sanity and agreement, evenly spread over the split.
        top_p: nucleus mass of the sparse blocks; None leaves each model's own.
        seed: of everything drawn.
        progress: is told (utterances done, utterances in all).

    Raises:
        ConfigError: a number is out of range.
        ModelError: a model has no sparse blocks.
        DataError: the dataset cannot be used, or the split is empty.
    """
    if clips < 1:
        raise ConfigError(f"{clips} clips", field="clips", remedy="use 1 or more")
    networks = [_sparse(loaded) for loaded in models]
    chosen = PreparedDataset.open(data).split(split)
    if not len(chosen):
        raise DataError("the split is empty", file=data, field="split", remedy="choose another split")
    rows = sorted({round(place) for place in np.linspace(0, len(chosen) - 1, min(clips, len(chosen)))})
    for loaded in models:
        with turned_to(loaded.model, top_p):
            pass
    before = [network.top_p for network in networks]
    try:
        for network in networks:
            network.top_p = network.top_p if top_p is None else top_p
        gathered = _Gathered(models, networks, seed=seed)
        for number, row in enumerate(rows):
            gathered.add(chosen[row], chosen.speakers[row])
            if progress is not None:
                progress(number + 1, len(rows))
        return Check(
            utterances=len(rows),
            speakers=clusters_of([chosen.speakers[row] for row in rows]).count,
            runs=len(models),
            top_p=networks[0].top_p,
            **gathered.summary(seed=seed),
            **held_against_truth(models, networks, chosen, rows, data=Path(data), seed=seed),
        )
    finally:
        for network, value in zip(networks, before, strict=True):
            network.top_p = value


def _sparse(loaded: LoadedModel) -> EndToEndModel:
    model = end_to_end(loaded.model).eval()
    if model.settings.name != "mesm" or model.settings.sparse.mask == "dense":
        raise ModelError("the model has no sparse blocks, so it marks nothing", remedy="check a MESM")
    return model


class _Gathered:
    """What each utterance gave: (modality, what) -> one number per utterance, and its speaker."""

    def __init__(self, models: Sequence[LoadedModel], networks: Sequence[EndToEndModel], *, seed: int) -> None:
        self._models, self._networks = models, networks
        self._redrawn = {part: redrawn(networks[0], part, seed=seed + 1) for part in PARTS}
        self._generator = torch.Generator().manual_seed(seed)
        self._values: dict[tuple[str, str, str], list[float]] = {}
        self._speakers: dict[tuple[str, str, str], list[str | None]] = {}

    @torch.no_grad()
    def add(self, clip: Clip, speaker: str | None) -> None:
        """Look at one utterance."""
        batch = batch_of(self._models[0], [clip])
        network = self._networks[0]
        output = network(batch, traces=True)
        others = {part: model(batch, traces=True).traces for part, model in self._redrawn.items()}
        runs = [
            model(batch_of(loaded, [clip]), traces=True).traces
            for loaded, model in zip(self._models[1:], self._networks[1:], strict=True)
        ]
        for modality in SEEN:
            place = (modality, 0)
            if place not in output.traces:
                continue
            self._curves(modality, curves_of(network, batch, output, modality, self._generator), speaker)
            for part, traces in others.items():
                self._alike(modality, f"sanity {part}", likeness(output.traces[place], traces[place]), speaker)
            seen = [output.traces[place], *(traces[place] for traces in runs)]
            pairs = [likeness(a, b) for i, a in enumerate(seen) for b in seen[i + 1 :]]
            if pairs:
                joined = Likeness(
                    **{
                        name: np.concatenate([getattr(one, name) for one in pairs])
                        for name in ("rank", "overlap", "chance")
                    }
                )
                self._alike(modality, "agreement", joined, speaker)

    def _curves(self, modality: str, curves: Curves, speaker: str | None) -> None:
        # A good map loses the share fast when it is deleted and finds it again fast when it comes back.
        for kind, found, sign in (("deletion", curves.deletion, -1.0), ("insertion", curves.insertion, 1.0)):
            heights = {order: area(found[order]) for order in ORDERS}
            for order, height in heights.items():
                self._note(modality, "curves", f"{kind} {order}", height, speaker)
                if order != "attention":
                    gain = sign * (heights["attention"] - height)
                    self._note(modality, "curves", f"{kind} gain over {order}", gain, speaker)
        for mask, loss in curves.kept.items():
            self._note(modality, "kept", mask, loss, speaker)
            if mask != "kept":
                self._note(modality, "kept", f"gain over {mask}", curves.kept["kept"] - loss, speaker)

    def _alike(self, modality: str, where: str, alike: Likeness, speaker: str | None) -> None:
        for name in ("rank", "overlap", "chance"):
            values = getattr(alike, name)
            known = values[~np.isnan(values)]
            if len(known):
                self._note(modality, where, name, float(known.mean()), speaker)

    def _note(self, modality: str, where: str, what: str, value: float, speaker: str | None) -> None:
        self._values.setdefault((modality, where, what), []).append(value)
        self._speakers.setdefault((modality, where, what), []).append(speaker)

    def summary(self, *, seed: int) -> dict[str, Any]:
        """Return the means with their intervals, as :class:`Check` names them."""
        answer: dict[str, Any] = {"curves": {}, "kept": {}, "sanity": {}, "agreement": {}}
        for (modality, where, what), values in self._values.items():
            group, _, part = where.partition(" ")
            into = answer[group].setdefault(modality, {})
            into = into.setdefault(part, {}) if part else into
            into[what] = mean_of(np.array(values), self._speakers[(modality, where, what)], seed=seed)
        return answer
