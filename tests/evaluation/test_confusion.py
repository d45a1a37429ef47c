"""Confusion of the one answer against scikit-learn; co-occurrence by counting; ties are no answer."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from mesmer.evaluation.answers import Answer, Truth
from mesmer.evaluation.bootstrap import clusters_of, draw, percentiles
from mesmer.evaluation.confusion import confusion, one_answer, resample_one_answers
from mesmer.evaluation.table import Resampling, make_table
from mesmer.evaluation.trivial import prior_of


def made(labels: np.ndarray, probabilities: np.ndarray) -> tuple[Truth, Answer]:
    size, emotions = labels.shape
    truth = Truth(
        ids=tuple(map(str, range(size))),
        speakers=(None,) * size,
        emotions=tuple("abcd"[:emotions]),
        labels=labels.astype(bool),
    )
    return truth, Answer(name="m", title="m", probabilities=probabilities, decisions=probabilities >= 0.5)


def test_one_answers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(300):
            size, emotions = int(rng.integers(1, 15)), int(rng.integers(2, 5))
            expressed = rng.integers(0, emotions, size)
            probabilities = rng.random((size, emotions))
            truth, answer = made(np.eye(emotions)[expressed], probabilities)
            said = probabilities.argmax(1)
            found = one_answer(truth, answer)
            assert found is not None
            assert found.accuracy == pytest.approx(accuracy_score(expressed, said))
            assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(expressed, said))
            labels = range(emotions)
            expected = f1_score(expressed, said, average="macro", labels=labels, zero_division=0)
            assert found.macro_f1 == pytest.approx(expected)
            counts = confusion(truth, answer).counts
            assert np.array_equal(counts[:, :-1], confusion_matrix(expressed, said, labels=labels))
            assert not counts[:, -1].any()


def test_intervals_of_the_one_answer_are_those_of_repeated_rows() -> None:
    rng = np.random.default_rng(5)
    expressed, speakers = rng.integers(0, 3, 40), [f"s{n % 7}" if n % 5 else None for n in range(40)]
    probabilities = rng.random((40, 3)) + 0.8 * np.eye(3)[expressed]
    truth, answer = made(np.eye(3)[expressed], probabilities / probabilities.max())
    clusters = clusters_of(speakers)
    draws = draw(clusters.count, resamples=60, seed=2)
    found = resample_one_answers(truth, answer, clusters, draws)
    said = probabilities.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for r, times in enumerate(draws):
            rows = np.concatenate([np.repeat(np.flatnonzero(clusters.of == c), int(n)) for c, n in enumerate(times)])
            assert found["accuracy"][r] == pytest.approx(accuracy_score(expressed[rows], said[rows]))
            assert found["balanced_accuracy"][r] == pytest.approx(balanced_accuracy_score(expressed[rows], said[rows]))
            macro = f1_score(expressed[rows], said[rows], average="macro", labels=range(3), zero_division=0)
            assert found["macro_f1"][r] == pytest.approx(macro)
    truth = replace(truth, speakers=tuple(speakers))
    prior = prior_of(truth.labels, truth.emotions, source="test")
    row = make_table(
        name="test", truth=truth, answers=[answer], prior=prior, resampling=Resampling(resamples=60, seed=2)
    ).rows[0]
    assert row.one_answer_intervals == {name: percentiles(values) for name, values in found.items()}
    assert row.to_json()["one_answer_intervals"]["accuracy"] == list(percentiles(found["accuracy"]))


def test_a_tie_at_the_top_is_no_answer() -> None:
    truth, answer = made(np.eye(3), np.array([[0.4, 0.4, 0.1], [0, 0, 0], [0.1, 0.2, 0.3]]))
    found = confusion(truth, answer)
    assert found.columns == ("a", "b", "c", "no answer")
    assert found.counts.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert one_answer(truth, answer).accuracy == pytest.approx(1 / 3)


def test_co_occurrence_counts_every_pair() -> None:
    rng = np.random.default_rng(1)
    truth, answer = made(rng.random((50, 3)) < 0.5, rng.random((50, 3)))
    found = confusion(truth, answer)
    assert found.kind == "co-occurrence"
    assert one_answer(truth, answer) is None
    for i in range(3):
        for j in range(3):
            assert found.counts[i, j] == sum(t[i] and d[j] for t, d in zip(truth.labels, answer.decisions, strict=True))
            assert found.expressed_together[i, j] == (truth.labels[:, i] & truth.labels[:, j]).sum()
    assert found.shares()[0] == pytest.approx(found.counts[0] / truth.labels[:, 0].sum())


def test_emotions_never_expressed_have_empty_rows() -> None:
    truth, answer = made(np.array([[1, 1, 0], [1, 0, 0]]), np.ones((2, 3)))
    assert confusion(truth, answer).shares()[2].tolist() == [0, 0, 0]
