"""Paint a face in a given state onto a layer: folds, nose, eyes, brows and mouth over shaded skin."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mesmer.corpora.synthetic import face_shape
from mesmer.corpora.synthetic.face_shape import SIDES, FaceState, Points
from mesmer.corpora.synthetic.head_layers import (
    LAYER_PX,
    ORIGIN,
    SUPERSAMPLING,
    Light,
    back_hair,
    ears,
    front_hair,
    shade,
    skin_layer,
    to_layer,
)
from mesmer.corpora.synthetic.speakers import Colour, Face


class FacePainter:
    """Paints one person's head under one light.

    Args:
        face: geometry and colours.
        light: of the scene.
        rng: fine structure of skin and hair.
    """

    def __init__(self, *, face: Face, light: Light, rng: np.random.Generator) -> None:
        self.face = face
        self.light = light
        self._skull = face_shape.skull_outline(face)
        # Layers are cut to what they cover: pasting is half of the work.
        self._skin_box = _face_box(face)
        self._skin = skin_layer(face, light, rng).crop(self._skin_box)
        front = front_hair(face, self._skull, light, rng)
        self._front_box = None if front is None else front.getbbox()
        self._front = None if front is None else front.crop(self._front_box)
        self._behind, self._behind_mask = self._paint_behind()
        self._fold: Colour = shade(face.skin, 0.50, light)
        self._glow: Colour = shade(face.skin, 1.12, light)

    def _paint_behind(self) -> tuple[Image.Image, Image.Image]:
        # What shows through at the soft edge of the mask: hair, or skin where there is none.
        edge = self.face.skin if self.face.hair_style == "bald" else self.face.hair
        picture = Image.new("RGB", LAYER_PX, shade(edge, 0.72, self.light))
        mask = Image.new("L", LAYER_PX, 0)
        for target, opaque in ((picture, False), (mask, True)):
            draw = _Flat(target) if opaque else ImageDraw.Draw(target)
            back_hair(draw, self.face, self._skull, self.light)
            ears(draw, self.face, self.light)
        return picture, mask

    def paint(self, state: FaceState) -> tuple[Image.Image, Image.Image]:
        """The head in ``state``: an RGB layer and its mask, 255 where the head is."""
        picture, mask = self._behind.copy(), self._behind_mask.copy()
        outline = to_layer(face_shape.face_outline(self.face, state, self._skull))
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        cut = Image.new("L", self._skin.size, 0)
        left, top = self._skin_box[:2]
        shifted = (np.reshape(outline, (-1, 2)) - (left, top)).ravel().tolist()
        ImageDraw.Draw(cut).polygon(shifted, fill=255)
        picture.paste(self._skin, (left, top), cut)
        draw = ImageDraw.Draw(picture, "RGBA")
        self._folds(draw, state)
        self._nose(draw, state)
        for side in SIDES:
            self._eye(picture, draw, state, side)
            draw.polygon(
                to_layer(face_shape.brow(self.face, state, side)), fill=(*shade(self.face.brow, 1.0, self.light), 235)
            )
        self._mouth(draw, state)
        if self.face.glasses:
            self._glasses(draw)
        if self._front is not None and self._front_box is not None:
            corner = self._front_box[:2]
            picture.paste(self._front, corner, self._front)
            mask.paste(255, (*corner, corner[0] + self._front.width, corner[1] + self._front.height), self._front)
        return picture, mask

    def _stroke(
        self, draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], strength: float, width: float = 1.2
    ) -> None:
        """A fold of the skin: a soft dark line, darker the stronger it is."""
        if strength > 0.02:
            alpha = int(min(strength, 1.0) * 190)
            flat = to_layer(np.array(points))
            draw.line(flat, fill=(*self._fold, alpha // 3), width=round(width * SUPERSAMPLING * 2), joint="curve")
            draw.line(flat, fill=(*self._fold, alpha), width=max(1, round(width * SUPERSAMPLING)), joint="curve")

    def _folds(self, draw: ImageDraw.ImageDraw, state: FaceState) -> None:
        face, age = self.face, 0.22 * self.face.age
        raised = max(state["AU1"], state["AU2"])
        for row in (0.35, 0.62):  # furrows of the forehead under a raised brow
            y = face.top + row * (face.brow_y - face.top) - 1.0
            outward = 22.0 if state["AU2"] >= state["AU1"] else 13.0
            self._stroke(draw, [(-outward, y + 1.2), (0.0, y - 0.6), (outward, y + 1.2)], 0.6 * raised + 0.5 * age)
        for side in SIDES:
            # AU4: the furrows between the brows.
            inner, low = side * (face.eye_x - 13.2), face.brow_y + 7.0 - 6.0 * state["AU1"]
            self._stroke(draw, [(inner * 1.1, low - 11.0), (inner, low)], 1.0 * state["AU4"], 1.9)
            # AU6: the cheek swells under the lower lid, and lines run outward from the corner of the eye.
            lid = 0.72 * face.eye_height
            x = side * face.eye_x
            if state["AU6"] > 0.02:
                ball = np.array([[x + side * 4 - 9.5, lid + 4.5], [x + side * 4 + 9.5, lid + 15.0]])
                draw.ellipse(to_layer(ball), fill=(*self._glow, int(95 * state["AU6"])))
            self._stroke(draw, [(x - 8, lid + 3.2), (x, lid + 4.8), (x + 8, lid + 3.2)], 0.55 * state["AU6"] + age)
            corner = side * (face.eye_x + face.eye_width + 2.0)
            for rise in (-3.0, 0.5, 4.0):
                self._stroke(draw, [(corner, rise * 0.4), (corner + side * 4.5, rise)], 0.6 * state["AU6"], 0.8)
            # AU10, AU12: the fold from the wing of the nose around the corner of the mouth.
            pull = max(state["AU12"], 0.9 * state["AU10"])
            wing = side * (face.nose_width + 2.0)
            around = side * (face.mouth_width * (1.05 + 0.28 * state["AU12"]) + 3.0)
            middle = ((wing + around) / 2 + side * 2.2, (face.nose_y + face.mouth_y) / 2)
            fold = [(wing, face.nose_y - 0.5), middle, (around, face.mouth_y - 2.0)]
            self._stroke(draw, fold, 0.75 * pull + age, 1.4)

    def _nose(self, draw: ImageDraw.ImageDraw, state: FaceState) -> None:
        face, wrinkled = self.face, state["AU9"]
        lift = 2.4 * wrinkled
        base = face.nose_y + 3.0 - lift
        for row, y in enumerate((-3.0, 0.5, 4.0, 7.5)):
            half = 4.6 + 0.9 * row
            self._stroke(draw, [(-half, y + 2.4), (0.0, y), (half, y + 2.4)], 0.8 * wrinkled, 1.3)
        for side in SIDES:
            wing = side * face.nose_width * (1 + 0.12 * wrinkled)
            self._stroke(draw, [(side * 4.2, 3.5), (side * 7.0, 8.0), (wing + side * 1.4, base - 6.5)], 0.5 * wrinkled, 1.6)
            curve = [(wing * 0.86, base - 6.0), (wing * 1.08, base - 2.6), (wing * 0.9, base + 0.4)]
            self._stroke(draw, curve, 0.55 + 0.35 * wrinkled, 1.1)
            hole = np.array([[wing * 0.46 - 2.3, base - 1.6], [wing * 0.46 + 2.3, base + 1.1]])
            draw.ellipse(to_layer(hole), fill=(*shade(face.skin, 0.22, self.light), 210))
        third = 0.3 * face.nose_width
        tip = [(-third, base + 1.6), (0.0, base + 2.3), (third, base + 1.6)]
        self._stroke(draw, tip, 0.45, 0.9)

    def _eye(self, picture: Image.Image, draw: ImageDraw.ImageDraw, state: FaceState, side: float) -> None:
        face, light = self.face, self.light
        upper, lower = face_shape.lids(face, state, side)
        opening = np.concatenate([upper, lower[::-1]])
        corner = np.floor((opening.min(0) + ORIGIN) * SUPERSAMPLING).astype(int) - 1
        size = np.ceil((np.ptp(opening, axis=0)) * SUPERSAMPLING).astype(int) + 4
        patch = Image.new("RGB", (int(size[0]), int(size[1])), shade((240, 236, 232), 0.97, light))
        hole = Image.new("L", patch.size, 0)
        local = ((opening + ORIGIN) * SUPERSAMPLING - corner).ravel().tolist()
        ImageDraw.Draw(hole).polygon(local, fill=255)
        centre = (np.array([side * face.eye_x + state.gaze[0], -0.6 + state.gaze[1]]) + ORIGIN) * SUPERSAMPLING - corner
        inside = ImageDraw.Draw(patch)
        for radius, colour in (
            (4.3, shade(face.iris, 0.62, light)),
            (3.7, shade(face.iris, 1.1, light)),
            (1.9, (14, 11, 10)),
        ):
            _disc(inside, centre, radius * SUPERSAMPLING, colour)
        glint = centre + np.array([np.sign(light.direction), -1.0]) * 1.5 * SUPERSAMPLING
        _disc(inside, glint, 1.7, (250, 250, 250))
        shadow = ((upper + np.array([0.0, 0.7]) + ORIGIN) * SUPERSAMPLING - corner).ravel().tolist()
        ImageDraw.Draw(patch, "RGBA").line(shadow, fill=(40, 30, 30, 90), width=3)
        picture.paste(patch, (int(corner[0]), int(corner[1])), hole)
        lash = shade(face.brow, 0.55, light)
        draw.line(to_layer(upper), fill=(*lash, 255), width=3, joint="curve")
        draw.line(to_layer(lower), fill=(*self._fold, 170), width=2, joint="curve")
        crease = upper[2:-2] - (0.0, 2.2)
        draw.line(to_layer(crease), fill=(*self._fold, 120), width=2, joint="curve")

    def _mouth(self, draw: ImageDraw.ImageDraw, state: FaceState) -> None:
        face, light = self.face, self.light
        lips = face_shape.mouth(face, state)
        upper = np.concatenate([lips.upper_top, lips.upper_bottom[::-1]])
        lower = np.concatenate([lips.lower_top, lips.lower_bottom[::-1]])
        if lips.gap > 0.6:
            self._inside_of_mouth(draw, lips)
        draw.polygon(to_layer(upper), fill=shade(face.lips, 0.88, light))
        draw.polygon(to_layer(lower), fill=shade(face.lips, 1.04, light))
        dark = shade(face.lips, 0.38, light)
        if lips.gap <= 1.6:
            draw.line(to_layer((lips.upper_bottom + lips.lower_top) / 2), fill=(*dark, 255), width=3, joint="curve")
        for line in (lips.upper_top, lips.lower_bottom):
            draw.line(to_layer(line), fill=(*self._fold, 70), width=1, joint="curve")
        for at, side in ((0, -1.0), (-1, 1.0)):
            x, y = lips.upper_bottom[at]
            drop = 2.8 * state["AU15"] - 1.8 * state["AU12"]
            self._stroke(draw, [(x, y), (x + side * 1.8, y + drop)], 0.55 + 0.4 * max(state["AU15"], state["AU12"]), 1.0)
        if face.facial_hair in ("moustache", "beard"):
            self._moustache(draw, lips.upper_top)

    def _inside_of_mouth(self, draw: ImageDraw.ImageDraw, lips: face_shape.Mouth) -> None:
        opening = np.concatenate([lips.upper_bottom, lips.lower_top[::-1]])
        draw.polygon(to_layer(opening), fill=shade((62, 18, 20), 0.9, self.light))
        if lips.gap > 7.0:
            bed = np.maximum(lips.lower_top - (0.0, 0.32 * lips.gap), lips.upper_bottom)[3:-3]
            tongue = np.concatenate([bed, lips.lower_top[3:-3][::-1]])
            draw.polygon(to_layer(tongue), fill=shade((168, 78, 78), 0.85, self.light))
        if lips.gap > 1.8:
            height = min(4.2, 0.62 * lips.gap)
            edge = np.minimum(lips.upper_bottom + np.array([0.0, height]), lips.lower_top)[1:-1]
            teeth = np.concatenate([lips.upper_bottom[1:-1], edge[::-1]])
            draw.polygon(to_layer(teeth), fill=shade((236, 232, 222), 0.95, self.light))

    def _moustache(self, draw: ImageDraw.ImageDraw, lip: Points) -> None:
        edge = lip[1:-1]
        top = edge - np.stack([np.zeros(len(edge)), 3.6 * (1 - np.linspace(-1, 1, len(edge)) ** 4)], axis=1)
        draw.polygon(
            to_layer(np.concatenate([top, edge[::-1] + np.array([0.0, 0.4])])),
            fill=(*shade(self.face.hair, 0.9, self.light), 225),
        )

    def _glasses(self, draw: ImageDraw.ImageDraw) -> None:
        face = self.face
        frame = (30, 28, 30, 255)
        for side in SIDES:
            x = side * face.eye_x
            box = np.array([[x - 12.5, -9.0], [x + 12.5, 9.5]])
            draw.rounded_rectangle(to_layer(box), radius=12, outline=frame, width=2)
            draw.line(to_layer(np.array([[x + side * 12.5, -3.0], [side * face.half_width, -4.0]])), fill=frame, width=2)
        draw.line(to_layer(np.array([[-face.eye_x + 12.5, -2.0], [face.eye_x - 12.5, -2.0]])), fill=frame, width=3)


def _face_box(face: Face) -> tuple[int, int, int, int]:
    """The part of a layer that a face can cover, its jaw lowered, in pixels of the layer."""
    corners = np.array([[-face.half_width - 2, face.top - 18], [face.half_width + 2, face.chin + 13]])
    left, top, right, bottom = (int(side) for side in to_layer(corners))
    return max(0, left), max(0, top), min(LAYER_PX[0], right), min(LAYER_PX[1], bottom)


def _disc(draw: ImageDraw.ImageDraw, centre: Points, radius: float, colour: Colour) -> None:
    x, y = float(centre[0]), float(centre[1])
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


class _Flat(ImageDraw.ImageDraw):
    """Draws every shape fully opaque, whatever its colour: the outline of what another picture shows."""

    def polygon(self, xy: object, fill: object = None, **options: object) -> None:  # type: ignore[override]
        super().polygon(xy, fill=255)  # type: ignore[arg-type]

    def ellipse(self, xy: object, fill: object = None, **options: object) -> None:  # type: ignore[override]
        super().ellipse(xy, fill=255)  # type: ignore[arg-type]
