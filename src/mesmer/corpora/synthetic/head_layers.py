"""The parts of a drawn head that do not move: shaded skin, ears and the hair behind and in front of the face.

A layer is a picture of the whole head at twice the size of the finished frame (supersampling); ``to_layer`` says where a
point of the face lies in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mesmer.corpora.synthetic.face_shape import SIDES, Points
from mesmer.corpora.synthetic.speakers import Colour, Face

SUPERSAMPLING = 2
ORIGIN = (62.0, 86.0)
"""Where the point between the eyes lies in a layer, in drawing units from its upper left corner."""
EXTENT = (124.0, 178.0)
"""Width and height of a layer in drawing units."""
LAYER_PX = (int(EXTENT[0] * SUPERSAMPLING), int(EXTENT[1] * SUPERSAMPLING))


@dataclass(frozen=True, kw_only=True)
class Light:
    """Where light comes from (``direction``, -1 left to +1 right) and its contrast, level and warmth."""

    direction: float = 0.4
    contrast: float = 0.5
    level: float = 1.0
    warmth: float = 0.0


def to_layer(points: Points) -> list[float]:
    """Points of the face as the flat list of layer coordinates that PIL draws."""
    flat: list[float] = ((points + ORIGIN) * SUPERSAMPLING).ravel().tolist()
    return flat


@lru_cache(maxsize=4096)
def shade(colour: Colour, factor: float, light: Light) -> Colour:
    """A colour under a light, ``factor`` times as bright."""
    gains = (1 + 0.10 * light.warmth, 1.0, 1 - 0.12 * light.warmth)
    red, green, blue = (min(255, int(c * factor * light.level * g)) for c, g in zip(colour, gains, strict=True))
    return red, green, blue


def _blob(
    x: NDArray[np.float64], y: NDArray[np.float64], cx: float, cy: float, sx: float, sy: float
) -> NDArray[np.float64]:
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def skin_layer(face: Face, light: Light, rng: np.random.Generator) -> Image.Image:
    """Skin over the whole layer, shaded as a face: the outline is cut out of it frame by frame."""
    width, height = (int(side) for side in EXTENT)
    x, y = np.meshgrid(np.arange(width) + 0.5 - ORIGIN[0], np.arange(height) + 0.5 - ORIGIN[1])
    nx, ny = x / face.half_width, (y - 5.0) / (0.5 * (face.chin - face.top) + 8)
    bright = 1.04 - 0.26 * light.contrast * np.clip(nx**2 + 0.8 * ny**2, 0, 2) ** 1.5
    bright += 0.20 * light.contrast * light.direction * np.tanh(1.2 * nx)
    bright += 0.06 * _blob(x, y, 0, face.top + 14, 24, 12)  # forehead
    bright += 0.13 * _blob(x, y, 0.8 * light.direction, face.nose_y - 8, 2.6, 13)  # bridge of the nose
    bright += 0.10 * _blob(x, y, 0, face.nose_y - 1, 4.5, 4)  # tip of the nose
    shadow_side = -1.0 if light.direction > 0 else 1.0
    bright -= 0.13 * _blob(x, y, shadow_side * 6.2, face.nose_y - 8, 3.2, 13)
    bright -= 0.16 * _blob(x, y, 0, face.nose_y + 6.5, face.nose_width * 1.1, 3)  # under the nose
    bright -= 0.08 * _blob(x, y, 0, face.mouth_y + face.lower_lip + 5.5, 9, 2.6)  # under the lower lip
    bright += 0.05 * _blob(x, y, 0, face.chin - 9, 9, 6)
    red = np.zeros_like(bright)
    for side in SIDES:
        bright -= 0.13 * _blob(x, y, side * face.eye_x, -2.5, 13, 6.5)  # socket of the eye
        bright += 0.05 * _blob(x, y, side * 22, 15, 9, 7)  # cheek bone
        bright -= 0.05 * face.age * _blob(x, y, side * face.eye_x, 8.5, 9, 2)
        red += 0.05 * _blob(x, y, side * 23, 20, 11, 9)
    bright += rng.normal(0, 0.008, bright.shape)
    picture = np.array(face.skin, dtype=np.float64) * bright[..., None]
    picture[..., 0] *= 1 + red
    picture[..., 1:] *= (1 - 0.6 * red)[..., None]
    if face.facial_hair in ("stubble", "beard"):
        _darken_beard(picture, face, x, y, rng)
    picture *= np.array([1 + 0.10 * light.warmth, 1.0, 1 - 0.12 * light.warmth]) * light.level
    small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return small.resize(LAYER_PX, Image.Resampling.BILINEAR)


def _darken_beard(
    picture: NDArray[np.float64], face: Face, x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator
) -> None:
    strength = 0.28 if face.facial_hair == "stubble" else 0.78
    low = face.mouth_y - 10 + 0.022 * np.clip(np.abs(x) - 6, 0, None) ** 2 * -1.0
    cover = 1 / (1 + np.exp(-(y - low) / 1.6))
    cover *= 1 - 0.9 * _blob(x, y, 0, face.mouth_y + 1, face.mouth_width * 1.1, 6.0)
    cover *= 1 - _blob(x, y, 0, face.nose_y, 11, 8)
    cover = np.clip(cover * (1 + rng.normal(0, 0.10, cover.shape)), 0, 1)[..., None] * strength
    picture *= 1 - cover
    picture += cover * np.array(face.hair, dtype=np.float64)


def ears(draw: ImageDraw.ImageDraw, face: Face, light: Light) -> None:
    """Draw both ears behind the face."""
    for side in SIDES:
        x = side * (face.half_width + 1.2)
        lit = 0.90 + 0.10 * light.direction * side
        for colour, grow in ((shade(face.skin, lit * 0.86, light), 0.0), (shade(face.skin, lit * 0.68, light), -2.2)):
            corner = np.array([[x - 4.6 - grow, -6.0 - grow * 1.4], [x + 4.6 + grow, 13.0 + grow * 1.4]])
            draw.ellipse(to_layer(corner), fill=colour)


_BACK_HAIR: dict[str, tuple[float, float]] = {  # how far it stands out from the head, and how far down it goes
    "bob": (9.0, 44.0),
    "long": (9.5, 88.0),
    "curly": (13.0, 24.0),
    "bun": (4.0, -4.0),
    "short": (4.5, -2.0),
    "side": (5.0, 2.0),
}


def back_hair(draw: ImageDraw.ImageDraw, face: Face, skull: Points, light: Light) -> None:
    """Draw the hair behind face and ears."""
    if face.hair_style == "bald":
        return
    out, down = _BACK_HAIR[face.hair_style]
    dark = shade(face.hair, 0.72, light)
    crown = skull[skull[:, 1] < 6.0]
    centre = np.array([0.0, -14.0])
    grown = centre + (crown - centre) * (1 + out / 46.0)
    draw.polygon(to_layer(grown), fill=dark)
    if down > 6:
        half = face.half_width + out
        sides = np.array(
            [[-half, -16], [half, -16], [half + 1, down - 8], [half - 9, down], [-half + 9, down], [-half - 1, down - 8]]
        )
        draw.polygon(to_layer(sides), fill=dark)
    if face.hair_style == "bun":
        draw.ellipse(to_layer(np.array([[-13.0, face.top - 33], [13.0, face.top - 9]])), fill=shade(face.hair, 0.85, light))
    if face.hair_style == "curly":
        for angle in np.linspace(-0.25 * np.pi, 1.25 * np.pi, 15):
            spot = centre + (np.array([np.cos(angle), -np.sin(angle)]) * (face.half_width + 6, 50.0))
            draw.ellipse(to_layer(np.array([spot - 9, spot + 9])), fill=dark)


def front_hair(face: Face, skull: Points, light: Light, rng: np.random.Generator) -> Image.Image | None:
    """The hair in front of the forehead as an RGBA layer with strands; None for a bald head."""
    if face.hair_style == "bald":
        return None
    layer = Image.new("RGBA", LAYER_PX, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    fringe = _hairline(face)
    crown = skull[(skull[:, 1] < fringe[0, 1])]
    left_to_right = crown[np.argsort(np.arctan2(crown[:, 0], -(crown[:, 1] + 10)))]
    outer = np.array([0.0, -12.0]) + (left_to_right - (0.0, -12.0)) * 1.06
    cap = np.concatenate([outer, fringe[::-1]])
    draw.polygon(to_layer(cap), fill=(*shade(face.hair, 1.0, light), 255))
    _strands(draw, face, light, rng, outer=outer, fringe=fringe)
    mask = Image.new("L", LAYER_PX, 0)
    ImageDraw.Draw(mask).polygon(to_layer(cap), fill=255)
    layer.putalpha(mask.filter(ImageFilter.BoxBlur(1)))
    return layer


def _hairline(face: Face) -> Points:
    """The lower edge of the front hair from the left temple to the right, always above the raised brows."""
    half = face.half_width
    x = np.linspace(-1.0, 1.0, 15)
    temple = {"bob": 10.0, "long": 14.0, "curly": -4.0, "bun": -8.0, "short": -10.0, "side": -8.0}[face.hair_style]
    y = face.top + 3.0 + (temple - face.top - 3.0) * np.abs(x) ** 7
    if face.hair_style in ("side", "bob"):
        y = y + 5.0 * np.sin(2.2 * (x + 0.4)) * (1 - x**4)
    if face.hair_style == "curly":
        y = y + 2.0 * np.sin(16 * x) * (1 - x**6)
    return np.stack([half * 1.03 * x, y], axis=1)


def _strands(
    draw: ImageDraw.ImageDraw, face: Face, light: Light, rng: np.random.Generator, *, outer: Points, fringe: Points
) -> None:
    """Fine lines from the crown to the hairline, lighter on the side of the light."""
    starts: Iterable[int] = rng.integers(0, len(outer), 60)
    for start in starts:
        share = start / max(len(outer) - 1, 1)
        end = fringe[int(np.clip(round(share * (len(fringe) - 1)) + rng.integers(-1, 2), 0, len(fringe) - 1))]
        begin = outer[start] * (0.75 + 0.25 * rng.random(), 1.0)
        middle = (begin + end) / 2 + rng.normal(0, 1.5, 2)
        factor = 1 + 0.30 * (rng.random() - 0.5) + 0.12 * light.direction * (2 * share - 1)
        line = to_layer(np.stack([begin, middle, end]))
        draw.line(line, fill=(*shade(face.hair, factor, light), 255), width=2)
