"""The chosen threshold is the best there is, by brute force; ties and empty classes have one answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import DataError
from mesmer.evaluation.metrics import score_emotion
from mesmer.evaluation.thresholds import best_threshold, choose_thresholds, decide

TABLES = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=14)


def f1_at(threshold: float, truth: np.ndarray, scores: np.ndarray) -> float:
    return score_emotion(truth, scores >= threshold).f1


@settings(max_examples=300, deadline=None)
@given(TABLES)
def test_no_other_threshold_is_better(table: list[tuple[bool, float]]) -> None:
    truth, scores = np.array([t for t, _ in table]), np.array([s for _, s in table])
    best = f1_at(best_threshold(truth, scores), truth, scores)
    others = [0.0, 1.0, 1.1, *scores, *np.nextafter(scores, 2), *(k / 20 for k in range(1, 20))]
    assert best >= max(f1_at(other, truth, scores) for other in others) - 1e-12


@settings(max_examples=100, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_utterances_does_not_matter(table: list[tuple[bool, float]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(table)
    random.shuffle(shuffled)
    pick = [best_threshold([t for t, _ in rows], [s for _, s in rows]) for rows in (table, shuffled)]
    assert pick[0] == pick[1]
    assert 0 <= pick[0] <= 1


def test_ties_go_to_the_threshold_nearest_a_half() -> None:
    # F1 is 2/3 at 0.15 (all decided) and at 0.85 (only the surest); both stand 0.35 from a half: the lower is taken.
    assert best_threshold([1, 0, 0, 1], [0.3, 0.4, 0.7, 1.0]) == pytest.approx(0.15)
    # The same decisions shifted down: now the upper one is nearer a half.
    assert best_threshold([1, 0, 0, 1], [0.1, 0.2, 0.3, 0.9]) == pytest.approx(0.6)


def test_without_positives_the_threshold_is_a_half_and_constant_scores_decide_all() -> None:
    assert best_threshold([0, 0, 0], [0.1, 0.9, 0.4]) == 0.5
    assert best_threshold([1, 0], [0.4, 0.4]) <= 0.4
    assert best_threshold([1], [0.0]) == 0.0


def test_neighbouring_floats_are_still_told_apart() -> None:
    low = 0.7
    high = np.nextafter(low, 1)
    threshold = best_threshold([0, 1], [low, high])
    assert low < threshold <= high


def test_thresholds_per_emotion_and_decisions() -> None:
    labels = np.array([[1, 0], [0, 0], [1, 0]], dtype=float)
    scores = np.array([[0.9, 0.6], [0.2, 0.4], [0.8, 0.5]])
    thresholds = choose_thresholds(labels, scores, ("joy", "fear"))
    assert thresholds == {"joy": pytest.approx(0.5), "fear": 0.5}
    assert decide(scores, thresholds, ("joy", "fear")).tolist() == [[True, True], [False, False], [True, True]]
    with pytest.raises(DataError, match="no threshold for 'anger'"):
        decide(scores, thresholds, ("joy", "anger"))
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        best_threshold([1], [float("nan")])
