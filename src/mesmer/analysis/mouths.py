"""How much a mouth moves from frame to frame, and how unlike its rest it looks, beside what the rest of the face does.

A square around eyes and mouth is cut out. The one before, and what the face looks like while its mouth is still, are laid
over it so that the upper half fits best, and the lower half is compared. What the whole head does cancels out; what the
mouth does remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 40
"""Side of the square that is compared."""
SPAN = 2.4
"""Its side in the face, in distances between the line of the eyes and the mouth."""
REACH_PX = 3
"""How far two squares are moved against each other to find how they fit best."""
UPPER = (slice(6, 24), slice(4, 36))
"""Rows and columns of eyes and nose."""
MOUTH = (slice(23, 37), slice(9, 31))
"""Rows and columns around the mouth, which lies 70 % down."""
MISFIT_SHARE = 0.4
"""So much of what does not fit in the upper half is expected of a still mouth."""
STEADY = 0.7
"""The size of the square follows the face's by this share of the one before, since landmarks tremble."""


REST_SHARE = 0.08
"""How much of each still look goes into what is known of the face at rest: some twelve looks make it."""
SAME_FACE = 0.35
"""The upper half of a face that is lost fits what is known of it to so much of its contrast, if it is still there."""

_LaidOver = tuple[NDArray[np.float32], float]
"""A square where its upper half fits another one best, and how badly it fits there."""


@dataclass(frozen=True, kw_only=True)
class MouthLook:
    """What one look at a mouth tells; both about 0 (still, at rest) to 1.

    Attributes:
        moved: since the frame before; None where there is none.
        unlike_rest: how unlike it looks to the same mouth when it is still; None while that is not known.
    """

    moved: float | None
    unlike_rest: float | None


class MouthMeter:
    """Measures one face, one frame after the other."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._rest: NDArray[np.float32] | None = None
        self._place: tuple[NDArray[np.float32], float] | None = None
        self._distance_px: float | None = None

    def measure(self, frame: NDArray[np.uint8], landmarks_px: NDArray[np.float32], *, still: float) -> MouthLook:
        """Measure the mouth of a face that was found.

        Args:
            frame: uint8 (H, W, 3).
            landmarks_px: float32 (5, 2): left eye, right eye, nose, left and right mouth corner.
            still: a mouth that moved less is at rest.
        """
        eyes, mouth = landmarks_px[:2].mean(axis=0), landmarks_px[3:].mean(axis=0)
        distance_px = max(float(np.linalg.norm(mouth - eyes)), 2.0)
        if self._distance_px is not None and 0.5 < distance_px / self._distance_px < 2:
            distance_px = STEADY * self._distance_px + (1 - STEADY) * distance_px
        self._distance_px = distance_px
        self._place = (eyes + mouth) / 2, SPAN * distance_px
        now = _square(frame, *self._place)
        rest = None if self._rest is None else _laid_over(self._rest, now)
        look = self._compared(now, rest)
        if look.moved is not None and look.moved < still:
            self._rest = now if rest is None else (1 - REST_SHARE) * rest[0] + REST_SHARE * now
        return look

    def follow(self, frame: NDArray[np.uint8]) -> MouthLook | None:
        """Measure a face that was not found, where it was last; None where it is there no more.

        A wide open mouth can hide a face from the detector while it speaks.
        """
        if self._place is None or self._rest is None:
            return None
        now = _square(frame, *self._place)
        rest = _laid_over(self._rest, now)
        return self._compared(now, rest) if rest[1] <= SAME_FACE * _contrast(now) else None

    def forget(self) -> None:
        """Forget the frame before: the face was out of sight."""
        self._before = None

    def _compared(self, now: NDArray[np.float32], rest: _LaidOver | None) -> MouthLook:
        before, self._before = self._before, now
        return MouthLook(
            moved=None if before is None else _difference(_laid_over(before, now), now),
            unlike_rest=None if rest is None else _difference(rest, now),
        )


def _square(frame: NDArray[np.uint8], centre: NDArray[np.float32], side_px: float) -> NDArray[np.float32]:
    """Return the square as float32 (40, 40), grey; what lies outside of the frame is black."""
    left, top = (int(np.floor(edge - side_px / 2)) for edge in centre)
    right, bottom = left + int(np.ceil(side_px)) + 1, top + int(np.ceil(side_px)) + 1
    height, width = frame.shape[:2]
    inside = frame[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    cut = np.zeros((bottom - top, right - left, 3), np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    if inside.size and y < cut.shape[0] and x < cut.shape[1] and left < width and top < height:
        cut[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    offset = centre - side_px / 2 - (left, top)
    box = (float(offset[0]), float(offset[1]), float(offset[0]) + side_px, float(offset[1]) + side_px)
    grey = Image.fromarray(cut).convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=box)
    return np.asarray(grey, dtype=np.float32)


def _laid_over(other: NDArray[np.float32], now: NDArray[np.float32]) -> _LaidOver:
    """Return the other square where its upper half fits best, and how badly it fits there."""
    padded = np.pad(other, REACH_PX, mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, (SIDE_PX, SIDE_PX))  # (7, 7, 40, 40)
    misfit = np.abs(shifted[(..., *UPPER)] - now[UPPER]).mean(axis=(2, 3))
    y, x = np.unravel_index(int(misfit.argmin()), misfit.shape)
    return shifted[y, x], float(misfit[y, x])


def _difference(laid: _LaidOver, now: NDArray[np.float32]) -> float:
    """Compare the mouths of two squares that are laid over each other, in units of the face's contrast."""
    other, misfit = laid
    was, is_now = other[MOUTH], now[MOUTH]
    differs = np.abs((was - was.mean()) - (is_now - is_now.mean())).mean()  # without what light changes
    return float(max(0.0, differs - MISFIT_SHARE * misfit) / _contrast(now))


def _contrast(square: NDArray[np.float32]) -> float:
    return float(square[4:36, 4:36].std() + 4.0)
