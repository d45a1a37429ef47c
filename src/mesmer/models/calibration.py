"""What turns a model's logits into probabilities, and near misses into "unsure": plain numbers, stored with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mesmer.errors import ModelError, suggest

MOST_TEMPERATURE = 20.0
MOST_OFFSET = 50.0
MOST_MARGIN = 100.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Of one emotion: probability = sigmoid(logit / temperature + offset). It moves probabilities, never their order.

    Of emotions that exclude each other the probabilities are the softmax of the same; they share one temperature.

    Attributes:
        temperature: in [1/20, 20]; above 1 where the model was too sure.
        offset: in [-50, 50]; what positives counted as too often in training (positive weights) are taken back by.
    """

    temperature: float = 1.0
    offset: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Return plain types, ready for ``json.dumps``."""
        return asdict(self)


def log_sum_of_others(scores: Tensor) -> Tensor:
    """Return, for each of L scores (B, L), the logarithm of the sum of the exponentials of the others."""
    size = scores.shape[1]
    apart = scores[:, None, :].expand(-1, size, -1)
    itself = torch.eye(size, dtype=torch.bool, device=scores.device)
    return apart.masked_fill(itself, -torch.inf).logsumexp(dim=2)


def read_calibrations(values: Mapping[str, Any], emotions: Sequence[str]) -> dict[str, Calibration]:
    """Return emotion -> calibration from plain types or calibrations, in the order of ``emotions``.

    Raises:
        ModelError: an emotion is missing or unknown, or a number is out of bounds.
    """
    _check_names(values, emotions, "calibration")
    found = {}
    for name in emotions:
        one = values[name]
        plain = one.to_json() if isinstance(one, Calibration) else one
        if not isinstance(plain, dict) or plain.keys() != {"temperature", "offset"}:
            raise ModelError(f"calibration of '{name}' is not a temperature and an offset", field="calibration")
        found[name] = Calibration(
            temperature=_number(plain["temperature"], 1 / MOST_TEMPERATURE, MOST_TEMPERATURE, f"calibration.{name}"),
            offset=_number(plain["offset"], -MOST_OFFSET, MOST_OFFSET, f"calibration.{name}"),
        )
    return found


def read_margins(values: Mapping[str, Any], emotions: Sequence[str]) -> dict[str, float]:
    """Return emotion -> margin, in log-odds, in the order of ``emotions``.

    Raises:
        ModelError: an emotion is missing or unknown, or a number is not in [0, 100].
    """
    _check_names(values, emotions, "unsure_margins")
    return {name: _number(values[name], 0.0, MOST_MARGIN, f"unsure_margins.{name}") for name in emotions}


def _check_names(values: Mapping[str, Any], emotions: Sequence[str], field: str) -> None:
    for name in values:
        if name not in emotions:
            raise ModelError(f"a value for unknown emotion '{name}'", field=field, remedy=suggest(name, emotions))
    for name in emotions:
        if name not in values:
            raise ModelError(f"'{name}' has no value", field=field)


def _number(value: Any, low: float, high: float, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # nan is not within
        raise ModelError(f"{value!r} is no number from {low:g} to {high:g}", field=field)
    return float(value)
