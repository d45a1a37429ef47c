"""The loss: one yes-or-no question per emotion (paper section 5.3), the rare answers weighted up; or, where the emotions
exclude each other, one choice among them.

Shape letters: B utterances, M modalities, L emotions.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mesmer.evaluation.metrics import positives
from mesmer.records import ModelOutput

LARGEST_POSITIVE_WEIGHT = 20.0
"""A positive weight is at most this: an emotion seen twice in a thousand utterances would else rule every step."""


def positive_weights(labels: ArrayLike) -> Tensor:
    """Return negatives / positives of each emotion on the training split, float32 (L,).

    Bounded to [1 / LARGEST_POSITIVE_WEIGHT, LARGEST_POSITIVE_WEIGHT]; 1 for an emotion without a positive or without a
    negative label, where the ratio says nothing.

    Args:
        labels: (N, L) scores of the training split; those above 0 are positive.
    """
    truth = positives(labels)
    yes = truth.sum(axis=0).astype(np.float64)
    no = len(truth) - yes
    defined = (yes > 0) & (no > 0)
    ratio = np.divide(no, yes, out=np.ones_like(yes), where=defined)
    return torch.from_numpy(ratio.clip(1 / LARGEST_POSITIVE_WEIGHT, LARGEST_POSITIVE_WEIGHT)).float()


def class_weights(labels: ArrayLike) -> Tensor:
    """Return N / (L n) for each of L emotions that n of N training utterances carry, float32 (L,): all weigh alike in all.

    At most LARGEST_POSITIVE_WEIGHT; 1 for an emotion that no utterance carries.

    Args:
        labels: (N, L) scores of the training split, one above 0 in each row.
    """
    counts = positives(labels).sum(axis=0).astype(np.float64)
    weights = np.divide(counts.sum() / len(counts), counts, out=np.ones_like(counts), where=counts > 0)
    return torch.from_numpy(weights.clip(max=LARGEST_POSITIVE_WEIGHT)).float()


def utterance_losses(
    output: ModelOutput,
    labels: Tensor,
    *,
    positive_weight: Tensor | None,
    branch_loss: float,
    kind: Literal["binary", "choice"] = "binary",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of every utterance, float32 (B,); the step's loss is their mean.

    ``binary``: the fused logits' binary cross-entropy, mean over emotions. ``choice``: their cross-entropy with the one
    emotion that is expressed. To either is added ``branch_loss`` times the mean of the single branches'
    own ones. A branch hidden from an utterance does not count there (its weight in the fusion is 0). The branches' own loss
    keeps each of them able to answer alone; without it the strongest modality explains the labels and the others starve.

    Args:
        labels: float (B, L); scores above 0 are positive.
        positive_weight: float32 (L,), or None for equal weights.
        branch_loss: 0 is the paper.
        kind: for ``choice`` each row of ``labels`` has one score above 0.
        label_smoothing: share of the target of ``choice`` that is spread evenly over all emotions (Szegedy et al., 2016).
    """
    dtype = torch.promote_types(output.logits.dtype, torch.float32)  # whatever they were computed in
    logits, modality_logits = output.logits.to(dtype), output.modality_logits.to(dtype)
    target = (labels > 0).to(logits.dtype)

    def loss_of(scores: Tensor) -> Tensor:
        expected = target.expand_as(scores) if scores.ndim == 2 else target[:, None].expand_as(scores)
        if kind == "choice":
            return _choice(scores, expected, positive_weight, label_smoothing)
        return binary_cross_entropy_with_logits(scores, expected, pos_weight=positive_weight, reduction="none").mean(-1)

    fused = loss_of(logits)
    if branch_loss == 0.0:
        return fused
    alone = loss_of(modality_logits)
    took_part = (output.modality_weights != 0).to(alone.dtype)
    return fused + branch_loss * (alone * took_part).sum(1) / took_part.sum(1).clamp(min=1)


def _choice(scores: Tensor, expected: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    """Return the cross-entropy of scores (..., L) with one expected emotion each, (...)."""
    smooth = (1 - smoothing) * expected + smoothing / scores.shape[-1]
    losses = -(smooth * scores.log_softmax(-1)).sum(-1)
    return losses if weight is None else losses * (expected * weight).sum(-1)
