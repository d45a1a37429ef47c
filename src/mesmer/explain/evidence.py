"""Does the model answer from the evidence? Blur what truly showed an emotion in a synthetic face, then as much elsewhere.

For each clip whose face shows an emotion, the pixels that the expression changed (grown a little, since shrinking to a crop
spread them) are blurred in every face, and the change of the visual share in that emotion is held against the same pixels
moved to every other place of the crop where they meet little of the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from mesmer.explain.seeing import batch_of, blurred, end_to_end, maps_of, shares_with, without
from mesmer.explain.truth import Truth, readable
from mesmer.models.loading import LoadedModel
from mesmer.records import FACE_PX, Clip

GROWN_PX = 2
MOVE_PX = 12
MOST_SHARED = 0.25
"""A place that meets more of the evidence than this share of its pixels is not another place."""


@dataclass(frozen=True, kw_only=True)
class Occluded:
    """What blurring did to the visual share of one shown emotion, in log-odds.

    Attributes:
        emotion: that the face showed.
        share: what the faces add to its log-odds with nothing blurred.
        evidence: loss of the share with the evidence blurred.
        elsewhere: loss with as many pixels blurred at each other place.
    """

    emotion: str
    share: float
    evidence: float
    elsewhere: tuple[float, ...]

    @property
    def evidence_matters_most(self) -> bool:
        """Whether no other place of that size and shape moves the share as much."""
        return abs(self.evidence) > max(map(abs, self.elsewhere))


@torch.no_grad()
def occlude_evidence(loaded: LoadedModel, clip: Clip, truth: Truth, changed: NDArray[np.bool_]) -> list[Occluded]:
    """Return one result for each emotion that the face of a clip shows and the model knows; none where nothing changed.

    Args:
        loaded: in evaluation mode.
        clip: of the synthetic corpus.
        truth: of it.
        changed: the pixels that the expression changed, bool (S, 48, 48), as from
            :meth:`mesmer.explain.redraw.Redrawer.changed`.

    Raises:
        DataError: the truth is damaged.
    """
    model = end_to_end(loaded.model)
    with readable(clip.id):
        emotions = [name for name in truth["visual"]["shown"] if name in model.settings.emotions]
    if "visual" in clip.absent or not emotions:
        return []
    evidence = np.stack([binary_dilation(mask, iterations=GROWN_PX) if mask.any() else mask for mask in changed])
    others = other_places(evidence)
    if not evidence.any() or not others:
        return []
    batch = batch_of(loaded, [clip])
    output = model(batch)
    maps = maps_of(batch, "visual")
    blank = blurred(maps)
    masks = [torch.from_numpy(mask) for mask in (evidence, *others)]
    shares = shares_with(model, batch, output, "visual", [maps, *(without(maps, blank, mask) for mask in masks)])
    losses = (shares[0] - shares[1:]).numpy()
    found = []
    for emotion in emotions:
        place = model.settings.emotions.index(emotion)
        lost = losses[:, place].tolist()
        found.append(Occluded(emotion=emotion, share=float(shares[0, place]), evidence=lost[0], elsewhere=tuple(lost[1:])))
    return found


def other_places(evidence: NDArray[np.bool_]) -> Sequence[NDArray[np.bool_]]:
    """Return bool (S, 48, 48) moved, round the edges, in steps of :data:`MOVE_PX`, wherever it meets little of itself."""
    moves = range(0, FACE_PX, MOVE_PX)
    moved = [np.roll(evidence, (y, x), axis=(1, 2)) for y in moves for x in moves if y or x]
    return [mask for mask in moved if (mask & evidence).sum() <= MOST_SHARED * evidence.sum()]
