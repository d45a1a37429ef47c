"""Landmark measures: 35 numbers about the muscles of a face, from where its landmarks are.

They are *not* the action units of a trained rater or of OpenFace: each is a distance that the muscle of that unit
changes, in a face turned upright and scaled by the distance of its eyes, less what that distance is in a typical face,
over how much it varies. 18 measures are taken in each face; 17 of them (without ``lip_suck``) once more as the difference
from the clip's own median, which takes the person out. `docs/features.md` says how well each follows its unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesmer.signals.handcrafted.landmark_net import LandmarkNet
from mesmer.signals.handcrafted.landmarks import face_landmarks

UNITS: dict[str, int] = {
    "inner_brow_raise": 1, "outer_brow_raise": 2, "brow_lower": 4, "upper_lid_raise": 5, "cheek_raise": 6,
    "lid_tighten": 7, "nose_wrinkle": 9, "upper_lip_raise": 10, "lip_corner_pull": 12, "dimple": 14,
    "lip_corner_depress": 15, "chin_raise": 17, "lip_stretch": 20, "lip_tighten": 23, "lips_part": 25, "jaw_drop": 26,
    "lip_suck": 28, "blink": 45,
}  # fmt: skip
"""Measure -> number of the action unit whose muscle it looks at."""

COLUMNS: tuple[str, ...] = (*UNITS, *(f"{name}_change" for name in UNITS if name != "lip_suck"))
"""Names of the 35 measures."""

# What the distances are in a typical face, and how much they vary: median, and interquartile range over 1.349, of the
# 96 % of 1,500 training faces of FER2013 (every 19th) in which the network sees a face.
TYPICAL: dict[str, tuple[float, float]] = {
    "inner_brow_raise": (0.202, 0.042),
    "outer_brow_raise": (0.176, 0.030),
    "brow_lower": (-0.568, 0.050),
    "upper_lid_raise": (0.084, 0.015),
    "cheek_raise": (-0.193, 0.021),
    "lid_tighten": (-0.036, 0.009),
    "nose_wrinkle": (-0.418, 0.044),
    "upper_lip_raise": (-0.137, 0.024),
    "lip_corner_pull": (-0.456, 0.101),
    "dimple": (0.160, 0.027),
    "lip_corner_depress": (-0.025, 0.032),
    "chin_raise": (-0.350, 0.052),
    "lip_stretch": (0.558, 0.080),
    "lip_tighten": (-0.753, 0.079),
    "lips_part": (0.049, 0.066),
    "jaw_drop": (0.641, 0.112),
    "lip_suck": (-1.113, 0.121),
    "blink": (0.061, 0.048),
}

LARGEST = 10.0
"""Measures are cut at so many times their spread: a face that was not understood shall not drown the rest."""

Points = NDArray[np.float32]


def landmark_measures(faces: NDArray[np.uint8], net: LandmarkNet) -> NDArray[np.float32]:
    """Return the measures of each face of a clip, float32 (S, 35), in the order of ``COLUMNS``.

    A face that the network does not see takes the clip's median; a clip in which none is seen is typical: all zeros.

    Args:
        faces: uint8 (S, 48, 48, 3), RGB, of one clip.
    """
    points, found = face_landmarks(faces, net)
    distances = muscle_distances(points)
    typical = np.array([TYPICAL[name] for name in UNITS])
    levels = np.clip((distances - typical[:, 0]) / typical[:, 1], -LARGEST, LARGEST)
    rest = np.median(levels[found], axis=0) if found.any() else np.zeros(len(UNITS))
    levels = np.where(found[:, None], levels, rest)
    changes = (levels - rest)[:, [i for i, name in enumerate(UNITS) if name != "lip_suck"]]
    return np.concatenate([levels, changes], axis=1).astype(np.float32)


def muscle_distances(points: Points) -> NDArray[np.float64]:
    """Return the distance that each measure looks at, float64 (S, 18), in distances of the outer eye corners.

    Args:
        points: float32 (S, 468, 3), as :func:`face_landmarks` gives them; neither place, size nor tilt matter.
    """
    face = _upright(points.astype(np.float64))

    def x(*numbers: int) -> NDArray[np.float64]:
        return face[:, numbers, 0].mean(axis=1)

    def y(*numbers: int) -> NDArray[np.float64]:
        return face[:, numbers, 1].mean(axis=1)

    def apart(one: int, other: int) -> NDArray[np.float64]:
        return np.linalg.norm(face[:, one] - face[:, other], axis=1)

    eyes_inner, eyes_outer = y(133, 362), y(33, 263)
    eye_corners = (eyes_inner + eyes_outer) / 2
    upper_lids, lower_lids = y(158, 159, 160, 385, 386, 387), y(144, 145, 153, 373, 374, 380)
    lip_middle, lip_corners = y(13, 14), y(61, 291, 78, 308)
    lip_thickness = apart(0, 13) + apart(14, 17)
    measures = {
        "inner_brow_raise": eyes_inner - y(107, 336, 55, 285),
        "outer_brow_raise": eyes_outer - y(70, 300, 46, 276, 63, 293),
        "brow_lower": -(apart(107, 336) + apart(55, 285)) / 2 - (eye_corners - y(105, 334, 66, 296)),
        "upper_lid_raise": eye_corners - (upper_lids + y(27, 257)) / 2,  # the lid and its fold
        "cheek_raise": eye_corners - y(118, 347),
        "lid_tighten": eye_corners - lower_lids,
        "nose_wrinkle": -(y(129, 358, 98, 327) - eyes_inner),
        "upper_lip_raise": -(y(0, 37, 267) - y(2)),
        "lip_corner_pull": -(y(61, 291) - eyes_outer) + (x(291) - x(61)) / 2,
        "dimple": face[:, [61, 291], 2].mean(axis=1) - face[:, [0, 17], 2].mean(axis=1),
        "lip_corner_depress": lip_corners - lip_middle,
        "chin_raise": -apart(17, 152),
        "lip_stretch": apart(61, 291),
        "lip_tighten": -lip_thickness - apart(61, 291),
        "lips_part": apart(13, 14),
        "jaw_drop": y(152) - y(2),
        "lip_suck": -apart(14, 17) / np.maximum(apart(0, 13), 1e-3),
        "blink": 2 * upper_lids - lower_lids - y(65, 295),  # away from the brow, towards the lower lid
    }
    return np.stack([measures[name] for name in UNITS], axis=1)


def _upright(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points turned so that the eyes are level, moved to their middle, scaled by their distance."""
    right, left = points[:, 33], points[:, 263]
    across = left - right
    distance = np.maximum(np.linalg.norm(across, axis=1), 1e-6)[:, None, None]
    angle = np.arctan2(across[:, 1], across[:, 0])
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    centred = points - ((right + left) / 2)[:, None]
    turned = centred.copy()
    turned[..., 0] = cos * centred[..., 0] + sin * centred[..., 1]
    turned[..., 1] = cos * centred[..., 1] - sin * centred[..., 0]
    return turned / distance
