"""Late fusion, which LF-LSTM and LF-TRANS share: each modality is read on its own, and they meet at the end.

Shape letters: B utterances, n packed steps, F features, M modalities, L emotions, D width of a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from mesmer.config import ModelSettings
from mesmer.models.feature_model import Answer, FeatureModel
from mesmer.nn.fusion import WeightedFusion
from mesmer.nn.joint_head import JointHead
from mesmer.nn.packing import apply_to_rows
from mesmer.records import MODALITIES


class Encoder(Protocol):
    """Reads one modality's packed steps."""

    width: int

    def __call__(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Return the state (B, D) from steps (n, F) and counts int64 (B,); zeros where a count is 0."""

    def multiply_adds(self, counts: Tensor) -> Tensor:
        """Return int64 (B,), each utterance on its own."""


class LateFusionModel(FeatureModel):
    """One encoder for each modality, and one of two ways to an answer (``baseline.late_fusion``).

    ``sum``: each modality has its own two linear layers with a ReLU between, and the logits are their learned weighted sum,
    as in the code published with the paper. What one modality says can then not depend on another: such a model is blind
    to anything that takes two modalities to see. ``concatenation``: the last states stand side by side before the last
    layers (:class:`~mesmer.nn.joint_head.JointHead`), which can combine what the states hold.

    Args:
        encoders: modality -> :class:`Encoder`.
    """

    def __init__(self, *, settings: ModelSettings, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__(settings)
        emotions = len(settings.emotions)
        self.encoders = nn.ModuleDict({name: encoders[name] for name in MODALITIES})
        widths = [self._encoder(name).width for name in MODALITIES]
        self.joint: JointHead | None = None
        if settings.baseline.late_fusion == "concatenation":
            self.joint = JointHead(widths=widths, emotions=emotions, dropout=settings.dropout)
            return
        self.heads = nn.ModuleDict(
            {name: _head(width, emotions, settings.dropout) for name, width in zip(MODALITIES, widths, strict=True)}
        )
        self.fusion = WeightedFusion(modalities=len(MODALITIES), kind=settings.fusion)

    def answer(self, sequences: Mapping[str, tuple[Tensor, Tensor]], present: Tensor) -> Answer:
        states = [self._encoder(name)(*sequences[name]) for name in MODALITIES]
        cost = torch.stack([self._encoder(name).multiply_adds(sequences[name][1]) for name in MODALITIES]).sum(0)
        if self.joint is not None:
            parts = self.joint(states, present)
            weights = present.to(parts.dtype)
            cost = cost + self.joint.multiply_adds * present.any(dim=1)
            logits = (weights[..., None] * parts).sum(dim=1)
            return Answer(logits=logits, modality_logits=parts, modality_weights=weights, multiply_adds=cost)
        emotions = len(self.settings.emotions)
        said = [
            apply_to_rows(self.heads[name], state, present[:, k], width=emotions)
            for k, (name, state) in enumerate(zip(MODALITIES, states, strict=True))
        ]
        for k, name in enumerate(MODALITIES):
            cost = cost + present[:, k] * _linear_products(self.heads[name])
        modality_logits = torch.stack(said, dim=1)
        logits, weights = self.fusion(modality_logits, present)
        return Answer(logits=logits, modality_logits=modality_logits, modality_weights=weights, multiply_adds=cost)

    def _encoder(self, name: str) -> Encoder:
        encoder: Encoder = self.encoders[name]  # type: ignore[assignment]
        return encoder


def _head(width: int, emotions: int, dropout: float) -> nn.Sequential:
    hidden = max(width // 2, 1)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, emotions))


def _linear_products(network: nn.Module) -> int:
    return sum(part.weight.numel() for part in network.modules() if isinstance(part, nn.Linear))
