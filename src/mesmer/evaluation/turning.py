"""Turn the dial of a trained model for good: another p, and all that hangs on it fitted anew on the validation split.

Calibration, thresholds and margins belong to the p that they were fitted at; a model that only gets another p keeps those
of its old one, which are a little off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.calibration import settle_decisions
from mesmer.evaluation.metrics import score_emotions
from mesmer.evaluation.reading import answer_rows, open_fitting
from mesmer.evaluation.thresholds import decide
from mesmer.models.loading import LoadedModel
from mesmer.models.saving import save_model


@dataclass(frozen=True, kw_only=True)
class Turned:
    """What turning came to.

    Attributes:
        top_p: as it is now.
        valid_f1: average F1 on the validation split, 0 to 1, with the thresholds chosen there.
        multiply_adds, dense_multiply_adds: of an utterance, on average, as executed and as the dense network would.
    """

    top_p: float
    valid_f1: float
    multiply_adds: float
    dense_multiply_adds: float


def turn_model(
    loaded: LoadedModel,
    out: str | Path,
    *,
    data: str | Path,
    top_p: float,
    batch_size: int = 16,
    train: Mapping[str, Any] | None = None,
) -> Turned:
    """Save a copy of a model at another p, decided anew on the validation split of its data.

    Args:
        loaded: the model; it is turned, too.
        out: folder of the copy; an older saved model there is replaced.
        data: the prepared dataset that the model was trained on.
        top_p: nucleus mass of the sparse blocks, in (0, 1].
        batch_size: utterances at a time.
        train: settings of its training, to be kept with the copy, plain types; None keeps what it has.

    Raises:
        StaleDatasetError: the dataset was prepared with other settings than the model's training data.
        DataError: the label sets differ, or the validation split is empty.
        ConfigError: the model has no dial, or a number is refused.
        MesmerError: the folder cannot be written.
    """
    model = loaded.model
    if model.settings.name != "mesm" or model.settings.sparse.mask == "dense":
        raise ConfigError("the model has no dial: it looks at everything", file=loaded.folder, field="--top-p")
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}", field="batch_size", remedy="use a number above 0")
    dataset = open_fitting(loaded, data)
    split = dataset.split("valid")
    if not len(split):
        raise DataError("there is no validation split to decide on", file=data, field="split")
    model.top_p = top_p
    said = answer_rows(loaded, split, subsets=("TAV",), batch_size=batch_size)
    decisions = decide(settle_decisions(model, said), model.thresholds, dataset.emotions)
    extra = {**loaded.extra, **({"train": dict(train)} if train else {})}
    save_model(model, out, tokenizer=loaded.tokenizer, prepare=loaded.prepare, extra=extra)
    return Turned(
        top_p=model.top_p,
        valid_f1=float(score_emotions(said.labels, decisions, dataset.emotions)[1].f1),
        multiply_adds=float(said.multiply_adds.mean()),
        dense_multiply_adds=float(said.dense_multiply_adds.mean()),
    )
