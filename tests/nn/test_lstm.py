"""The LSTM over packed sequences against one written out step by step, its products counted as they are made."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from mesmer.evaluation.cost import count_multiply_adds
from mesmer.nn.lstm import LSTMEncoder


class StepByStep:
    """A bidirectional LSTM (Hochreiter and Schmidhuber 1997, with torch's weights) in plain products, which it counts."""

    def __init__(self, lstm: nn.LSTM) -> None:
        self.lstm, self.products = lstm, 0

    def _times(self, weight: Tensor, x: Tensor) -> Tensor:
        answer = torch.zeros(weight.shape[0])
        for row in range(weight.shape[0]):
            answer[row] = (weight[row] * x).sum()
            self.products += len(x)
        return answer

    def _direction(self, steps: list[Tensor], name: str) -> list[Tensor]:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        read, recall, *biases = (getattr(self.lstm, f"{kind}_{name}") for kind in kinds)
        state = cell = torch.zeros(self.lstm.hidden_size)
        states = []
        for x in steps:
            gates = self._times(read, x) + self._times(recall, state) + sum(biases)
            take, keep, new, show = gates.chunk(4)
            cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
            state = show.sigmoid() * cell.tanh()
            states.append(state)
        return states

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last states of both directions of the last layer, of one sequence (S, F)."""
        steps = list(x)
        for layer in range(self.lstm.num_layers):
            there = self._direction(steps, f"l{layer}")
            back = self._direction(steps[::-1], f"l{layer}_reverse")[::-1]
            steps = [torch.cat(pair) for pair in zip(there, back, strict=True)]
        return there[-1], back[0]


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("join", ["concatenation", "sum"])
def test_states_and_products_are_those_of_an_lstm_written_out(layers: int, join: Literal["concatenation", "sum"]) -> None:
    torch.manual_seed(layers)
    encoder = LSTMEncoder(in_width=3, width=4, layers=layers, dropout=0.3, join=join).eval()
    counts = torch.tensor([2, 0, 5, 1])
    steps = torch.randn(8, 3)
    states = encoder(steps, counts)
    assert (states[1] == 0).all()
    for row, x in enumerate(steps.split(counts.tolist())):
        if not len(x):
            assert int(encoder.multiply_adds(counts)[row]) == 0
            continue
        oracle = StepByStep(encoder.lstm)
        there, back = oracle.read(x)
        expected = there + back if join == "sum" else torch.cat([there, back])
        assert torch.allclose(states[row], expected, atol=1e-6)
        assert int(encoder.multiply_adds(counts)[row]) == oracle.products
        assert count_multiply_adds(encoder, lambda x=x: encoder(x, torch.tensor([len(x)]))) == oracle.products


def test_nothing_to_read() -> None:
    encoder = LSTMEncoder(in_width=3, width=4, layers=1, dropout=0.0, join="sum")
    assert (encoder(torch.zeros(0, 3), torch.zeros(2, dtype=torch.int64)) == 0).all()


def test_order_matters_to_both_ends() -> None:
    """The answer holds the beginning as well as the end: changing either moves it."""
    torch.manual_seed(0)
    encoder = LSTMEncoder(in_width=3, width=4, layers=1, dropout=0.0, join="concatenation").eval()
    x, count = torch.randn(6, 3), torch.tensor([6])
    for place in (0, 5):
        changed = x.clone()
        changed[place] += 1
        assert not torch.allclose(encoder(x, count), encoder(changed, count), atol=1e-3)
