"""A trained model and a prepared dataset brought together: opened if they fit, and a split answered in its order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.errors import DataError
from mesmer.evaluation.device import choose_device
from mesmer.evaluation.predictions import SplitAnswers, answer_split, turned_to
from mesmer.models.loading import LoadedModel


def open_fitting(loaded: LoadedModel, data: str | Path) -> PreparedDataset:
    """Open a dataset for a model, with the features that it reads.

    Raises:
        StaleDatasetError: the dataset was prepared with other settings than the model's training data.
        DataError: there is no such dataset, or the label sets differ.
    """
    dataset = PreparedDataset.open(data, settings=loaded.prepare).with_features(loaded.model.settings.features)
    emotions = loaded.model.settings.emotions
    if dataset.emotions != emotions:
        raise DataError(
            f"the data speak of {', '.join(dataset.emotions)}, the model of {', '.join(emotions)}",
            file=data,
            field="emotions",
            remedy="use a model trained on this label set",
        )
    return dataset


def in_order(loaded: LoadedModel, rows: PreparedSplit, *, batch_size: int) -> BatchLoader:
    """Return the utterances of a split as batches for a model, in the order of the split."""
    settings = loaded.model.settings
    return BatchLoader(
        rows,
        tokenizer=loaded.tokenizer,
        mel=settings.mel,
        max_tokens=settings.text.max_tokens,
        batch_size=batch_size,
        shuffle=False,
        seed=0,
    )


def answer_rows(
    loaded: LoadedModel,
    rows: PreparedSplit,
    *,
    subsets: Sequence[str],
    batch_size: int,
    top_p: float | None = None,
) -> SplitAnswers:
    """Return what a model, moved to the device at hand, answers on a split; raises as :func:`answer_split` does.

    Args:
        subsets: letters of the modalities to leave visible, such as ``TAV`` or ``A``.
        batch_size: utterances at a time.
        top_p: nucleus mass of the sparse blocks; None leaves the model's own.

    Raises:
        ConfigError: ``top_p`` is not in (0, 1].
    """
    device = choose_device()
    model, batches = loaded.model.to(device), in_order(loaded, rows, batch_size=batch_size)
    with turned_to(model, top_p):
        return answer_split(model=model, batches=batches.epoch(0), subsets=subsets, device=device)
