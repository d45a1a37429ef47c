"""Square crops of a frame: where they lie and how they are shrunk.

Boxes are x0, y0, x1, y1 in pixels at pixel edges; crops may begin between pixels.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from mesmer.records import FACE_PX

REDUCING_GAP = 3.0
"""Large squares are first averaged by a whole number, to at least so many times the size of the crop: six times faster."""


def centre_square(height_px: int, width_px: int) -> NDArray[np.float32]:
    """Return the largest square in the middle of a frame; its margins are equal to the half pixel."""
    side = min(height_px, width_px)
    x0, y0 = (width_px - side) / 2, (height_px - side) / 2
    return np.array([x0, y0, x0 + side, y0 + side], dtype=np.float32)


def face_square(box: NDArray[np.float32], *, margin: float, height_px: int, width_px: int) -> NDArray[np.float32]:
    """Return the square to crop for a face.

    It has the box's centre and its longer side, grown by the share ``margin``. Where it would reach beyond the frame it is
    moved inside, and only if it is larger than the frame does it shrink: a crop holds nothing but picture, undistorted.
    """
    x0, y0, x1, y1 = (float(edge) for edge in box)
    side = min(max(x1 - x0, y1 - y0, 1.0) * (1 + margin), height_px, width_px)
    left = min(max((x0 + x1 - side) / 2, 0.0), width_px - side)
    top = min(max((y0 + y1 - side) / 2, 0.0), height_px - side)
    return np.array([left, top, left + side, top + side], dtype=np.float32)


def crop_face(frame: NDArray[np.uint8], square: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the square of uint8 (H, W, 3) as a face crop, uint8 (48, 48, 3), antialiased."""
    height, width = frame.shape[:2]
    # float32 may have rounded an edge out of the frame, by less than a thousandth of a pixel.
    x0, y0, x1, y1 = (min(max(float(edge), 0.0), limit) for edge, limit in zip(square, (width, height) * 2, strict=True))
    # Cut first: the filter would else mix in what lies around the square.
    left, top = floor(x0), floor(y0)
    picture = Image.fromarray(np.ascontiguousarray(frame[top : ceil(y1), left : ceil(x1)]))
    size, box = (FACE_PX, FACE_PX), (x0 - left, y0 - top, x1 - left, y1 - top)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=REDUCING_GAP))


def shrunk(frame: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) with its longer side at most ``max_side_px``; smaller frames come back as they are."""
    height, width = frame.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return frame
    size = (max(round(height * factor), 1), max(round(width * factor), 1))
    pixels = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    return resized(pixels, size)[0].permute(1, 2, 0).contiguous().numpy()


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return uint8 (N, C, H, W) at another height and width, antialiased; each picture's result is its own."""
    # On bytes: many times faster than on floats.
    return interpolate(pixels, size=size, mode="bilinear", antialias=True)
