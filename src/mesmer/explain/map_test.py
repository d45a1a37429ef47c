"""Does a clip's map of kept sites beat a random map? Asked for every picture that is shown.

The detail under the kept sites of the first block is blurred away, and the change of the modality's share in the most
probable emotion noted. The same is done with the map's own mask laid elsewhere, ``DRAWS`` times. The map beats a random one
if no draw changes the share as much: by luck alone that happens once in twenty clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mesmer.explain.controls import control_mask
from mesmer.explain.seeing import Seen, blurred, maps_of, shares_with, without
from mesmer.models.end_to_end import EndToEndModel
from mesmer.records import Batch, ModelOutput

DRAWS = 19
MOST_MAPS = 32
"""Of a longer recording so many maps, evenly spread, are blurred; the others stay as they are in every draw."""

SENTENCE_LINES = ("Marks do not beat a random map:", "blurring elsewhere matters as much.")
"""What is said on every picture of such a map; two lines, so that it fits under the smallest."""


@dataclass(frozen=True, kw_only=True)
class MapTest:
    """Changes of a modality's share in one emotion, in log-odds.

    Attributes:
        emotion: the most probable one.
        change: with the kept sites blurred.
        random: with the mask laid elsewhere, one for each draw.
    """

    emotion: str
    change: float
    random: tuple[float, ...]

    @property
    def beats_random(self) -> bool:
        """Whether the kept sites matter more than every random map of their size and shape."""
        return self.change > max(self.random)


def hold_against_random(
    model: EndToEndModel, batch: Batch, output: ModelOutput, modality: Seen, *, emotion: int, seed: int = 0
) -> MapTest:
    """Return how the map of one clip fares against random ones.

    Args:
        model: in evaluation mode, with sparse blocks.
        batch: one clip in which the modality is present.
        output: the model's answer to it, with traces.
        emotion: whose share is looked at.
        seed: of the draws.
    """
    maps = maps_of(batch, modality)
    kept = output.traces[(modality, 0)].kept.cpu()
    touched = torch.zeros(len(maps), dtype=torch.bool)
    touched[torch.linspace(0, len(maps) - 1, min(MOST_MAPS, len(maps))).round().long()] = True
    kept = kept & touched[:, None, None]
    generator = torch.Generator().manual_seed(seed)
    blank = blurred(maps)
    masks = [kept, *(control_mask("shifted", kept, generator) for _ in range(DRAWS))]
    shares = shares_with(model, batch, output, modality, [maps, *(without(maps, blank, mask) for mask in masks)])
    changes = (shares[1:, emotion] - shares[0, emotion]).abs().tolist()
    return MapTest(emotion=model.settings.emotions[emotion], change=changes[0], random=tuple(changes[1:]))
