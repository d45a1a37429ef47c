"""A small Transformer encoder (Vaswani et al. 2017), shared by the text encoder and the encoder over time.

Written out instead of ``torch.nn.TransformerEncoder``, whose inference path computes by other kernels than its training
path: here one path serves both, and padding never changes a result beyond rounding.

Shape letters: B sequences, S positions, D width, A heads.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["pre", "post"]


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward network of four times the width, each with a residual connection.

    Args:
        dim: width D; a multiple of ``heads``.
        norm: ``post`` normalises after each residual sum (Vaswani et al. 2017), ``pre`` before each part, which trains
            steadily without a warm-up of the learning rate.
    """

    def __init__(self, *, dim: int, heads: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.heads = heads
        self.pre_norm = norm == "pre"
        self.attention_dropout = dropout
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )
        self.norm_attention = nn.LayerNorm(dim)
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, S, D) from x (B, S, D); ``mask`` bool (B, S) is True where a position is real."""
        if self.pre_norm:
            x = x + self.dropout(self._attend(self.norm_attention(x), mask))
            return x + self.dropout(self.feed_forward(self.norm_feed_forward(x)))
        x = self.norm_attention(x + self.dropout(self._attend(x, mask)))
        return self.norm_feed_forward(x + self.dropout(self.feed_forward(x)))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, dim = x.shape
        split = self.query_key_value(x).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, A, S, D / A)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :], dropout_p=self.attention_dropout if self.training else 0.0
        )
        return self.mix(attended.transpose(1, 2).reshape(batch, length, dim))


class Transformer(nn.Module):
    """A stack of :class:`TransformerLayer`; with ``norm="pre"`` a last normalisation follows the stack."""

    def __init__(self, *, dim: int, heads: int, layers: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.ModuleList(
            TransformerLayer(dim=dim, heads=heads, dropout=dropout, norm=norm) for _ in range(layers)
        )
        self.last_norm: nn.Module = nn.LayerNorm(dim) if norm == "pre" else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, S, D) from x (B, S, D); ``mask`` bool (B, S), at least one True in each row."""
        for layer in self.layers:
            x = layer(x, mask)
        return self.last_norm(x)

    def multiply_adds(self, lengths: Tensor) -> Tensor:
        """Return int64 (B,), the multiply-adds for sequences of ``lengths`` int64 (B,), each on its own without padding."""
        per_layer = 12 * lengths * self.dim**2 + 2 * lengths**2 * self.dim  # the linear layers; scores and sums of values
        return len(self.layers) * per_layer


def sinusoidal_positions(length: int, dim: int, *, device: torch.device | None = None) -> Tensor:
    """Return the fixed position vectors (length, dim) of Vaswani et al. 2017, section 3.5: sines, then cosines."""
    half = (dim + 1) // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / half))
    angles = torch.arange(length, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]
