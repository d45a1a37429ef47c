"""Bounds on the sizes a saved model may ask for, checked before anything is built from them.

A stranger's ``config.json`` may ask for a layer of a billion channels, or a billion layers. Widths are harmless once the
weights file has been compared with the network on paper (see :mod:`mesmer.models.loading`); the number of parts is what has
to be bounded first. The bounds lie far above any model of this project.
"""

from __future__ import annotations

from mesmer.config import ModelSettings
from mesmer.errors import ModelError
from mesmer.nn.text_architecture import MOST_PARTS, MOST_TOKENS, MOST_WIDTH

MOST_EMOTIONS = 1000
LONGEST_NAME = 200


def check_sizes(settings: ModelSettings) -> None:
    """Refuse settings beyond the bounds.

    Raises:
        ModelError: which setting, and the bound.
    """
    branches = {name: sizes for name, sizes in (("audio", settings.audio), ("visual", settings.visual)) if sizes}
    for name, value, most in (
        ("layers", settings.layers, MOST_PARTS),
        ("heads", settings.heads, MOST_PARTS),
        ("text.layers", settings.text.layers, MOST_PARTS),
        ("text.heads", settings.text.heads, MOST_PARTS),
        ("width", settings.width, MOST_WIDTH),
        ("feature_width", settings.feature_width, MOST_WIDTH),
        ("dim", settings.dim, MOST_WIDTH),
        ("text.width", settings.text.width, MOST_WIDTH),
        ("text.max_tokens", settings.text.max_tokens, MOST_WIDTH),
        ("text.vocabulary_size", settings.text.vocabulary_size, MOST_TOKENS),
        ("mel.num_bands", settings.mel.num_bands, MOST_WIDTH),
        ("mel.chunk_ms", settings.mel.chunk_ms, MOST_WIDTH),
        ("mel.window_ms", settings.mel.window_ms, MOST_WIDTH),
        ("features.text_width", settings.features.text_width if settings.features else 0, MOST_WIDTH),
        ("baseline.lstm_layers", settings.baseline.lstm_layers, MOST_PARTS),
        ("baseline.memory_layers", settings.baseline.memory_layers, MOST_PARTS),
        *((f"{name}.layers", sizes.layers, MOST_PARTS) for name, sizes in branches.items()),
        *((f"{name}.width", sizes.width, MOST_WIDTH) for name, sizes in branches.items()),
        *((f"{name}.feature_width", sizes.feature_width, MOST_WIDTH) for name, sizes in branches.items()),
        *((f"baseline.{name}_lstm", width, MOST_WIDTH) for name, width in settings.baseline.lstm_widths.items()),
        *((f"baseline.{name}_kernel", size, MOST_PARTS) for name, size in settings.baseline.kernels.items()),
        ("emotions", len(settings.emotions), MOST_EMOTIONS),
        ("emotions", max(map(len, settings.emotions), default=0), LONGEST_NAME),
    ):
        if value > most:
            raise ModelError(f"{value} is beyond the bound of {most}", field=f"model.{name}")
