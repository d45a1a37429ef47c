"""Squares laid over each other: the fast way for plain shifts beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import shift

from mesmer.analysis import mouths

SHIFT = st.one_of(st.floats(-100, 100), st.integers(-90, 90).map(float))


@settings(max_examples=100, deadline=None)
@given(SHIFT, SHIFT, st.booleans(), st.integers(0, 9))
def test_a_square_is_moved_as_scipy_moves_it(right: float, down: float, whole: bool, seed: int) -> None:
    grey = np.random.default_rng(seed).uniform(0, 255, (mouths.SIDE_PX, mouths.SIDE_PX)).astype(np.float32)
    part = mouths.WHOLE if whole else mouths.MOUTH
    moved = mouths._sampled(grey, np.array([0.0, 0.0, right, down]), part)
    expected = shift(grey.astype(np.float64), (-down, -right), order=1, mode="nearest", prefilter=False)[part]
    assert moved.dtype == np.float32
    assert moved == pytest.approx(expected, abs=0.01)  # of 255


def test_turning_and_growing_by_nearly_nothing_is_moving() -> None:
    grey = np.random.default_rng(0).uniform(0, 255, (mouths.SIDE_PX, mouths.SIDE_PX)).astype(np.float32)
    for place in ((0.3, -1.7), (-8.25, 4.5)):
        turned = mouths._sampled(grey, np.array([1e-9, 1e-9, *place]), mouths.MOUTH)
        moved = mouths._sampled(grey, np.array([0.0, 0.0, *place]), mouths.MOUTH)
        assert moved == pytest.approx(turned, abs=0.01)
