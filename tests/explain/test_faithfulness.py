"""Masks of the same size, curves with their ends, and maps that depend on the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from mesmer.explain.check_result import mean_of
from mesmer.explain.controls import CONTROLS, control_mask
from mesmer.explain.faithfulness import FRACTIONS, area, curves_of
from mesmer.explain.sanity import PARTS, likeness, redrawn
from mesmer.explain.seeing import batch_of, blurred, end_to_end, shares_of, with_maps, without
from mesmer.models.loading import LoadedModel
from mesmer.records import BlockTrace, Clip

Shown = list[tuple[Clip, dict[str, Any]]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), maps=st.integers(1, 4), height=st.integers(2, 7), width=st.integers(2, 7))
def test_controls_have_as_many_sites(seed: int, maps: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(maps, height, width, generator=generator) < 0.4
    for kind in CONTROLS:
        mask = control_mask(kind, kept, generator)
        assert mask.dtype == torch.bool
        assert mask.flatten(1).sum(1).tolist() == kept.flatten(1).sum(1).tolist()
    centre = control_mask("centre", kept, generator)
    far = np.hypot(*np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height)))
    for mask in centre.numpy():
        assert not mask.any() or mask.all() or far[mask].max() <= far[~mask].min() + 1e-9


def test_a_shifted_mask_keeps_its_shape_and_moves() -> None:
    kept = torch.zeros(30, 8, 8, dtype=torch.bool)
    kept[:, 2:4, 3:6] = True
    shifted = control_mask("shifted", kept, torch.Generator().manual_seed(0))
    for mask in shifted:
        assert not (mask == kept[0]).all()
        assert any((mask.roll((y, x), (0, 1)) == kept[0]).all() for y in range(8) for x in range(8))


def test_only_the_sites_lose_their_detail() -> None:
    faces = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sites = torch.zeros(2, 24, 24, dtype=torch.bool)
    sites[0, 3, 5] = True
    blank = blurred(faces)
    assert blank.dtype == torch.uint8
    assert blank.float().std() < 0.3 * faces.float().std()
    assert abs(float(blank.float().mean() - faces.float().mean())) < 2.0
    changed = without(faces, blank, sites)
    assert (changed[0, :, 6:8, 10:12] == blank[0, :, 6:8, 10:12]).all()
    changed[0, :, 6:8, 10:12] = faces[0, :, 6:8, 10:12]
    assert (changed == faces).all()


@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_curves_begin_and_end_where_they_must(loaded: LoadedModel, shown: Shown, modality: Any) -> None:
    model = end_to_end(loaded.model)
    batch = batch_of(loaded, [shown[0][0]])
    with torch.no_grad():
        output = model(batch, traces=True)
    curves = curves_of(model, batch, output, modality, torch.Generator().manual_seed(0))
    ends = {name: curve[-1] for name, curve in curves.deletion.items()}
    for name, curve in curves.deletion.items():
        assert curve[0] == pytest.approx(0, abs=1e-5)
        assert ends[name] == pytest.approx(ends["attention"], abs=1e-5)
        assert curves.insertion[name][0] == pytest.approx(ends["attention"], abs=1e-5)
        assert curves.insertion[name][-1] == pytest.approx(0, abs=1e-5)
    # The loss at the kept sites, by running the whole model on the changed maps.
    place = {"audio": 1, "visual": 2}[modality]
    share = shares_of(model, output)[0, place]
    maps = batch.faces if modality == "visual" else batch.chunks
    changed = with_maps(batch, modality, without(maps, blurred(maps), output.traces[(modality, 0)].kept))
    with torch.no_grad():
        after = shares_of(model, model(changed))[0, place]
    assert curves.kept["kept"] == pytest.approx(float((share - after)[share.argmax()]), abs=1e-5)


def test_area_is_the_mean_height() -> None:
    assert area(np.ones(len(FRACTIONS))) == pytest.approx(1.0)
    assert area(np.array(FRACTIONS)) == pytest.approx(0.5)


def test_a_map_is_like_itself_and_like_a_random_one_by_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    attention = torch.rand(60, 12, 12, generator=generator)
    one = BlockTrace(attention=attention, kept=attention > 0.7)
    same = likeness(one, one)
    assert same.rank == pytest.approx(np.ones(60))
    assert same.overlap == pytest.approx(np.ones(60))
    noise = torch.rand(60, 12, 12, generator=generator)
    other = likeness(one, BlockTrace(attention=noise, kept=noise > 0.5))
    assert abs(other.rank.mean()) < 0.05
    assert other.overlap.mean() == pytest.approx(other.chance.mean(), abs=0.01)
    assert other.rank[3] == pytest.approx(spearmanr(attention[3].flatten(), noise[3].flatten()).statistic)
    flat = BlockTrace(attention=torch.ones(60, 12, 12), kept=one.kept)
    assert np.isnan(likeness(one, flat).rank).all()


def test_weights_are_drawn_anew_where_asked_and_nowhere_else(loaded: LoadedModel) -> None:
    model = end_to_end(loaded.model)
    old = model.state_dict()
    before = torch.get_rng_state()
    for part in PARTS:
        new = redrawn(model, part, seed=1).state_dict()
        changed = {name for name in old if not torch.equal(old[name], new[name])}
        if part != "all":
            assert changed
            assert all(f".{part}." in name and ".convolution." in name for name in changed)
        else:
            assert any("sequence" in name for name in changed)
            assert any("text_encoder" in name for name in changed)
    assert torch.equal(before, torch.get_rng_state())


def test_a_mean_stands_with_the_spread_of_speakers() -> None:
    values = np.repeat([0.0, 1.0], 50)
    mean, (low, high) = mean_of(values, ["a"] * 50 + ["b"] * 50)
    assert (mean, low, high) == (0.5, 0.0, 1.0)  # two speakers: each may be drawn twice
    mean, (low, high) = mean_of(values, [f"s{n}" for n in range(100)])
    assert 0.38 < low < mean < high < 0.62


def test_a_mean_over_runs_stands_with_the_spread_of_runs_and_speakers() -> None:
    speakers = [f"s{n}" for n in range(100)]
    values = np.random.default_rng(0).uniform(size=100)
    assert mean_of(values[None], speakers) == mean_of(values, speakers)
    runs = np.stack([np.zeros(100), np.ones(100)])  # the runs differ and the speakers do not
    assert mean_of(runs, speakers) == (0.5, (0.0, 1.0))
