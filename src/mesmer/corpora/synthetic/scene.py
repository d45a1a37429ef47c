"""A person before a background: pose of the head, idle motion, clothes and light, none of which depends on emotion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mesmer.corpora.synthetic import face_shape
from mesmer.corpora.synthetic.face_paint import FacePainter
from mesmer.corpora.synthetic.face_shape import FaceState, Points
from mesmer.corpora.synthetic.head_layers import EXTENT, ORIGIN, SUPERSAMPLING, Light, shade
from mesmer.corpora.synthetic.speakers import Colour, Face

SIZES_PX: tuple[tuple[int, int], ...] = ((176, 176), (192, 176), (208, 176), (176, 208))
"""Width and height of the videos."""

Track = NDArray[np.float64]
"""(n,): one number per drawing."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the head is at one moment: the point between the eyes, its size and its roll (clockwise) in the frame."""

    x_px: float
    y_px: float
    scale: float
    roll_rad: float

    def to_frame(self, points: Points) -> Points:
        """Points of the face in pixels of the frame."""
        cos, sin = np.cos(self.roll_rad) * self.scale, np.sin(self.roll_rad) * self.scale
        x, y = points[..., 0], points[..., 1]
        return np.stack([self.x_px + cos * x - sin * y, self.y_px + sin * x + cos * y], axis=-1)

    def box_to_frame(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Upright boxes (n, 4) in the frame around boxes (n, 4) of the face."""
        x0, y0, x1, y1 = boxes.T
        corners = np.stack([np.stack([x0, x1, x0, x1], 1), np.stack([y0, y0, y1, y1], 1)], axis=-1)
        turned = self.to_frame(corners)
        return np.concatenate([turned.min(axis=1), turned.max(axis=1)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Idle motion over one utterance, one entry per drawing."""

    poses: tuple[Pose, ...]
    blinks: Track
    gaze_x: Track
    gaze_y: Track


def draw_motion(rng: np.random.Generator, *, times_s: Track, size_px: tuple[int, int]) -> Motion:
    """Draw head sway, blinks and glances for drawings at ``times_s`` in a frame of ``size_px`` (width, height)."""
    width, height = size_px
    scale = float(rng.uniform(0.86, 1.0))
    centre_x = width / 2 + float(rng.uniform(-1, 1)) * max(0.0, width / 2 - 66 * scale)
    centre_y = height * 0.47 + float(rng.uniform(-4, 6))

    def sway(size: float) -> Track:
        slow, fast = rng.uniform(0.15, 0.4), rng.uniform(0.6, 1.3)
        phases = rng.uniform(0, 2 * np.pi, 2)
        course = np.sin(2 * np.pi * slow * times_s + phases[0]) + 0.4 * np.sin(2 * np.pi * fast * times_s + phases[1])
        return np.asarray(size * course, dtype=np.float64)

    x, y = centre_x + sway(2.2), centre_y + sway(1.5)
    roll = float(rng.normal(0, 0.03)) + sway(0.022)
    zoom = scale * (1 + sway(0.008))
    poses = tuple(
        Pose(x_px=float(a), y_px=float(b), scale=float(c), roll_rad=float(d))
        for a, b, c, d in zip(x, y, zoom, roll, strict=True)
    )
    blinks = np.zeros_like(times_s)
    at_s = float(rng.exponential(2.0))
    while at_s < times_s[-1]:
        blinks = np.maximum(blinks, np.clip(1.3 - np.abs(times_s - at_s) / 0.07, 0.0, 1.0))
        at_s += 0.6 + float(rng.exponential(2.5))
    return Motion(poses=poses, blinks=blinks, gaze_x=np.clip(sway(0.7), -1.6, 1.6), gaze_y=np.clip(sway(0.3), -0.8, 0.8))


class Scene:
    """One person before one background; :meth:`frame` draws one picture.

    Args:
        face: the person's.
        size_px: width and height of the frame.
        rng: draws light, background and clothes.
    """

    def __init__(self, *, face: Face, size_px: tuple[int, int], rng: np.random.Generator) -> None:
        self.face = face
        self.size_px = size_px
        light = Light(
            direction=float(rng.uniform(0.2, 1.0) * rng.choice([-1.0, 1.0])),
            contrast=float(rng.uniform(0.3, 0.9)),
            level=float(rng.uniform(0.82, 1.06)),
            warmth=float(rng.uniform(-0.5, 0.7)),
        )
        self._painter = FacePainter(face=face, light=light, rng=rng)
        self._light = light
        self._regions = face_shape.region_boxes(face)
        self._background = _background(rng, size_px, light)
        self._clothes: Colour = shade(_colour(rng), 0.9, light)
        self._collar: Colour = shade(_colour(rng), 1.0, light)

    def backdrop(self, pose: Pose) -> Image.Image:
        """The background with neck and clothes of a person whose head is at rest in ``pose``."""
        picture = self._background.resize((self.size_px[0] * 2, self.size_px[1] * 2), Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(picture)
        face = self.face
        chin = face.chin

        def put(points: list[tuple[float, float]], colour: Colour) -> None:
            still = Pose(x_px=pose.x_px, y_px=pose.y_px, scale=pose.scale, roll_rad=0.0)
            draw.polygon((still.to_frame(np.array(points)) * 2).ravel().tolist(), fill=colour)

        neck = 0.62 * face.half_width
        shoulders = [(-95, 150), (-88, chin + 34), (-30, chin + 19), (30, chin + 19), (88, chin + 34), (95, 150)]
        put([(x, y) for x, y in shoulders], self._clothes)
        put([(-neck, 20), (neck, 20), (neck + 3, chin + 24), (0, chin + 36), (-neck - 3, chin + 24)], self._skin(0.78))
        put([(-neck, 20), (neck, 20), (neck, chin + 6), (0, chin + 14), (-neck, chin + 6)], self._skin(0.60))
        for side in (-1, 1):
            put([(side * (neck + 3), chin + 17), (side * 6, chin + 40), (side * (neck + 9), chin + 27)], self._collar)
        return picture.reduce(2)

    def _skin(self, factor: float) -> Colour:
        return shade(self.face.skin, factor, self._light)

    def frame(self, backdrop: Image.Image, *, pose: Pose, state: FaceState) -> NDArray[np.uint8]:
        """One picture, uint8 (H, W, 3) RGB."""
        layers = self._painter.paint(state)
        corners = pose.box_to_frame(np.array([[-ORIGIN[0], -ORIGIN[1], EXTENT[0] - ORIGIN[0], EXTENT[1] - ORIGIN[1]]]))[0]
        x0, y0 = (max(0, int(np.floor(corner))) for corner in corners[:2])
        x1, y1 = (min(side, int(np.ceil(corner))) for side, corner in zip(self.size_px, corners[2:], strict=True))
        # PIL asks where in the layer each pixel of the frame comes from: the inverse of Pose.to_frame.
        cos, sin = np.cos(pose.roll_rad) / pose.scale, np.sin(pose.roll_rad) / pose.scale
        dx, dy = x0 - pose.x_px, y0 - pose.y_px
        inverse = np.array([[cos, sin, ORIGIN[0] + cos * dx + sin * dy], [-sin, cos, ORIGIN[1] - sin * dx + cos * dy]])
        coefficients = (inverse * SUPERSAMPLING).ravel().tolist()
        size = (x1 - x0, y1 - y0)
        head, mask = (
            layer.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR) for layer in layers
        )
        picture = backdrop.copy()
        picture.paste(head, (x0, y0), mask)
        return np.asarray(picture)

    def region_boxes_px(self, pose: Pose) -> dict[str, NDArray[np.float64]]:
        """Boxes (n, 4) of every named part of the face, in pixels of the frame."""
        return {name: pose.box_to_frame(boxes) for name, boxes in self._regions.items()}

    def face_box_px(self, pose: Pose, state: FaceState) -> NDArray[np.float64]:
        """Box (4,) of the face from hairline to chin, in pixels of the frame."""
        face = self.face
        chin = face.chin + face_shape.jaw_shift(face, state)
        return pose.box_to_frame(np.array([[-face.half_width, face.top, face.half_width, chin]]))[0]


def _colour(rng: np.random.Generator) -> Colour:
    channels = rng.integers(40, 215, 3)
    red, green, blue = (int(channel) for channel in 0.6 * channels + 0.4 * channels.mean())  # rooms are rarely garish
    return red, green, blue


def _background(rng: np.random.Generator, size_px: tuple[int, int], light: Light) -> Image.Image:
    """A wall with a gradient of light and a few blurred shapes."""
    width, height = size_px
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    wall = np.array(_colour(rng), dtype=np.float64)
    slope = 1 + 0.18 * light.direction * x - rng.uniform(0.0, 0.2) * y
    picture = Image.fromarray(np.clip(wall * slope[..., None], 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 5))):
        left, top = int(rng.uniform(-0.2, 0.9) * width), int(rng.uniform(-0.2, 0.8) * height)
        right, bottom = left + int(rng.uniform(0.1, 0.5) * width), top + int(rng.uniform(0.15, 0.7) * height)
        colour = tuple(int(c) for c in np.clip(wall + rng.uniform(-70, 70, 3), 0, 255))
        draw.rectangle((left, top, right, bottom), fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(2.0, 6.0))))
