"""All models by name, and the one place where they are built from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesmer.config import ModelSettings
from mesmer.errors import ConfigError, suggest
from mesmer.models.base import EmotionModel
from mesmer.models.emo_embs import EmotionEmbeddings
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.fe2e import FE2E
from mesmer.models.feature_model import FeatureModel
from mesmer.models.lf_lstm import LateFusionLSTM
from mesmer.models.lf_transformer import LateFusionTransformer
from mesmer.models.mesm import MESM
from mesmer.models.mult import MultimodalTransformer
from mesmer.nn.text_encoder import build_text_encoder

END_TO_END: Mapping[str, type[FE2E] | type[MESM]] = {"fe2e": FE2E, "mesm": MESM}
"""The models that read faces, sound and tokens."""

ON_FEATURES: Mapping[
    str,
    type[LateFusionLSTM] | type[LateFusionTransformer] | type[EmotionEmbeddings] | type[MultimodalTransformer],
] = {
    "lf_lstm": LateFusionLSTM,
    "lf_transformer": LateFusionTransformer,
    "emo_embs": EmotionEmbeddings,
    "mult": MultimodalTransformer,
}
"""The models that read hand-crafted features (``ModelSettings.features``), and no tokens."""

MODELS: Mapping[str, type[EndToEndModel] | type[FeatureModel]] = {**END_TO_END, **ON_FEATURES}
"""``ModelSettings.name`` -> class."""


def build_model(
    settings: ModelSettings,
    *,
    tokenizer_size: int | None = None,
    text_architecture: Mapping[str, Any] | None = None,
) -> EmotionModel:
    """Build a model with fresh weights, drawn from torch's global generator (``torch.manual_seed`` decides them).

    Args:
        tokenizer_size: number of token ids of the tokenizer that will feed it; None takes the settings' word for it.
        text_architecture: of a pre-trained text encoder whose weights come later; without it they are loaded.

    Raises:
        ConfigError: no model of that name, or the text encoder cannot be found or does not fit, or a model on features
            is asked for and the settings name none.
    """
    if settings.name not in MODELS:
        raise ConfigError(f"there is no model '{settings.name}'", field="model.name", remedy=suggest(settings.name, MODELS))
    if not reads_tokens(settings):
        return ON_FEATURES[settings.name](settings=settings)
    text_encoder = build_text_encoder(
        settings.text, tokenizer_size=tokenizer_size, architecture=text_architecture, norm=settings.norm
    )
    return END_TO_END[settings.name](settings=settings, text_encoder=text_encoder)


def reads_tokens(settings: ModelSettings) -> bool:
    """Whether the model of these settings has a text encoder, and so needs a tokenizer."""
    return settings.name not in ON_FEATURES
