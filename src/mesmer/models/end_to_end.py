"""The fully end-to-end model of paper section 4.2, which FE2E and MESM share: three branches and a weighted sum.

Shape letters: B utterances, n packed steps (faces or chunks), M modalities, L emotions, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mesmer.config import ModelSettings
from mesmer.models.base import EmotionModel
from mesmer.models.batch_check import check_batch
from mesmer.nn.batch_norm import stand_in
from mesmer.nn.fusion import WeightedFusion
from mesmer.nn.modality_dropout import drop_modalities
from mesmer.nn.packing import select_steps, step_owners, sum_steps
from mesmer.nn.sequence import SequenceEncoder
from mesmer.nn.text_encoder import TextEncoder
from mesmer.nn.vgg import FACE_CENTRE, FACE_SCALE, ConvolutionBranch
from mesmer.records import FACE_PX, MODALITIES, Batch, BlockTrace, ModelOutput


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """What one branch said about B utterances: logits (B, L), costs int64 (B,), traces of its sparse blocks."""

    logits: Tensor
    multiply_adds: Tensor
    dense_multiply_adds: Tensor
    traces: tuple[BlockTrace, ...] = ()


class SequenceBranch(nn.Module):
    """The visual or the acoustic branch: a feature vector for each map, a Transformer over time, a linear head.

    Attributes:
        held: all but the head stays as it is in training: no gradient, no dropout, batch norm by its running statistics.
    """

    def __init__(self, *, convolution: ConvolutionBranch, sequence: SequenceEncoder, emotions: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.sequence = sequence
        self.head = nn.Linear(sequence.dim, emotions)
        self.held = False

    def train(self, mode: bool = True) -> SequenceBranch:
        super().train(mode)
        self.convolution.train(mode and not self.held)
        self.sequence.train(mode and not self.held)
        return self

    def forward(self, maps: Tensor, counts: Tensor, present: Tensor, query: Tensor | None, *, traces: bool) -> _Heard:
        """Read the maps (n, C, H, W) of the utterances that are ``present``, bool (B,); the others' are not computed.

        Args:
            counts: int64 (B,), maps of each utterance; above 0 where present.
            query: (B, D) for the sparse blocks; None in a dense model.
        """
        maps, counts = select_steps(maps, counts, present)
        if not len(maps):
            free = torch.zeros_like(counts)
            zeros = self.head.weight.new_zeros(len(counts), self.head.out_features)
            nothing = stand_in(self.convolution)  # other processes of a training may have maps, and wait for this one
            zeros = zeros if nothing is None else zeros + nothing
            return _Heard(logits=zeros, multiply_adds=free, dense_multiply_adds=free)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.held):
            out = self.convolution(maps, None if query is None else query[step_owners(counts)], traces=traces)
            state = self.sequence(out.features, counts)
        logits = self.head(state)
        return _Heard(
            logits=torch.where(present[:, None], logits, torch.zeros_like(logits)),
            multiply_adds=sum_steps(out.multiply_adds, counts),
            dense_multiply_adds=sum_steps(out.dense_multiply_adds, counts),
            traces=out.traces,
        )


class EndToEndModel(EmotionModel):
    """Text, acoustic and visual branch, each with its own logits, fused by a learned weighted sum.

    Any subset of modalities will do: a missing one leaves the sum. In training, modality dropout hides some (drawn from
    torch's global CPU generator, as all dropout is).

    Args:
        audio_trunk, visual_trunk: the three pairs of convolutions behind each stem: dense in FE2E, sparse in MESM.
        asks: whether the trunks ask for a query. It is the text encoder's CLS state, or a learned vector where the words
            are absent.
    """

    def __init__(
        self,
        *,
        settings: ModelSettings,
        text_encoder: TextEncoder,
        audio_trunk: nn.Module,
        visual_trunk: nn.Module,
        asks: bool,
    ) -> None:
        super().__init__(settings, text_encoder=text_encoder)
        emotions = len(settings.emotions)
        self.text_encoder: TextEncoder
        self.text_head = nn.Linear(text_encoder.width, emotions)
        self.absent_query = nn.Parameter(torch.randn(text_encoder.width)) if asks else None
        mel = settings.mel
        self.audio = _sequence_branch(settings.of_branch("audio"), audio_trunk, (1, mel.num_bands, mel.chunk_frames))
        faces = {"centre": FACE_CENTRE, "scale": FACE_SCALE}
        self.visual = _sequence_branch(settings.of_branch("visual"), visual_trunk, (3, FACE_PX, FACE_PX), **faces)
        self.fusion = WeightedFusion(modalities=len(MODALITIES), kind=settings.fusion)

    def hold_branches(self, held: bool) -> None:
        """Hold all but heads and fusion as they are in training, or let them learn again; ``train()`` afterwards."""
        for branch in (self.text_encoder, self.audio, self.visual):
            branch.held = held

    def forward(self, batch: Batch, *, traces: bool = False) -> ModelOutput:
        check_batch(batch, face_shape=self.visual.convolution.in_shape, chunk_shape=self.audio.convolution.in_shape)
        present = self._usable(batch)
        state, text_logits = self._read(batch, present[:, 0])
        query = None if self.absent_query is None else torch.where(present[:, :1], state, self.absent_query)
        audio: _Heard = self.audio(batch.chunks, batch.num_chunks, present[:, 1], query, traces=traces)
        faces = in_grey(batch.faces) if self.settings.grey_faces else batch.faces
        visual: _Heard = self.visual(faces, batch.num_faces, present[:, 2], query, traces=traces)
        modality_logits = torch.stack([text_logits, audio.logits, visual.logits], dim=1)
        logits, weights = self.fusion(modality_logits, present)
        return ModelOutput(
            logits=logits,
            modality_logits=modality_logits,
            modality_weights=weights,
            multiply_adds=audio.multiply_adds + visual.multiply_adds,
            dense_multiply_adds=audio.dense_multiply_adds + visual.dense_multiply_adds,
            traces={
                (name, block): trace
                for name, heard in (("audio", audio), ("visual", visual))
                for block, trace in enumerate(heard.traces)
            },
        )

    def _usable(self, batch: Batch) -> Tensor:
        """Which modalities are used, bool (B, M): those said to be present of which there is something."""
        holds = torch.stack([batch.token_mask.any(dim=1), batch.num_chunks > 0, batch.num_faces > 0], dim=1)
        present = batch.present & holds
        if self.training and self.settings.modality_dropout > 0:
            return drop_modalities(present, self.settings.modality_dropout)
        return present

    def _read(self, batch: Batch, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the text state (B, D) and the text logits (B, L), both zero where the words are absent."""
        state = self.text_head.weight.new_zeros(len(present), self.text_encoder.width)
        rows = present.nonzero().squeeze(1)
        if not len(rows):
            return state, self.text_head.weight.new_zeros(len(present), self.text_head.out_features)
        tokens, mask = batch.tokens[rows], batch.token_mask[rows]
        longest = int(mask.any(dim=0).nonzero().max()) + 1  # nothing is spent on columns that only pad
        state = state.index_put((rows,), self.text_encoder(tokens[:, :longest], mask[:, :longest]).to(state.dtype))
        logits = self.text_head(state)
        return state, torch.where(present[:, None], logits, torch.zeros_like(logits))


def in_grey(faces: Tensor) -> Tensor:
    """Return faces (n, 3, H, W), RGB, as their luminance (ITU-R BT.601) in three equal channels; grey ones stay."""
    red, green, blue = (faces.to(torch.int32) if faces.dtype == torch.uint8 else faces).unbind(1)
    luminance = 299 * red + 587 * green + 114 * blue
    whole = (luminance + 500).div(1000, rounding_mode="floor") if faces.dtype == torch.uint8 else luminance / 1000
    return whole.to(faces.dtype)[:, None].expand(faces.shape)


def _sequence_branch(
    settings: ModelSettings,
    trunk: nn.Module,
    in_shape: tuple[int, int, int],
    *,
    centre: float = 0.0,
    scale: float = 1.0,
) -> SequenceBranch:
    channels, height, width = in_shape
    convolution = ConvolutionBranch(
        in_channels=channels,
        height=height,
        width=width,
        stem_width=settings.width,
        trunk=trunk,
        feature_width=settings.feature_width,
        dim=settings.dim,
        dropout=settings.dropout,
        centre=centre,
        scale=scale,
    )
    sequence = SequenceEncoder(
        dim=settings.dim,
        heads=settings.heads,
        layers=settings.layers,
        dropout=settings.dropout,
        positions=settings.positions,
        norm=settings.norm,
    )
    return SequenceBranch(convolution=convolution, sequence=sequence, emotions=len(settings.emotions))
