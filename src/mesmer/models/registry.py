"""All models by name, and the one place where they are built from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesmer.config import ModelSettings
from mesmer.errors import ConfigError, suggest
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.fe2e import FE2E
from mesmer.models.mesm import MESM
from mesmer.nn.text_encoder import build_text_encoder

MODELS: Mapping[str, type[FE2E] | type[MESM]] = {"fe2e": FE2E, "mesm": MESM}
"""``ModelSettings.name`` -> class."""


def build_model(
    settings: ModelSettings,
    *,
    tokenizer_size: int | None = None,
    text_architecture: Mapping[str, Any] | None = None,
) -> EndToEndModel:
    """Build a model with fresh weights, drawn from torch's global generator (``torch.manual_seed`` decides them).

    Args:
        tokenizer_size: number of token ids of the tokenizer that will feed it; None takes the settings' word for it.
        text_architecture: of a pre-trained text encoder whose weights come later; without it they are loaded.

    Raises:
        ConfigError: no model of that name, or the text encoder cannot be found or does not fit.
    """
    if settings.name not in MODELS:
        raise ConfigError(f"there is no model '{settings.name}'", field="model.name", remedy=suggest(settings.name, MODELS))
    text_encoder = build_text_encoder(
        settings.text, tokenizer_size=tokenizer_size, architecture=text_architecture, norm=settings.norm
    )
    return MODELS[settings.name](settings=settings, text_encoder=text_encoder)
