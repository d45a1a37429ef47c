"""Does a network answer from what shows the emotion? Blur that in a drawn face, then as much at every other place.

The rule is that of ``mesmer explain --check`` (:mod:`mesmer.explain.evidence`), for one face and one choice among classes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy.ndimage import binary_dilation
from torch import Tensor

from masks.examples import Examples, batch_of
from masks.variants import text_settings
from mesmer.explain.evidence import GROWN_PX, Occluded, other_places
from mesmer.explain.seeing import blurred, without
from mesmer.models import EmotionModel


@torch.no_grad()
def evidence_matters(model: EmotionModel, examples: Examples) -> Tensor:
    """Return float (N,): 1 where blurring the evidence moves the log-odds of the shown emotion more than blurring as much
    anywhere else, 0 where not, nan where a face shows nothing or there is no other place of that size.
    """
    assert examples.changed is not None
    model.eval()
    found = torch.full((len(examples),), float("nan"))
    for row in range(len(examples)):
        evidence = examples.changed[row : row + 1].numpy()
        if not evidence.any():
            continue
        evidence = binary_dilation(evidence[0], iterations=GROWN_PX)[None]
        others = other_places(evidence)
        if others:
            masks = [torch.from_numpy(mask) for mask in (evidence, *others)]
            found[row] = _moved(model, examples.select(torch.tensor([row])), masks).evidence_matters_most
    return found


def _moved(model: EmotionModel, face: Examples, masks: list[Tensor]) -> Occluded:
    plain = face.steps[:, None]
    blank = blurred(plain)
    variants = torch.cat([plain, *(without(plain, blank, mask) for mask in masks)])[:, 0]
    label, number = int(face.labels[0]), len(variants)
    many = replace(
        face.select(torch.zeros(number, dtype=torch.int64)), steps=variants, counts=torch.ones(number, dtype=torch.int64)
    )
    device = next(model.parameters()).device
    logits = model(batch_of(many, text=text_settings()).to(device)).logits.double().cpu()
    rest = torch.arange(logits.shape[1]) != label
    odds = logits[:, label] - logits[:, rest].logsumexp(1)
    evidence, *elsewhere = (odds[0] - odds[1:]).tolist()
    return Occluded(emotion=face.classes[label], share=float(odds[0]), evidence=evidence, elsewhere=tuple(elsewhere))
