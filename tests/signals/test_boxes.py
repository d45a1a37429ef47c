"""Boxes: overlap against counting pixels, suppression against the plain definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.signals.boxes import moved, overlap, squared, suppress

whole_boxes = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 14), st.integers(1, 10), st.integers(1, 10)), min_size=1, max_size=8
).map(lambda rows: np.array([[x, y, x + w, y + h] for x, y, w, h in rows], dtype=np.float32))


def painted(box: np.ndarray) -> np.ndarray:
    canvas = np.zeros((24, 24), dtype=bool)
    x0, y0, x1, y1 = box.astype(int)
    canvas[y0:y1, x0:x1] = True
    return canvas


@settings(max_examples=40, deadline=None)
@given(whole_boxes, whole_boxes)
def test_overlap_is_what_counting_pixels_gives(a: np.ndarray, b: np.ndarray) -> None:
    union, smaller = overlap(a, b), overlap(a, b, over="smaller")
    for i, first in enumerate(a):
        for j, second in enumerate(b):
            p, q = painted(first), painted(second)
            assert np.isclose(union[i, j], (p & q).sum() / (p | q).sum())
            assert np.isclose(smaller[i, j], (p & q).sum() / min(p.sum(), q.sum()))


@settings(max_examples=60, deadline=None)
@given(whole_boxes, st.randoms(use_true_random=False), st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_suppression_is_greedy_and_ties_go_to_the_earlier(boxes: np.ndarray, random, threshold: float) -> None:
    scores = np.array([random.choice([0.5, 0.8, 0.9]) for _ in boxes], dtype=np.float32)
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        if all(overlap(boxes[i : i + 1], boxes[j : j + 1])[0, 0] <= threshold for j in kept):
            kept.append(i)
    assert suppress(boxes, scores, threshold).tolist() == kept


def test_suppression_of_nothing_is_nothing() -> None:
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.5).tolist() == []


def test_a_squared_box_keeps_its_centre_and_longer_side() -> None:
    assert squared(np.array([[10, 20, 20, 50]], np.float32)).tolist() == [[0, 20, 30, 50]]


def test_a_moved_box_moves_each_edge_by_its_share() -> None:
    shares = np.array([[0.1, -0.2, 0.0, 0.5]], np.float32)
    assert np.allclose(moved(np.array([[0, 0, 10, 20]], np.float32), shares), [[1, -4, 10, 30]])
