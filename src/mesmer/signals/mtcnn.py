"""Face detection with MTCNN (Zhang, Zhang, Li and Qiao, 2016): three networks, each checking what the one before proposed.

P-Net searches a pyramid of shrunk frames, R-Net and O-Net look again at what it found. Frames of equal size go through
together; crops of all frames go through R-Net and O-Net together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from mesmer.errors import ConfigError
from mesmer.signals.boxes import Boxes, moved, squared, suppress
from mesmer.signals.crops import resized
from mesmer.signals.mtcnn_nets import (
    OUTPUT_SIDE,
    PROPOSAL_SIDE,
    PROPOSAL_STRIDE,
    REFINE_SIDE,
    CascadeNet,
    load_nets,
    scale_pixels,
)

PROPOSAL_THRESHOLD, REFINE_THRESHOLD, OUTPUT_THRESHOLD = 0.6, 0.7, 0.7
"""A square is looked at again, or is a face, from these probabilities on."""
PYRAMID_FACTOR = 0.709
"""Each level of the pyramid has half the pixels of the one before."""
LEVEL_OVERLAP, FRAME_OVERLAP = 0.5, 0.7
"""Squares of one level, and boxes of one frame, that overlap more than this are one."""
MAX_PROPOSALS = 400
"""Best squares kept per level and frame, so that a picture of nothing but faces stays bounded."""
FRAMES_AT_ONCE = 16
REFINE_AT_ONCE, OUTPUT_AT_ONCE = 8, 2
"""Crops in a batch: always exactly so many, black ones making up the number. Then a crop's numbers do not depend on its
neighbours in the last bit either (matrix products of another size may add in another order)."""


@dataclass(frozen=True)
class Detections:
    """The faces found in one frame, most probable first.

    Attributes:
        boxes_px: float32 (n, 4), x0, y0, x1, y1 at pixel edges; may reach beyond the frame.
        scores: float32 (n,), probability that it is a face.
        landmarks_px: float32 (n, 5, 2), x and y of left eye, right eye, nose, left and right mouth corner, as seen in the
            picture.
    """

    boxes_px: Boxes
    scores: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, pick: Any) -> Detections:
        return Detections(self.boxes_px[pick], self.scores[pick], self.landmarks_px[pick])

    def without_doubles(self) -> Detections:
        """Return one face where a smaller one lies within a more probable one; most probable first."""
        return self[suppress(self.boxes_px, self.scores, FRAME_OVERLAP, over="smaller")]

    def scaled(self, x_factor: float, y_factor: float) -> Detections:
        """Return the same faces in a frame that is larger by these factors."""
        factors = np.array([x_factor, y_factor], dtype=np.float32)
        return Detections(self.boxes_px * np.tile(factors, 2), self.scores, self.landmarks_px * factors)


@dataclass(frozen=True)
class _Candidates:
    """K squares of several frames that a network took for faces.

    ``frame`` (K,), ``boxes`` (K, 4) as they were looked at, ``scores`` (K,), ``moves`` (K, 4) to fit the face better,
    ``landmarks`` (K, 5, 2), zeros until O-Net has spoken.
    """

    frame: NDArray[np.intp]
    boxes: Boxes
    scores: NDArray[np.float32]
    moves: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def __getitem__(self, pick: NDArray[np.intp] | NDArray[np.bool_]) -> _Candidates:
        return _Candidates(*(getattr(self, field.name)[pick] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[_Candidates]) -> _Candidates:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def suppressed(self, threshold: float, *, at_most: int | None = None) -> _Candidates:
        """Drop what overlaps a better square of its frame; frames in order, best square first."""
        picks = [np.empty(0, dtype=np.intp)]
        for frame in np.unique(self.frame):
            mine = np.flatnonzero(self.frame == frame)
            if at_most is not None and len(mine) > at_most:
                mine = mine[np.argsort(-self.scores[mine], kind="stable")[:at_most]]
            picks.append(mine[suppress(self.boxes[mine], self.scores[mine], threshold)])
        return self[np.concatenate(picks)]


class FaceDetector:
    """Finds faces in frames. Stateless between calls; what it says of a frame does not depend on the other frames.

    Args:
        min_face_px: smallest side of a face that is searched for; twice the side is four times the speed.

    Raises:
        ConfigError: ``min_face_px`` is below the 12 pixels that the first network sees.
    """

    def __init__(self, *, min_face_px: int = 40) -> None:
        if min_face_px < PROPOSAL_SIDE:
            raise ConfigError(f"min_face_px is {min_face_px}", field="min_face_px", remedy=f"use {PROPOSAL_SIDE} or more")
        self.min_face_px = min_face_px
        self._proposal, self._refine, self._output = load_nets()

    @torch.inference_mode()
    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Return the faces of each frame, uint8 (H, W, 3) RGB; frames may differ in size."""
        found: dict[int, Detections] = {}
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, frame in enumerate(frames):
            by_size.setdefault(frame.shape, []).append(i)
        for group in by_size.values():
            for start in range(0, len(group), FRAMES_AT_ONCE):
                indices = group[start : start + FRAMES_AT_ONCE]
                found.update(zip(indices, self._detect_equal(np.stack([frames[i] for i in indices])), strict=True))
        return [found[i] for i in range(len(frames))]

    @torch.inference_mode()
    def detect_near(self, frame: NDArray[np.uint8], boxes: Boxes) -> Detections:
        """Look for known faces of a frame, uint8 (H, W, 3), where they are expected: many times cheaper than a search.

        O-Net looks at each of ``boxes`` (n, 4), and once more at where it says the face is; so each gets at most one face,
        the same as a search finds there, and none that has moved by more than about a third of its side.
        """
        pixels = torch.from_numpy(np.require(frame, requirements=("C", "W"))).permute(2, 0, 1)[None]
        count = len(boxes)
        zeros = np.zeros((count, 4), np.float32)
        seen = _Candidates(np.zeros(count, np.intp), boxes, np.ones(count, np.float32), zeros, _no_landmarks(count))
        for _ in range(2):
            seen = _look_again(pixels, seen, self._output, OUTPUT_SIDE, OUTPUT_THRESHOLD, 1)
        return _final(seen)

    def _detect_equal(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Return the faces of uint8 (N, H, W, 3)."""
        # A view: pictures lie in memory pixel by pixel (torch's channels_last), the fast way for all that follows.
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
        levels = [self._propose(pixels, size) for size in _pyramid(*pixels.shape[2:], min_face_px=self.min_face_px)]
        if not levels:
            return [_final(None) for _ in pixels]
        seen = _Candidates.joined(levels).suppressed(FRAME_OVERLAP)
        seen = _look_again(pixels, seen, self._refine, REFINE_SIDE, REFINE_THRESHOLD, REFINE_AT_ONCE)
        seen = seen.suppressed(FRAME_OVERLAP)
        seen = _look_again(pixels, seen, self._output, OUTPUT_SIDE, OUTPUT_THRESHOLD, OUTPUT_AT_ONCE)
        return [_final(seen[seen.frame == i]) for i in range(len(pixels))]

    def _propose(self, pixels: Tensor, size: tuple[int, int]) -> _Candidates:
        """P-Net on frames uint8 (N, 3, H, W), shrunk to one level of the pyramid."""
        answer = self._proposal(scale_pixels(resized(pixels, size)))
        face, moves = answer.face.numpy(), answer.box.numpy()
        frame, row, column = np.nonzero(face >= PROPOSAL_THRESHOLD)
        low = np.stack([column, row], axis=1) * PROPOSAL_STRIDE
        to_frame = np.array(pixels.shape[:1:-1]) / np.array(size[::-1])
        squares = np.concatenate([low * to_frame, (low + PROPOSAL_SIDE) * to_frame], axis=1).astype(np.float32)
        found = _Candidates(
            frame, squares, face[frame, row, column], moves[frame, :, row, column], _no_landmarks(len(frame))
        )
        return found.suppressed(LEVEL_OVERLAP, at_most=MAX_PROPOSALS)


def _pyramid(height: int, width: int, *, min_face_px: int) -> list[tuple[int, int]]:
    """Heights and widths at which P-Net's 12 pixels are min_face_px of the frame, and then ever more of it."""
    sizes, scale = [], PROPOSAL_SIDE / min_face_px
    while min(round(height * scale), round(width * scale)) >= PROPOSAL_SIDE:
        sizes.append((round(height * scale), round(width * scale)))
        scale *= PYRAMID_FACTOR
    return sizes


def _look_again(
    pixels: Tensor, seen: _Candidates, net: CascadeNet, side: int, threshold: float, at_once: int
) -> _Candidates:
    """Show ``net`` the square around each candidate's moved box; keep those it takes for faces."""
    height, width = pixels.shape[2:]
    squares = np.rint(squared(moved(seen.boxes, seen.moves)))
    in_view = np.all(np.minimum(squares[:, 2:], (width, height)) > np.maximum(squares[:, :2], 0), axis=1)
    seen, squares = seen[in_view], squares[in_view]
    black = pixels.new_zeros((at_once, 3, side, side)).to(memory_format=torch.channels_last)
    kept = []
    for start in range(0, len(squares), at_once):
        frame, boxes = seen.frame[start : start + at_once], squares[start : start + at_once]
        crops = black.clone()
        for k, box in enumerate(boxes.astype(int).tolist()):
            crops[k] = _crop(pixels[frame[k]], box, side)
        face, moves, points = (part[: len(boxes)].numpy() for part in net(scale_pixels(crops)))
        landmarks = _no_landmarks(len(boxes))
        if points.size:
            shares = points.reshape(-1, 2, 5).transpose(0, 2, 1)
            landmarks = boxes[:, None, :2] + shares * (boxes[:, 2:] - boxes[:, :2])[:, None]
        kept.append(_Candidates(frame, boxes, face, moves, landmarks)[face > threshold])
    return _Candidates.joined(kept) if kept else seen


def _crop(picture: Tensor, box: list[int], side: int) -> Tensor:
    """Return a square of ``picture`` uint8 (3, H, W) at another size (3, side, side); beyond the picture is black."""
    (x0, y0, x1, y1), (height, width) = box, picture.shape[1:]
    inside = picture[None, :, max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        inside = pad(inside, (max(-x0, 0), max(x1 - width, 0), max(-y0, 0), max(y1 - height, 0)))
    return resized(inside, (side, side))[0]


def _final(seen: _Candidates | None) -> Detections:
    """The faces of one frame: moved a last time, and one box where a smaller one lies within a better one."""
    if seen is None or not len(seen.scores):
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), _no_landmarks(0))
    return Detections(moved(seen.boxes, seen.moves), seen.scores, seen.landmarks).without_doubles()


def _no_landmarks(count: int) -> NDArray[np.float32]:
    return np.zeros((count, 5, 2), dtype=np.float32)
