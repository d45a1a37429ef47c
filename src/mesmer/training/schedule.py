"""What changes from step to step by plan: the learning rate and the nucleus mass top_p."""

from __future__ import annotations

import math

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
