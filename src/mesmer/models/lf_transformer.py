"""LF-TRANS, the late-fusion Transformer: a baseline of paper section 5.2.

The paper names it without equations. Each modality's unaligned sequence goes through a linear layer to the common width and
a Transformer encoder (Vaswani et al. 2017, section 3) with sinusoidal positions (its section 3.5) and a learned CLS vector,
as the branches of FE2E have it (section 4.2 of the paper); the state at CLS is the modality's, and the modalities meet in
:mod:`mesmer.models.late_fusion`.
"""

from __future__ import annotations

from torch import Tensor, nn

from mesmer.config import ModelSettings
from mesmer.models.feature_model import feature_settings
from mesmer.models.late_fusion import LateFusionModel
from mesmer.nn.sequence import SequenceEncoder


class ProjectedSequence(nn.Module):
    """A linear layer from F features to the width D of a :class:`~mesmer.nn.sequence.SequenceEncoder`, and that."""

    def __init__(self, *, in_width: int, sequence: SequenceEncoder) -> None:
        super().__init__()
        self.width = sequence.dim
        self.projection = nn.Linear(in_width, sequence.dim)
        self.sequence = sequence

    def forward(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Return (B, D) from packed ``steps`` (n, F) and ``counts`` int64 (B,); zeros where a count is 0."""
        return self.sequence(self.projection(steps), counts)

    def multiply_adds(self, counts: Tensor) -> Tensor:
        """Return int64 (B,), each utterance on its own."""
        return counts * self.projection.weight.numel() + self.sequence.multiply_adds(counts)


class LateFusionTransformer(LateFusionModel):
    """One Transformer of ``dim``, ``heads`` and ``layers`` for each modality."""

    def __init__(self, *, settings: ModelSettings) -> None:
        def sequence() -> SequenceEncoder:
            return SequenceEncoder(
                dim=settings.dim,
                heads=settings.heads,
                layers=settings.layers,
                dropout=settings.dropout,
                positions=settings.positions,
                norm=settings.norm,
            )

        widths = feature_settings(settings).widths
        encoders = {name: ProjectedSequence(in_width=width, sequence=sequence()) for name, width in widths.items()}
        super().__init__(settings=settings, encoders=encoders)
