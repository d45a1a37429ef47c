"""Laws that hold for every registered model, on all seven subsets of modalities."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.config import SparseSettings
from mesmer.errors import ConfigError
from mesmer.models import MODELS, EmotionModel, build_model
from mesmer.models.registry import END_TO_END, ON_FEATURES
from mesmer.records import MODALITIES, Batch, FeatureSequence
from model_batches import ALL_SUBSETS, pick, random_batch, small_model

NAMES = sorted(MODELS)
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> EmotionModel:
    return small_model(request.param)


@pytest.fixture(scope="module")
def mesm() -> EmotionModel:
    return small_model("mesm")


def logits(model: EmotionModel, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch).logits


# --- a clip does not depend on its batch


def test_alone_as_in_any_batch(model: EmotionModel) -> None:
    batch = random_batch(ALL_SUBSETS, seed=1)
    together = logits(model, batch)
    for k in range(len(ALL_SUBSETS)):
        assert torch.allclose(logits(model, pick(batch, [k])), together[k : k + 1], atol=TOLERANCE, rtol=0)


@settings(max_examples=12, deadline=None)
@given(order=st.lists(st.integers(0, 6), min_size=1, max_size=9), padding=st.integers(0, 4))
@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_company(name: str, order: list[int], padding: int) -> None:
    model = _cached_model(name)
    batch = random_batch(ALL_SUBSETS, seed=2)
    expected = logits(model, batch)[order]
    assert torch.allclose(logits(model, pick(batch, order, extra_padding=padding)), expected, atol=TOLERANCE, rtol=0)


_models: dict[str, EmotionModel] = {}


def _cached_model(name: str) -> EmotionModel:
    if name not in _models:
        _models[name] = small_model(name)
    return _models[name]


def test_long_recordings_are_worked_through_in_groups(model: EmotionModel) -> None:
    batch = random_batch([(True, True, True)] * 3, faces=[70, 1, 60], chunks=[1, 80, 2], seed=3)
    together = logits(model, batch)
    for k in range(3):
        assert torch.allclose(logits(model, pick(batch, [k])), together[k : k + 1], atol=TOLERANCE, rtol=0)


def test_one_clip_never_alters_another(model: EmotionModel) -> None:
    """Features must be put at the sites they came from: changing clip 2 only may not change clip 1."""
    batch = random_batch([(True, True, True)] * 2, faces=[1, 1], chunks=[1, 1], seed=4)
    changed = replace(batch, faces=batch.faces.clone(), chunks=batch.chunks.clone(), features=_copied(batch))
    changed.faces[1] = 255 - changed.faces[1]
    changed.chunks[1] = -changed.chunks[1]
    for sequence in changed.features.values():
        _steps_of(sequence.values, sequence.lengths, 1).neg_()
    before, after = logits(model, batch), logits(model, changed)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1], atol=1e-3)


def _copied(batch: Batch) -> dict[str, FeatureSequence]:
    return {name: replace(sequence, values=sequence.values.clone()) for name, sequence in batch.features.items()}


# --- every subset of modalities


def test_all_seven_subsets(model: EmotionModel) -> None:
    batch = random_batch(ALL_SUBSETS, seed=5)
    with torch.no_grad():
        out = model(batch)
    absent = ~batch.present
    assert torch.isfinite(out.logits).all()
    assert out.logits.shape == (7, 6)
    assert (out.modality_logits[absent] == 0).all()
    assert (out.modality_weights[absent] == 0).all()
    assert (out.modality_weights[batch.present] != 0).all()
    assert (out.modality_logits[batch.present] != 0).any(dim=-1).all()
    summed = (out.modality_weights[..., None] * out.modality_logits).sum(1)
    assert torch.allclose(out.logits, summed, atol=TOLERANCE, rtol=0)


def test_present_overrules_what_the_tensors_hold(model: EmotionModel) -> None:
    full = random_batch([(True, True, True)] * 7, seed=6)
    hidden = replace(full, present=torch.tensor(ALL_SUBSETS))
    other = random_batch([(True, True, True)] * 7, seed=6)
    other = replace(other, present=torch.tensor(ALL_SUBSETS))
    for k, (text, audio, visual) in enumerate(ALL_SUBSETS):  # spoil everything that is said to be absent
        if not text:
            other.tokens[k] = other.tokens[k].flip(0)
            other.token_mask[k] = True
        if not audio:
            _steps_of(other.chunks, other.num_chunks, k).neg_()
        if not visual:
            _steps_of(other.faces, other.num_faces, k).bitwise_not_()
        for name, here in zip(MODALITIES, (text, audio, visual), strict=True):
            if not here:
                _steps_of(other.features[name].values, other.features[name].lengths, k).neg_()
    assert torch.allclose(logits(model, hidden), logits(model, other), atol=TOLERANCE, rtol=0)
    assert not torch.allclose(logits(model, hidden), logits(model, full), atol=1e-3)


def _steps_of(steps: torch.Tensor, counts: torch.Tensor, k: int) -> torch.Tensor:
    return steps.split(counts.tolist())[k]


@pytest.mark.parametrize(("faces", "chunks"), [(1, 1), (0, 1), (1, 0), (3, 40), (0, 0)])
def test_short_and_long_utterances(model: EmotionModel, faces: int, chunks: int) -> None:
    batch = random_batch([(True, True, True)], faces=[faces], chunks=[chunks], seed=7)
    with torch.no_grad():
        out = model(batch)
    assert torch.isfinite(out.logits).all()
    used = out.modality_weights[0] > 0
    assert used.tolist() == [True, chunks > 0, faces > 0]  # what is said to be present but holds nothing counts as absent
    # An end-to-end model counts its convolution branches; a model on features all it does, words included.
    assert (int(out.multiply_adds[0]) > 0) == bool(faces + chunks or model.settings.name in ON_FEATURES)


def test_nothing_at_all_is_zero(model: EmotionModel) -> None:
    with torch.no_grad():
        out = model(random_batch([(False, False, False)]))
    assert (out.logits == 0).all()
    assert (out.multiply_adds == 0).all()


def test_single_face_in_training_with_a_tiny_nucleus(model: EmotionModel) -> None:
    """One map with one site has no variance for batch norm; training on it must go on."""
    model.top_p = 1e-4
    model.train()
    try:
        out = model(random_batch([(False, False, True)], faces=[1], seed=8))
        assert torch.isfinite(out.logits).all()
    finally:
        model.eval()
        model.top_p = 0.5


# --- learning


@pytest.mark.parametrize("fusion", ["positive", "free"])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str, fusion: str) -> None:
    model = small_model(name, warm=False, fusion=fusion, dropout=0.0, modality_dropout=0.0)
    model.train()
    draw = torch.Generator().manual_seed(0)
    for seed in (9, 10):
        out = model(random_batch(ALL_SUBSETS * 2, seed=seed))
        (out.logits * torch.randn(out.logits.shape, generator=draw)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    assert without == []


def test_only_the_attention_gets_no_gradient_where_none_is_asked_for() -> None:
    """The paper as written: a mask of ones and zeros gives the attention, and the query it asks with, no gradient."""
    model = small_model("mesm", warm=False, modality_dropout=0.0, sparse=SparseSettings(attention_gradient="none"))
    model.train()
    out = model(random_batch(ALL_SUBSETS * 2, seed=9))
    (out.logits * torch.randn(out.logits.shape)).sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    expected = {name for name, _ in model.named_parameters() if ".attention." in name} | {"absent_query"}
    assert without == expected


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_one_result(name: str) -> None:
    first, second = _trained(name, seed=3), _trained(name, seed=3)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = _trained(name, seed=4)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def _trained(name: str, *, seed: int) -> dict[str, torch.Tensor]:
    model = small_model(name, seed=seed, warm=False)
    model.train()
    optimizer = torch.optim.Adam(model.parameter_groups(1e-3, 0.5))
    for step in range(3):
        batch = random_batch(ALL_SUBSETS, seed=step)
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(batch).logits, batch.labels).backward()
        optimizer.step()
    return model.state_dict()


def test_a_few_steps_lower_the_loss(model: EmotionModel) -> None:
    fresh = small_model(model.settings.name, warm=False, modality_dropout=0.0, dropout=0.0)
    fresh.train()
    batch = random_batch([(True, True, True)] * 6, seed=11)
    rate = 2e-2 if model.settings.name in ON_FEATURES else 3e-3  # a small LSTM is slow to move
    optimizer = torch.optim.Adam(fresh.parameter_groups(rate, 1.0))
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(fresh(batch).logits, batch.labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


# --- time


@pytest.mark.parametrize("name", sorted(END_TO_END))
def test_order_of_faces_and_chunks(name: str) -> None:
    """With positions the order of the steps matters; without, it does not."""
    batch = random_batch([(True, True, True)], faces=[4], chunks=[5], seed=12)
    for modality in ("faces", "chunks"):
        turned = replace(batch, **{modality: getattr(batch, modality).flip(0)})
        ordered = small_model(name, positions="sinusoidal")
        assert not torch.allclose(logits(ordered, batch), logits(ordered, turned), atol=1e-4)
        unordered = small_model(name, positions="none")
        assert torch.allclose(logits(unordered, batch), logits(unordered, turned), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", sorted(ON_FEATURES))
def test_order_of_features(name: str) -> None:
    """The order of a sequence's steps matters, except to a Transformer without positions that has no other sense of it."""
    batch = random_batch([(True, True, True)], faces=[4], chunks=[5], tokens=[6], seed=12)
    for modality, sequence in batch.features.items():
        turned = replace(batch, features={**batch.features, modality: replace(sequence, values=sequence.values.flip(0))})
        ordered = small_model(name, positions="sinusoidal")
        assert not torch.allclose(logits(ordered, batch), logits(ordered, turned), atol=1e-4)
        if name == "lf_transformer":
            unordered = small_model(name, positions="none")
            assert torch.allclose(logits(unordered, batch), logits(unordered, turned), atol=TOLERANCE, rtol=0)


# --- the dial


def test_density_follows_top_p(mesm: EmotionModel) -> None:
    batch = random_batch(ALL_SUBSETS, seed=13)
    costs = []
    try:
        for top_p in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
            mesm.top_p = top_p
            with torch.no_grad():
                out = mesm(batch)
            assert torch.isfinite(out.logits).all()
            costs.append(out.multiply_adds)
    finally:
        mesm.top_p = 0.5
    heard = batch.present[:, 1:].any(dim=1)
    for lower, higher in pairwise(costs):
        assert (lower[heard] < higher[heard]).all()


def test_top_p_of_one_keeps_everything(mesm: EmotionModel) -> None:
    dense = build_model(replace(mesm.settings, sparse=SparseSettings(mask="dense")), tokenizer_size=60).eval()
    dense.load_state_dict(mesm.state_dict())
    batch = random_batch(ALL_SUBSETS, seed=14)
    try:
        mesm.top_p = 1.0
        with torch.no_grad():
            out = mesm(batch, traces=True)
    finally:
        mesm.top_p = 0.5
    assert all(bool(trace.kept.all()) for trace in out.traces.values())
    assert torch.allclose(out.logits, logits(dense, batch), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.0001, float("nan"), float("inf")])
def test_top_p_out_of_range_is_refused(model: EmotionModel, value: float) -> None:
    with pytest.raises(ConfigError, match="top_p"):
        model.top_p = value
    assert model.top_p == 0.5


def test_top_p_has_no_effect_on_a_dense_model() -> None:
    dense = small_model("fe2e")
    batch = random_batch(ALL_SUBSETS, seed=15)
    before = logits(dense, batch)
    dense.top_p = 0.1
    assert torch.equal(before, logits(dense, batch))


def test_words_turn_the_attention(mesm: EmotionModel) -> None:
    """The query is the words of the clip itself; without words it is a learned vector, and the model still answers."""
    batch = random_batch([(True, True, True)] * 2, faces=[2, 2], chunks=[2, 2], tokens=[6, 6], seed=16)
    other_words = replace(batch, tokens=batch.tokens.flip(0))
    no_words = replace(batch, present=torch.tensor([[False, True, True]] * 2))
    with torch.no_grad():
        maps = [mesm(b, traces=True).traces["visual", 0].attention for b in (batch, other_words, no_words)]
    assert not torch.allclose(maps[0], maps[1], atol=1e-7)
    assert not torch.allclose(maps[0], maps[2], atol=1e-7)
    assert torch.allclose(maps[0].flatten(1).sum(1), torch.ones(4), atol=1e-5)


# --- what is reported


def test_cost_is_additive_over_utterances_and_steps(model: EmotionModel) -> None:
    batch = random_batch(ALL_SUBSETS, seed=17)
    with torch.no_grad():
        out = model(batch)
        alone = [int(model(pick(batch, [k])).multiply_adds) for k in range(7)]
    assert out.multiply_adds.tolist() == alone
    assert out.multiply_adds.dtype == out.dense_multiply_adds.dtype == torch.int64
    if model.settings.name in ON_FEATURES:  # nothing is skipped
        assert torch.equal(out.multiply_adds, out.dense_multiply_adds)
        return
    per_face = model.visual.convolution.dense_part_multiply_adds  # type: ignore[union-attr]
    assert (out.multiply_adds >= per_face * batch.num_faces).all()
    assert (out.multiply_adds <= out.dense_multiply_adds).all()


def test_dense_cost_is_the_same_for_all_end_to_end_models() -> None:
    batch = random_batch(ALL_SUBSETS, seed=18)
    with torch.no_grad():
        costs = [small_model(name)(batch).dense_multiply_adds for name in END_TO_END]
    assert all(torch.equal(cost, costs[0]) for cost in costs)


def test_traces_name_every_block(mesm: EmotionModel) -> None:
    batch = random_batch(ALL_SUBSETS, seed=19)
    with torch.no_grad():
        assert mesm(batch).traces == {}
        traces = mesm(batch, traces=True).traces
    assert set(traces) == {(name, block) for name in MODALITIES[1:] for block in range(3)}
    for (name, block), trace in traces.items():
        maps = int(batch.num_chunks.sum() if name == "audio" else batch.num_faces.sum())
        height, width = (64, 16) if name == "audio" else (24, 24)
        assert trace.attention.shape == trace.kept.shape == (maps, height >> block, width >> block)
