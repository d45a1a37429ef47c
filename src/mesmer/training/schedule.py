"""What happens by plan from step to step: the learning rate, the nucleus mass top_p, and when the state is saved."""

from __future__ import annotations

import math
import time

from mesmer.config import TrainSettings


def rate_factor(step: int, *, total_steps: int, settings: TrainSettings) -> float:
    """Return the factor on the learning rate at ``step`` (0 is the first): a linear rise, then constant or half a cosine.

    Args:
        step: optimizer steps taken before this one.
        total_steps: steps of the whole training, were it never stopped early.
    """
    warmup_steps = math.ceil(settings.warmup_share * total_steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if settings.schedule == "constant":
        return 1.0
    share = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))


def warm_top_p(epoch: int, *, top_p: float, warm_epochs: int) -> float:
    """Return top_p for training in ``epoch`` (0 is the first): from 1 down to ``top_p`` in ``warm_epochs`` equal stairs.

    A mask that bites before the features mean anything keeps them from ever learning; so training starts dense.
    """
    if epoch >= warm_epochs:
        return top_p
    return 1.0 - (1.0 - top_p) * epoch / warm_epochs


class SavingTimes:
    """When to save within an epoch. Saving changes nothing in the outcome, so a clock may have its say.

    Args:
        every_s: seconds since it last was saved; 0 turns that off.
        every_steps: a step whose number is a multiple is saved; 0 turns that off.
    """

    def __init__(self, *, every_s: float, every_steps: int) -> None:
        self._every_s, self._every_steps = every_s, every_steps
        self._last_s = time.monotonic()

    def due(self, step: int) -> bool:
        """Return whether to save once ``step`` steps are done."""
        by_steps = bool(self._every_steps) and step % self._every_steps == 0
        return by_steps or bool(self._every_s and time.monotonic() - self._last_s >= self._every_s)

    def saved(self) -> None:
        """Take note that it was saved now."""
        self._last_s = time.monotonic()
