"""Crossmodal Transformer: one modality's sequence (the target) reads another's (the source), at other times and rates.

Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences", section 3.1 (crossmodal attention)
and section 3.2 (crossmodal Transformers).

Shape letters: B utterances, S steps of the target, R steps of the source, D width, A heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesmer.nn.transformer import Norm


class CrossmodalLayer(nn.Module):
    """Attention from the target's steps to the source's, and a feed-forward network of four times the width.

    Args:
        norm: as in :class:`mesmer.nn.transformer.TransformerLayer`; with ``pre`` target and source are both normalised.
    """

    def __init__(self, *, dim: int, heads: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.heads = heads
        self.pre_norm = norm == "pre"
        self.attention_dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.mix = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )
        self.norm_target = nn.LayerNorm(dim)
        self.norm_source: nn.Module = nn.LayerNorm(dim) if self.pre_norm else nn.Identity()
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Return (B, S, D) from target (B, S, D) and source (B, R, D).

        ``source_mask`` bool (B, R) is True where a step of the source is real. A target whose source has no real step has
        nothing to read: the attention adds nothing to it.
        """
        if self.pre_norm:
            target = target + self.dropout(self._read(self.norm_target(target), source, source_mask))
            return target + self.dropout(self.feed_forward(self.norm_feed_forward(target)))
        target = self.norm_target(target + self.dropout(self._read(target, source, source_mask)))
        return self.norm_feed_forward(target + self.dropout(self.feed_forward(target)))

    def _read(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        some = source_mask.any(dim=1)
        if bool(some.all()):
            return self._attend(target, source, source_mask)
        rows = some.nonzero().squeeze(1)
        answer = torch.zeros_like(target)
        if not len(rows):
            return answer
        return answer.index_put((rows,), self._attend(target[rows], source[rows], source_mask[rows]))

    def _attend(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Softmax(Q K^T / sqrt(D / A)) V of eq. 1: queries of the target, keys and values of the source."""
        batch, length, dim = target.shape
        query = self.query(target).view(batch, length, self.heads, dim // self.heads).transpose(1, 2)
        pairs = self.key_value(self.norm_source(source)).view(batch, source.shape[1], 2, self.heads, dim // self.heads)
        key, value = pairs.permute(2, 0, 3, 1, 4)  # each (B, A, R, D / A)
        attended = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=source_mask[:, None, None, :],
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        return self.mix(attended.transpose(1, 2).reshape(batch, length, dim))


class CrossmodalTransformer(nn.Module):
    """A stack of :class:`CrossmodalLayer`: each reads the source's low-level steps again, as they came in (eq. 4).

    With ``norm="pre"`` a last normalisation follows the stack.
    """

    def __init__(self, *, dim: int, heads: int, layers: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.ModuleList(
            CrossmodalLayer(dim=dim, heads=heads, dropout=dropout, norm=norm) for _ in range(layers)
        )
        self.last_norm: nn.Module = nn.LayerNorm(dim) if norm == "pre" else nn.Identity()

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Return (B, S, D); arguments as of :meth:`CrossmodalLayer.forward`."""
        for layer in self.layers:
            target = layer(target, source, source_mask)
        return self.last_norm(target)

    def multiply_adds(self, targets: Tensor, sources: Tensor) -> Tensor:
        """Return int64 (B,) for ``targets`` and ``sources`` steps, int64 (B,), each utterance on its own."""
        attention = 2 * (targets + sources) * self.dim**2 + 2 * targets * sources * self.dim
        per_layer = torch.where((targets > 0) & (sources > 0), attention, 0) + 8 * targets * self.dim**2
        return len(self.layers) * per_layer
