"""The table of an evaluation: an answerer, what it does with less, and the trivial answers, side by side, always.

A number says little alone. Answering "none" to every question is right most of the time where emotions are rare, and
answering "all" has an F1 that many a model does not reach; so they stand in every table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.answers import Answer, Truth
from mesmer.evaluation.bootstrap import (
    FEW_CLUSTERS,
    RESAMPLES,
    Clusters,
    Interval,
    Intervals,
    draw,
    intervals_of,
    percentiles,
    replicate,
)
from mesmer.evaluation.confusion import Confusion, OneAnswer, confusion, one_answer, resample_one_answers
from mesmer.evaluation.measures import Measures, measure, per_emotion
from mesmer.evaluation.trivial import Prior, trivial_answers
from mesmer.records import SPLITS


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made.

    Attributes:
        resamples: of the bootstrap; 0 makes no intervals.
        seed: of its draws.
    """

    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 0 or self.seed < 0:
            raise ConfigError("resamples and seed cannot be negative", field="resamples", remedy="use 0 or more")

    def draws(self, clusters: Clusters) -> NDArray[np.float64] | None:
        """Return how often each cluster is drawn, (R, C); None where there are no intervals to make: no resamples, or no
        second cluster.
        """
        if not self.resamples or clusters.count < 2:
            return None
        return draw(clusters.count, resamples=self.resamples, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name, title, thresholds, thresholds_from, unread: as in :class:`~mesmer.evaluation.answers.Answer`.
        per_emotion: emotion -> metrics.
        average: their mean over emotions; ``average.f1`` is macro F1.
        micro_f1: F1 of all yes-or-no questions pooled.
        one_answer: metrics of the one answer; None unless the corpus is single-label.
        one_answer_intervals: metric of the one answer -> 95 % interval; None where there are none, or no one answer.
        intervals: 95 %; None for trivial answers, where there is a single speaker, or where none were asked for.
    """

    name: str
    title: str
    per_emotion: Mapping[str, Measures]
    average: Measures
    micro_f1: float
    one_answer: OneAnswer | None
    thresholds: Mapping[str, float] | None
    thresholds_from: str | None
    unread: int = 0
    intervals: Intervals | None = None
    one_answer_intervals: Mapping[str, Interval] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "title": self.title,
            "average": {**self.average.to_json(), "micro_f1": self.micro_f1},
            "per_emotion": {emotion: scores.to_json() for emotion, scores in self.per_emotion.items()},
            "one_answer": None if self.one_answer is None else self.one_answer.to_json(),
            "one_answer_intervals": _plain(self.one_answer_intervals),
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "thresholds": None if self.thresholds is None else dict(self.thresholds),
            "thresholds_from": self.thresholds_from,
            "unread": self.unread,
        }


@dataclass(frozen=True, kw_only=True)
class Table:
    """An evaluation on some utterances.

    Attributes:
        name: what was evaluated: a split (``test``), or a file.
        emotions: in order.
        positives: emotion -> utterances that carry it.
        utterances: how many there are.
        speakers: known speakers among them.
        clusters: what intervals resample: the speakers, and each utterance whose speaker is unknown.
        resampling: how intervals were made.
        prior: what the trivial answers know.
        rows: the answerer, its single modalities, the trivial answers.
        confusion: of the first row.
        warnings: sentences that belong above the numbers.
        multiply_adds, dense_multiply_adds: mean per utterance, of the first row; None for scores from elsewhere.
    """

    name: str
    emotions: tuple[str, ...]
    positives: Mapping[str, int]
    utterances: int
    speakers: int
    clusters: int
    resampling: Resampling
    prior: Prior
    rows: tuple[Row, ...]
    confusion: Confusion
    warnings: tuple[str, ...] = ()
    multiply_adds: float | None = None
    dense_multiply_adds: float | None = None

    def row(self, name: str) -> Row:
        """Return the row of that name.

        Raises:
            DataError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise DataError(f"the table has no row '{name}'", field="row")

    @property
    def title(self) -> str:
        """What was evaluated, for people: ``test split``."""
        return title_of(self.name)

    @property
    def caption(self) -> str:
        """What must be known to read the numbers, in sentences."""
        return " ".join(_caption(self))

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "split": self.name,
            "utterances": self.utterances,
            "speakers": self.speakers,
            "clusters": self.clusters,
            "resamples": self.resampling.resamples,
            "seed": self.resampling.seed,
            "emotions": list(self.emotions),
            "positives": dict(self.positives),
            "prior": self.prior.to_json(),
            "warnings": list(self.warnings),
            "rows": [row.to_json() for row in self.rows],
            "confusion": self.confusion.to_json(),
            "multiply_adds": self.multiply_adds,
            "dense_multiply_adds": self.dense_multiply_adds,
            "caption": self.caption,
        }


def title_of(name: str) -> str:
    """Return the words for a split or a file."""
    return f"{name} split" if name in SPLITS else name


def make_table(
    *,
    name: str,
    truth: Truth,
    answers: Sequence[Answer],
    prior: Prior,
    resampling: Resampling | None = None,
    warnings: Sequence[str] = (),
    multiply_adds: float | None = None,
    dense_multiply_adds: float | None = None,
) -> Table:
    """Return the table of some answers; the trivial ones are added here.

    Args:
        name: of the split or file.
        answers: the first is the one the table is about.
        prior: for the trivial answers; counted where the answerer may look, not on ``truth``, if there is such a place.
        resampling: None is 1,000 resamples with seed 0.

    Raises:
        DataError: an answer does not meet the truth.
    """
    how = resampling or Resampling()
    clusters = truth.clusters
    draws = how.draws(clusters)
    rows = []
    for answer in (*answers, *trivial_answers(len(truth.ids), truth.emotions, prior)):
        answered = answer.against(truth)
        each, mean, micro = per_emotion(measure(answered), truth.emotions)
        drawn = None if draws is None or answer.trivial else replicate(answered, clusters, draws)
        rows.append(
            Row(
                name=answer.name,
                title=answer.title,
                per_emotion=each,
                average=mean,
                micro_f1=micro,
                one_answer=one_answer(truth, answer),
                thresholds=answer.thresholds,
                thresholds_from=answer.thresholds_from,
                unread=answer.unread,
                intervals=None if drawn is None else intervals_of(drawn, truth.emotions),
                one_answer_intervals=None if drawn is None else _one_answer_intervals(truth, answer, clusters, draws),
            )
        )
    return Table(
        name=name,
        emotions=truth.emotions,
        positives={name: int(count) for name, count in zip(truth.emotions, truth.labels.sum(axis=0), strict=True)},
        utterances=len(truth.ids),
        speakers=clusters.speakers,
        clusters=clusters.count,
        resampling=how,
        prior=prior,
        rows=tuple(rows),
        confusion=confusion(truth, answers[0]),
        warnings=tuple(warnings),
        multiply_adds=multiply_adds,
        dense_multiply_adds=dense_multiply_adds,
    )


def _one_answer_intervals(
    truth: Truth, answer: Answer, clusters: Clusters, draws: NDArray[np.float64] | None
) -> dict[str, Interval] | None:
    if draws is None or not truth.single_label:
        return None
    return {name: percentiles(values) for name, values in resample_one_answers(truth, answer, clusters, draws).items()}


def _plain(intervals: Mapping[str, Interval] | None) -> dict[str, list[float]] | None:
    return None if intervals is None else {name: list(ends) for name, ends in intervals.items()}


def _caption(table: Table) -> list[str]:
    first = table.rows[0]
    said = ["Averages are over emotions; their F1 is macro F1. WAcc is the weighted accuracy, which is balanced accuracy."]
    if first.thresholds_from:
        said.append(f"Thresholds of '{first.title}': {first.thresholds_from}.")
    if {"T", "A", "V"} & {row.name for row in table.rows[1:]}:
        said.append(
            "The rows of a single modality come from the same checkpoint with the other modalities hidden, each with "
            "thresholds chosen for it on the validation split: none is held down by thresholds made for another input."
        )
    said.append(f"The other rows are trivial answers; shares of the prior: {table.prior.source}.")
    said.append(_about_intervals(table))
    empty = [name for name, count in table.positives.items() if not count]
    full = [name for name, count in table.positives.items() if count == table.utterances]
    if empty or full:
        which = ", ".join(f"'{name}'" for name in empty + full)
        said.append(f"Carried by no utterance, or by all: {which}; what is undefined there has a fixed value.")
    return said


def _about_intervals(table: Table) -> str:
    if table.rows[0].intervals is None:
        return "No intervals: " + ("none were asked for." if table.clusters > 1 else "they need two speakers or more.")
    unknown = table.clusters - table.speakers
    drawn = [f"{table.speakers} speakers"] if table.speakers else []
    drawn += [f"{unknown} utterances without a known speaker"] if unknown else []
    text = f"Intervals: 95 %, {table.resampling.resamples} bootstrap resamples of {' and '.join(drawn)}."
    few = (
        f" They are too narrow: fewer than {FEW_CLUSTERS} were there to resample." if table.clusters < FEW_CLUSTERS else ""
    )
    return text + few
