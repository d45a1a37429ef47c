"""A drawn face that the detector takes for one: pictures for tests, of nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SKIN, SHADE, LIGHT, HAIR, LIP = (214, 168, 140), (176, 128, 104), (232, 192, 166), (52, 36, 28), (168, 84, 80)


def draw_face(picture: Image.Image, *, centre_px: tuple[float, float], side_px: float) -> None:
    """Draw a face about ``side_px`` high from brow to chin onto an RGB picture."""
    scale = 4  # drawn larger and shrunk, so that edges are soft
    size = round(side_px * 2 * scale)
    layer = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(layer)

    def oval(x: float, y: float, width: float, height: float, colour: tuple[int, ...]) -> None:
        cx, cy, unit = size / 2, size / 2, side_px * scale
        pen.ellipse(
            [
                cx + (x - width / 2) * unit,
                cy + (y - height / 2) * unit,
                cx + (x + width / 2) * unit,
                cy + (y + height / 2) * unit,
            ],
            fill=colour,
        )

    oval(0, -0.12, 1.0, 1.36, (*HAIR, 255))
    oval(0, 0.9, 0.5, 0.7, (*SHADE, 255))
    oval(0, 0.03, 0.86, 1.16, (*SKIN, 255))
    for side in (-1, 1):
        oval(side * 0.19, -0.17, 0.27, 0.05, (*HAIR, 255))
        oval(side * 0.19, -0.06, 0.25, 0.13, (*SHADE, 255))
        oval(side * 0.19, -0.06, 0.19, 0.085, (246, 244, 240, 255))
        oval(side * 0.19, -0.06, 0.085, 0.085, (40, 30, 26, 255))
        oval(side * 0.25, 0.16, 0.2, 0.16, (*LIGHT, 255))
        oval(side * 0.05, 0.165, 0.055, 0.035, (96, 60, 50, 255))
    oval(0, 0.05, 0.09, 0.22, (*LIGHT, 255))
    oval(0, 0.15, 0.13, 0.08, (*LIGHT, 255))
    oval(0, 0.32, 0.32, 0.1, (*LIP, 255))
    oval(0, 0.32, 0.26, 0.02, (96, 40, 40, 255))
    layer = layer.filter(ImageFilter.GaussianBlur(0.012 * side_px * scale))
    small = layer.resize((round(side_px * 2),) * 2, Image.Resampling.BOX)
    picture.paste(small, (round(centre_px[0] - side_px), round(centre_px[1] - side_px)), small)


def picture_with(*faces: tuple[tuple[float, float], float], width_px: int = 320, height_px: int = 240) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) with a face for every (centre, side) on a grey ground."""
    picture = Image.new("RGB", (width_px, height_px), (120, 134, 146))
    for centre, side in faces:
        draw_face(picture, centre_px=centre, side_px=side)
    return np.asarray(picture)
