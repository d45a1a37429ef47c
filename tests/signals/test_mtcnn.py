"""Face detection: the networks' numbers, where faces are, and that frames do not know of each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_face import picture_with

from mesmer.errors import ConfigError
from mesmer.signals.mtcnn import FRAMES_AT_ONCE, Detections, FaceDetector
from mesmer.signals.mtcnn_nets import load_nets

ONE, TWO = ((160, 120), 100), ((90, 130), 90)
SMALL = ((235, 110), 70)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(min_face_px=40)


def pattern(*shape: int) -> torch.Tensor:
    """Numbers in [-1, 1] that any program can make again: ((7919 i) mod 251) / 125 - 1 for the i-th value."""
    i = np.arange(np.prod(shape))
    return torch.from_numpy(((i * 7919 % 251) / 125 - 1).astype(np.float32).reshape(shape))


# What facenet-pytorch 2.6.0's own PNet, RNet and ONet classes with their own weights answer to the pattern of these shapes
# (torch 2.13, float32, one thread): probability of a face, moves of the box, landmarks.
P_FACE = [[0.010587707, 0.0033491147, 0.02315215], [0.008321073, 0.007939331, 0.030848758]]
P_BOX = [
    [[0.23009944, 0.21249765, 0.21894559], [0.2834522, 0.21358204, 0.21945329]],
    [[0.09923929, 0.08679387, 0.102978125], [0.082509235, 0.12396912, 0.11212516]],
    [[-0.14503676, -0.1517342, -0.20416705], [-0.16374694, -0.20842922, -0.1687498]],
    [[0.01151206, -0.01867402, 0.020046346], [-0.026168933, -0.05721542, 0.032421753]],
]
R_FACE = [0.0010224234, 0.0008104592]
R_BOX = [
    [-0.011622053, -0.054324344, -0.08678165, 0.0931173],
    [-0.06771129, -0.12636735, -0.08650124, 0.09145733],
]
O_FACE = [0.00018790776, 0.0002177885]
O_BOX = [
    [0.07194108, -0.056942552, -0.08575398, 0.0039073024],
    [0.06862872, -0.058697417, -0.081590824, 0.00972504355],
]
O_LANDMARKS = [
    [0.29835597, 0.64551306, 0.4489834, 0.323072, 0.6079338, 0.29019642, 0.25573662, 0.503763, 0.7834672, 0.78159994],
    [0.294659, 0.65234506, 0.44199657, 0.30993348, 0.60260218, 0.27483171, 0.25035661, 0.50552869, 0.78288674, 0.7886011],
]  # fmt: skip


def close(ours: torch.Tensor, theirs: list) -> bool:
    return bool(np.allclose(ours.numpy(), np.array(theirs, dtype=np.float32), rtol=1e-4, atol=1e-6))


def test_the_three_networks_answer_as_an_independent_implementation_does() -> None:
    proposal, refine, output = load_nets()
    seen = proposal(pattern(1, 3, 14, 16))
    assert close(seen.face[0], P_FACE)
    assert close(seen.box[0], P_BOX)
    seen = refine(pattern(2, 3, 24, 24))
    assert close(seen.face, R_FACE)
    assert close(seen.box, R_BOX)
    seen = output(pattern(2, 3, 48, 48))
    assert close(seen.face, O_FACE)
    assert close(seen.box, O_BOX)
    assert close(seen.landmarks, O_LANDMARKS)


@pytest.mark.parametrize("faces", [(ONE,), (((60, 60), 60),), (((250, 150), 120),), (TWO, SMALL)])
def test_drawn_faces_are_found_where_they_were_drawn(detector: FaceDetector, faces: tuple) -> None:
    found = detector.detect([picture_with(*faces)])[0]
    assert len(found) == len(faces)
    for (x, y), side in faces:
        # The drawing's eyes are 0.19 sides left and right of its centre and 0.06 above it.
        eyes = np.array([[x - 0.19 * side, y - 0.06 * side], [x + 0.19 * side, y - 0.06 * side]])
        nearest = np.abs(found.landmarks_px[:, :2] - eyes).max(axis=(1, 2)).argmin()
        assert np.abs(found.landmarks_px[nearest, :2] - eyes).max() < 0.06 * side
        x0, y0, x1, y1 = found.boxes_px[nearest]
        assert x0 < eyes[0, 0] < eyes[1, 0] < x1
        assert y0 < eyes[0, 1] < y1
        assert 0.6 * side < x1 - x0 < 1.2 * side
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores > 0.7).all()


def test_a_frame_does_not_know_what_else_is_in_the_batch(detector: FaceDetector) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    others = [noise, picture_with(TWO, SMALL), picture_with(((100, 100), 55), width_px=200, height_px=220), noise[:64, :64]]
    frames = [picture_with(ONE), *others, *[picture_with(((100 + 3 * i, 120), 80)) for i in range(FRAMES_AT_ONCE)]]
    together = detector.detect(frames)
    backwards = detector.detect(frames[::-1])[::-1]
    for frame, a, b in zip(frames, together, backwards, strict=True):
        alone = detector.detect([frame])[0]
        for name in ("boxes_px", "scores", "landmarks_px"):
            assert np.array_equal(getattr(a, name), getattr(alone, name)), name
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("shape", [(1, 1), (11, 400), (40, 40), (39, 60), (240, 320)])
def test_a_picture_without_a_face_gives_empty_arrays(detector: FaceDetector, shape: tuple[int, int]) -> None:
    for frame in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 200, np.uint8)):
        found = detector.detect([frame])[0]
        assert found.boxes_px.shape == (0, 4)
        assert found.scores.shape == (0,)
        assert found.landmarks_px.shape == (0, 5, 2)


def test_no_frames_no_detections(detector: FaceDetector) -> None:
    assert detector.detect([]) == []


def test_faces_below_the_smallest_size_are_not_searched_for() -> None:
    frame = picture_with(((160, 120), 50))
    assert len(FaceDetector(min_face_px=30).detect([frame])[0]) == 1
    assert len(FaceDetector(min_face_px=120).detect([frame])[0]) == 0


def test_a_face_cut_by_the_border_is_no_crash(detector: FaceDetector) -> None:
    for centre in ((0, 120), (320, 240), (160, 0), (30, 235)):
        found = detector.detect([picture_with((centre, 110))])[0]
        assert np.isfinite(found.boxes_px).all()


def test_a_smallest_face_below_what_the_first_network_sees_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_face_px"):
        FaceDetector(min_face_px=11)


def test_scaled_detections_fit_the_larger_frame() -> None:
    small = Detections(
        np.array([[1, 2, 3, 4]], np.float32), np.array([0.9], np.float32), np.full((1, 5, 2), [1, 2], np.float32)
    )
    large = small.scaled(2, 3)
    assert large.boxes_px.tolist() == [[2, 6, 6, 12]]
    assert large.landmarks_px[0, 0].tolist() == [2, 6]
    assert large.boxes_px.dtype == np.float32
