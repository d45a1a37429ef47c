"""The encoder over time: the faces or the chunks of one utterance become one vector (paper section 4.2).

Shape letters: B utterances, n packed steps, S largest count, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mesmer.nn.packing import pad_steps
from mesmer.nn.transformer import Norm, Transformer, sinusoidal_positions

CLS_DEVIATION = 0.02


class SequenceEncoder(nn.Module):
    """A Transformer over the steps of each utterance; the answer is its output at a learned CLS vector put first.

    Args:
        positions: ``sinusoidal`` adds position vectors, so the order of the steps matters (the paper's text); ``none``
            leaves them out, and the answer does not depend on the order (the published code).
        dim, heads, layers: paper Table 6: 64, 4, 4.
    """

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        layers: int,
        dropout: float,
        positions: Literal["sinusoidal", "none"],
        norm: Norm,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.positions = positions
        self.cls = nn.Parameter(torch.randn(dim) * CLS_DEVIATION)
        self.transformer = Transformer(dim=dim, heads=heads, layers=layers, dropout=dropout, norm=norm)

    def forward(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Return float32 (B, D) from packed ``steps`` (n, D) and ``counts`` int64 (B,); zeros where a count is 0."""
        some = counts > 0
        answer = self.cls.new_zeros(len(counts), self.dim)
        if not bool(some.any()):
            return answer
        padded, mask = pad_steps(steps, counts[some])
        x = torch.cat([self.cls.expand(len(padded), 1, -1), padded], dim=1)
        if self.positions == "sinusoidal":
            x = x + sinusoidal_positions(x.shape[1], self.dim, device=x.device)
        mask = torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)
        return answer.index_put((some.nonzero().squeeze(1),), self.transformer(x, mask)[:, 0].to(answer.dtype))

    def multiply_adds(self, counts: Tensor) -> Tensor:
        """Return int64 (B,), the multiply-adds for sequences of ``counts`` steps; 0 where there is none."""
        return torch.where(counts > 0, self.transformer.multiply_adds(counts + 1), 0)
