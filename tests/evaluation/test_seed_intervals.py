"""Runs of one recipe as one answerer, held to the table of a single run, to the table over seeds, and to plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from mesmer.errors import DataError
from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.bootstrap import draw
from mesmer.evaluation.seed_intervals import difference_of, over_runs
from mesmer.evaluation.seeds import over_seeds
from mesmer.evaluation.table import Resampling, make_table
from mesmer.evaluation.trivial import prior_of

EMOTIONS = ("anger", "joy", "fear")
HOW = Resampling(resamples=40, seed=5)


def some_truth(seed: int = 0, size: int = 60) -> Truth:
    rng = np.random.default_rng(seed)
    speakers = tuple(f"s{int(number)}" for number in rng.integers(0, 7, size))
    return Truth(
        ids=tuple(f"u{i}" for i in range(size)), speakers=speakers, emotions=EMOTIONS, labels=rng.random((size, 3)) < 0.4
    )


def some_answer(truth: Truth, seed: int) -> Answer:
    chance = np.random.default_rng(100 + seed).random(truth.labels.shape)
    limits = dict.fromkeys(EMOTIONS, 0.5)
    probabilities = np.clip(0.6 * chance + 0.35 * truth.labels, 0, 1)
    return thresholded(
        name="TAV", title="all", probabilities=probabilities, emotions=EMOTIONS, thresholds=limits, thresholds_from="given"
    )


def test_one_run_has_the_numbers_and_intervals_of_its_table() -> None:
    truth = some_truth()
    answer = some_answer(truth, 0)
    prior = prior_of(truth.labels, EMOTIONS, source="here")
    row = make_table(name="test", truth=truth, answers=[answer], prior=prior, resampling=HOW).rows[0]
    found = over_runs(truth, [answer], name="one", resampling=HOW)
    assert row.intervals is not None
    for metric, number in found.average.items():
        value = row.micro_f1 if metric == "micro_f1" else row.average.to_json()[metric]
        assert (number.mean, number.deviation) == (pytest.approx(value), None)
        assert number.interval == pytest.approx(row.intervals.average[metric])
    for emotion in EMOTIONS:
        for metric, number in found.per_emotion[emotion].items():
            assert number.interval == pytest.approx(row.intervals.per_emotion[emotion][metric])


def test_several_runs_have_the_mean_and_deviation_of_the_table_over_seeds() -> None:
    truth = some_truth()
    answers = [some_answer(truth, seed) for seed in range(4)]
    prior = prior_of(truth.labels, EMOTIONS, source="here")
    how = Resampling(resamples=0)
    tables = [make_table(name="test", truth=truth, answers=[one], prior=prior, resampling=how) for one in answers]
    row = over_seeds(tables).rows[0]
    found = over_runs(truth, answers, name="four", resampling=how)
    assert found.runs == 4
    for metric, spread in row.average.items():
        number = found.average[metric]
        assert (number.mean, number.deviation) == (pytest.approx(spread.mean), pytest.approx(spread.deviation))
        assert number.interval is None
    for emotion in EMOTIONS:
        for metric, spread in row.per_emotion[emotion].items():
            assert found.per_emotion[emotion][metric].mean == pytest.approx(spread.mean)


def test_each_resample_draws_speakers_and_runs() -> None:
    """Accuracy of every resample, by loops over the utterances of the speakers drawn; the runs' shares from their sums."""
    truth = some_truth()
    answers = [some_answer(truth, seed) for seed in range(3)]
    found = over_runs(truth, answers, name="three", resampling=HOW)
    assert found.resampled is not None
    clusters = truth.clusters
    counts = draw(clusters.count, resamples=HOW.resamples, seed=HOW.seed)
    drawn = set()
    for r, counted in enumerate(counts):
        rows = [i for i, cluster in enumerate(clusters.of) for _ in range(int(counted[cluster]))]
        of_runs = np.array([np.mean(one.decisions[rows] == truth.labels[rows], axis=0) for one in answers])
        # Some whole number of draws of each run must give what was found: they are 3 draws out of 3.
        shares = [np.array([a, b, 3 - a - b]) / 3 for a in range(4) for b in range(4 - a)]
        candidates = np.array([share @ of_runs for share in shares])
        assert np.abs(candidates - found.resampled["accuracy"][r]).max(axis=1).min() < 1e-12
        drawn.add(int(np.abs(candidates - found.resampled["accuracy"][r]).max(axis=1).argmin()))
    assert len(drawn) > 4  # not always the same runs


def test_a_recipe_differs_from_itself_by_nothing_and_from_a_worse_one_by_something() -> None:
    truth = some_truth()
    good = over_runs(truth, [some_answer(truth, seed) for seed in range(3)], name="good", resampling=HOW)
    for number in difference_of(good, good).values():
        assert number.mean == 0
        assert number.interval == (0, 0)
    blind = Answer(
        name="TAV",
        title="none",
        probabilities=np.zeros(truth.labels.shape),
        decisions=np.zeros(truth.labels.shape, dtype=bool),
    )
    worse = over_runs(truth, [blind, blind], name="blind", resampling=HOW)
    difference = difference_of(good, worse)["f1"]
    assert difference.mean == pytest.approx(good.average["f1"].mean)
    assert difference.interval is not None
    assert difference.interval[0] > 0
    assert worse.average["f1"].deviation == 0


def test_no_run_and_one_speaker() -> None:
    truth = some_truth()
    with pytest.raises(DataError, match="no run"):
        over_runs(truth, [], name="none")
    alone = Truth(ids=truth.ids, speakers=("ann",) * 60, emotions=EMOTIONS, labels=truth.labels)
    assert over_runs(alone, [some_answer(truth, 0)] * 2, name="x", resampling=HOW).average["f1"].interval is None
