"""The optimizer: Adam with decoupled weight decay, and rates of their own for the text encoder and the attention."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mesmer.config import TrainSettings
from mesmer.errors import ConfigError
from mesmer.models.base import EmotionModel


def make_optimizer(model: EmotionModel, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return AdamW over the parameters that learn; text encoder and attention learn at the rest's rate times
    their factors.

    Each group remembers its full rate as ``full_lr``; the schedule multiplies that. Weight decay spares vectors (biases,
    norms). With decay 0, the paper's setting, AdamW is Adam.

    Raises:
        ConfigError: nothing learns.
    """
    groups = []
    factors = settings.text_learning_rate_factor, settings.attention_learning_rate_factor
    for group in model.parameter_groups(settings.learning_rate, *factors):
        matrices = [p for p in group["params"] if p.ndim > 1]
        vectors = [p for p in group["params"] if p.ndim <= 1]
        for chosen, decay in ((matrices, settings.weight_decay), (vectors, 0.0)):
            if chosen:
                groups.append({"params": chosen, "lr": group["lr"], "full_lr": group["lr"], "weight_decay": decay})
    if not groups:
        raise ConfigError("no parameter of the model learns", field="model", remedy="do not freeze everything")
    return torch.optim.AdamW(groups)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to ``factor`` times its full rate."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_lr"]


def clip_gradient(parameters: Iterable[nn.Parameter], largest_norm: float) -> Tensor:
    """Scale the gradient down to ``largest_norm`` (0 leaves it) and return its norm before, a scalar."""
    with_gradient = [p for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    if largest_norm > 0:
        torch.nn.utils.clip_grads_with_norm_(with_gradient, largest_norm, norm)
    return norm
