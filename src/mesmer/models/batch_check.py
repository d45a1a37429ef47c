"""Whether a batch fits a model: shapes and counts, checked once before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mesmer.errors import ModelError
from mesmer.records import MODALITIES, Batch, FeatureSequence


def check_batch(batch: Batch, *, face_shape: tuple[int, int, int], chunk_shape: tuple[int, int, int]) -> None:
    """Refuse a batch whose tensors do not fit each other or the model.

    Args:
        face_shape, chunk_shape: channels, height and width of one face and of one chunk.

    Raises:
        ModelError: which tensor does not fit, and how.
    """
    size = len(batch.present)
    if batch.present.shape != (size, len(MODALITIES)) or batch.present.dtype != torch.bool or not size:
        raise ModelError(f"bool (B, {len(MODALITIES)}) with B > 0 is expected", field="present")
    _check_steps(batch.faces, batch.num_faces, face_shape, size, "faces")
    _check_steps(batch.chunks, batch.num_chunks, chunk_shape, size, "chunks")
    if batch.tokens.dim() != 2 or len(batch.tokens) != size or batch.token_mask.shape != batch.tokens.shape:
        raise ModelError(f"tokens and their mask must both be ({size}, T)", field="tokens")


def _check_steps(steps: Tensor, counts: Tensor, shape: tuple[int, int, int], size: int, name: str) -> None:
    if steps.shape[1:] != shape:
        raise ModelError(f"(n, {', '.join(map(str, shape))}) is expected, not {tuple(steps.shape)}", field=name)
    if counts.shape != (size,) or bool((counts < 0).any()) or int(counts.sum()) != len(steps):
        raise ModelError(f"the counts of {size} utterances do not add up to {len(steps)}", field=f"num_{name}")


def check_features(batch: Batch, widths: Mapping[str, int]) -> Mapping[str, FeatureSequence]:
    """Return the batch's features; refuse a batch without them, and features that do not fit or are not finite.

    Args:
        widths: modality -> numbers per step that the model reads.

    Raises:
        ModelError: which modality does not fit, and how.
    """
    size = len(batch.present)
    if batch.present.shape != (size, len(MODALITIES)) or batch.present.dtype != torch.bool or not size:
        raise ModelError(f"bool (B, {len(MODALITIES)}) with B > 0 is expected", field="present")
    if batch.features is None or any(name not in batch.features for name in MODALITIES):
        raise ModelError(
            "the batch has no hand-crafted features", field="features", remedy="compute them: mesmer features DATASET"
        )
    for name in MODALITIES:
        sequence, field = batch.features[name], f"features.{name}"
        values, lengths = sequence.values, sequence.lengths
        if values.dim() != 2 or values.shape[1] != widths[name]:
            raise ModelError(f"(n, {widths[name]}) is expected, not {tuple(values.shape)}", field=field)
        if lengths.shape != (size,) or bool((lengths < 0).any()) or int(lengths.sum()) != len(values):
            raise ModelError(f"the lengths of {size} utterances do not add up to {len(values)}", field=field)
        if not bool(torch.isfinite(values).all()):
            raise ModelError("a feature is not a finite number", field=field, remedy="compute the features again")
    return batch.features
