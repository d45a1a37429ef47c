"""Clips to a packed batch: what is absent has no steps, and nothing is padded but tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import MelSettings
from mesmer.errors import DataError
from mesmer.records import FACE_PX, MODALITIES, Batch, Clip, FeatureSequence
from mesmer.signals.mel import mel_chunks
from mesmer.signals.text import TextTokenizer


def collate(
    clips: Sequence[Clip],
    labels: NDArray[np.float32] | None,
    *,
    tokenizer: TextTokenizer,
    mel: MelSettings,
    max_tokens: int,
) -> Batch:
    """Return clips as a batch, in their order. A clip's steps and tokens do not depend on the clips beside it.

    Args:
        clips: B clips.
        labels: float32 (B, L), or None where unlabelled.
        tokenizer: splits the transcripts.
        mel: how sound becomes spectrogram chunks.
        max_tokens: longer transcripts are cut.

    Raises:
        DataError: there is no clip, or labels are not one row per clip.
    """
    return pack(clips, [clip_chunks(clip, mel) for clip in clips], labels, tokenizer=tokenizer, max_tokens=max_tokens)


def clip_chunks(clip: Clip, mel: MelSettings) -> NDArray[np.float32]:
    """Return the spectrogram chunks of a clip, float32 (S, bands, frames); none where the sound is absent."""
    if "audio" in clip.absent:
        return np.zeros((0, mel.num_bands, mel.chunk_frames), dtype=np.float32)
    return mel_chunks(clip.waveform, mel)


def pack(
    clips: Sequence[Clip],
    chunks: Sequence[NDArray[np.float32]],
    labels: NDArray[np.float32] | None,
    *,
    tokenizer: TextTokenizer,
    max_tokens: int,
) -> Batch:
    """Return clips whose spectrogram chunks are at hand as a batch. Raises as :func:`collate`."""
    if not clips:
        raise DataError("a batch needs at least one clip")
    if labels is not None and (labels.ndim != 2 or len(labels) != len(clips)):
        raise DataError(f"labels of shape {labels.shape} do not fit {len(clips)} clips", field="labels")
    nothing = np.zeros((0, FACE_PX, FACE_PX, 3), dtype=np.uint8)
    faces = [nothing if "visual" in clip.absent else clip.faces for clip in clips]
    tokens, token_mask = tokenizer.encode(["" if "text" in clip.absent else clip.text for clip in clips], max_tokens)
    return Batch(
        ids=tuple(clip.id for clip in clips),
        faces=torch.from_numpy(np.concatenate(faces)).permute(0, 3, 1, 2).contiguous(),
        num_faces=torch.tensor([len(steps) for steps in faces], dtype=torch.int64),
        chunks=torch.from_numpy(np.concatenate(chunks))[:, None],
        num_chunks=torch.tensor([len(steps) for steps in chunks], dtype=torch.int64),
        tokens=tokens,
        token_mask=token_mask,
        present=torch.tensor([clip.present for clip in clips], dtype=torch.bool),
        labels=None if labels is None else torch.from_numpy(np.array(labels, dtype=np.float32)),
        features=_pack_features(clips),
    )


def _pack_features(clips: Sequence[Clip]) -> dict[str, FeatureSequence] | None:
    """Return the clips' hand-crafted features, packed; None where a clip carries none."""
    carried = [clip.features for clip in clips if clip.features is not None]
    if len(carried) < len(clips):
        return None
    packed = {}
    for name in MODALITIES:
        steps = [
            features[name][:0] if name in clip.absent else features[name]
            for clip, features in zip(clips, carried, strict=True)
        ]
        packed[name] = FeatureSequence(
            values=torch.from_numpy(np.concatenate(steps)),
            lengths=torch.tensor([len(values) for values in steps], dtype=torch.int64),
        )
    return packed
