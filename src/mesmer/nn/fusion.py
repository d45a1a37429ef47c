"""Fusion: the logits of the modalities that are present become one answer, by a learned weighted sum (paper section 4.2).

Shape letters: B utterances, M modalities, L emotions.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_MASS = 1e-6
"""Smallest sum of weights divided by, so that weights learned down to nothing stay finite."""


class WeightedFusion(nn.Module):
    """``logits[b] = sum over present m of weight[b, m] * modality_logits[b, m]``, the same weights for every emotion.

    A missing modality leaves the sum and the rest is renormalised:

    - ``positive``: learned positive weights, scaled to a learned positive total for each number k of modalities present.
      At the start every weight is 1 and the total is k: logits are log-odds, and independent evidence adds. (A plain
      average would let two modalities without evidence drown the third.) Learning may move the totals, so that one
      modality alone need not be as sure as three.
    - ``free``: one weight of any sign per modality, as in the published code; each starts at 1 / M. With all modalities
      present the weights are used as they are; when some are missing, the rest is scaled so that the sum of absolute
      weights stays what it was.

    An utterance with nothing present has weights 0 and logits 0.
    """

    def __init__(self, *, modalities: int, kind: Literal["positive", "free"]) -> None:
        super().__init__()
        self.kind = kind
        if kind == "positive":
            self.raw_weights = nn.Parameter(torch.full((modalities,), _inverse_softplus(1.0)))
            self.raw_totals = nn.Parameter(torch.tensor([_inverse_softplus(k + 1.0) for k in range(modalities)]))
        else:
            self.free_weights = nn.Parameter(torch.full((modalities,), 1.0 / modalities))

    def weights(self, present: Tensor) -> Tensor:
        """Return float32 (B, M), 0 where ``present`` bool (B, M) is False."""
        here = present.to(torch.float32)
        if self.kind == "positive":
            masked = functional.softplus(self.raw_weights) * here
            number = present.sum(dim=1)
            total = functional.softplus(self.raw_totals)[(number - 1).clamp_min(0)]
            return masked * (total / masked.sum(dim=1).clamp_min(LEAST_MASS))[:, None]
        mass = self.free_weights.abs()
        rest = (mass * here).sum(dim=1).clamp_min(LEAST_MASS)
        factor = torch.where(present.all(dim=1), torch.ones_like(rest), mass.sum() / rest)
        return self.free_weights * here * factor[:, None]

    def forward(self, modality_logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, L) and weights (B, M) from modality logits (B, M, L) and ``present`` bool (B, M)."""
        weights = self.weights(present)
        return (weights[..., None] * modality_logits).sum(dim=1), weights


def _inverse_softplus(value: float) -> float:
    return math.log(math.expm1(value))
