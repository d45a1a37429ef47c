"""The pointing game against counts by hand, and laws: a random mask scores its chance, a perfect one scores one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import DataError
from mesmer.explain.pointing import MapScores, compare, point, random_trace, site_truth, sound_truth, summarise
from mesmer.records import BlockTrace


def made_trace(kept: torch.Tensor, attention: torch.Tensor | None = None) -> BlockTrace:
    return BlockTrace(attention=kept.float() if attention is None else attention, kept=kept)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), maps=st.integers(1, 4))
def test_scores_are_counts(seed: int, maps: int) -> None:
    rng = np.random.default_rng(seed)
    kept, truth = rng.random((maps, 6, 4)) < 0.4, rng.random((maps, 12, 8)) < 0.5
    kept[:, 0, 0] = True
    attention = rng.integers(0, 4, (maps, 6, 4)).astype(np.float32)
    scores = point(made_trace(torch.from_numpy(kept), torch.from_numpy(attention)), truth)
    for n in range(maps):
        sites = [(y, x) for y in range(6) for x in range(4)]
        on = {s for s in sites if truth[n, 2 * s[0] : 2 * s[0] + 2, 2 * s[1] : 2 * s[1] + 2].sum() >= 2}
        chosen = {s for s in sites if kept[n][s]}
        best = {s for s in sites if attention[n][s] == attention[n].max()}
        if not on:
            assert np.isnan(scores.hits[n])
            assert np.isnan(scores.pointed[n])
            continue
        assert scores.hits[n] == pytest.approx(len(chosen & on) / len(chosen))
        assert scores.chance[n] == pytest.approx(len(on) / 24)
        assert scores.pointed[n] == pytest.approx(len(best & on) / len(best))
        assert scores.overlap[n] == pytest.approx(len(chosen & on) / len(chosen | on))
        assert scores.density[n] == pytest.approx(len(chosen) / 24)


def test_a_perfect_mask_scores_one_and_a_random_one_its_chance() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((400, 24, 24), dtype=bool)
    for mask in truth:
        y, x, size = *rng.integers(0, 12, 2), rng.integers(4, 12)
        mask[y : y + size, x : x + size] = True
    perfect = made_trace(torch.from_numpy(truth))
    speakers = [f"s{n % 40}" for n in range(400)]
    best = summarise([point(perfect, truth)], speakers)
    assert best.hits == best.pointed == best.overlap == 1.0
    assert best.ratio == pytest.approx(1 / best.chance)
    control = point(random_trace(perfect, torch.Generator().manual_seed(1)), truth)
    assert (control.density == point(perfect, truth).density).all()
    drawn = summarise([control], speakers)
    assert drawn.intervals["ratio"][0] < 1.0 < drawn.intervals["ratio"][1]
    assert drawn.intervals["pointed_ratio"][0] < 1.0 < drawn.intervals["pointed_ratio"][1]
    factor, (low, high) = compare([point(perfect, truth)], [control], speakers)["hits"]
    assert low < factor < high
    assert factor == pytest.approx(1 / drawn.hits)
    assert low > 1.5


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Speakers differ; the mean over speakers is 0.5. Of 100 intervals over 40 speakers some 95 hold it."""
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(100):
        of_speaker = rng.uniform(0.2, 0.8, 40)
        speakers = np.repeat(np.arange(40), 5)
        values = np.clip(of_speaker[speakers] + rng.normal(0, 0.1, 200), 0, 1)
        ones = np.ones(200)
        scores = MapScores(hits=values, chance=ones, pointed=ones, overlap=ones, density=ones)
        low, high = summarise([scores], [str(s) for s in speakers], resamples=300, seed=trial).intervals["hits"]
        held += low <= 0.5 <= high
    assert 86 <= held <= 100


def test_several_runs_widen_the_interval_by_how_far_they_differ() -> None:
    ones = np.ones(100)
    speakers = [f"s{n % 20}" for n in range(100)]

    def run(level: float) -> MapScores:
        values = np.full(100, level)
        return MapScores(hits=values, chance=0.5 * ones, pointed=ones, overlap=ones, density=ones)

    same = summarise([run(0.7)] * 3, speakers)
    apart = summarise([run(0.6), run(0.7), run(0.8)], speakers)
    assert same.intervals["hits"] == pytest.approx((0.7, 0.7))
    assert apart.hits == pytest.approx(0.7)
    assert apart.intervals["hits"][1] - apart.intervals["hits"][0] > 0.1
    assert apart.ratio == pytest.approx(1.4)
    assert (apart.runs, apart.maps, apart.speakers) == (3, 100, 20)


def test_maps_without_a_truth_count_nowhere() -> None:
    truth = np.zeros((3, 4, 4), dtype=bool)
    truth[1, :2] = True
    scores = point(made_trace(torch.ones(3, 2, 2, dtype=torch.bool)), truth)
    assert scores.known.tolist() == [False, True, False]
    assert summarise([scores], ["a", "b", None]).maps == 1
    assert summarise([scores], ["a", "b", None]).hits == 0.5
    with pytest.raises(DataError, match="no map has a truth"):
        summarise([point(made_trace(torch.ones(3, 2, 2, dtype=torch.bool)), truth & False)], ["a", "b", None])


def test_what_does_not_fit_is_refused() -> None:
    kept = torch.ones(2, 4, 4, dtype=torch.bool)
    with pytest.raises(DataError, match="2 maps"):
        point(made_trace(kept), np.ones((3, 8, 8), dtype=bool))
    with pytest.raises(DataError, match="does not divide"):
        site_truth(torch.ones(2, 7, 8, dtype=torch.bool), (4, 4))
    scores = point(made_trace(kept), np.ones((2, 8, 8), dtype=bool))
    with pytest.raises(DataError, match="speaker"):
        summarise([scores], ["a"])
    with pytest.raises(DataError, match="1 runs beside 2"):
        compare([scores], [scores, scores], ["a", "b"])


def test_sound_truth_spans_all_bands() -> None:
    times = np.zeros((2, 32), dtype=bool)
    times[1, 10:] = True
    truth = site_truth(sound_truth(times, 128), (64, 16))
    assert truth.shape == (2, 64, 16)
    assert not truth[0].any()
    assert truth[1, :, 5:].all()
    assert not truth[1, :, :5].any()
