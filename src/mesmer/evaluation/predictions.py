"""What a model answers on a whole split, with all modalities or with some of them hidden.

One forward pass per batch and modality subset; hiding happens in ``Batch.present``, so one checkpoint serves every subset.
Shape letters: N utterances of the split, B of a batch, M modalities, L emotions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.models.base import EmotionModel
from mesmer.records import MODALITIES, Batch

SUBSETS: tuple[str, ...] = ("TAV", "T", "A", "V")
"""The rows of a model in every table: all modalities, then each alone. Letters are the modalities' first ones."""


@dataclass(frozen=True, kw_only=True)
class SplitAnswers:
    """A model's answers on one split, in the order of the split.

    Attributes:
        ids: N utterance ids.
        labels: float32 (N, L).
        logits: subset -> float64 (N, L), as the model gave them, 0 where there was nothing to read.
        read: subset -> bool (N,), whether there was something to read.
        probabilities: subset -> float64 (N, L), calibrated as the model says. An utterance of which the subset has nothing
            (the picture alone, of a clip without one) is answered with probability 0: it stays in every count, and nothing
            is guessed for it.
        multiply_adds, dense_multiply_adds: int64 (N,), counted with all modalities, sparse and if nothing were skipped.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.float32]
    logits: dict[str, NDArray[np.float64]]
    read: dict[str, NDArray[np.bool_]]
    probabilities: dict[str, NDArray[np.float64]]
    multiply_adds: NDArray[np.int64]
    dense_multiply_adds: NDArray[np.int64]

    @property
    def unread(self) -> dict[str, int]:
        """Subset -> how many utterances it had nothing of."""
        return {subset: int((~read).sum()) for subset, read in self.read.items()}


@torch.no_grad()
def answer_split(
    *, model: EmotionModel, batches: Iterable[Batch], subsets: Sequence[str] = SUBSETS, device: torch.device | str = "cpu"
) -> SplitAnswers:
    """Run ``model`` over the batches of one split and return its answers; the model's mode is put back afterwards.

    Args:
        model: on ``device``.
        batches: labelled batches, each utterance once.
        subsets: letters of the modalities to leave visible, such as ``TAV`` or ``A``.

    Raises:
        DataError: the split is empty, or a batch has no labels.
    """
    ids: list[str] = []
    labels: list[NDArray[np.float32]] = []
    logits: dict[str, list[torch.Tensor]] = {subset: [] for subset in subsets}
    readable: dict[str, list[torch.Tensor]] = {subset: [] for subset in subsets}
    costs: list[tuple[torch.Tensor, torch.Tensor]] = []
    was_training = model.training
    model.eval()
    try:
        for batch in batches:
            if batch.labels is None:
                raise DataError("an utterance has no labels", field="labels", remedy="evaluate on a labelled split")
            ids.extend(batch.ids)
            labels.append(batch.labels.cpu().numpy())
            moved = batch.to(device)
            for subset in subsets:
                output = model(show_only(moved, subset))
                logits[subset].append(output.logits.double().cpu())
                readable[subset].append((output.modality_weights != 0).any(dim=1).cpu())
                if subset == subsets[0]:
                    costs.append((output.multiply_adds.cpu(), output.dense_multiply_adds.cpu()))
    finally:
        model.train(was_training)
    if not ids:
        raise DataError("the split is empty", field="split", remedy="choose a split that holds utterances")
    seen = {subset: torch.cat(parts) for subset, parts in readable.items()}
    said = {subset: torch.cat(parts) * seen[subset][:, None] for subset, parts in logits.items()}
    return SplitAnswers(
        ids=tuple(ids),
        labels=np.concatenate(labels),
        logits={subset: values.numpy() for subset, values in said.items()},
        read={subset: mask.numpy() for subset, mask in seen.items()},
        probabilities={s: (model.probabilities(values) * seen[s][:, None]).numpy() for s, values in said.items()},
        multiply_adds=torch.cat([executed for executed, _ in costs]).numpy(),
        dense_multiply_adds=torch.cat([dense for _, dense in costs]).numpy(),
    )


@contextlib.contextmanager
def turned_to(model: EmotionModel, top_p: float | None) -> Iterator[None]:
    """Turn the dial ``top_p`` of a model for a while; None leaves it.

    Raises:
        ConfigError: ``top_p`` is not in (0, 1].
    """
    before = model.top_p
    if top_p is not None:
        model.top_p = top_p
    try:
        yield
    finally:
        model.top_p = before


def show_only(batch: Batch, subset: str) -> Batch:
    """Return the batch with only the modalities of ``subset`` present (those that were).

    Raises:
        DataError: a letter names no modality.
    """
    letters = [name[0].upper() for name in MODALITIES]
    unknown = [letter for letter in subset if letter not in letters]
    if unknown or not subset:
        raise DataError(f"'{subset}' is no subset of the modalities", field="subset", remedy="use letters of TAV")
    shown = torch.tensor([letter in subset for letter in letters], device=batch.present.device)
    return replace(batch, present=batch.present & shown)
