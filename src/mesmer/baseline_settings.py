"""Sizes of the models on hand-crafted features (paper section 5.2) that no end-to-end model has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesmer.errors import ConfigError
from mesmer.setting_checks import positive


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """Sizes of ``lf_lstm``, ``lf_transformer``, ``emo_embs`` and ``mult``, beside those that :class:`ModelSettings` has.

    ``dim``, ``heads`` and ``layers`` there are the Transformer's of LF-TRANS and the crossmodal Transformers' of MulT;
    ``dropout``, ``positions``, ``norm``, ``fusion`` and ``modality_dropout`` mean the same for every model.

    Attributes:
        text_lstm, audio_lstm, visual_lstm: width of one direction's state, of LF-LSTM and EmoEmbs. (EmoEmbs compares text
            with word vectors, so there it is as wide as those: ``features.text_width``.)
        lstm_layers: of each of them.
        late_fusion: of LF-LSTM and LF-TRANS: ``sum`` of the modalities' logits, weighted (the code published with the
            paper; no modality can change what another means), or ``concatenation`` of their states before the last layers.
        text_kernel, audio_kernel, visual_kernel: steps that MulT's temporal convolutions see at once; odd numbers.
        memory_layers: of MulT's self-attention behind the crossmodal Transformers.
    """

    text_lstm: int = 300
    audio_lstm: int = 200
    visual_lstm: int = 100
    lstm_layers: int = 2
    late_fusion: Literal["sum", "concatenation"] = "sum"
    text_kernel: int = 1
    audio_kernel: int = 3
    visual_kernel: int = 3
    memory_layers: int = 3

    def __post_init__(self) -> None:
        positive(self, "text_lstm", "audio_lstm", "visual_lstm", "lstm_layers", "memory_layers")
        for name in ("text_kernel", "audio_kernel", "visual_kernel"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name} is {getattr(self, name)}", field=name, remedy="use an odd number above 0")

    @property
    def lstm_widths(self) -> dict[str, int]:
        """Modality -> width of one direction's state."""
        return {"text": self.text_lstm, "audio": self.audio_lstm, "visual": self.visual_lstm}

    @property
    def kernels(self) -> dict[str, int]:
        """Modality -> steps that the temporal convolution sees at once."""
        return {"text": self.text_kernel, "audio": self.audio_kernel, "visual": self.visual_kernel}
