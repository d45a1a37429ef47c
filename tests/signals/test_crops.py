"""Crops: truly centred, square, inside the frame, and averaged rather than picked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.signals.crops import centre_square, crop_face, face_square, shrunk

SIDES = (60, 64, 224, 360)
# Landscape, portrait, square, odd differences: a published crop took columns off-24:off+24 of an offset that was already
# the centre less half the side, hence 24 columns off, and nothing at all of pictures narrower than 96 pixels.
SHAPES = [(side, width) for side in SIDES for width in (side, side + 40, side + 41, 2 * side)]
SHAPES += [(height, width) for width, height in SHAPES]


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_centre_square_has_equal_margins_and_the_short_side(height: int, width: int) -> None:
    x0, y0, x1, y1 = (float(v) for v in centre_square(height, width))
    assert x1 - x0 == y1 - y0 == min(height, width)
    assert x0 == width - x1
    assert y0 == height - y1


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_centre_crop_of_the_mirrored_picture_is_the_mirrored_crop(height: int, width: int) -> None:
    frame = scene(height, width)
    square = centre_square(height, width)
    crop = crop_face(frame, square).astype(int)
    assert crop.shape == (48, 48, 3)
    for axis in (0, 1):
        mirrored = crop_face(np.ascontiguousarray(np.flip(frame, axis)), square).astype(int)
        # Noise is the hardest picture: its crops a pixel apart differ by some 20 levels. Reduction by a whole number may
        # leave its ragged edge on the other side, which a few levels at the rim show.
        off = np.abs(np.flip(mirrored, axis) - crop)
        assert off.mean() < 1.5
        assert off[2:-2, 2:-2].max() <= 12


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_middle_of_the_centre_crop_is_the_middle_of_the_picture(height: int, width: int) -> None:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64) + 0.5
    across = 127.5 + 100 * (columns - width / 2) / min(height, width)
    down = 127.5 + 100 * (rows - height / 2) / min(height, width)
    frame = np.clip(np.rint(np.stack([across, down, across], axis=-1)), 0, 255).astype(np.uint8)
    crop = crop_face(frame, centre_square(height, width)).astype(float)
    expected = 127.5 + 100 * ((np.arange(48) + 0.5) / 48 - 0.5)
    assert np.abs(crop[:, :, 0].mean(axis=0) - expected)[1:-1].max() < 1.0
    assert np.abs(crop[:, :, 1].mean(axis=1) - expected)[1:-1].max() < 1.0


@settings(max_examples=150, deadline=None)
@given(
    st.integers(20, 700),
    st.integers(20, 700),
    st.floats(-100, 800),
    st.floats(-100, 800),
    st.floats(0, 500),
    st.floats(0, 500),
    st.floats(0, 2),
)
def test_a_face_square_is_a_square_inside_the_frame(
    height: int, width: int, x: float, y: float, w: float, h: float, margin: float
) -> None:
    box = np.array([x, y, x + w, y + h], dtype=np.float32)
    square = face_square(box, margin=margin, height_px=height, width_px=width).astype(float)
    wanted = min(max(w, h, 1) * (1 + margin), height, width)
    assert square[2] - square[0] == pytest.approx(wanted, abs=0.01)
    assert square[3] - square[1] == pytest.approx(wanted, abs=0.01)
    assert square[:2].min() >= 0
    assert square[2] <= width + 1e-3
    assert square[3] <= height + 1e-3
    centre = (square[:2] + square[2:]) / 2
    if wanted / 2 <= x + w / 2 <= width - wanted / 2:
        assert centre[0] == pytest.approx(x + w / 2, abs=0.01)
    if wanted / 2 <= y + h / 2 <= height - wanted / 2:
        assert centre[1] == pytest.approx(y + h / 2, abs=0.01)
    assert crop_face(np.zeros((height, width, 3), np.uint8), square.astype(np.float32)).shape == (48, 48, 3)


def test_a_face_at_the_border_is_shown_undistorted_and_without_padding() -> None:
    box = np.array([-20, 10, 60, 90], dtype=np.float32)
    assert face_square(box, margin=0, height_px=200, width_px=300).tolist() == [0, 10, 80, 90]
    assert face_square(box + 250, margin=0, height_px=300, width_px=300).tolist() == [220, 220, 300, 300]


@pytest.mark.parametrize("side", [96, 144, 288, 480, 720])
def test_a_crop_averages_what_it_covers(side: int) -> None:
    # Fine stripes shrink to their mean; picking pixels would leave stripes.
    frame = np.zeros((side, side, 3), np.uint8)
    frame[:, ::2] = 200
    crop = crop_face(frame, centre_square(side, side)).astype(int)
    assert np.abs(crop[4:-4, 4:-4] - 100).max() <= (12 if side < 200 else 4)


def test_a_crop_keeps_colours_and_enlarges_smoothly() -> None:
    frame = np.zeros((20, 30, 3), np.uint8)
    frame[...] = (10, 120, 250)
    assert (crop_face(frame, centre_square(20, 30)) == (10, 120, 250)).all()


def test_frames_are_shrunk_only_if_they_are_larger() -> None:
    frame = scene(90, 160)
    assert shrunk(frame, 160) is frame
    assert shrunk(frame, 80).shape == (45, 80, 3)
    assert shrunk(scene(1000, 3), 100).shape == (100, 1, 3)
    flat = np.full((300, 500, 3), (7, 90, 200), np.uint8)
    assert (shrunk(flat, 100) == (7, 90, 200)).all()
