"""Exact area averages of any rectangle of a picture, many at once, from its summed-area table.

Shrinking a picture by averaging what each new pixel covers is what the face detector was trained with. The table makes
each average four look-ups, whatever its size and wherever its edges fall between pixels, and each picture's result is
independent of the others'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class AreaSampler:
    """Summed-area tables of N equal pictures.

    Args:
        frames: uint8 (N, H, W, 3).
    """

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        count, height, width, channels = frames.shape
        self.height, self.width = height, width
        # Whole numbers, so that a sum does not depend on the order of adding; 2**31 / 255 is a picture of 8 megapixels.
        kind = np.int32 if height * width * 255 < 2**31 else np.int64
        self._sums = np.zeros((count, height + 1, width + 1, channels), dtype=kind)
        np.cumsum(frames, axis=1, dtype=kind, out=self._sums[:, 1:, 1:])
        np.cumsum(self._sums[:, 1:, 1:], axis=2, out=self._sums[:, 1:, 1:])

    def crops(self, index: NDArray[np.intp], boxes: NDArray[np.floating], side: int) -> NDArray[np.float32]:
        """Return the boxes (K, 4) of pictures ``index`` (K,) as float32 (K, 3, side, side); beyond the picture is black."""
        steps = np.linspace(0, 1, side + 1)
        boxes = boxes.astype(np.float64)
        x = boxes[:, None, 0] + steps * (boxes[:, None, 2] - boxes[:, None, 0])
        y = boxes[:, None, 1] + steps * (boxes[:, None, 3] - boxes[:, None, 1])
        cell = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / side**2
        x0, x_share = _cells(x, self.width)
        y0, y_share = _cells(y, self.height)
        k, rows, columns = index[:, None, None], y0[:, :, None], x0[:, None, :]
        x_share, y_share = x_share[:, None, :, None], y_share[:, :, None, None]
        upper = _between(self._sums[k, rows, columns], self._sums[k, rows, columns + 1], x_share)
        lower = _between(self._sums[k, rows + 1, columns], self._sums[k, rows + 1, columns + 1], x_share)
        sums = np.diff(np.diff(_between(upper, lower, y_share), axis=1), axis=2)
        return np.ascontiguousarray((sums / cell[:, None, None, None]).transpose(0, 3, 1, 2), dtype=np.float32)

    def resized(self, height: int, width: int) -> NDArray[np.float32]:
        """Return all pictures at another size as float32 (N, 3, height, width)."""
        y0, y_share = _cells(np.linspace(0, self.height, height + 1), self.height)
        x0, x_share = _cells(np.linspace(0, self.width, width + 1), self.width)
        rows = _between(self._sums[:, y0], self._sums[:, y0 + 1], y_share[:, None, None])
        bands = np.diff(rows, axis=1)
        columns = _between(bands[:, :, x0], bands[:, :, x0 + 1], x_share[:, None])
        means = np.diff(columns, axis=2) * (height * width / (self.height * self.width))
        return np.ascontiguousarray(means.transpose(0, 3, 1, 2), dtype=np.float32)


def _cells(edges: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pixel that each edge falls in and how far into it; edges beyond the picture stop at its border."""
    inside = np.clip(edges, 0, size)
    low = np.minimum(inside.astype(np.intp), size - 1)
    return low, inside - low


def _between(low: NDArray, high: NDArray, share: NDArray[np.float64]) -> NDArray[np.float64]:
    return low + (high - low) * share
