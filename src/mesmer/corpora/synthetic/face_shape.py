"""The shape of a face in a given state: outlines of brows, lids, nose, lips and jaw as points, moved by action units.

Coordinates are drawing units around the point between the eyes: x to the viewer's right, y down. ``side`` is -1 or +1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mesmer.corpora.synthetic.speakers import Face

Points = NDArray[np.float64]
"""(n, 2): x and y."""

SIDES = (-1.0, 1.0)

_ALONG_BROW = np.linspace(0.0, 1.0, 7)
_ACROSS = np.linspace(-1.0, 1.0, 13)
_LIP = 1 - np.abs(_ACROSS) ** 2.2
_ROUND = 1 - _ACROSS**2


@dataclass(frozen=True, kw_only=True)
class FaceState:
    """What a face does at one moment.

    Attributes:
        units: action unit -> strength in [0, 1]; those not named are relaxed.
        blink: 1 is closed for a blink (not an expression).
        speech_open, speech_round: the talking mouth, in [0, 1] each.
        gaze: where the irises look, in drawing units.
    """

    units: Mapping[str, float] = field(default_factory=dict)
    blink: float = 0.0
    speech_open: float = 0.0
    speech_round: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)

    def __getitem__(self, unit: str) -> float:
        return float(self.units.get(unit, 0.0))


def skull_outline(face: Face) -> Points:
    """The outline of head and jaw with the mouth closed, 72 points, clockwise from the crown."""
    half, jaw, top, chin = face.half_width, face.jaw_width, face.top, face.chin
    right = [
        (0.0, top - 16), (0.60 * half, top - 10), (0.95 * half, -26.0), (half, -4.0), (0.98 * half, 16.0),
        (jaw, 0.66 * chin), (0.56 * jaw, chin - 5.5), (0.0, chin),
    ]  # fmt: skip
    left = [(-x, y) for x, y in reversed(right[1:-1])]
    knots = np.array([*right, *left, right[0]])
    course = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    return CubicSpline(course, knots, bc_type="periodic")(np.linspace(0.0, course[-1], 73)[:-1])


def jaw_shift(face: Face, state: FaceState) -> float:
    """How far the chin is lowered, in drawing units."""
    return 9.0 * state["AU26"] + 2.0 * state.speech_open


def face_outline(face: Face, state: FaceState, skull: Points) -> Points:
    """The skull outline with the jaw lowered."""
    moved = skull.copy()
    below = np.clip((skull[:, 1] - face.mouth_y) / (face.chin - face.mouth_y), 0.0, 1.0)
    moved[:, 1] += jaw_shift(face, state) * below * below * (3 - 2 * below)
    return moved


def brow(face: Face, state: FaceState, side: float) -> Points:
    """Outline of one brow, from its inner end along the top and back."""
    t = _ALONG_BROW
    a1, a2, a4 = state["AU1"], state["AU2"], state["AU4"]
    inner, outer = face.eye_x - 10.0, face.eye_x + 12.5
    x = inner + (outer - inner) * t - 3.4 * a4 * (1 - t)
    y = face.brow_y - face.brow_arch * np.sin(np.pi * (0.15 + 0.75 * t)) + 1.5 * t
    y = y - 8.0 * a1 * (1 - t) ** 1.4 - 8.0 * a2 * t**0.8 * (1.15 - 0.35 * t) + 6.0 * a4 * (1 - 0.8 * t)
    thickness = face.brow_thickness * (1.0 - 0.6 * t**1.5)
    top = np.stack([side * x, y - thickness / 2], axis=1)
    bottom = np.stack([side * x, y + thickness / 2], axis=1)
    return np.concatenate([top, bottom[::-1]])


def lids(face: Face, state: FaceState, side: float) -> tuple[Points, Points]:
    """Upper and lower lid line of one eye, both from its left corner to its right corner."""
    height = face.eye_height
    low = 0.72 * height - 1.5 * state["AU7"] - 1.6 * state["AU6"]
    low = max(low, 0.15 * height)
    up = (height + 3.8 * state["AU5"]) * (1 - 0.40 * state["AU7"]) * (1 - 0.68 * state["AU43"])
    up = up * (1 - state.blink) - 0.85 * low * state.blink
    x = side * face.eye_x + face.eye_width * _ACROSS
    tilt = -face.eye_tilt * side * _ACROSS
    upper = np.stack([x, tilt - up * _LIP], axis=1)
    lower = np.stack([x, tilt + low * _ROUND], axis=1)
    return upper, lower


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """Four lip lines, all from the left to the right corner, and how wide the lips are apart."""

    upper_top: Points
    upper_bottom: Points
    lower_top: Points
    lower_bottom: Points
    gap: float


def mouth(face: Face, state: FaceState) -> Mouth:
    """The lips, moved by action units and by speech."""
    a10, a12, a15, a20, a23 = (state[unit] for unit in ("AU10", "AU12", "AU15", "AU20", "AU23"))
    thin = (1 - 0.72 * a23) * (1 - 0.20 * a12) * (1 - 0.25 * a20)
    width = face.mouth_width * (1 + 0.30 * a12 + 0.40 * a20 - 0.18 * a23 - 0.12 * state["AU26"]) - 3.0 * state.speech_round
    speech = state.speech_open * (1 - 0.45 * a23)
    gap = 5.2 * state["AU25"] + 16.0 * state["AU26"] + 5.0 * speech * (1 - state["AU26"])
    corner = -7.5 * a12 + 6.5 * a15 + 2.4 * a20
    middle = face.mouth_y + corner * (np.abs(_ACROSS) ** 1.7 - 0.25)
    # Raised by AU10 the upper lip is squared: it moves nearly as much near the corners as in its middle.
    squared = 1 - _ACROSS**4
    upper_bottom = middle - 0.25 * gap * _ROUND**0.7 - 2.6 * a10 * squared
    bow = 1 - 0.28 * np.exp(-((_ACROSS / 0.14) ** 2))
    upper_top = upper_bottom - (face.upper_lip * thin + 0.4) * _LIP * bow - 2.4 * a10 * squared
    lower_top = middle + 0.75 * gap * _ROUND**0.7
    lower_bottom = lower_top + (face.lower_lip * thin + 0.4) * _LIP
    x = width * _ACROSS

    def line(y: NDArray[np.float64]) -> Points:
        return np.stack([x, y], axis=1)

    return Mouth(
        upper_top=line(upper_top),
        upper_bottom=line(upper_bottom),
        lower_top=line(lower_top),
        lower_bottom=line(lower_bottom),
        gap=gap + 2.6 * a10,
    )


def region_boxes(face: Face) -> dict[str, NDArray[np.float64]]:
    """Boxes (n, 4) x0, y0, x1, y1 of every named part of the face, wide enough for its largest movement."""
    half, lip = face.half_width, face.mouth_y
    eye_out, eye_in = face.eye_x + face.eye_width + 8.0, face.eye_x - face.eye_width - 3.0
    brow_out = face.eye_x + 15.0
    wing = face.nose_width + 6.5
    reach = 1.4 * face.mouth_width + 4.0

    def both(inner: float, top: float, outer: float, bottom: float) -> list[list[float]]:
        return [[-outer, top, -inner, bottom], [inner, top, outer, bottom]]

    boxes = {
        "forehead": [[-0.8 * half, face.top - 1.0, 0.8 * half, face.brow_y - 4.0]],
        "brows": [[-brow_out, face.brow_y - 17.0, brow_out, face.brow_y + 9.5]],
        "eyes": both(eye_in, -face.eye_height - 7.5, eye_out, 0.72 * face.eye_height + 7.0),
        "nose": [[-wing, -8.0, wing, face.nose_y + 6.0]],
        "cheeks": both(face.nose_width - 1.0, face.eye_height + 2.0, 0.98 * half, lip + 9.0),
        "mouth": [[-reach, lip - face.upper_lip - 13.0, reach, lip + face.lower_lip + 16.5]],
        "jaw": [[-face.half_width - 2.0, lip - 1.0, face.half_width + 2.0, face.chin + 12.0]],
    }
    return {name: np.array(rows, dtype=np.float64) for name, rows in boxes.items()}
