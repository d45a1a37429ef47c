"""MESM, the multimodal end-to-end sparse model (paper section 4.3): the words say where to look and listen."""

from __future__ import annotations

from typing import Literal

from mesmer.config import ModelSettings
from mesmer.models.end_to_end import EndToEndModel
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.text_encoder import TextEncoder


class MESM(EndToEndModel):
    """The sparse model: the last three pairs of convolutions of both branches are cross-modal sparse blocks."""

    def __init__(self, *, settings: ModelSettings, text_encoder: TextEncoder) -> None:
        def trunk(modality: Literal["audio", "visual"]) -> SparseTrunk:
            width = settings.of_branch(modality).width
            return SparseTrunk(width=width, query_width=text_encoder.width, settings=settings.sparse)

        super().__init__(
            settings=settings,
            text_encoder=text_encoder,
            audio_trunk=trunk("audio"),
            visual_trunk=trunk("visual"),
            asks=True,
        )
