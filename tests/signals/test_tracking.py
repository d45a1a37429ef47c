"""Following: the same person from frame to frame, whatever the sizes, the order of detections and short absences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.signals.mtcnn import Detections
from mesmer.signals.tracking import LOST_AFTER, MAX_FACES, MAX_GAP, Track, Tracker, main_track, people_at_once

Face = tuple[float, float, float]  # centre x, centre y, side


def seen(*faces: Face) -> Detections:
    boxes = np.array([[x - s / 2, y - s / 2, x + s / 2, y + s / 2] for x, y, s in faces], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(faces), 0.99, np.float32), np.zeros((len(faces), 5, 2), np.float32))


def followed(frames: list[list[Face]]) -> tuple[list[Track], list[list[Track]]]:
    tracker = Tracker()
    return tracker.tracks, [tracker.add(seen(*faces)) for faces in frames]


def xs(track: Track) -> list[float]:
    return [float(box[0] + box[2]) / 2 for box in track.boxes]


def test_people_whose_sizes_swap_from_frame_to_frame_stay_themselves() -> None:
    left, right = [90.0, 50.0], [50.0, 90.0]
    frames = [[(100.0, 100.0, left[i % 2]), (300.0, 100.0, right[i % 2])] for i in range(10)]
    tracks, _ = followed(frames)
    assert sorted({tuple(xs(track)) for track in tracks}) == [(100.0,) * 10, (300.0,) * 10]
    # The largest face of each frame would have jumped nine times.
    main = main_track(tracks)
    assert main is not None
    assert len(set(xs(main))) == 1


def test_people_who_cross_keep_their_ways() -> None:
    frames = [[(100.0 + 40 * i, 100.0, 60.0), (340.0 - 40 * i, 110.0, 60.0)] for i in range(7)]
    tracks, _ = followed(frames)
    assert sorted(xs(track) for track in tracks) == [[100 + 40 * i for i in range(7)], [340 - 40 * i for i in range(7)]]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 4))
def test_the_order_of_detections_changes_nothing(random, people: int) -> None:
    places = [(100.0 + 160 * k, 100.0, random.choice([60.0, 80.0, 100.0])) for k in range(people)]
    frames = [
        [(x + random.uniform(-15, 15), y + random.uniform(-15, 15), s * random.uniform(0.9, 1.1)) for x, y, s in places]
        for _ in range(8)
    ]
    shuffled = [random.sample(faces, people) for faces in frames]
    ways = [sorted(tuple(xs(track)) for track in followed(order)[0]) for order in (frames, shuffled)]
    assert ways[0] == ways[1]
    assert len(ways[0]) == people
    firsts = [xs(main_track(followed(order)[0])) for order in (frames, shuffled)]  # type: ignore[arg-type]
    assert firsts[0] == firsts[1]


def test_a_short_absence_is_bridged_and_a_long_one_is_not() -> None:
    for absent in (1, MAX_GAP, MAX_GAP + 1):
        frames: list[list[Face]] = [[(100, 100, 60)], *[[] for _ in range(absent)], [(130, 90, 66)]]
        tracks, _ = followed(frames)
        assert len(tracks) == 1
        gap = tracks[0].gap_boxes()
        if absent > MAX_GAP:
            assert gap == {}
            continue
        assert sorted(gap) == list(range(1, absent + 1))
        middles = [(box[0] + box[2]) / 2 for _, box in sorted(gap.items())]
        assert np.allclose(middles, np.linspace(100, 130, absent + 2)[1:-1], atol=1e-3)
        sides = [box[2] - box[0] for _, box in sorted(gap.items())]
        assert np.allclose(sides, np.linspace(60, 66, absent + 2)[1:-1], atol=1e-3)


def test_someone_far_away_is_someone_else() -> None:
    tracks, _ = followed([[(100, 100, 60)], [(300, 100, 60)]])
    assert len(tracks) == 2
    tracks, _ = followed([[(100, 100, 60)], [(100, 100, 200)]])
    assert len(tracks) == 2


def test_a_close_face_may_move_further_than_a_far_one() -> None:
    assert len(followed([[(100, 100, 120)], [(190, 100, 120)]])[0]) == 1
    assert len(followed([[(100, 100, 40)], [(190, 100, 40)]])[0]) == 2


def test_whoever_comes_back_to_the_same_place_is_the_same_until_too_long() -> None:
    for absent, people in ((LOST_AFTER - 1, 1), (LOST_AFTER, 2)):
        tracks, _ = followed([[(100, 100, 60)], *[[] for _ in range(absent)], [(105, 100, 60)]])
        assert len(tracks) == people


def test_the_longest_and_largest_is_followed() -> None:
    passer_by: list[list[Face]] = [[(100, 100, 60)], [(100, 100, 60), (400, 100, 150)], *[[(100, 100, 60)]] * 6]
    main = main_track(followed(passer_by)[0])
    assert main is not None
    assert xs(main) == [100.0] * 8
    equal = main_track(followed([[(100, 100, 60), (300, 100, 60)]] * 3)[0])
    assert equal is not None
    assert xs(equal) == [100.0] * 3
    assert main_track([]) is None


def test_people_are_counted_in_the_fullest_frame_and_a_flicker_is_nobody() -> None:
    frames: list[list[Face]] = [[(100, 100, 60)], [(100, 100, 60), (300, 100, 60)], [(300, 100, 60)], [(500, 100, 60)]]
    tracks, _ = followed(frames)
    assert people_at_once(tracks, 4) == 2
    flicker: list[list[Face]] = [[(100, 100, 60)], [(100, 100, 60), (300, 100, 60)], [(100, 100, 60)]]
    assert people_at_once(followed(flicker)[0], 3) == 1
    assert people_at_once(followed([[(100, 100, 60), (300, 100, 60)]])[0], 1) == 2
    assert people_at_once([], 0) == 0


def test_a_crowd_is_bounded_to_its_largest_faces() -> None:
    crowd = [(100.0 * k, 100.0, 30.0 + k) for k in range(40)]
    tracks, now = followed([list(crowd)] * 3)
    assert len(tracks) == MAX_FACES
    assert [len(frame) for frame in now] == [MAX_FACES] * 3
    assert min(track.sides[0] for track in tracks) == pytest.approx(30 + 40 - MAX_FACES)
