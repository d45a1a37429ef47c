"""MulT, the Multimodal Transformer: a baseline of paper section 5.2.

Tsai, Bai, Liang, Kolter, Morency and Salakhutdinov 2019, "Multimodal Transformer for Unaligned Multimodal Language
Sequences" (arXiv 1906.00295), section 3.2:

- temporal convolutions bring each modality's features to the common width d, each step aware of its neighbours (eq. 2);
- sinusoidal positions are added (eq. 3);
- six crossmodal Transformers, one for each ordered pair of modalities: the target's steps attend to the source's (eq. 1),
  in every layer to the source as it came in (eq. 4);
- what a target has read from its two sources stands side by side (width 2 d) and goes through a self-attention Transformer;
- the last step of each target, the three side by side (width 6 d), goes through fully-connected layers to the logits.

Shape letters: B utterances, n packed steps, S steps of one modality, M modalities, L emotions, d width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mesmer.config import ModelSettings
from mesmer.models.feature_model import Answer, FeatureModel
from mesmer.nn.crossmodal import CrossmodalTransformer
from mesmer.nn.joint_head import JointHead
from mesmer.nn.packing import pad_steps
from mesmer.nn.transformer import Transformer, sinusoidal_positions
from mesmer.records import MODALITIES

Padded = tuple[Tensor, Tensor]
"""Padded steps (B, S, d) and their mask, bool (B, S)."""


class MultimodalTransformer(FeatureModel):
    """The six crossmodal Transformers have ``layers`` layers of width ``dim``, the three behind them ``memory_layers``.

    Any subset of modalities: an absent target has no stream, and its state is zero; from an absent source nothing is read.
    The parts that :class:`~mesmer.nn.joint_head.JointHead` gives out are of the three streams; each has read the others.
    """

    def __init__(self, *, settings: ModelSettings) -> None:
        super().__init__(settings)
        sizes, dim = settings.baseline, settings.dim
        self.convolutions = nn.ModuleDict(
            {
                name: nn.Conv1d(width, dim, sizes.kernels[name], padding=sizes.kernels[name] // 2, bias=False)
                for name, width in self.features.widths.items()
            }
        )
        self.crossmodal = nn.ModuleDict(
            {
                f"{source}_to_{target}": CrossmodalTransformer(
                    dim=dim, heads=settings.heads, layers=settings.layers, dropout=settings.dropout, norm=settings.norm
                )
                for target in MODALITIES
                for source in sources_of(target)
            }
        )
        self.memories = nn.ModuleDict(
            {
                name: Transformer(
                    dim=2 * dim,
                    heads=settings.heads,
                    layers=sizes.memory_layers,
                    dropout=settings.dropout,
                    norm=settings.norm,
                )
                for name in MODALITIES
            }
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.head = JointHead(widths=[2 * dim] * len(MODALITIES), emotions=len(settings.emotions), dropout=settings.dropout)

    def answer(self, sequences: Mapping[str, tuple[Tensor, Tensor]], present: Tensor) -> Answer:
        counts = {name: sequence[1] for name, sequence in sequences.items()}
        low_level = {name: self._convolve(name, *sequence) for name, sequence in sequences.items()}
        states = [self._read(target, low_level, counts[target]) for target in MODALITIES]
        parts = self.head(states, present)
        weights = present.to(parts.dtype)
        return Answer(
            logits=(weights[..., None] * parts).sum(dim=1),
            modality_logits=parts,
            modality_weights=weights,
            multiply_adds=self._cost(counts, present),
        )

    def _convolve(self, name: str, steps: Tensor, counts: Tensor) -> Padded:
        """Return a modality's low-level steps with their positions (eqs. 2 and 3)."""
        padded, mask = pad_steps(steps, counts)
        if not len(steps):
            return steps.new_zeros(len(counts), 0, self.settings.dim), mask
        x = self.convolutions[name](padded.mT).mT
        if self.settings.positions == "sinusoidal":
            x = x + sinusoidal_positions(x.shape[1], x.shape[2], device=x.device)
        return self.dropout(x), mask

    def _read(self, target: str, low_level: Mapping[str, Padded], counts: Tensor) -> Tensor:
        """Return the state (B, 2 d) of one target: the last step of what it has read; zeros where it is absent."""
        rows = (counts > 0).nonzero().squeeze(1)
        state = low_level[target][0].new_zeros(len(counts), 2 * self.settings.dim)
        if not len(rows):
            return state
        steps, mask = (part[rows] for part in low_level[target])
        heard = [
            self.crossmodal[f"{source}_to_{target}"](steps, low_level[source][0][rows], low_level[source][1][rows])
            for source in sources_of(target)
        ]
        remembered = self.memories[target](torch.cat(heard, dim=2), mask)
        last = remembered[torch.arange(len(rows), device=rows.device), counts[rows] - 1]
        return state.index_put((rows,), last)

    def _cost(self, counts: Mapping[str, Tensor], present: Tensor) -> Tensor:
        cost = self.head.multiply_adds * present.any(dim=1)
        for target in MODALITIES:
            convolution, memory = self.convolutions[target], self.memories[target]
            assert isinstance(convolution, nn.Conv1d)
            assert isinstance(memory, Transformer)
            cost = cost + counts[target] * convolution.weight.numel() + memory.multiply_adds(counts[target])
            for source in sources_of(target):
                reader = self.crossmodal[f"{source}_to_{target}"]
                assert isinstance(reader, CrossmodalTransformer)
                cost = cost + reader.multiply_adds(counts[target], counts[source])
        return cost


def sources_of(target: str) -> tuple[str, ...]:
    """Return the modalities that a target reads: all others."""
    return tuple(name for name in MODALITIES if name != target)
