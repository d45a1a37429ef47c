"""Faces turned, zoomed and partly hidden, a whole batch at once; what happens to one does not depend on its company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from mesmer.augment_settings import FaceChanges

_ERASED = 0.5
"""Share of the utterances in which a rectangle is erased."""


@dataclass(frozen=True, kw_only=True)
class DrawnChange:
    """What happens to the faces of one utterance.

    Attributes:
        turn: angle, in radians.
        zoom: how many times as large.
        erased: top, left, height and width of the rectangle, as shares of the side; None leaves the face whole.
    """

    turn: float
    zoom: float
    erased: tuple[float, float, float, float] | None


def draw_change(changes: FaceChanges, generator: np.random.Generator) -> DrawnChange:
    """Draw what happens to one utterance in one epoch."""
    turn, zoom, whether, height, width, top, left = generator.random(7)
    height, width = changes.erase * height, changes.erase * width
    erased = (top * (1 - height), left * (1 - width), height, width)
    return DrawnChange(
        turn=float(np.radians(changes.turn_degrees * (2 * turn - 1))),
        zoom=float(1 + changes.zoom * (2 * zoom - 1)),
        erased=erased if changes.erase and whether < _ERASED else None,
    )


def change_faces(faces: Tensor, num_faces: Tensor, drawn: Sequence[DrawnChange]) -> Tensor:
    """Return the faces of B utterances changed as drawn; what is turned in from outside repeats the border.

    Args:
        faces: uint8 (n, 3, H, W), those of an utterance one after another.
        num_faces: int64 (B,).
        drawn: B changes.
    """
    owners = torch.arange(len(drawn)).repeat_interleave(num_faces)
    if not len(owners):
        return faces
    turn, zoom = (torch.tensor([getattr(one, name) for one in drawn])[owners] for name in ("turn", "zoom"))
    if bool((turn != 0).any() or (zoom != 1).any()):
        grid = _grid(turn, zoom, faces.shape[-2], faces.shape[-1])
        moved = grid_sample(faces.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
        faces = moved.round_().clamp_(0, 255).to(torch.uint8)
    else:
        faces = faces.clone()
    first = 0
    for count, change in zip(num_faces.tolist(), drawn, strict=True):
        if change.erased is not None and count:
            _erase(faces[first : first + count], change.erased)
        first += count
    return faces


def _grid(turn: Tensor, zoom: Tensor, height: int, width: int) -> Tensor:
    """Return where each pixel comes from, float32 (n, H, W, 2), in [-1, 1]. One number at a time: no sums."""
    down = ((2 * torch.arange(height) + 1) / height - 1)[None, :, None]
    right = ((2 * torch.arange(width) + 1) / width - 1)[None, None, :]
    cosine, sine = (torch.cos(turn) / zoom)[:, None, None], (torch.sin(turn) / zoom)[:, None, None]
    return torch.stack([cosine * right - sine * down, sine * right + cosine * down], dim=-1)


def _erase(faces: Tensor, rectangle: tuple[float, float, float, float]) -> None:
    """Set a rectangle of all faces (S, 3, H, W) to the mean of each, in place."""
    size = faces.shape[-1]
    top, left, height, width = (round(share * size) for share in rectangle)
    mean = faces.float().mean(dim=(1, 2, 3)).to(torch.uint8)
    faces[:, :, top : top + height, left : left + width] = mean[:, None, None, None]
