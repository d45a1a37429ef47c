"""The marks of a model held against what was truly shown, where that is known: the pointing game, and evidence blurred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import DataError
from mesmer.explain.check_result import mean_of
from mesmer.explain.evidence import occlude_evidence
from mesmer.explain.ground_truth import Evidence, score_split
from mesmer.explain.pointing import MapScores, Pointing, random_trace, summarise
from mesmer.explain.redraw import FAINT_CHANGE, Redrawer
from mesmer.explain.sanity import redrawn
from mesmer.explain.seeing import Seen
from mesmer.explain.truth import Truth, read_truths
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel


def held_against_truth(
    models: Sequence[LoadedModel],
    networks: Sequence[EndToEndModel],
    split: PreparedSplit,
    rows: Sequence[int],
    *,
    data: Path,
    seed: int,
) -> dict[str, Any]:
    """Return the tests for which one must know what was shown, as :class:`~mesmer.explain.check_result.Check` names them.

    None of them where that is not known. ``rows`` of the split are those in which evidence is blurred, for every run.
    """
    try:
        truths = read_truths(data)
    except DataError:
        return {}
    redrawer = Redrawer(data)
    return {
        "pointing": _pointing(models, networks, split, truths, redrawer, seed=seed),
        **_evidence(models, split, rows, truths, redrawer, seed=seed),
    }


def _evidence(
    models: Sequence[LoadedModel],
    split: PreparedSplit,
    rows: Sequence[int],
    truths: Mapping[str, Truth],
    redrawer: Redrawer,
    *,
    seed: int,
) -> dict[str, Any]:
    """Blur what showed the emotion: for the likeliest of the shown emotions of each clip, and for every one of them."""
    likeliest: list[list[float]] = []
    every: list[list[float]] = []
    speakers: list[str | None] = []
    for row in rows:
        clip = split[row]
        if clip.id not in truths:
            continue
        changed = redrawer.changed(clip, least=FAINT_CHANGE)
        runs = [occlude_evidence(loaded, clip, truths[clip.id], changed) for loaded in models]
        if all(runs):
            likeliest.append([float(max(found, key=lambda one: one.share).evidence_matters_most) for found in runs])
            every.append([float(all(one.evidence_matters_most for one in found)) for found in runs])
            speakers.append(split.speakers[row])
    if not speakers:
        return {}
    return {
        "evidence": mean_of(np.array(likeliest).T, speakers, seed=seed),
        "evidence_every": mean_of(np.array(every).T, speakers, seed=seed),
        "evidence_clips": len(speakers),
    }


def _pointing(
    models: Sequence[LoadedModel],
    networks: Sequence[EndToEndModel],
    split: PreparedSplit,
    truths: Mapping[str, Truth],
    redrawer: Redrawer,
    *,
    seed: int,
) -> dict[str, dict[str, Pointing]]:
    """The pointing game by parts of the face, by the pixels that changed, and in sound: for what the models are given."""
    cases: dict[str, tuple[Seen, Evidence | None]] = {
        "visual, parts of the face": ("visual", None),
        "visual, changed pixels": ("visual", redrawer.changed),
        "audio, times": ("audio", None),
    }
    fresh = [redrawn(network, "all", seed=seed + 1 + run) for run, network in enumerate(networks)]
    generator = torch.Generator().manual_seed(seed)
    masks = {
        "learnt": (networks, None),
        "untrained": (fresh, None),
        "random": (networks, lambda trace: random_trace(trace, generator)),
    }
    answer: dict[str, dict[str, Pointing]] = {}
    for name, (modality, evidence) in cases.items():
        if not all(modality in network.modalities for network in networks):
            continue
        for mask, (looking, change) in masks.items():
            runs: list[MapScores] = []
            for network, loaded in zip(looking, models, strict=True):
                scored = score_split(
                    network, split, truths,
                    tokenizer=loaded.tokenizer, modality=modality, evidence=evidence, change=change,
                )  # fmt: skip
                runs.append(scored.scores)
            if runs[0].known.any():
                answer.setdefault(name, {})[mask] = summarise(runs, scored.speakers, seed=seed)
    return answer
