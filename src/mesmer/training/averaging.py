"""The running average of the weights: what is validated and saved in place of the weights themselves.

Every step of training leaves the weights a little to the side of where they are heading; their exponential moving average
lies in the middle (Polyak and Juditsky, 1992), and most so where data are few and the rate is high.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

_WARMUP_STEPS = 10.0


class WeightAverage:
    """The average of a model's weights and running statistics, kept beside it.

    After step n the average moves by 1 - d towards the weights, with d = min(decay, (1 + n) / (10 + n)): a young average
    forgets its random start soon. What is no fraction (counters) is taken over as it is.

    Args:
        model: whose weights; the average begins as they are now.
        decay: in (0, 1): about 1 / (1 - decay) steps count.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._model, self._decay = model, decay
        self._average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step number ``step`` (1 is the first)."""
        decay = min(self._decay, (1 + step) / (_WARMUP_STEPS + step))
        current = self._model.state_dict()
        fractions = [name for name, value in current.items() if value.is_floating_point()]
        torch._foreach_lerp_([self._average[n] for n in fractions], [current[n] for n in fractions], 1 - decay)
        for name in current.keys() - set(fractions):
            self._average[name].copy_(current[name])

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for a while; its own weights come back after that, to the bit."""
        own = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self._average)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state(self) -> dict[str, Tensor]:
        """Return the average, by name; to be saved."""
        return self._average

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: one has another shape.
        """
        for name, value in self._average.items():
            value.copy_(tensors[name])
