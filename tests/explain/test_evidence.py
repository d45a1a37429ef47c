"""Blurring the evidence beside blurring as much elsewhere: places by hand, losses by the whole model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesmer.corpora.synthetic.plan import plan_corpus
from mesmer.explain.evidence import MOST_SHARED, Occluded, occlude_evidence, other_places
from mesmer.explain.redraw import changed_pixels
from mesmer.explain.seeing import batch_of, blurred, end_to_end, shares_of, with_maps, without
from mesmer.models.loading import LoadedModel
from mesmer.records import Clip

SEED = 3


def test_other_places_are_as_large_and_meet_little_of_the_evidence() -> None:
    evidence = np.zeros((2, 48, 48), dtype=bool)
    evidence[0, 10:20, 12:36] = True
    places = other_places(evidence)
    assert len(places) == 13  # of 15 moves, two along the row share half of it
    for place in places:
        assert place.sum() == evidence.sum()
        assert (place & evidence).sum() <= MOST_SHARED * evidence.sum()
    assert other_places(np.ones((1, 48, 48), dtype=bool)) == []


def test_losses_are_those_of_the_whole_model(loaded: LoadedModel, shown: list[tuple[Clip, dict[str, Any]]]) -> None:
    plans = {plan.id: plan for plan in plan_corpus(size="tiny", seed=SEED)}
    clip, truth = next(pair for pair in shown if pair[1]["visual"]["shown"])
    changed = changed_pixels(plans[clip.id], clip, seed=SEED)
    results = occlude_evidence(loaded, clip, truth, changed)
    assert [one.emotion for one in results] == list(truth["visual"]["shown"])
    assert occlude_evidence(loaded, replace(clip, absent={"visual": "hidden"}), truth, changed) == []
    assert occlude_evidence(loaded, clip, truth, np.zeros((len(clip.faces), 48, 48), dtype=bool)) == []
    # Nothing grows where everything has changed: the whole crop is blurred, and there is no other place.
    assert occlude_evidence(loaded, clip, truth, np.ones((len(clip.faces), 48, 48), dtype=bool)) == []
    one_pixel = np.zeros((len(clip.faces), 48, 48), dtype=bool)
    one_pixel[:, 20, 20] = True
    grown = np.zeros_like(one_pixel)
    for y in range(48):
        for x in range(48):
            grown[:, y, x] = abs(y - 20) + abs(x - 20) <= 2
    model, batch = end_to_end(loaded.model), batch_of(loaded, [clip])
    hidden = with_maps(batch, "visual", without(batch.faces, blurred(batch.faces), torch.from_numpy(grown)))
    with torch.no_grad():
        plain = shares_of(model, model(batch))[0, 2]
        lost = plain - shares_of(model, model(hidden))[0, 2]
    for result in occlude_evidence(loaded, clip, truth, one_pixel):
        place = model.settings.emotions.index(result.emotion)
        assert result.evidence == pytest.approx(float(lost[place]), abs=1e-5)
        assert result.share == pytest.approx(float(plain[place]), abs=1e-5)


def test_evidence_matters_most_where_no_other_place_moves_the_share_as_much() -> None:
    assert Occluded(emotion="anger", share=0.0, evidence=-2.0, elsewhere=(1.0, -1.5)).evidence_matters_most
    assert not Occluded(emotion="fear", share=0.0, evidence=1.0, elsewhere=(0.0, -1.0)).evidence_matters_most
