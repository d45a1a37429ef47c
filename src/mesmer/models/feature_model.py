"""What every model on hand-crafted features is (paper section 5.2): unaligned packed sequences in, logits out.

Shape letters: B utterances, n packed steps, F features, M modalities, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mesmer.config import FeatureSettings, ModelSettings
from mesmer.errors import ConfigError
from mesmer.models.base import EmotionModel
from mesmer.models.batch_check import check_features
from mesmer.nn.modality_dropout import drop_modalities
from mesmer.nn.packing import select_steps
from mesmer.nn.standardise import Standardise
from mesmer.records import MODALITIES, Batch, FeatureSequence, ModelOutput


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model on features says about B utterances.

    Attributes:
        logits: float32 (B, L).
        modality_logits: float32 (B, M, L), 0 where absent.
        modality_weights: float32 (B, M), 0 where absent; ``logits`` is the weighted sum of ``modality_logits``.
        multiply_adds: int64 (B,), of the whole network, each utterance on its own.
    """

    logits: Tensor
    modality_logits: Tensor
    modality_weights: Tensor
    multiply_adds: Tensor


class FeatureModel(EmotionModel):
    """A model that reads ``Batch.features``, standardised over the training split, and neither faces, sound nor tokens.

    Any subset of modalities will do. In training, modality dropout hides some (drawn from torch's global CPU generator).
    Nothing is skipped: in its :class:`~mesmer.records.ModelOutput` ``multiply_adds`` and ``dense_multiply_adds`` are equal,
    and are those of the whole network.

    Raises:
        ConfigError: the settings name no features.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings, text_encoder=None)
        self.features: FeatureSettings = feature_settings(settings)
        self.standardise = nn.ModuleDict({name: Standardise(self.features.widths[name]) for name in MODALITIES})

    def forward(self, batch: Batch, *, traces: bool = False) -> ModelOutput:
        features = check_features(batch, self.features.widths)
        lengths = torch.stack([features[name].lengths for name in MODALITIES], dim=1)
        present = batch.present & (lengths > 0)
        if self.training and self.settings.modality_dropout > 0:
            present = drop_modalities(present, self.settings.modality_dropout)
        answer = self.answer({name: self._heard(name, features, present) for name in MODALITIES}, present)
        return ModelOutput(
            logits=answer.logits,
            modality_logits=answer.modality_logits,
            modality_weights=answer.modality_weights,
            multiply_adds=answer.multiply_adds,
            dense_multiply_adds=answer.multiply_adds,
        )

    def answer(self, sequences: Mapping[str, tuple[Tensor, Tensor]], present: Tensor) -> Answer:
        """Return what the network says about modality -> packed standardised steps (n, F) and counts int64 (B,).

        ``present`` bool (B, M): counts are above 0 there, and 0 elsewhere.
        """
        raise NotImplementedError

    def fit_features(self, sums: Mapping[str, FeatureSums]) -> None:
        """Take over mean and deviation of the training split's features: modality -> their sums."""
        for name, part in sums.items():
            layer = self.standardise[name]
            assert isinstance(layer, Standardise)
            layer.fit(total=part.total, squares=part.squares, steps=part.steps)

    def _heard(self, name: str, features: Mapping[str, FeatureSequence], present: Tensor) -> tuple[Tensor, Tensor]:
        sequence = features[name]
        steps, counts = select_steps(sequence.values, sequence.lengths, present[:, MODALITIES.index(name)])
        return self.standardise[name](steps), counts


@dataclass(kw_only=True)
class FeatureSums:
    """Sums over all steps of a modality in a split, float64 (F,): of the features and of their squares."""

    total: Tensor
    squares: Tensor
    steps: int = 0

    @classmethod
    def of_width(cls, width: int) -> FeatureSums:
        """Return the sums of no steps."""
        return cls(total=torch.zeros(width, dtype=torch.float64), squares=torch.zeros(width, dtype=torch.float64))

    def add(self, values: Tensor) -> None:
        """Count the steps (n, F) in."""
        doubled = values.double()
        self.total += doubled.sum(dim=0)
        self.squares += doubled.square().sum(dim=0)
        self.steps += len(values)


def feature_settings(settings: ModelSettings) -> FeatureSettings:
    """Return which features the model reads.

    Raises:
        ConfigError: the settings name none.
    """
    if settings.features is None:
        raise ConfigError(
            f"'{settings.name}' reads hand-crafted features, and none are named",
            field="model.features",
            remedy="write `features: {}` under `model:` for the usual ones",
        )
    return settings.features
