"""Standardisation of hand-crafted features: zero mean and unit deviation over the training split, kept in the model.

Shape letters: n packed steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST_DEVIATIONS = 10.0
"""Standardised values are cut here: the fourth moment of a phonological posterior may lie hundreds of deviations out."""


class Standardise(nn.Module):
    """``(x - mean) / deviation`` for each feature, cut at ``LARGEST_DEVIATIONS``; until :meth:`fit` mean 0, deviation 1.

    Mean and deviation are buffers: saved and loaded with the weights, not learned.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take over mean and deviation (F,), the latter above 0."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, F) from x (n, F)."""
        return ((x - self.mean) / self.deviation).clamp(-LARGEST_DEVIATIONS, LARGEST_DEVIATIONS)
