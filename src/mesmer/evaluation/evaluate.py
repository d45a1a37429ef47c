"""One evaluation: a loaded model and a prepared dataset in, the table out."""

from __future__ import annotations

from pathlib import Path

from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.device import choose_device
from mesmer.evaluation.predictions import SplitAnswers, answer_split, turned_to
from mesmer.evaluation.table import Table, make_table
from mesmer.models.loading import LoadedModel


def evaluate_model(
    loaded: LoadedModel, *, data: str | Path, split: str = "test", batch_size: int = 16, top_p: float | None = None
) -> Table:
    """Return the table of a model on a split.

    Args:
        loaded: model, tokenizer and the settings its data were prepared with.
        data: the prepared dataset; its validation split gives the thresholds of the single modalities.
        top_p: nucleus mass of the sparse blocks; None leaves the model's own.

    Raises:
        StaleDatasetError: the dataset was prepared with other settings than the model's training data.
        DataError: the label sets differ, or a split is empty.
        ConfigError: ``top_p`` or ``batch_size`` is refused.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}", field="batch_size", remedy="use a number above 0")
    dataset = PreparedDataset.open(data, settings=loaded.prepare).with_features(loaded.model.settings.features)
    emotions = loaded.model.settings.emotions
    if dataset.emotions != emotions:
        raise DataError(
            f"the data speak of {', '.join(dataset.emotions)}, the model of {', '.join(emotions)}",
            file=data,
            field="emotions",
            remedy="use a model trained on this label set",
        )
    device = choose_device()
    model = loaded.model.to(device)

    def answers(name: str) -> SplitAnswers:
        batches = BatchLoader(
            dataset.split(name),
            tokenizer=loaded.tokenizer,
            mel=model.settings.mel,
            max_tokens=model.settings.text.max_tokens,
            batch_size=batch_size,
            shuffle=False,
            seed=0,
        )
        with turned_to(model, top_p):
            return answer_split(model=model, batches=batches.epoch(0), device=device)

    return make_table(
        split=split,
        emotions=emotions,
        answers=answers(split),
        validation=answers("valid"),
        stored_thresholds=model.thresholds,
    )
