"""What every model is: the class the other rooms know, whatever is inside.

Shape letters: B utterances, M modalities, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mesmer.config import ModelSettings, PrepareSettings
from mesmer.errors import ModelError, suggest
from mesmer.models.calibration import Calibration, log_sum_of_others, read_calibrations, read_margins
from mesmer.nn.nucleus import check_top_p
from mesmer.nn.sparse_block import CrossModalSparseBlock
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.text_encoder import TextEncoder
from mesmer.records import MODALITIES, Batch, ModelOutput

if TYPE_CHECKING:
    from mesmer.signals.handcrafted.resources import FeatureResources
    from mesmer.signals.text import TextTokenizer

DEFAULT_THRESHOLD = 0.5


class EmotionModel(nn.Module):
    """A model that turns a :class:`~mesmer.records.Batch` into a :class:`~mesmer.records.ModelOutput`.

    In evaluation mode the answer for an utterance does not depend on the other utterances of its batch. Build one with
    :func:`mesmer.models.registry.build_model`, or load one with :meth:`from_pretrained`.

    Attributes:
        settings: what the model was built from.
        text_encoder: the text branch's encoder; None in a model without one.
    """

    def __init__(self, settings: ModelSettings, *, text_encoder: TextEncoder | None) -> None:
        super().__init__()
        self.settings = settings
        self.text_encoder = text_encoder
        self._top_p = check_top_p(settings.sparse.top_p)
        if len(self.modalities) < len(MODALITIES):
            self.register_forward_pre_hook(_show_own_modalities)
        self._thresholds = dict.fromkeys(settings.emotions, DEFAULT_THRESHOLD)
        self._calibration = dict.fromkeys(settings.emotions, Calibration())
        self._unsure_margins = dict.fromkeys(settings.emotions, 0.0)

    def forward(self, batch: Batch, *, traces: bool = False) -> ModelOutput:
        """Return logits, what each modality said, and what it cost; attention and kept sites where ``traces`` is asked for.

        Raises:
            ModelError: the batch does not fit this model.
        """
        raise NotImplementedError

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the model is given; the others are hidden from it, in training and prediction alike."""
        return tuple(name for name in MODALITIES if name[0].upper() in self.settings.modalities)

    @property
    def top_p(self) -> float:
        """The attention mass that the sparse blocks keep (eq. 3), in (0, 1]; a dial at any time, without effect on a dense
        model. Setting it to something else raises :class:`~mesmer.errors.ConfigError`.
        """
        return self._top_p

    @top_p.setter
    def top_p(self, value: float) -> None:
        self._top_p = check_top_p(value)
        for module in self.modules():
            if isinstance(module, SparseTrunk):
                module.top_p = self._top_p

    @property
    def thresholds(self) -> dict[str, float]:
        """Emotion -> the probability from which on it is decided for. Saved with the model; 0.5 until chosen.

        Setting it to a mapping that does not name each emotion once, with numbers in [0, 1], raises
        :class:`~mesmer.errors.ModelError`.
        """
        return dict(self._thresholds)

    @thresholds.setter
    def thresholds(self, values: Mapping[str, float]) -> None:
        emotions = self.settings.emotions
        for name in values:
            if name not in emotions:
                raise ModelError(
                    f"threshold for unknown emotion '{name}'", field="thresholds", remedy=suggest(name, emotions)
                )
        for name in emotions:
            value = values.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
                raise ModelError(f"threshold of '{name}' is {value!r}", field="thresholds", remedy="use a number in [0, 1]")
        self._thresholds = {name: float(values[name]) for name in emotions}

    @property
    def calibration(self) -> dict[str, Calibration]:
        """Emotion -> what makes its logit a probability. Saved with the model; changes nothing until fitted.

        Setting it to a mapping that does not name each emotion once raises :class:`~mesmer.errors.ModelError`.
        """
        return dict(self._calibration)

    @calibration.setter
    def calibration(self, values: Mapping[str, Any]) -> None:
        self._calibration = read_calibrations(values, self.settings.emotions)

    @property
    def unsure_margins(self) -> dict[str, float]:
        """Emotion -> how far, in log-odds, a probability must be from its threshold to count as sure. Saved with the model;
        0, never unsure, until chosen. Setting it raises as ``calibration`` does.
        """
        return dict(self._unsure_margins)

    @unsure_margins.setter
    def unsure_margins(self, values: Mapping[str, Any]) -> None:
        self._unsure_margins = read_margins(values, self.settings.emotions)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the calibrated probabilities, float64, of fused logits (B, L).

        Where the emotions exclude each other (``settings.exclusive``) they add up to 1: the softmax of the logits.
        """
        return torch.sigmoid(logits.double() / self._temperatures(logits) + self.offsets(logits))

    def offsets(self, logits: Tensor) -> Tensor:
        """Return what makes logits over temperatures the log-odds of the probabilities, float64 (B, L).

        It is the calibration's offset, the same for everybody; where the emotions exclude each other, the weight of all
        other emotions is taken from it, which each utterance has its own of.
        """
        calibrations = self._calibration.values()
        offset = torch.tensor([one.offset for one in calibrations], dtype=torch.float64, device=logits.device)
        if not self.settings.exclusive:
            return offset.expand(logits.shape)
        scaled = logits.double() / self._temperatures(logits) + offset
        return offset - log_sum_of_others(scaled)

    def _temperatures(self, logits: Tensor) -> Tensor:
        calibrations = self._calibration.values()
        return torch.tensor([one.temperature for one in calibrations], dtype=torch.float64, device=logits.device)

    def parameter_groups(
        self, learning_rate: float, text_factor: float, attention_factor: float = 1.0
    ) -> list[dict[str, Any]]:
        """Return the groups for an optimizer: the text encoder at ``text_factor * learning_rate``, the attention of the
        sparse blocks at ``attention_factor * learning_rate``, the rest at ``learning_rate``. Frozen parameters and empty
        groups are left out; each group carries its ``name``.
        """
        text: list[nn.Parameter] = [] if self.text_encoder is None else list(self.text_encoder.parameters())
        blocks = [module for module in self.modules() if isinstance(module, CrossModalSparseBlock)]
        attention = [parameter for block in blocks if block.attention for parameter in block.attention.parameters()]
        known = {id(parameter) for parameter in (*text, *attention)}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in known]
        groups = (
            ("rest", rest, learning_rate),
            ("text_encoder", text, text_factor * learning_rate),
            ("attention", attention, attention_factor * learning_rate),
        )
        return [
            {"name": name, "params": [p for p in parameters if p.requires_grad], "lr": rate}
            for name, parameters, rate in groups
            if any(p.requires_grad for p in parameters)
        ]

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        tokenizer: TextTokenizer,
        prepare: PrepareSettings,
        extra: Mapping[str, Any] | None = None,
        resources: FeatureResources | None = None,
    ) -> None:
        """Save the model and all that prediction needs as a folder; see :func:`mesmer.models.saving.save_model`."""
        from mesmer.models.saving import save_model

        save_model(self, folder, tokenizer=tokenizer, prepare=prepare, extra=extra or {}, resources=resources)

    @staticmethod
    def from_pretrained(source: str | Path) -> EmotionModel:
        """Load a model from a folder or a Hugging Face id; see :func:`mesmer.models.loading.load_model`."""
        from mesmer.models.loading import load_model

        return load_model(source).model


def _show_own_modalities(model: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hide from any model, whatever is inside, the modalities that its settings do not name."""
    assert isinstance(model, EmotionModel)
    batch, *rest = arguments
    shown = batch.present.new_tensor([name in model.modalities for name in MODALITIES])
    return (replace(batch, present=batch.present & shown), *rest)
