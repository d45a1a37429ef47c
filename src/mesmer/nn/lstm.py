"""A bidirectional LSTM over packed sequences of different lengths: one vector for each utterance.

Shape letters: B utterances, n packed steps, F features, H width of one direction's state, D width of the answer.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from mesmer.nn.packing import pad_steps

_DIRECTIONS, _GATES = 2, 4


class LSTMEncoder(nn.Module):
    """The last states of both directions: the forward one after the last step, the backward one after the first.

    Args:
        in_width: F.
        width: H.
        layers: the deeper ones read both directions of the one below.
        dropout: between layers, and of the answer.
        join: the answer is the ``concatenation`` of both directions (D = 2 H) or their ``sum`` (D = H).
    """

    def __init__(
        self, *, in_width: int, width: int, layers: int, dropout: float, join: Literal["concatenation", "sum"]
    ) -> None:
        super().__init__()
        self.join = join
        self.width = width * (_DIRECTIONS if join == "concatenation" else 1)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(in_width, width, num_layers=layers, dropout=between, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Return float32 (B, D) from packed ``steps`` (n, F) and ``counts`` int64 (B,); zeros where a count is 0."""
        some = counts > 0
        answer = steps.new_zeros(len(counts), self.width)
        if not bool(some.any()):
            return answer
        padded, _ = pad_steps(steps, counts[some])
        packed = pack_padded_sequence(padded, counts[some].cpu(), batch_first=True, enforce_sorted=False)
        _, (states, _) = self.lstm(packed)  # (layers * directions, B', H)
        forward, backward = states[-2], states[-1]
        joined = forward + backward if self.join == "sum" else torch.cat([forward, backward], dim=1)
        return answer.index_put((some.nonzero().squeeze(1),), self.dropout(joined))

    def multiply_adds(self, counts: Tensor) -> Tensor:
        """Return int64 (B,): in each step, layer and direction four gates read the input and the state before."""
        width = self.lstm.hidden_size
        read = self.lstm.input_size + width + (self.lstm.num_layers - 1) * (_DIRECTIONS * width + width)
        return counts * (_DIRECTIONS * _GATES * width * read)
