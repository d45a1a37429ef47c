"""Faces drawn by the synthetic corpus, one at a time: six emotions or none, and where in the face the emotion shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from masks.examples import Examples
from mesmer.corpora.synthetic.expression import EMOTION_ACTION_UNITS, emotion_regions
from mesmer.corpora.synthetic.face_shape import FaceState
from mesmer.corpora.synthetic.scene import SIZES_PX, Pose, Scene
from mesmer.corpora.synthetic.seeds import named_rng
from mesmer.corpora.synthetic.speakers import make_speaker
from mesmer.explain.redraw import FAINT_CHANGE

NEUTRAL = "none"
CLASSES = (*sorted(EMOTION_ACTION_UNITS), NEUTRAL)
SIDE_PX = 48
FACES_PER_PERSON = 12


def drawn_faces(split: str, *, number: int, seed: int, changed: bool = False) -> Examples:
    """Return grey drawn faces; their truth is where the emotion shows, False throughout where there is none.

    Every person is in one split alone, and is drawn before a wall of their own, talking, glancing and blinking at chance.
    With ``changed`` each face is drawn at rest, too, and the pixels that differ are kept.
    """
    drawn = [_draw_one(split, index, seed, changed) for index in range(number)]
    faces, truths, labels, differing = (list(column) for column in zip(*drawn, strict=True))
    return Examples(
        modality="visual",
        classes=CLASSES,
        steps=torch.from_numpy(np.stack(faces)),
        counts=torch.ones(number, dtype=torch.int64),
        labels=torch.tensor(labels),
        speaker=torch.arange(number) // FACES_PER_PERSON,
        truth=torch.from_numpy(np.stack(truths)),
        changed=torch.from_numpy(np.stack(differing)) if changed else None,
    )


def _draw_one(
    split: str, index: int, seed: int, changed: bool
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], int, NDArray[np.bool_] | None]:
    person = f"{split}-{index // FACES_PER_PERSON}"
    rng = named_rng(seed, "drawn face", split, str(index))
    speaker = make_speaker(seed, person)
    scene = Scene(face=speaker.face, size_px=SIZES_PX[0], rng=named_rng(seed, "wall", person))
    label = int(rng.integers(len(CLASSES)))
    strength = speaker.expressiveness * rng.uniform(0.7, 1.0)
    units = EMOTION_ACTION_UNITS.get(CLASSES[label], {})
    state = FaceState(
        units={unit: float(np.clip(full * strength * rng.uniform(0.85, 1.1), 0, 1)) for unit, full in units.items()},
        blink=float(rng.random() < 0.08),
        speech_open=float(rng.random() ** 2),
        speech_round=float(rng.random() ** 2),
        gaze=(float(rng.normal(0, 0.6)), float(rng.normal(0, 0.3))),
    )
    width, height = scene.size_px
    pose = Pose(
        x_px=width / 2 + rng.uniform(-8, 8), y_px=height * 0.47 + rng.uniform(-5, 5), scale=float(rng.uniform(0.86, 1.0)),
        roll_rad=float(rng.normal(0, 0.05)),
    )  # fmt: skip
    crop = _crop_box(scene.face_box_px(pose, state), rng)
    backdrop = scene.backdrop(pose)
    face = _crop(scene.frame(backdrop, pose=pose, state=state), crop)
    differs = None
    if changed:
        at_rest = _crop(scene.frame(backdrop, pose=pose, state=replace(state, units={})), crop)
        differs = np.abs(face.astype(np.int16) - at_rest) > FAINT_CHANGE
    return face, _truth(scene, pose, crop, CLASSES[label]), label, differs


def _crop(frame: NDArray[np.uint8], crop: NDArray[np.float64]) -> NDArray[np.uint8]:
    picture = Image.fromarray(frame).convert("L")
    box = tuple(np.clip(crop, 0, min(picture.size)))
    return np.asarray(picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=box))


def _crop_box(box: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a square about the face, a little off, as a detector is."""
    x0, y0, x1, y1 = box
    half = 0.5 * 1.15 * max(x1 - x0, y1 - y0) * rng.uniform(0.95, 1.05)
    x, y = (x0 + x1) / 2 + rng.normal(0, 1.5), (y0 + y1) / 2 + rng.normal(0, 1.5)
    return np.array([x - half, y - half, x + half, y + half])


def _truth(scene: Scene, pose: Pose, crop: NDArray[np.float64], emotion: str) -> NDArray[np.bool_]:
    """Return which pixels of the crop lie in a part of the face that the emotion moves."""
    truth = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    if emotion == NEUTRAL:
        return truth
    centres = (np.arange(SIDE_PX) + 0.5) * (crop[2] - crop[0]) / SIDE_PX
    x, y = crop[0] + centres[None], crop[1] + centres[:, None]
    boxes = scene.region_boxes_px(pose)
    for region in emotion_regions(emotion):
        for x0, y0, x1, y1 in boxes[region]:
            truth |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return truth
