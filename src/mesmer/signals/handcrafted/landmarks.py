"""Face crops to landmarks: the 48-pixel crop is enlarged and set into the middle of what the network looks at."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, pad

from mesmer.signals.handcrafted.landmark_net import INPUT_SIDE, NUM_POINTS, LandmarkNet

CROP_SIDE = 144
"""Pixels of the network's picture that the crop fills. The network was made for faces with some room around them; the
room is filled with the crop's border. Between 112 and 192 it finds every face of the crops that were tried."""
FOUND_FROM = 0.5
"""Presence from which on there is a face."""


def face_landmarks(faces: NDArray[np.uint8], net: LandmarkNet) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the points of each face, in shares of the crop's side from its middle, and whether there is a face.

    Each face goes through alone: its numbers do not depend on the others.

    Args:
        faces: uint8 (S, 48, 48, 3), RGB.

    Returns:
        float32 (S, 468, 3): x to the right, y downwards, z away from the viewer; and bool (S,).
    """
    points = np.zeros((len(faces), NUM_POINTS, 3), dtype=np.float32)
    found = np.zeros(len(faces), dtype=bool)
    before = (INPUT_SIDE - CROP_SIDE) // 2
    after = INPUT_SIDE - CROP_SIDE - before
    with torch.no_grad():
        for i, face in enumerate(faces):
            crop = torch.tensor(face).permute(2, 0, 1)[None].float() / 255
            large = interpolate(crop, size=(CROP_SIDE, CROP_SIDE), mode="bicubic").clamp(0, 1)
            seen, presence = net(pad(large, (before, after, before, after), mode="replicate"))
            points[i] = seen[0].numpy()
            found[i] = float(presence) >= FOUND_FROM
    points[..., :2] -= INPUT_SIDE / 2
    return (points / CROP_SIDE).astype(np.float32), found
