"""How much a mouth moves from frame to frame, and how unlike its rest it looks, beside what the rest of the face does.

A square around eyes and mouth is cut out. The one before, and what the face looks like while its mouth is still, are laid
over it: first in whole steps, so that the upper half fits best, then the mouth by itself, to a fraction of a pixel. So what
the head does cancels out, and a change of the mouth's shape remains. Lips open by less than a pixel in many a sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import affine_transform

SIDE_PX = 80
"""Side of the square that is compared."""
SPAN = 2.4
"""Its side in the face, in distances between the line of the eyes and the mouth."""
REACH_STEPS = 3
"""How far two squares are moved against each other to find how they fit best, in steps of 2 px."""
UPPER = (slice(6, 22), slice(6, 34))
"""Rows and columns of eyes and nose, in steps."""
MOUTH = (slice(50, 77), slice(18, 62))
"""Rows and columns around the mouth, which lies 70 % down."""
MOUTH_X, MOUTH_Y = 39.5, 63.0
"""The middle of those."""
WHOLE = (slice(0, SIDE_PX), slice(0, SIDE_PX))
ROUNDS, NEAR_ENOUGH_PX = 4, 0.03
"""The mouth is laid over in so many rounds (Gauss and Newton), or until it moves by less."""
FIRM = (200.0, 200.0, 0.1, 0.1)
"""What holds back growth, turn, x and y of the mouth, so that a mouth without marks stays where it is."""
STEADY = 0.7
"""The size of the square follows the face's by this share of the one before, since landmarks tremble."""


REST_SHARE = 0.08
"""How much of each still look goes into what is known of the face at rest: some twelve looks make it."""
SAME_FACE = 0.35
"""The upper half of a face fits what is known of it to so much of its contrast, if it is that face from that side."""
STRANGE_LOOKS = 4
"""After so many still looks that do not fit, the face is learnt anew: what was known is of another one, or of none."""

_Floats = NDArray[np.float32]
_FROM_X = np.arange(MOUTH[1].start, MOUTH[1].stop, dtype=np.float32) - MOUTH_X
_FROM_Y = (np.arange(MOUTH[0].start, MOUTH[0].stop, dtype=np.float32) - MOUTH_Y)[:, None]


@dataclass(frozen=True, kw_only=True)
class MouthLook:
    """What one look at a mouth tells; both about 0.1 (still, at rest) to 1.

    Attributes:
        moved: since the frame before; None where there is none.
        unlike_rest: how unlike it looks to the same mouth when it is still; None while that is not known.
    """

    moved: float | None
    unlike_rest: float | None


class MouthMeter:
    """Measures one face, one frame after the other."""

    def __init__(self) -> None:
        self._before: _Square | None = None
        self._rest: _Square | None = None
        self._strange = 0
        self._place: tuple[_Floats, float] | None = None
        self._distance_px: float | None = None

    def measure(self, frame: NDArray[np.uint8], landmarks_px: _Floats, *, still: float) -> MouthLook:
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
        now = _Square(_cut_out(frame, *self._place))
        rest = None if self._rest is None else self._rest.laid_over(now, turns=True)
        look = self._compared(now, rest)
        if look.moved is not None and look.moved < still:
            self._learn(now, rest)
        return look

    def follow(self, frame: NDArray[np.uint8]) -> MouthLook | None:
        """Measure a face that was not found, where it was last; None where it is there no more.

        A wide open mouth can hide a face from the detector while it speaks.
        """
        if self._place is None or self._rest is None:
            return None
        now = _Square(_cut_out(frame, *self._place))
        rest = self._rest.laid_over(now, turns=True)
        return self._compared(now, rest) if rest.misfit <= SAME_FACE else None

    def forget(self) -> None:
        """Forget the frame before: the face was out of sight."""
        self._before = None

    def _compared(self, now: _Square, rest: _Fit | None) -> MouthLook:
        before, self._before = self._before, now
        return MouthLook(
            moved=None if before is None else before.laid_over(now, turns=False).difference,
            unlike_rest=None if rest is None else rest.difference,
        )

    def _learn(self, now: _Square, rest: _Fit | None) -> None:
        """Take a still look into what is known of the face at rest."""
        if self._rest is None or rest is None:
            self._rest = now
        elif rest.misfit <= SAME_FACE:
            self._strange = 0
            seen = _sampled(now.grey, rest.place, WHOLE)
            known = self._rest.grey
            self._rest = _Square(known + np.float32(REST_SHARE) * (seen - seen.mean() + known.mean() - known))
        else:
            self._strange += 1
            if self._strange >= STRANGE_LOOKS:
                self._rest, self._strange = now, 0


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """How a square lies over another one: where (growth, turn, x and y in px) and, as shares of the face's contrast, how
    badly the upper halves fit and how much the mouths differ.
    """

    place: NDArray[np.float64]
    misfit: float
    difference: float


class _Square:
    """A grey square float32 (80, 80) of a face, with what it takes to lay it over others."""

    def __init__(self, grey: _Floats) -> None:
        self.grey = grey
        self.half = grey.reshape(SIDE_PX // 2, 2, SIDE_PX // 2, 2).mean(axis=(1, 3))

    @cached_property
    def contrast(self) -> float:
        """Standard deviation of the grey levels in the middle, and a little more, so that it is never 0."""
        return float(self.grey[8:72, 8:72].std() + 4.0)

    @cached_property
    def shifted(self) -> _Floats:
        """The upper half at half the size, moved by each of 7 x 7 steps: (7, 7, 16, 28)."""
        padded = np.pad(self.half, REACH_STEPS, mode="edge")
        shifted = np.lib.stride_tricks.sliding_window_view(padded, self.half.shape)
        return np.asarray(shifted[(..., *UPPER)])

    def laid_over(self, now: _Square, *, turns: bool) -> _Fit:
        """Lay this square over another one; with ``turns`` the mouth may grow and turn a little as well as move."""
        x, y, misfit = self._coarsely(now)
        mouth = self.grey[MOUTH] - self.grey[MOUTH].mean()
        slopes = self._slopes(turns)
        firm = np.diag(FIRM[-len(slopes) :])
        place = np.array([0.0, 0.0, x, y])
        for _ in range(ROUNDS):
            differs = now.mouth_at(place) - mouth
            away = np.abs(differs).mean() * 2.4 + 2  # what the lips change must not move them
            weighed = slopes / (1 + (differs / away) ** 2).ravel()
            # Without BLAS, whose threads would spin beside the decoders for a product as small as this.
            curvature = np.einsum("ip,jp->ij", weighed, slopes)
            step = np.linalg.solve(curvature + firm, np.einsum("ip,p->i", weighed, differs.ravel()))
            step[-2:] = np.clip(step[-2:], -1, 1)
            place[-len(step) :] -= step
            if np.abs(step[-2:]).max() < NEAR_ENOUGH_PX:
                break
        differs = now.mouth_at(place) - mouth
        difference = float(np.sqrt((differs**2).mean())) / now.contrast
        return _Fit(place=place, misfit=misfit / now.contrast, difference=difference)

    def mouth_at(self, place: NDArray[np.float64]) -> _Floats:
        """Return the mouth at a place (growth, turn, x, y), less its mean: light does not count."""
        mouth = _sampled(self.grey, place, MOUTH)
        return mouth - mouth.mean()

    def _coarsely(self, now: _Square) -> tuple[float, float, float]:
        """Return where the upper half fits best, x and y in px, and how badly it fits there."""
        misfit = np.abs(now.shifted - self.half[UPPER]).mean(axis=(2, 3))
        y, x = np.unravel_index(int(misfit.argmin()), misfit.shape)
        return 2.0 * (float(x) - REACH_STEPS), 2.0 * (float(y) - REACH_STEPS), float(misfit[y, x])

    def _slopes(self, turns: bool) -> _Floats:
        """Return how each pixel of the mouth changes with its place, (2 or 4, pixels)."""
        rows, columns = MOUTH
        grey, x, y = self.grey, _FROM_X, _FROM_Y
        by_x = (grey[rows, columns.start + 1 : columns.stop + 1] - grey[rows, columns.start - 1 : columns.stop - 1]) / 2
        by_y = (grey[rows.start + 1 : rows.stop + 1, columns] - grey[rows.start - 1 : rows.stop - 1, columns]) / 2
        slopes = [by_x * x + by_y * y, by_y * x - by_x * y, by_x, by_y] if turns else [by_x, by_y]
        return np.stack(slopes).reshape(len(slopes), -1)


def _sampled(grey: _Floats, place: NDArray[np.float64], part: tuple[slice, slice]) -> _Floats:
    """Return a part of the square at a place, between pixels by straight lines."""
    grow, turn, right, down = place
    rows, columns = part
    if grow == turn == 0:
        return _moved(grey, right, down, part)
    matrix = np.array([[1 + grow, turn], [-turn, 1 + grow]])
    first = np.array([rows.start - MOUTH_Y, columns.start - MOUTH_X])
    offset = np.array([MOUTH_Y + down, MOUTH_X + right]) + matrix @ first
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    return np.asarray(affine_transform(grey, matrix, offset, shape, order=1, mode="nearest", prefilter=False))


def _moved(grey: _Floats, right: float, down: float, part: tuple[slice, slice]) -> _Floats:
    """The same where nothing grows or turns: four times faster."""
    rows, columns = part
    y, x = int(np.floor(down)), int(np.floor(right))
    top, bottom, first, last = rows.start + y, rows.stop + y + 1, columns.start + x, columns.stop + x + 1
    if min(top, first) >= 0 and max(bottom, last) <= SIDE_PX:
        near = grey[top:bottom, first:last]
    else:
        inside = (np.clip(np.arange(*ends), 0, SIDE_PX - 1) for ends in ((top, bottom), (first, last)))
        near = grey[np.ix_(*inside)]
    across = near[:, :-1] + (near[:, 1:] - near[:, :-1]) * np.float32(right - x)
    return np.asarray(across[:-1] + (across[1:] - across[:-1]) * np.float32(down - y))


def _cut_out(frame: NDArray[np.uint8], centre: _Floats, side_px: float) -> _Floats:
    """Return the square as float32 (80, 80), grey; what lies outside of the frame is black."""
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
