"""What every model on hand-crafted features is (paper section 5.2): unaligned packed sequences in, logits out.

Shape letters: B utterances, n packed steps, F features, M modalities, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mesmer.config import FeatureSettings, ModelSettings
from mesmer.errors import ConfigError, ModelError
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

    def fit_features(self, statistics: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Take over modality -> mean and deviation (F,) of the training split's features.

        Raises:
            ModelError: they are of other features, not finite, or a deviation is not above 0.
        """
        for name, (mean, deviation) in statistics.items():
            width, right = self.features.widths[name], np.isfinite(mean).all() and np.isfinite(deviation).all()
            if mean.shape != (width,) or deviation.shape != (width,) or not right or not (deviation > 0).all():
                raise ModelError("mean and deviation do not fit", field=f"features.{name}")
            layer = self.standardise[name]
            assert isinstance(layer, Standardise)
            layer.fit(torch.from_numpy(mean), torch.from_numpy(deviation))

    def _heard(self, name: str, features: Mapping[str, FeatureSequence], present: Tensor) -> tuple[Tensor, Tensor]:
        sequence = features[name]
        steps, counts = select_steps(sequence.values, sequence.lengths, present[:, MODALITIES.index(name)])
        return self.standardise[name](steps), counts


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
