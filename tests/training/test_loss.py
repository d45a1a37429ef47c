"""The loss against its formula, and against the gradients it must and must not give."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mesmer.records import ModelOutput
from mesmer.training.loss import LARGEST_POSITIVE_WEIGHT, positive_weights, utterance_losses


def output_of(modality_logits: torch.Tensor, weights: torch.Tensor) -> ModelOutput:
    counts = torch.zeros(len(weights), dtype=torch.int64)
    return ModelOutput(
        logits=(weights[..., None] * modality_logits).sum(1),
        modality_logits=modality_logits,
        modality_weights=weights,
        multiply_adds=counts,
        dense_multiply_adds=counts,
    )


def plain_bce(logit: float, positive: bool, weight: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -weight * math.log(p) if positive else -math.log(1 - p)


def test_positive_weights_are_negatives_over_positives() -> None:
    labels = np.zeros((100, 5), dtype=np.float32)
    labels[:25, 0] = 1.0  # 75 / 25
    labels[:50, 1] = 0.3  # graded labels count: 50 / 50
    labels[:1, 2] = 1.0  # 99, over the bound
    labels[:, 3] = 1.0  # no negatives; column 4 has no positives
    assert positive_weights(labels).tolist() == pytest.approx([3.0, 1.0, LARGEST_POSITIVE_WEIGHT, 1.0, 1.0])


def test_losses_are_the_written_formula() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 3, 2, generator=generator)
    weights = torch.tensor([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.0, -0.4, 0.6], [0.0, 0.0, 0.0]])
    labels = torch.tensor([[1.0, 0], [0, 0.4], [1, 1], [0, 0]])
    pos = torch.tensor([2.0, 5.0])
    output = output_of(logits, weights)
    got = utterance_losses(output, labels, positive_weight=pos, branch_loss=0.5)
    for b in range(4):
        target = [float(x) > 0 for x in labels[b]]
        fused = np.mean([plain_bce(output.logits[b, i].item(), target[i], pos[i].item()) for i in range(2)])
        branches = [
            np.mean([plain_bce(logits[b, m, i].item(), target[i], pos[i].item()) for i in range(2)])
            for m in range(3)
            if weights[b, m] != 0
        ]
        assert got[b].item() == pytest.approx(fused + 0.5 * (np.mean(branches) if branches else 0.0), rel=1e-5)


def test_a_hidden_branch_gets_no_gradient_and_the_paper_has_no_branch_loss() -> None:
    logits = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
    weights = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    labels = torch.ones(2, 2)
    utterance_losses(output_of(logits, weights), labels, positive_weight=None, branch_loss=1.0).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[0, 2] == 0).all()
    assert (logits.grad[0, :2] != 0).all()
    one = utterance_losses(output_of(logits, weights), labels, positive_weight=None, branch_loss=0.0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        output_of(logits, weights).logits, labels, reduction="none"
    )
    assert torch.allclose(one, expected.mean(1))


def test_a_loss_that_is_not_finite_stays_with_its_utterance() -> None:
    logits = torch.zeros(3, 3, 2)
    logits[1, 0, 0] = math.nan
    losses = utterance_losses(
        output_of(logits, torch.full((3, 3), 1 / 3)), torch.zeros(3, 2), positive_weight=None, branch_loss=1.0
    )
    assert torch.isfinite(losses).tolist() == [True, False, True]
