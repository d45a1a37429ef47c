"""Landmarks and what is measured on them: the network's numbers, and that each measure is of its own muscle."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_face import picture_with
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mesmer.errors import ModelError
from mesmer.signals.handcrafted.landmark_measures import COLUMNS, TYPICAL, UNITS, landmark_measures, muscle_distances
from mesmer.signals.handcrafted.landmark_net import WEIGHTS, LandmarkNet, load_landmark_net
from mesmer.signals.handcrafted.landmarks import face_landmarks

# What TensorFlow Lite 2.21 (reference kernels) answers with face_landmark.tflite of mediapipe 0.10.21 to the picture
# ((7919 i) mod 251) / 250, i over (192, 192, 3): x, y, z of some points, the sum over all, and the probability of a face.
TFLITE = {
    0: [101.815, 120.6972, -8.5047], 13: [101.4305, 124.1979, -4.2798], 33: [54.4057, 74.8367, -1.4026],
    61: [75.461, 125.6112, 2.6895], 152: [104.9212, 157.2912, 9.686], 263: [133.6529, 69.4698, 8.8397],
    291: [123.3236, 123.9193, 9.2614], 467: [134.8503, 65.3862, 7.1462],
}  # fmt: skip
TFLITE_SUM, TFLITE_FOUND = 91596.228, 0.00150372


@pytest.fixture(scope="module")
def net() -> LandmarkNet:
    return load_landmark_net()


@lru_cache(maxsize=1)
def drawn_crop() -> np.ndarray:
    """A drawn face as a crop, uint8 (48, 48, 3)."""
    picture = Image.fromarray(picture_with(((96, 100), 100), width_px=192, height_px=192))
    return np.asarray(picture.crop((26, 26, 166, 166)).resize((48, 48)))


@lru_cache(maxsize=1)
def drawn_points() -> np.ndarray:
    return face_landmarks(drawn_crop()[None], load_landmark_net())[0]


@pytest.fixture
def face() -> np.ndarray:
    return drawn_crop()


def test_the_network_answers_as_its_own_runtime_does(net: LandmarkNet) -> None:
    i = np.arange(192 * 192 * 3)
    pattern = ((i * 7919 % 251) / 250).astype(np.float32).reshape(1, 192, 192, 3)
    points, found = net(torch.from_numpy(pattern).permute(0, 3, 1, 2))
    assert points.shape == (1, 468, 3)
    for number, expected in TFLITE.items():
        np.testing.assert_allclose(points[0, number].numpy(), expected, atol=2e-3)
    assert abs(float(points.double().sum()) - TFLITE_SUM) < 0.5
    assert float(found) == pytest.approx(TFLITE_FOUND, rel=1e-3)


def test_a_drawn_face_is_seen_where_it_is(net: LandmarkNet, face: np.ndarray) -> None:
    grey = np.full((48, 48, 3), 120, dtype=np.uint8)
    points, found = face_landmarks(np.stack([face, grey]), net)
    assert found.tolist() == [True, False]
    # Drawn (see drawn_face.py): eyes at -0.06 of the face's side below its middle, mouth at +0.32; side 100 of 140 px.
    eyes, mouth = points[0, [33, 133, 362, 263], :2], points[0, [0, 17, 61, 291], :2]
    middle = np.array([96 - 96, 100 - 96]) / 140
    np.testing.assert_allclose(eyes.mean(axis=0) - middle, [0, -0.06 / 1.4], atol=0.03)
    np.testing.assert_allclose(mouth.mean(axis=0) - middle, [0, 0.32 / 1.4], atol=0.04)


def test_a_face_does_not_depend_on_the_faces_beside_it(net: LandmarkNet, face: np.ndarray) -> None:
    others = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    together, _ = face_landmarks(np.concatenate([others[:1], face[None], others[1:]]), net)
    alone, _ = face_landmarks(face[None], net)
    assert np.array_equal(together[1], alone[0])


@given(st.floats(-0.6, 0.6), st.floats(0.3, 3.0), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=40, deadline=None)
def test_neither_place_nor_size_nor_tilt_is_an_expression(angle: float, size: float, dx: float, dy: float) -> None:
    points = drawn_points()
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    moved = points @ turn.T * size + np.array([dx, dy, 0.0])
    np.testing.assert_allclose(muscle_distances(moved.astype(np.float32)), muscle_distances(points), atol=2e-4)


LEFT_RIGHT_BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
UP, DOWN = (0.0, -0.02, 0.0), (0.0, 0.02, 0.0)
# Measure -> points that the muscle moves, and where to (y grows downwards, z away from the viewer).
MUSCLES: dict[str, list[tuple[tuple[int, ...], tuple[float, float, float]]]] = {
    "inner_brow_raise": [((107, 55, 336, 285), UP)],
    "outer_brow_raise": [((70, 46, 63, 300, 276, 293), UP)],
    "brow_lower": [(LEFT_RIGHT_BROWS, DOWN), ((107, 55), (0.01, 0, 0)), ((336, 285), (-0.01, 0, 0))],
    "upper_lid_raise": [((158, 159, 160, 385, 386, 387, 27, 257), UP)],
    "cheek_raise": [((118, 347, 50, 280, 205, 425), UP)],
    "lid_tighten": [((144, 145, 153, 373, 374, 380), UP)],
    "nose_wrinkle": [((129, 358, 98, 327), UP)],
    "upper_lip_raise": [((0, 37, 267), UP)],
    "lip_corner_pull": [((61, 78), (-0.02, -0.02, 0)), ((291, 308), (0.02, -0.02, 0))],
    "dimple": [((61, 291), (0, 0, 0.02))],
    "lip_corner_depress": [((61, 291, 78, 308), DOWN)],
    "chin_raise": [((152,), UP)],
    "lip_stretch": [((61,), (-0.02, 0, 0)), ((291,), (0.02, 0, 0))],
    "lip_tighten": [((0,), DOWN), ((17,), UP)],
    "lips_part": [((13,), UP), ((14,), DOWN)],
    "jaw_drop": [((152, 17, 14), DOWN)],
    "lip_suck": [((17,), UP)],
    "blink": [((158, 159, 160, 385, 386, 387), DOWN)],
}


@pytest.mark.parametrize("name", UNITS)
def test_a_measure_grows_when_its_muscle_moves_the_face(name: str) -> None:
    points = drawn_points()
    moved = points.copy()
    for numbers, way in MUSCLES[name]:
        moved[:, list(numbers)] += np.array(way, dtype=np.float32)
    place = list(UNITS).index(name)
    grown = (muscle_distances(moved) - muscle_distances(points))[0] / np.array([TYPICAL[unit][1] for unit in UNITS])
    assert grown[place] > 0.3


def test_names_are_35_and_none_is_called_openface() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 35
    assert set(TYPICAL) == set(UNITS)
    assert not any("openface" in name.lower() for name in COLUMNS)


def test_a_clip_of_one_face_has_changed_nothing(net: LandmarkNet, face: np.ndarray) -> None:
    found = landmark_measures(np.stack([face] * 3), net)
    assert found.shape == (3, 35)
    assert found.dtype == np.float32
    assert np.any(found[:, :18] != 0)
    assert np.array_equal(found[:, 18:], np.zeros((3, 17), dtype=np.float32))


def test_a_crop_without_a_face_takes_the_clips_median_and_a_clip_without_is_typical(
    net: LandmarkNet, face: np.ndarray
) -> None:
    grey = np.full((48, 48, 3), 120, dtype=np.uint8)
    found = landmark_measures(np.stack([face, grey, face]), net)
    assert np.array_equal(found[1], found[0])
    assert np.array_equal(landmark_measures(grey[None], net), np.zeros((1, 35), dtype=np.float32))
    assert landmark_measures(np.zeros((0, 48, 48, 3), dtype=np.uint8), net).shape == (0, 35)


def test_damaged_landmark_weights_are_refused(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS, tmp_path / "w.safetensors")
    data = bytearray((tmp_path / "w.safetensors").read_bytes())
    data[-1000] ^= 1
    (tmp_path / "w.safetensors").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="hash differs"):
        load_landmark_net(tmp_path / "w.safetensors")
