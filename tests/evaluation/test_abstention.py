"""Abstention: distances in log-odds, a margin that leaves out a tenth, and the curve by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from mesmer.errors import DataError
from mesmer.evaluation.abstention import choose_margins, coverage_risk, distances, unsure


def test_unsure_is_near_the_threshold_in_log_odds() -> None:
    thresholds, margins = {"a": expit(-2.0), "b": 0.5}, {"a": 0.5, "b": 0.0}
    log_odds = np.array([[-2.6, 0.0], [-2.4, 0.0], [-1.6, 9.0], [-1.4, -9.0]])
    probabilities = expit(log_odds)
    assert distances(probabilities, thresholds, ("a", "b"))[:, 0] == pytest.approx([0.6, 0.4, 0.4, 0.6])
    near = unsure(probabilities, thresholds, margins, ("a", "b"))
    assert near[:, 0].tolist() == [False, True, True, False]
    assert not near[:, 1].any()  # a margin of 0 is never unsure
    assert np.isfinite(distances([[0.0, 1.0]], {"a": 1.0, "b": 0.0}, ("a", "b"))).all()


@pytest.mark.parametrize("size", [0, 1, 9, 10, 57, 200])
def test_at_most_a_tenth_is_unsure(size: int) -> None:
    rng = np.random.default_rng(size)
    for probabilities in (rng.random((size, 2)), rng.integers(0, 4, (size, 2)) / 3):
        thresholds = {"a": 0.4, "b": 0.6}
        margins = choose_margins(probabilities, thresholds, ("a", "b"))
        near = unsure(probabilities, thresholds, margins, ("a", "b")).sum(0)
        assert (near <= size / 10).all()
        if len(np.unique(probabilities)) > 4:
            assert (near == size // 10).all()


def test_the_curve_is_what_counting_gives() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        size = int(rng.integers(1, 30))
        wrong, distance = rng.random(size) < 0.3, rng.integers(0, 8, size) / 2
        margin = float(rng.choice([0.0, 1.0, 2.2, 99.0]))
        curve = coverage_risk(wrong, distance, margin=margin)
        cuts = sorted(set(distance.tolist()), reverse=True)
        kept = [distance >= cut for cut in cuts]
        assert curve.coverage == pytest.approx([k.mean() for k in kept])
        assert curve.risk == pytest.approx([wrong[k].mean() for k in kept])
        area = sum((k.mean() - before) * wrong[k].mean() for k, before in zip(kept, [0, *curve.coverage], strict=False))
        assert curve.area == pytest.approx(area)
        sure = distance >= margin
        assert curve.stored_coverage == pytest.approx(sure.mean())
        assert curve.stored_risk == pytest.approx(wrong[sure].mean() if sure.any() else 0.0)
    assert coverage_risk([True], [1.0]).stored_coverage is None
    with pytest.raises(DataError, match="do not meet"):
        coverage_risk([], [])
