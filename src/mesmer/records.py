"""The frozen records that pass between the rooms, in the order in which data becomes an answer.

``Utterance`` (labelled stretch of speech) -> ``Clip`` (its decoded media) -> ``Batch`` (packed tensors) -> ``ModelOutput``
(logits and what they cost) -> ``Prediction`` (what the user is told).

Shape letters: B utterances, S steps (faces or chunks), T tokens or sound samples, L emotions, M modalities.
Packed tensors hold the steps of all utterances one after another and carry a count per utterance; they are never padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # torch is slow to import, and the decoder's child process must not need it
    import torch

MODALITIES: tuple[str, str, str] = ("text", "audio", "visual")
"""The order of modalities in every tensor that has a modality axis (``Batch.present``, ``modality_logits``)."""

SPLITS: tuple[str, str, str] = ("train", "valid", "test")

FACE_PX = 48
"""Side of a face crop, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One labelled stretch of speech in a corpus; nothing of it is decoded yet.

    Attributes:
        id: unique within its corpus.
        corpus: name of the corpus.
        media: path of the media file, absolute or relative to the working folder.
        start_s, end_s: the stretch within the file, in seconds; None is the file's own start or end.
        speaker, dialogue: who speaks, and in which conversation or video; None where unknown.
        text: the transcript; None or empty where there is none.
        labels: emotion -> score in [0, 1]; an emotion not named scores 0. None where the utterance is unlabelled.
        split: ``train``, ``valid``, ``test`` or None.
        region: the half of the picture in which the speaker is seen; ``full`` where nobody shares the picture.
        channel: the sound channel of the speaker's own microphone; ``mix`` takes all channels together.
        sound: path of the sound file where the sound is not taken from ``media``; it shares the clock of ``media``.
    """

    id: str
    corpus: str
    media: str
    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None
    dialogue: str | None = None
    text: str | None = None
    labels: Mapping[str, float] | None = None
    split: str | None = None
    region: Literal["full", "left", "right"] = "full"
    channel: Literal["mix", "left", "right"] = "mix"
    sound: str | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The decoded media of one utterance: what a model is given, before it is made into tensors.

    Attributes:
        id: the utterance's id.
        faces: uint8 (S, 48, 48, 3), RGB, one per sampled frame, in time order; (0, 48, 48, 3) where there is no picture.
        face_times_s: float64 (S,), presentation time of each frame, in seconds from the utterance's start.
        face_boxes_px: float32 (S, 4), x0, y0, x1, y1 of the crop in the frame.
        face_found: bool (S,), False where no face was found and the crop is the centre of the frame.
        waveform: float32 (T,), mono, 16 kHz, in [-1, 1]; empty where there is no sound.
        text: the transcript, empty where there is none.
        absent: modality -> why it is missing; a modality not named is present. Reasons are short words such as
            ``no stream``, ``silent``, ``no picture``, ``no text``.
        duration_s: length of the utterance.
        warnings: what a user should know, as sentences.
        features: modality -> float32 (S, F), hand-crafted features of the two-phase models; None where they were not asked
            for. An absent modality has no steps.
        picture_end_s, sound_end_s: where the picture and the sound end, in seconds from the utterance's start; None where
            they go on to its end or beyond, are absent, or nobody looked.
        people: the largest number of faces seen in one frame; None where nobody looked.
        stamps_replaced: time stamps of picture and sound that were missing or wrong; None where nobody looked.
    """

    id: str
    faces: NDArray[np.uint8]
    face_times_s: NDArray[np.float64]
    face_boxes_px: NDArray[np.float32]
    face_found: NDArray[np.bool_]
    waveform: NDArray[np.float32]
    text: str
    absent: Mapping[str, str]
    duration_s: float
    warnings: tuple[str, ...] = ()
    features: Mapping[str, NDArray[np.float32]] | None = None
    picture_end_s: float | None = None
    sound_end_s: float | None = None
    people: int | None = None
    stamps_replaced: int | None = None

    @property
    def present(self) -> tuple[bool, bool, bool]:
        """Which modalities can be used, in the order of ``MODALITIES``."""
        text, audio, visual = (name not in self.absent for name in MODALITIES)
        return text, audio, visual


@dataclass(frozen=True, kw_only=True)
class FeatureSequence:
    """Hand-crafted features of one modality for B utterances, packed; the modalities are not aligned with each other.

    Attributes:
        values: float32 (sum S, F); steps of utterance b lie together, in time order.
        lengths: int64 (B,); 0 where the modality is absent.
    """

    values: torch.Tensor
    lengths: torch.Tensor

    def to(self, device: torch.device | str) -> FeatureSequence:
        """Return the same sequences on ``device``."""
        return FeatureSequence(
            values=self.values.to(device, non_blocking=True), lengths=self.lengths.to(device, non_blocking=True)
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Tensors of B utterances, packed.

    Attributes:
        ids: B utterance ids.
        faces: uint8 (sum S_v, 3, 48, 48); steps of utterance b lie together, in time order. Models normalise them.
        num_faces: int64 (B,); 0 where the picture is absent.
        chunks: float32 (sum S_a, 1, 128, 32), log-mel (or mel) spectrogram chunks.
        num_chunks: int64 (B,); 0 where the sound is absent.
        tokens: int64 (B, T), padded on the right.
        token_mask: bool (B, T), True at real tokens. An utterance without text holds only the special tokens.
        present: bool (B, M) in the order of ``MODALITIES``. False overrules whatever the tensors hold.
        labels: float32 (B, L), or None where unlabelled.
        features: modality -> hand-crafted features, for every modality; None in batches for end-to-end models.
    """

    ids: tuple[str, ...]
    faces: torch.Tensor
    num_faces: torch.Tensor
    chunks: torch.Tensor
    num_chunks: torch.Tensor
    tokens: torch.Tensor
    token_mask: torch.Tensor
    present: torch.Tensor
    labels: torch.Tensor | None = None
    features: Mapping[str, FeatureSequence] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on ``device``."""
        import torch as _torch

        tensors: dict[str, Any] = {name: value for name, value in self.__dict__.items() if isinstance(value, _torch.Tensor)}
        moved: dict[str, Any] = {name: value.to(device, non_blocking=True) for name, value in tensors.items()}
        if self.features is not None:
            moved["features"] = {name: sequence.to(device) for name, sequence in self.features.items()}
        return replace(self, **moved)


@dataclass(frozen=True, kw_only=True)
class BlockTrace:
    """What one sparse block did to the maps of one branch in one forward pass.

    Attributes:
        attention: float32 (maps, H, W), the attention of eq. 2; 0 at sites that were not active before.
        kept: bool (maps, H, W), the nucleus of eq. 3.
    """

    attention: torch.Tensor
    kept: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """What a model says about a batch, and what it did to find out.

    Attributes:
        logits: float32 (B, L), the fused scores.
        modality_logits: float32 (B, M, L), each branch's own scores; 0 where absent.
        modality_weights: float32 (B, M), weights of the fusion for each utterance; 0 where absent. For additive fusion
            ``logits == (modality_weights[..., None] * modality_logits).sum(1)``.
        multiply_adds: int64 (B,), multiply-adds executed for each utterance (1 multiply-add = 2 FLOPs): in the convolution
            branches and their attention, counted from the active sites; of a model on hand-crafted features, which has no
            such branches, in the whole network, counted from the lengths of its sequences.
        dense_multiply_adds: int64 (B,), the same if nothing were skipped.
        traces: (modality, block) -> BlockTrace, only if asked for; empty for dense models.
    """

    logits: torch.Tensor
    modality_logits: torch.Tensor
    modality_weights: torch.Tensor
    multiply_adds: torch.Tensor
    dense_multiply_adds: torch.Tensor
    traces: Mapping[tuple[str, int], BlockTrace] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the user is told about one clip.

    Attributes:
        id: the utterance's id.
        probabilities: emotion -> calibrated probability in [0, 1]; the emotions are independent, they need not add up to 1.
        thresholds: emotion -> the stored threshold its probability is held against.
        decisions: the emotions at or above their threshold, most probable first.
        modalities_used: the modalities that were present.
        modality_shares: modality -> emotion -> its part of the log-odds of the probability; with ``offsets`` they add up.
        warnings: sentences a user should read.
        cost: named numbers: ``multiply_adds``, ``dense_multiply_adds``, ``seconds_*``.
        offsets: emotion -> what calibration adds to the parts, whoever is seen.
        unsure: the emotions too near to their threshold to call, decided for or not; the model's stored rule says how near.
    """

    id: str
    probabilities: Mapping[str, float]
    thresholds: Mapping[str, float]
    decisions: Sequence[str]
    modalities_used: Sequence[str]
    modality_shares: Mapping[str, Mapping[str, float]]
    warnings: Sequence[str]
    cost: Mapping[str, float]
    offsets: Mapping[str, float] = field(default_factory=dict)
    unsure: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "id": self.id,
            "probabilities": dict(self.probabilities),
            "thresholds": dict(self.thresholds),
            "decisions": list(self.decisions),
            "modalities_used": list(self.modalities_used),
            "unsure": list(self.unsure),
            "modality_shares": {name: dict(shares) for name, shares in self.modality_shares.items()},
            "offsets": dict(self.offsets),
            "warnings": list(self.warnings),
            "cost": dict(self.cost),
        }
