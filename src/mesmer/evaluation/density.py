"""How many sites the sparse blocks of a model keep, measured over a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from mesmer.models.base import EmotionModel
from mesmer.records import Batch


@torch.no_grad()
def measure_density(
    *, model: EmotionModel, batches: Iterable[Batch], device: torch.device | str = "cpu"
) -> Mapping[str, tuple[float, ...]]:
    """Return modality -> for each sparse block the share of its map's sites that are kept, the mean over all maps.

    Modalities that no utterance has are left out, and so is all of a dense model. The model's mode is put back afterwards.

    Args:
        model: on ``device``, its dial where it shall be.
        batches: each utterance once.
    """
    kept: dict[tuple[str, int], float] = {}
    maps: dict[tuple[str, int], int] = {}
    was_training = model.training
    model.eval()
    try:
        for batch in batches:
            for place, trace in model(batch.to(device), traces=True).traces.items():
                shares = trace.kept.flatten(1).double().mean(1)
                kept[place] = kept.get(place, 0.0) + float(shares.sum())
                maps[place] = maps.get(place, 0) + len(shares)
    finally:
        model.train(was_training)
    found: dict[str, tuple[float, ...]] = {}
    for modality, block in sorted(place for place, count in maps.items() if count):
        found[modality] = (*found.get(modality, ()), kept[modality, block] / maps[modality, block])
    return found
