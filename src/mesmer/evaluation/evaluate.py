"""One evaluation of a model: a loaded model and a prepared dataset in, the table out, with what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.errors import ConfigError
from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.calibration import thresholds_of
from mesmer.evaluation.leakage import leakage_warnings
from mesmer.evaluation.metrics import positives
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.reading import answer_rows, open_fitting
from mesmer.evaluation.table import Resampling, Table, make_table
from mesmer.evaluation.thresholds import DEFAULT_THRESHOLD
from mesmer.evaluation.trivial import Prior, prior_of
from mesmer.models.base import EmotionModel
from mesmer.models.loading import LoadedModel
from mesmer.records import MODALITIES

STORED = "stored in the model, chosen on its validation split for highest F1"
UNCHOSEN = f"{DEFAULT_THRESHOLD} for every emotion"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A table, and what it was made of.

    Attributes:
        table: the numbers.
        truth: of the utterances.
        answers: the answerers, without the trivial ones; the table is about the first.
        uncalibrated: the first one's probabilities without calibration (N, L); None for scores from elsewhere.
        margins: emotion -> stored margin of "unsure"; None where no rule is stored.
    """

    table: Table
    truth: Truth
    answers: tuple[Answer, ...]
    uncalibrated: NDArray[np.float64] | None = field(default=None, repr=False)
    margins: Mapping[str, float] | None = None


def evaluate_model(
    loaded: LoadedModel,
    *,
    data: str | Path,
    split: str = "test",
    batch_size: int = 16,
    top_p: float | None = None,
    thresholds: Mapping[str, float] | float | None = None,
    resampling: Resampling | None = None,
    subsets: Sequence[str] | None = None,
) -> Evaluation:
    """Evaluate a model on a split.

    Args:
        loaded: model, tokenizer and the settings its data were prepared with.
        data: the prepared dataset; its validation split gives the thresholds of the single modalities, which are left out
            where it is empty; its training split gives the prior of the trivial answers.
        top_p: nucleus mass of the sparse blocks; None leaves the model's own.
        thresholds: of the full model; None takes those stored in it, a number is one for all.
        resampling: of the intervals; None is 1,000 resamples with seed 0.
        subsets: letters of the modalities to leave visible, the full model first; None is all of the model's, and
            each alone.

    Raises:
        StaleDatasetError: the dataset was prepared with other settings than the model's training data.
        DataError: the label sets differ, or a split is empty.
        ConfigError: ``top_p`` or ``batch_size`` is refused.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}", field="batch_size", remedy="use a number above 0")
    dataset, model = open_fitting(loaded, data), loaded.model
    shown = tuple(subsets) if subsets else subsets_of(model)
    if not len(dataset.split("valid")):
        shown = shown[:1]  # nothing to choose the thresholds of the others on

    def answered(name: str, of: Sequence[str]) -> SplitAnswers:
        return answer_rows(loaded, dataset.split(name), subsets=of, batch_size=batch_size, top_p=top_p)

    said = answered(split, shown)
    validation = answered("valid", shown[1:]) if shown[1:] else None
    truth = _truth(dataset.split(split), said)
    answers = _model_answers(model, said, validation, thresholds)
    fingerprint = loaded.extra.get("data")
    table = make_table(
        name=split,
        truth=truth,
        answers=answers,
        prior=_prior(dataset, truth),
        resampling=resampling,
        warnings=(
            *dataset.facts.notes,
            *leakage_warnings(dataset, split, trained_on=fingerprint if isinstance(fingerprint, str) else None),
        ),
        multiply_adds=float(said.multiply_adds.mean()),
        dense_multiply_adds=float(said.dense_multiply_adds.mean()),
    )
    logits = torch.from_numpy(said.logits[shown[0]])
    raw = (logits.softmax(dim=1) if model.settings.exclusive else logits.sigmoid()).numpy() * said.read[shown[0]][:, None]
    return Evaluation(
        table=table,
        truth=truth,
        answers=answers,
        uncalibrated=raw,
        margins=model.unsure_margins if any(model.unsure_margins.values()) else None,
    )


def subsets_of(model: EmotionModel) -> tuple[str, ...]:
    """Return all modalities of the model, then each alone if there are several: ``TAV``, ``T``, ``A``, ``V``."""
    letters = [name[0].upper() for name in model.modalities]
    return ("".join(letters), *(letters if len(letters) > 1 else ()))


def subset_title(subset: str) -> str:
    """Return the words for a subset: ``text + audio`` for ``TA``, ``text alone`` for ``T``."""
    names = [name for name in MODALITIES if name[0].upper() in subset]
    return " + ".join(names) if len(names) > 1 else f"{names[0]} alone"


def _model_answers(
    model: EmotionModel,
    said: SplitAnswers,
    validation: SplitAnswers | None,
    thresholds: Mapping[str, float] | float | None,
) -> tuple[Answer, ...]:
    """Return the answer of each subset; the first uses the model's thresholds or those given, the others choose theirs."""
    emotions = model.settings.emotions
    answers = []
    for number, subset in enumerate(said.probabilities):
        if number == 0:
            unchosen = set(model.thresholds.values()) == {DEFAULT_THRESHOLD}
            limits, source = model.thresholds, UNCHOSEN if unchosen else STORED
            if thresholds is not None:
                limits, source = named_thresholds(thresholds, emotions)
        else:
            assert validation is not None
            limits = thresholds_of(model, validation, subset)
            source = "chosen on the validation split for highest F1, with only this modality"
        answers.append(
            thresholded(
                name=subset,
                title=subset_title(subset),
                probabilities=said.probabilities[subset],
                emotions=emotions,
                thresholds=limits,
                thresholds_from=source,
                read=said.read[subset],
            )
        )
    return tuple(answers)


def named_thresholds(
    thresholds: Mapping[str, float] | float | None, emotions: tuple[str, ...]
) -> tuple[dict[str, float], str]:
    """Return thresholds that were given and where they come from, in words.

    Raises:
        ConfigError: a threshold is not in [0, 1].
    """
    if isinstance(thresholds, Mapping):
        return {name: thresholds[name] for name in emotions}, "given, for each emotion"
    value = DEFAULT_THRESHOLD if thresholds is None else float(thresholds)
    if not 0 <= value <= 1:
        raise ConfigError(f"the threshold is {value}", field="thresholds", remedy="use a number from 0 to 1")
    return dict.fromkeys(emotions, value), f"{value:g} for every emotion"


def _truth(split: PreparedSplit, said: SplitAnswers) -> Truth:
    speaker_of = dict(zip(split.ids, split.speakers, strict=True))
    return Truth(
        ids=said.ids,
        speakers=tuple(speaker_of[name] for name in said.ids),
        emotions=split.emotions,
        labels=positives(said.labels),
    )


def _prior(dataset: PreparedDataset, truth: Truth) -> Prior:
    """Return the prior of the training split; of the evaluated utterances where that is empty or unlabelled."""
    train = dataset.split("train")
    labels = train.labels_of(range(len(train))) if len(train) else None
    if labels is None:
        return prior_of(truth.labels, dataset.emotions, source="counted on these very utterances")
    return prior_of(labels, dataset.emotions, source="counted on the training split")
