"""bf16: products in bfloat16, weights and loss in float32, on every path of the sparse convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mesmer.config import SparseSettings, TrainSettings
from mesmer.dataset.batches import Step
from mesmer.models.registry import build_model
from mesmer.nn.native.kernels import native_kernels
from mesmer.training.optimizer import make_optimizer
from mesmer.training.step import take_step
from mesmer.training.team import Team
from model_batches import ALL_SUBSETS, random_batch, small_settings


def first_gradient(name: str, precision: Any, backend: Any) -> tuple[float, torch.Tensor, set[torch.dtype]]:
    torch.manual_seed(0)
    settings = small_settings(name, sparse=SparseSettings(top_p=1.0, backend=backend), dropout=0.0, modality_dropout=0.0)
    model = build_model(settings, tokenizer_size=60).train()
    team = Team(precision=precision)
    seen: set[torch.dtype] = set()
    model.audio.convolution.stem.first[0].register_forward_hook(lambda _, __, out: seen.add(out.dtype))
    batch = random_batch(ALL_SUBSETS)
    options: dict[str, Any] = {
        "model": model,
        "positive_weight": None,
        "settings": TrainSettings(),
        "rate": 1.0,
        "team": team,
    }
    facts, _ = take_step(
        Step(parts=(batch,), utterances=len(batch)), number=1, optimizer=make_optimizer(model, TrainSettings()), **options
    )
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    gradient = torch.cat([p.grad.flatten() for p in model.audio.head.parameters() if p.grad is not None])
    return facts["loss"], gradient, seen


@pytest.mark.parametrize(("name", "backend"), [("fe2e", "auto"), ("mesm", "masked"), ("mesm", "torch"), ("mesm", "auto")])
def test_bf16_is_fp32_to_a_few_digits(name: str, backend: str) -> None:
    loss, gradient, seen = first_gradient(name, "fp32", backend)
    rough, rough_gradient, rough_seen = first_gradient(name, "bf16", backend)
    assert (seen, rough_seen) == ({torch.float32}, {torch.bfloat16})
    assert rough == pytest.approx(loss, rel=0.03)
    assert rough != loss
    assert torch.cosine_similarity(gradient, rough_gradient, dim=0) > 0.95


def test_the_kernels_may_be_used_first_within_bf16() -> None:
    native_kernels.cache_clear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = native_kernels()
    assert (first is None) == (native_kernels() is None)
