"""The last layers on the states of several modalities side by side, and what each of them gave to the logits.

Shape letters: B utterances, M modalities, L emotions, D width of all states together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class JointHead(nn.Module):
    """Concatenation -> linear, ReLU, dropout, linear, added to the concatenation -> linear to the logits.

    (The fully-connected layers of Tsai et al. 2019, section 3.2, with the residual of their published code.)

    With the active units of its one ReLU held, the head is a linear map, so its logits are a sum: a part for each state,
    and a constant, which is shared out equally over the modalities present. The parts are what is given out; they add up to
    the logits exactly. A state may itself have read other modalities; its part says through which state something came.

    Args:
        widths: of each modality's state.
    """

    def __init__(self, *, widths: Sequence[int], emotions: int, dropout: float) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.emotions = emotions
        total = sum(widths)
        self.inner = nn.Linear(total, total)
        self.outer = nn.Linear(total, total)
        self.out = nn.Linear(total, emotions)
        self.dropout = dropout

    def forward(self, states: Sequence[Tensor], present: Tensor) -> Tensor:
        """Return the parts (B, M, L) from the states (B, D_m), zero where absent, and ``present`` bool (B, M)."""
        parts = states[0].new_zeros(len(present), len(self.widths), self.emotions)
        rows = present.any(dim=1).nonzero().squeeze(1)
        if not len(rows):
            return parts
        return parts.index_put((rows,), self._parts([state[rows] for state in states], present[rows].to(parts.dtype)))

    def _parts(self, states: Sequence[Tensor], present: Tensor) -> Tensor:
        reads = self.inner.weight.split(self.widths, dim=1)
        read = torch.stack([functional.linear(s, weight) for s, weight in zip(states, reads, strict=True)], dim=1)
        active = ((read.sum(dim=1) + self.inner.bias) > 0).to(read.dtype)
        active = functional.dropout(active, self.dropout, self.training)[:, None]
        starts = [sum(self.widths[:k]) for k in range(len(self.widths))]
        total = self.out.in_features
        alone = torch.stack(
            [functional.pad(s, (start, total - start - s.shape[1])) for s, start in zip(states, starts, strict=True)], dim=1
        )
        outer = self.outer.weight
        parts = functional.linear(alone + functional.linear(read * active, outer), self.out.weight)
        constant = self.out(functional.linear(self.inner.bias * active, outer, self.outer.bias))  # (B, 1, L)
        share = present / present.sum(dim=1, keepdim=True)
        return (parts + constant * share[..., None]) * present[..., None]

    @property
    def multiply_adds(self) -> int:
        """For one utterance: the parts and the constant are each sent through the last two layers."""
        total, ways = self.out.in_features, len(self.widths) + 1
        return total * total + ways * (total * total + total * self.emotions)
