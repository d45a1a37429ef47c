"""A sequence of faces that moves, made of still ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from mesmer.dataset.composite.form import Motion
from mesmer.records import FACE_PX


def moving_faces(
    stills: Sequence[NDArray[np.uint8]], *, still_of_step: NDArray[np.int64], times_s: NDArray[np.float64], motion: Motion
) -> NDArray[np.uint8]:
    """Return the faces uint8 (S, 48, 48, 3) of a sequence: at each time the still of that step, moved as ``motion`` says.

    The motion goes on through a change of the still face, so that it tells nothing of where one was.

    Args:
        stills: uint8 (48, 48, 3) each.
        still_of_step: int64 (S,), number of the still at each step.
        times_s: float64 (S,).
    """
    faces = [_moved(stills[still], motion, float(time_s)) for still, time_s in zip(still_of_step, times_s, strict=True)]
    return np.stack(faces)


def _moved(still: NDArray[np.uint8], motion: Motion, time_s: float) -> NDArray[np.uint8]:
    turn = np.deg2rad(motion.at("turn_deg", time_s))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / np.exp(motion.at("scale", time_s))
    middle = np.full(2, (FACE_PX - 1) / 2)
    shift = np.array([motion.at("down_px", time_s), motion.at("right_px", time_s)])
    picture = still[:, ::-1] if motion.mirrored else still
    # The place in the still of each place in the face; what lies beyond the border repeats it.
    offset = middle - matrix @ (middle + shift)
    channels = [
        affine_transform(picture[..., c].astype(np.float32), matrix, offset, order=1, mode="nearest") for c in range(3)
    ]
    lit = (np.stack(channels, axis=-1) - 128) * np.exp(motion.at("contrast", time_s)) + 128
    return np.clip(np.rint(lit + motion.at("brightness", time_s)), 0, 255).astype(np.uint8)
