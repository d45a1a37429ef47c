"""Costs against products counted by hand, and the traps of the counter."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

import model_batches
from mesmer.config import ModelSettings, SparseSettings, TextSettings
from mesmer.errors import DataError
from mesmer.evaluation.cost import count_multiply_adds, measure_cost, one_utterance, peak_memory
from mesmer.models.registry import ON_FEATURES, build_model
from mesmer.nn.fold import fold_for_inference
from mesmer.nn.sequence import SequenceEncoder
from mesmer.nn.vgg import ConvolutionBranch
from mesmer.records import Batch, ModelOutput


def small_settings(name: str = "mesm") -> ModelSettings:
    return ModelSettings(
        name=name,
        width=8,
        feature_width=16,
        dim=8,
        heads=2,
        layers=1,
        text=TextSettings(width=16, layers=1, heads=2),
        sparse=SparseSettings(top_p=0.5),
    )


def batch_of(faces: list[int], chunks: list[int], tokens: list[int]) -> Batch:
    torch.manual_seed(0)
    size, longest = len(faces), max(tokens)
    return Batch(
        ids=tuple(f"u{b}" for b in range(size)),
        faces=torch.randint(0, 256, (sum(faces), 3, 48, 48), dtype=torch.uint8),
        num_faces=torch.tensor(faces),
        chunks=torch.randn(sum(chunks), 1, 128, 32),
        num_chunks=torch.tensor(chunks),
        tokens=torch.randint(1, 50, (size, longest)),
        token_mask=torch.arange(longest)[None] < torch.tensor(tokens)[:, None],
        present=torch.ones(size, 3, dtype=torch.bool),
    )


def test_matrix_products_and_convolutions_are_counted_once_each() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 5 * 6, 7))
    assert count_multiply_adds(model, lambda: model(torch.randn(2, 3, 5, 6))) == 2 * (5 * 6 * 9 * 3 * 4 + 4 * 5 * 6 * 7)


def test_fused_transformer_layers_are_counted() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    tokens, width, hidden = 5, 8, 16
    products = 4 * tokens * width * width + 2 * tokens * tokens * width + 2 * tokens * width * hidden
    assert torch.backends.mha.get_fastpath_enabled()
    assert count_multiply_adds(model, lambda: model(torch.randn(3, tokens, width))) == 3 * 2 * products
    assert torch.backends.mha.get_fastpath_enabled()


def test_fused_attention_is_counted() -> None:
    model = nn.Identity()
    q = torch.randn(2, 3, 5, 4)
    found = count_multiply_adds(model, lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert found == 2 * 3 * 2 * 5 * 5 * 4


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_are_counted(kind: type[nn.RNNBase], gates: int, packed: bool) -> None:
    model = nn.Sequential(kind(6, 5, num_layers=2, bidirectional=True, batch_first=True))
    x: object = torch.randn(3, 7, 6)
    steps = 21
    if packed:
        x = nn.utils.rnn.pack_padded_sequence(torch.randn(3, 7, 6), [7, 4, 1], batch_first=True)
        steps = 12
    expected = steps * 2 * gates * (5 * (6 + 5) + 5 * (10 + 5))
    assert count_multiply_adds(model, lambda: model(x)) == expected
    projected = nn.LSTM(6, 5, proj_size=2)
    assert count_multiply_adds(projected, lambda: projected(torch.randn(4, 6))) == 4 * (4 * 5 * (6 + 2) + 2 * 5)


def test_modules_can_be_left_out_with_all_they_hold() -> None:
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 5)), "b": nn.Linear(5, 6)})

    def run() -> None:
        model["b"](model["a"](torch.randn(2, 3))[0])

    assert count_multiply_adds(model, run) == 2 * (12 + 4 * 5 * 9 + 30)
    assert count_multiply_adds(model, run, leave_out=(nn.Sequential,)) == 2 * 30


def linear_products(rows: int, *sizes: tuple[int, int]) -> int:
    return sum(rows * a * b for a, b in sizes)


def encoder_products(steps: int, width: int, hidden: int, layers: int) -> int:
    return layers * (linear_products(steps, (width, 3 * width), (width, width), (width, hidden), (hidden, width))
                     + 2 * steps * steps * width)  # fmt: skip


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
def test_report_equals_a_count_by_hand(name: str) -> None:
    model = build_model(small_settings(name), tokenizer_size=50)
    batch = batch_of([2, 1, 0], [1, 3, 2], [4, 9, 6])
    model.train()
    report = measure_cost(model=model, batch=batch, seconds_of_input=[0.8, 1.2, 1.0], repeats=1)
    assert model.training
    with torch.no_grad():
        output: ModelOutput = model.eval()(batch)
    assert report.multiply_adds == tuple(output.multiply_adds.tolist())
    assert report.dense_multiply_adds == tuple(output.dense_multiply_adds.tolist())
    sequence = next(module for module in model.modules() if isinstance(module, SequenceEncoder))
    hidden = next(part.out_features for part in sequence.modules() if isinstance(part, nn.Linear) and part.in_features == 8
                  and part.out_features not in (8, 24))  # fmt: skip
    for b, (faces, chunks, tokens) in enumerate(((2, 1, 4), (1, 3, 9), (0, 2, 6))):
        expected = encoder_products(tokens, 16, 64, 1) + 16 * 6
        for steps in (faces, chunks):
            if steps:
                expected += encoder_products(steps + 1, 8, hidden, 1) + 8 * 6
        assert report.other_multiply_adds[b] == expected
    total = sum(report.multiply_adds) + sum(report.other_multiply_adds)
    assert report.multiply_adds_per_second == pytest.approx(total / 3.0)
    assert report.wall_s_per_second == pytest.approx(report.wall_s / 3.0)
    assert json.loads(json.dumps(report.to_json()))["ids"] == list(batch.ids)


@pytest.mark.parametrize("late_fusion", ["sum", "concatenation"])
@pytest.mark.parametrize("name", sorted(ON_FEATURES))
def test_models_on_features_count_themselves_whole(name: str, late_fusion: Literal["sum", "concatenation"]) -> None:
    """What a model says of itself, from the lengths of its sequences, is what the counter sees it do."""
    settings = model_batches.small_settings(name)
    model = build_model(replace(settings, baseline=replace(settings.baseline, late_fusion=late_fusion))).eval()
    batch = model_batches.random_batch(model_batches.ALL_SUBSETS, seed=3)
    report = measure_cost(model=model, batch=batch, seconds_of_input=[1.0] * len(batch), repeats=1)
    for b in range(len(batch)):
        seen = count_multiply_adds(model, lambda b=b: model(one_utterance(batch, b)))
        assert report.multiply_adds[b] == report.dense_multiply_adds[b] == seen
    assert set(report.other_multiply_adds) == {0}


def test_folding_changes_no_count() -> None:
    model = build_model(small_settings(), tokenizer_size=50).eval()
    batch = batch_of([2, 1], [1, 2], [4, 4])
    plain, folded = (
        measure_cost(model=each, batch=batch, seconds_of_input=[1, 1], repeats=1)
        for each in (model, fold_for_inference(model))
    )
    for name in ("multiply_adds", "dense_multiply_adds", "other_multiply_adds"):
        assert getattr(plain, name) == getattr(folded, name)


def test_convolutions_of_the_dense_model_agree_with_the_counter() -> None:
    model = build_model(small_settings("fe2e"), tokenizer_size=50).eval()
    batch = batch_of([2], [3], [4])
    for branch, steps in (("audio", batch.chunks), ("visual", batch.faces)):
        convolution = getattr(model, branch).convolution
        assert isinstance(convolution, ConvolutionBranch)
        counted = count_multiply_adds(convolution, lambda c=convolution, s=steps: c(s))
        with torch.no_grad():
            assert counted == int(convolution(steps).dense_multiply_adds.sum())


def test_one_utterance_is_its_own_batch() -> None:
    batch = batch_of([2, 0, 3], [1, 2, 0], [3, 5, 2])
    batch = dataclasses.replace(batch, labels=torch.eye(3))
    for b in range(3):
        alone = one_utterance(batch, b)
        assert alone.ids == (batch.ids[b],)
        first = int(batch.num_faces[:b].sum())
        assert torch.equal(alone.faces, batch.faces[first : first + int(batch.num_faces[b])])
        first = int(batch.num_chunks[:b].sum())
        assert torch.equal(alone.chunks, batch.chunks[first : first + int(batch.num_chunks[b])])
        assert alone.tokens.shape == (1, int(batch.token_mask[b].sum()))
        assert torch.equal(alone.labels, batch.labels[b : b + 1])


def test_peak_memory_sees_what_is_used_for_a_moment() -> None:
    with peak_memory() as peak:
        torch.ones(30_000_000)
    if peak.bytes is None:
        pytest.skip("this system does not tell")
    assert 110e6 < peak.bytes < 200e6
    with peak_memory() as after:
        torch.ones(1000)
    assert after.bytes < 30e6


@pytest.mark.parametrize("seconds", [[1.0], [1.0, 0.0], [1.0, -2.0]])
def test_durations_must_fit(seconds: list[float]) -> None:
    model = build_model(small_settings(), tokenizer_size=50)
    with pytest.raises(DataError, match="seconds_of_input"):
        measure_cost(model=model, batch=batch_of([1, 1], [1, 1], [2, 2]), seconds_of_input=seconds)
