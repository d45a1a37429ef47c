"""What fine-tuning is worth: the new model beside the zero-shot mapping and the trivial answers, all with intervals.

Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.bootstrap import Interval, intervals_of, replicate
from mesmer.evaluation.measures import measure, per_emotion
from mesmer.evaluation.metrics import positives
from mesmer.evaluation.paired import Difference, compare
from mesmer.evaluation.predictions import SplitAnswers, answer_split
from mesmer.evaluation.table import Resampling
from mesmer.evaluation.trivial import Prior, prior_of, trivial_answers
from mesmer.models.branch_heads import BranchHeads
from mesmer.training.state_cache import SplitStates, StateBatches
from mesmer.training.zero_shot import LabelMap, zero_shot_answers

METRICS: tuple[str, ...] = ("f1", "weighted_accuracy", "auroc", "calibration_error")


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """One answerer on the test split.

    Attributes:
        name, title: as in :class:`~mesmer.evaluation.answers.Answer`.
        average: metric -> mean over labels.
        intervals: metric -> 95 %; None with a single speaker.
        per_label: label -> F1.
        difference: of F1, the new model's less this one's, paired; None for the new model itself.
    """

    name: str
    title: str
    average: Mapping[str, float]
    intervals: Mapping[str, Interval] | None
    per_label: Mapping[str, float]
    difference: Difference | None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "title": self.title,
            "average": dict(self.average),
            "intervals": None if self.intervals is None else {name: list(ends) for name, ends in self.intervals.items()},
            "per_label_f1": dict(self.per_label),
            "difference_f1": None if self.difference is None else self.difference.to_json(),
        }


def compared_rows(
    truth: Truth, answers: Sequence[Answer], prior: Prior, *, resampling: Resampling | None = None
) -> tuple[ComparedRow, ...]:
    """Return a row for each answer and each trivial one. The first answer is the new model's.

    Args:
        resampling: None is 1,000 resamples with seed 0.

    Raises:
        DataError: an answer does not meet the truth.
    """
    how = resampling or Resampling()
    clusters = truth.clusters
    draws = how.draws(clusters)
    rows = []
    for number, answer in enumerate((*answers, *trivial_answers(len(truth.ids), truth.emotions, prior))):
        answered = answer.against(truth)
        each, mean, _ = per_emotion(measure(answered), truth.emotions)
        ends = None if draws is None else intervals_of(replicate(answered, clusters, draws), truth.emotions).average
        paired = None
        if number and how.resamples:
            paired = compare(truth, answers[0], answer, names=("new", answer.name), resampling=how).average["f1"]
        rows.append(
            ComparedRow(
                name=answer.name,
                title=answer.title,
                average={name: getattr(mean, name) for name in METRICS},
                intervals=None if ends is None else {name: ends[name] for name in METRICS},
                per_label={label: each[label].f1 for label in truth.emotions},
                difference=paired,
            )
        )
    return tuple(rows)


def worth(
    old: BranchHeads,
    new: BranchHeads,
    label_map: LabelMap,
    states: Mapping[str, SplitStates],
    *,
    speakers: tuple[str | None, ...],
    resampling: Resampling | None = None,
) -> tuple[ComparedRow, ...]:
    """Return the new model, the mapping and the trivial answers on the test split.

    Args:
        old, new: heads of the existing and of the new model, with their decisions.
        states: of all three splits.
        speakers: of the test split.
    """
    test = states["test"]
    labels = new.settings.emotions
    truth = Truth(ids=test.ids, speakers=speakers, emotions=labels, labels=positives(test.labels))
    said = _said(new, test)
    subset = next(iter(said.probabilities))
    answer = thresholded(
        name="new",
        title="fine-tuned",
        probabilities=said.probabilities[subset],
        emotions=labels,
        thresholds=new.thresholds,
        thresholds_from="chosen on the validation split for highest F1",
        read=said.read[subset],
    )
    mapped = zero_shot_answers(old, label_map, _said(old, test), _said(old, states["valid"]))
    prior = prior_of(states["train"].labels, labels, source="counted on the training split")
    return compared_rows(truth, (answer, *mapped), prior, resampling=resampling)


def _said(heads: BranchHeads, states: SplitStates) -> SplitAnswers:
    batches = StateBatches(states, batch_size=256, shuffle=False, seed=0)
    return answer_split(model=heads, batches=batches.epoch(0), subsets=("TAV",), device=next(heads.parameters()).device)
