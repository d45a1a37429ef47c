"""Boxes in a picture: overlap, non-maximum suppression, squares.

A box is x0, y0, x1, y1 in pixels, measured at pixel edges: the whole of a W x H picture is (0, 0, W, H).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


def area(boxes: Boxes) -> NDArray[np.float32]:
    """Return the area of each box of (..., 4); 0 where it is turned inside out."""
    return np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0)


def overlap(a: Boxes, b: Boxes, *, over: Literal["union", "smaller"] = "union") -> NDArray[np.float32]:
    """Shared area of every pair of (n, 4) and (m, 4) boxes, as a share of their union or of the smaller one: (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    area_a, area_b = area(a)[:, None], area(b)[None, :]
    whole = area_a + area_b - shared if over == "union" else np.minimum(area_a, area_b)
    return shared / np.maximum(whole, 1e-9)


def suppress(
    boxes: Boxes, scores: NDArray[np.float32], threshold: float, *, over: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes that stay, best first.

    A box goes if it overlaps a better one that stays by more than ``threshold``. Ties go to the earlier box.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    ordered = boxes[order]
    clashes = overlap(ordered, ordered, over=over) > threshold
    alive = np.ones(len(order), dtype=bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~clashes[i, i + 1 :]
    return order[alive]


def squared(boxes: Boxes) -> Boxes:
    """Return the square around the centre of each (n, 4) box, as wide as the box's longer side."""
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def moved(boxes: Boxes, moves: NDArray[np.float32]) -> Boxes:
    """Return boxes with each edge moved by its share (n, 4) of the box's width or height."""
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes + moves * np.concatenate([size, size], axis=1)
