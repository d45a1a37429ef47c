"""FE2E, the fully end-to-end model (paper section 4.2): every convolution is computed everywhere."""

from __future__ import annotations

from mesmer.config import ModelSettings
from mesmer.models.end_to_end import EndToEndModel
from mesmer.nn.text_encoder import TextEncoder
from mesmer.nn.vgg import DenseTrunk


class FE2E(EndToEndModel):
    """The dense model."""

    def __init__(self, *, settings: ModelSettings, text_encoder: TextEncoder) -> None:
        super().__init__(
            settings=settings,
            text_encoder=text_encoder,
            audio_trunk=DenseTrunk(width=settings.of_branch("audio").width),
            visual_trunk=DenseTrunk(width=settings.of_branch("visual").width),
            asks=False,
        )
