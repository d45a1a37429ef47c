"""Face tracks: whose crops, from where, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from drawn_face import picture_with

from mesmer.config import PrepareSettings
from mesmer.signals.crops import centre_square, crop_face
from mesmer.signals.faces import FaceFollower, FaceTrack, crop_faces
from mesmer.signals.mtcnn import Detections, FaceDetector

SETTINGS = PrepareSettings(face_margin=0.0, search_every_frames=1)
SIZE = (240, 320)


class Told(FaceDetector):
    """Says what it is told, frame after frame: boxes x0, y0, x1, y1."""

    def __init__(self, answers: list[list[tuple[float, float, float, float]]]) -> None:
        self._answers = list(answers)
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        self.shapes += [frame.shape for frame in frames]
        told = [np.array(self._answers.pop(0), np.float32).reshape(-1, 4) for _ in frames]
        return [
            Detections(boxes, np.full(len(boxes), 0.99, np.float32), np.zeros((len(boxes), 5, 2), np.float32))
            for boxes in told
        ]


def frames(count: int, height: int = SIZE[0], width: int = SIZE[1]) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def same(a: FaceTrack, b: FaceTrack) -> bool:
    arrays = ("faces", "boxes_px", "found", "interpolated")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and a.warnings == b.warnings


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(min_face_px=40)


def test_the_same_person_is_cropped_though_the_other_is_larger_every_second_frame(detector: FaceDetector) -> None:
    clip = [
        picture_with(((85, 110), 80 if i % 2 else 62), ((235, 110), 58 if i % 2 else 84)) for i in range(6)
    ]  # fmt: skip
    track = crop_faces(clip, detector, settings=PrepareSettings())
    assert track.found.all()
    assert not track.interpolated.any()
    assert track.people == 2
    centres = (track.boxes_px[:, 0] + track.boxes_px[:, 2]) / 2
    assert np.ptp(centres) < 20
    assert len(track.warnings) == 1
    assert "2 faces seen" in track.warnings[0]
    assert "6 of 6 frames" in track.warnings[0]


def test_crops_show_the_square_that_the_track_names() -> None:
    clip = frames(3)
    told = [[(50, 60, 110, 140)], [(54, 60, 114, 140)], [(58, 64, 118, 144)]]
    track = crop_faces(clip, Told(told), settings=SETTINGS)
    assert track.boxes_px.tolist() == [[40, 60, 120, 140], [44, 60, 124, 140], [48, 64, 128, 144]]
    for frame, face, box in zip(clip, track.faces, track.boxes_px, strict=True):
        assert np.array_equal(face, crop_face(frame, box))
    assert track.warnings == ()
    assert track.people == 1
    wide = crop_faces(clip, Told(told), settings=PrepareSettings(face_margin=0.5, search_every_frames=1))
    assert wide.boxes_px[0].tolist() == [20, 40, 140, 160]


def test_a_short_gap_is_interpolated_from_the_frames_themselves() -> None:
    clip = frames(5)
    told = [[(40, 60, 100, 120)], [], [], [(70, 60, 130, 120)], [(70, 60, 130, 120)]]
    track = crop_faces(clip, Told(told), settings=SETTINGS)
    assert track.found.all()
    assert track.interpolated.tolist() == [False, True, True, False, False]
    assert np.allclose(track.boxes_px[1], [50, 60, 110, 120])
    assert np.allclose(track.boxes_px[2], [60, 60, 120, 120])
    assert np.array_equal(track.faces[2], crop_face(clip[2], track.boxes_px[2]))
    assert track.warnings == ()


@pytest.mark.parametrize("absent", [4, 5])
def test_only_gaps_of_at_most_four_frames_are_filled(absent: int) -> None:
    clip = frames(absent + 2)
    told = [[(40.0, 60.0, 100.0, 120.0)], *[[] for _ in range(absent)], [(50.0, 60.0, 110.0, 120.0)]]
    track = crop_faces(clip, Told(told), settings=SETTINGS)  # type: ignore[arg-type]
    assert track.found[1:-1].all() == (absent == 4)
    assert track.found[1:-1].any() == (absent == 4)
    for i in range(absent + 2):
        assert np.array_equal(track.faces[i], crop_face(clip[i], track.boxes_px[i]))


def test_where_the_followed_face_is_not_there_the_crop_is_the_centre_and_says_so() -> None:
    clip = frames(5)
    told = [[], [], [(40.0, 60.0, 100.0, 120.0)], [(40.0, 60.0, 100.0, 120.0)], [(40.0, 60.0, 100.0, 120.0)]]
    track = crop_faces(clip, Told(told), settings=SETTINGS)  # type: ignore[arg-type]
    assert track.found.tolist() == [False, False, True, True, True]
    assert np.array_equal(track.boxes_px[0], centre_square(*SIZE))
    assert track.warnings == ("no face in 40 % of the frames",)


@pytest.mark.parametrize("side", [60, 64, 224, 360])
@pytest.mark.parametrize("portrait", [False, True])
def test_without_any_face_every_crop_is_the_true_centre(detector: FaceDetector, side: int, portrait: bool) -> None:
    height, width = (2 * side, side) if portrait else (side, 2 * side)
    clip = [np.zeros((height, width, 3), np.uint8) for _ in range(2)]
    for frame in clip:
        frame[height // 2 - side // 2 : height // 2 + side // 2, width // 2 - side // 2 : width // 2 + side // 2] = 180
    track = crop_faces(clip, detector, settings=PrepareSettings())
    assert (track.faces == 180).all()  # the lit square fills the crop to its rim, and nothing dark gets in
    assert not track.found.any()
    assert track.people == 0
    assert track.warnings == ("no face found: the crops show the centre of the picture",)


def test_no_frames_give_an_empty_track(detector: FaceDetector) -> None:
    track = crop_faces([], detector, settings=SETTINGS)
    assert track.faces.shape == (0, 48, 48, 3)
    assert track.faces.dtype == np.uint8
    assert track.boxes_px.shape == (0, 4)
    assert track.found.shape == track.interpolated.shape == (0,)
    assert (track.people, track.warnings) == (0, ())


def test_frames_may_come_in_any_portions() -> None:
    clip = frames(9)
    told: list[list[tuple[float, float, float, float]]] = [
        [(40.0 + 5 * i, 60.0, 100.0 + 5 * i, 120.0)] if i not in (2, 3, 7) else [] for i in range(9)
    ]
    whole = crop_faces(clip, Told(told), settings=SETTINGS)
    for portion in (1, 2, 4):
        follower = FaceFollower(Told(told), settings=SETTINGS)
        for start in range(0, 9, portion):
            follower.add(clip[start : start + portion])
        assert same(follower.finish(), whole)


def test_detection_sees_small_frames_and_crops_come_from_the_full_ones() -> None:
    clip = frames(2, 480, 640)
    told = Told([[(20, 30, 50, 60)], [(20, 30, 50, 60)]])
    track = crop_faces(clip, told, settings=PrepareSettings(face_margin=0.0, detect_max_side_px=160, search_every_frames=1))
    assert told.shapes == [(120, 160, 3)] * 2
    assert track.boxes_px[0].tolist() == [80, 120, 200, 240]
    assert np.array_equal(track.faces[0], crop_face(clip[0], track.boxes_px[0]))


def test_two_runs_are_the_same_to_the_bit(detector: FaceDetector) -> None:
    clip = [picture_with(((100 + 10 * i, 120), 90), ((250, 120), 60)) for i in range(4)]
    assert same(crop_faces(clip, detector, settings=SETTINGS), crop_faces(clip, detector, settings=SETTINGS))
