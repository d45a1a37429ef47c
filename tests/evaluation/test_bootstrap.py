"""Intervals: speakers are drawn whole, the same seed draws the same, and 95 % is about 95 %."""

from __future__ import annotations

import numpy as np
import pytest

from mesmer.errors import ConfigError
from mesmer.evaluation.bootstrap import clusters_of, draw, intervals_of, percentiles, replicate
from mesmer.evaluation.measures import Answered, measure


def answered(size: int, *, seed: int, speakers: int | None = None) -> tuple[Answered, list[str | None]]:
    """Answers that are right more often for some speakers than for others."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, speakers or size, size)
    skill = rng.uniform(0.5, 1.0, speakers or size)[who]
    truth = rng.random((size, 2)) < 0.4
    said = np.where(rng.random((size, 2)) < skill[:, None], truth, ~truth)
    probabilities = np.where(said, 0.8, 0.2) + rng.uniform(-0.1, 0.1, (size, 2))
    names = [f"s{number}" if speakers else None for number in who]
    return Answered(truth=truth, probabilities=probabilities, decisions=said), names


def test_speakers_are_clusters_and_the_unknown_stand_alone() -> None:
    clusters = clusters_of(["b", None, "a", "b", None])
    assert (clusters.count, clusters.speakers) == (4, 2)
    assert clusters.of[0] == clusters.of[3]
    assert sorted(set(clusters.of.tolist())) == [0, 1, 2, 3]


def test_draws_are_seeded_and_each_row_draws_as_many_as_there_are() -> None:
    draws = draw(7, resamples=500, seed=3)
    assert draws.shape == (500, 7)
    assert (draws.sum(1) == 7).all()
    assert np.array_equal(draws, draw(7, resamples=500, seed=3))
    assert not np.array_equal(draws, draw(7, resamples=500, seed=4))
    assert draws.mean(0) == pytest.approx(np.ones(7), abs=0.2)
    for refused in (0, -1, 10**6):
        with pytest.raises(ConfigError, match="resamples"):
            draw(7, resamples=refused, seed=0)


def test_intervals_are_the_percentiles_of_repeated_rows() -> None:
    """The whole road against a bootstrap written as one would say it."""
    given, speakers = answered(60, seed=1, speakers=6)
    clusters = clusters_of(speakers)
    draws = draw(clusters.count, resamples=200, seed=5)
    found = intervals_of(replicate(given, clusters, draws), ["a", "b"])
    rows_of = [np.flatnonzero(clusters.of == c) for c in range(clusters.count)]
    accuracies, areas = [], []
    for counts in draws.astype(int):
        rows = np.concatenate([np.tile(rows_of[c], counts[c]) for c in range(clusters.count)])
        accuracies.append((given.truth[rows] == given.decisions[rows]).mean())
        part = Answered(truth=given.truth[rows], probabilities=given.probabilities[rows], decisions=given.decisions[rows])
        areas.append(measure(part)["auroc"][0, 1])
    assert found.average["accuracy"] == pytest.approx(percentiles(np.array(accuracies)))
    assert found.per_emotion["b"]["auroc"] == pytest.approx(percentiles(np.array(areas)))


def test_clusters_widen_what_alike_utterances_would_narrow() -> None:
    given, speakers = answered(400, seed=2, speakers=10)

    def width(names: list[str | None]) -> float:
        clusters = clusters_of(names)
        draws = draw(clusters.count, resamples=300, seed=0)
        low, high = intervals_of(replicate(given, clusters, draws), ["a", "b"]).average["accuracy"]
        return high - low

    assert width(speakers) > 1.5 * width([None] * 400)


def test_nine_intervals_in_ten_and_more_hold_the_truth() -> None:
    """40 speakers, accuracy known by how the answers are made: 0.75 on average."""
    held = 0
    for seed in range(100):
        given, speakers = answered(160, seed=seed, speakers=40)
        clusters = clusters_of(speakers)
        values = replicate(given, clusters, draw(clusters.count, resamples=200, seed=seed))
        low, high = percentiles(values["accuracy"].mean(1))
        held += low <= 0.75 <= high
    assert 88 <= held <= 100
