"""LF-LSTM, the late-fusion LSTM: a baseline of paper section 5.2.

The paper names it without equations; Tsai et al. 2018, "Learning Factorized Multimodal Representations" (arXiv 1806.06176),
and Tsai et al. 2019 (arXiv 1906.00295, section 4) compare with models of this kind. Each modality's unaligned sequence is
read by a bidirectional LSTM (Hochreiter and Schmidhuber 1997); the last states of both directions are its state, and the
modalities meet in :mod:`mesmer.models.late_fusion`.
"""

from __future__ import annotations

from mesmer.config import ModelSettings
from mesmer.models.feature_model import feature_settings
from mesmer.models.late_fusion import LateFusionModel
from mesmer.nn.lstm import LSTMEncoder


class LateFusionLSTM(LateFusionModel):
    """One bidirectional LSTM for each modality; widths are ``baseline.text_lstm`` and so on, depth ``lstm_layers``."""

    def __init__(self, *, settings: ModelSettings) -> None:
        sizes = settings.baseline
        encoders = {
            name: LSTMEncoder(
                in_width=width,
                width=sizes.lstm_widths[name],
                layers=sizes.lstm_layers,
                dropout=settings.dropout,
                join="concatenation",
            )
            for name, width in feature_settings(settings).widths.items()
        }
        super().__init__(settings=settings, encoders=encoders)
