"""The table of an evaluation: the model, each single modality, and the trivial answers, side by side, always.

A number says little alone. Answering "none" to every question is right most of the time where emotions are rare, and
answering "all" has an F1 that many a model does not reach; so both stand in every table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesmer.errors import DataError
from mesmer.evaluation.metrics import Scores, positives, score_emotions
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.thresholds import choose_thresholds, decide

CAPTION = (
    "Averages are over emotions. The full model uses the thresholds stored with it. The rows of a single modality come "
    "from the same checkpoint with the other modalities hidden, each with thresholds chosen for it on the validation "
    "split, so that none of them is held down by thresholds made for another input. 'none' and 'all' are the trivial "
    "answers."
)

ROW_TITLES: Mapping[str, str] = {
    "TAV": "text + audio + visual",
    "T": "text alone",
    "A": "audio alone",
    "V": "visual alone",
    "none": "answer none",
    "all": "answer all",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: ``TAV``, ``T``, ``A``, ``V``, ``none`` or ``all``.
        per_emotion: emotion -> metrics.
        average: their mean over emotions.
        thresholds: emotion -> threshold used; None for the trivial answers.
        unread: utterances of which this row had nothing to read; they are answered "none" and stay in every count.
    """

    name: str
    per_emotion: Mapping[str, Scores]
    average: Scores
    thresholds: Mapping[str, float] | None
    unread: int = 0

    @property
    def title(self) -> str:
        return ROW_TITLES.get(self.name, self.name)

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "title": self.title,
            "average": self.average.to_json(),
            "per_emotion": {emotion: scores.to_json() for emotion, scores in self.per_emotion.items()},
            "thresholds": None if self.thresholds is None else dict(self.thresholds),
            "unread": self.unread,
        }


@dataclass(frozen=True, kw_only=True)
class Table:
    """An evaluation on one split.

    Attributes:
        split: which split.
        emotions: L names, the columns.
        positives: emotion -> number of utterances that carry it.
        utterances: N.
        rows: the model, the single modalities, the trivial answers.
        multiply_adds, dense_multiply_adds: mean per utterance in the convolution branches, executed and if nothing were
            skipped (1 multiply-add = 2 FLOPs).
    """

    split: str
    emotions: tuple[str, ...]
    positives: Mapping[str, int]
    utterances: int
    rows: tuple[Row, ...]
    multiply_adds: float
    dense_multiply_adds: float
    caption: str = CAPTION

    def row(self, name: str) -> Row:
        """Return the row of that name.

        Raises:
            DataError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise DataError(f"the table has no row '{name}'", field="row")

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "split": self.split,
            "utterances": self.utterances,
            "emotions": list(self.emotions),
            "positives": dict(self.positives),
            "rows": [row.to_json() for row in self.rows],
            "multiply_adds": self.multiply_adds,
            "dense_multiply_adds": self.dense_multiply_adds,
            "caption": self.caption,
        }


def make_table(
    *,
    split: str,
    emotions: Sequence[str],
    answers: SplitAnswers,
    validation: SplitAnswers,
    stored_thresholds: Mapping[str, float],
) -> Table:
    """Return the table of one split.

    Args:
        answers: the model's answers on the split; the first subset is the full model.
        validation: its answers on the validation split, for the thresholds of the other subsets.
        stored_thresholds: the thresholds saved with the model, for the full model.

    Raises:
        DataError: the answers and the emotions do not meet.
    """
    truth = positives(answers.labels)
    full, *parts = answers.probabilities
    rows = [_model_row(full, emotions, answers, stored_thresholds)]
    for subset in parts:
        chosen = choose_thresholds(validation.labels, validation.probabilities[subset], emotions)
        rows.append(_model_row(subset, emotions, answers, chosen))
    return Table(
        split=split,
        emotions=tuple(emotions),
        positives={name: int(truth[:, i].sum()) for i, name in enumerate(emotions)},
        utterances=len(answers.ids),
        rows=(*rows, *trivial_rows(truth, emotions)),
        multiply_adds=float(answers.multiply_adds.mean()),
        dense_multiply_adds=float(answers.dense_multiply_adds.mean()),
    )


def trivial_rows(labels: ArrayLike, emotions: Sequence[str]) -> tuple[Row, Row]:
    """Return the rows of the answers "none" and "all".

    Args:
        labels: bool (N, L), or scores of which those above 0 count.
    """
    truth = positives(labels)
    return (
        _row("none", emotions, truth, np.zeros_like(truth), None, 0),
        _row("all", emotions, truth, np.ones_like(truth), None, 0),
    )


def _model_row(subset: str, emotions: Sequence[str], answers: SplitAnswers, thresholds: Mapping[str, float]) -> Row:
    probabilities = answers.probabilities[subset]
    # A threshold of 0 would decide everything for an utterance that was not read at all.
    decisions = decide(probabilities, thresholds, emotions) & (probabilities > 0)
    return _row(subset, emotions, positives(answers.labels), decisions, thresholds, answers.unread[subset])


def _row(
    name: str,
    emotions: Sequence[str],
    truth: NDArray[np.bool_],
    decisions: NDArray[np.bool_],
    thresholds: Mapping[str, float] | None,
    unread: int,
) -> Row:
    per_emotion, mean = score_emotions(truth, decisions, emotions)
    return Row(name=name, per_emotion=per_emotion, average=mean, thresholds=thresholds, unread=unread)
