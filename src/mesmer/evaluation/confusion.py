"""What is taken for what. Where every utterance carries exactly one emotion: confusion of the one answer. Else: which
emotions are decided where which are expressed.

Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.evaluation.answers import Answer, Truth
from mesmer.evaluation.bootstrap import Clusters
from mesmer.evaluation.metrics import share

NO_ANSWER = "no answer"


@dataclass(frozen=True, kw_only=True)
class OneAnswer:
    """The one emotion of highest probability, held against the one that is expressed; only for single-label corpora.

    Attributes:
        accuracy: share of utterances answered right.
        balanced_accuracy: mean recall over the emotions that occur: the unweighted average recall (UAR).
        macro_f1: mean over all emotions of the F1 of the one answer; 0 for an emotion neither expressed nor answered.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float

    def to_json(self) -> dict[str, float]:
        """Return metric -> value."""
        return {"accuracy": self.accuracy, "balanced_accuracy": self.balanced_accuracy, "macro_f1": self.macro_f1}


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of what is answered (columns) where what is expressed (rows).

    Attributes:
        kind: ``confusion`` (one answer per utterance; a last column counts those without one) or ``co-occurrence``
            (decisions; an utterance counts in every row and column it has).
        rows, columns: names.
        counts: int64 (rows, columns).
        totals: int64 (rows,), utterances that carry the emotion.
        expressed_together: int64 (L, L), utterances that carry both, whatever was answered.
    """

    kind: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    expressed_together: NDArray[np.int64]

    def shares(self) -> NDArray[np.float64]:
        """Return the counts as shares of the utterances of their row; 0 where there is none."""
        return share(self.counts, self.totals[:, None])

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "kind": self.kind,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "counts": self.counts.tolist(),
            "totals": self.totals.tolist(),
            "expressed_together": self.expressed_together.tolist(),
        }


def confusion(truth: Truth, answer: Answer) -> Confusion:
    """Return the confusion of a single-label truth, the co-occurrence of any other."""
    labels = truth.labels.astype(np.int64)
    if truth.single_label:
        kind, columns, said = "confusion", (*truth.emotions, NO_ANSWER), np.eye(len(truth.emotions) + 1, dtype=np.int64)
        said = said[one_answers(answer.probabilities)]
    else:
        kind, columns, said = "co-occurrence", truth.emotions, answer.decisions.astype(np.int64)
    return Confusion(
        kind=kind,
        rows=truth.emotions,
        columns=columns,
        counts=labels.T @ said,
        totals=labels.sum(axis=0),
        expressed_together=labels.T @ labels,
    )


def one_answers(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the emotion of highest probability (N,); L, no answer, where several share it: that is not one answer."""
    best = probabilities.max(axis=1, keepdims=True)
    tied = (probabilities == best).sum(axis=1) > 1
    return np.where(tied, probabilities.shape[1], probabilities.argmax(axis=1))


def one_answer(truth: Truth, answer: Answer) -> OneAnswer | None:
    """Return the metrics of the one answer; None where the truth is not single-label."""
    return score_one_answers(truth.labels, answer.probabilities) if truth.single_label else None


def score_one_answers(labels: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> OneAnswer:
    """Return the metrics of the one answer to labels (N, L) of one emotion each."""
    values = _scores(_counts(labels, probabilities, np.zeros(len(labels), dtype=np.int64), 1))
    return OneAnswer(**{name: float(each[0]) for name, each in values.items()})


def resample_one_answers(
    truth: Truth, answer: Answer, clusters: Clusters, draws: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return metric of the one answer -> (R,), with whole clusters drawn as often as ``draws`` (R, C) says."""
    of_cluster = _counts(truth.labels, answer.probabilities, clusters.of, clusters.count)
    drawn = draws @ of_cluster.reshape(clusters.count, -1)
    return _scores(drawn.reshape(len(draws), *of_cluster.shape[1:]))


def _counts(
    labels: NDArray[np.bool_], probabilities: NDArray[np.float64], cluster_of: NDArray[np.int64], clusters: int
) -> NDArray[np.float64]:
    """Return expressed emotion by answer in each cluster, (C, L, L + 1); the last answer is none."""
    size = labels.shape[1]
    cell = (cluster_of * size + labels.argmax(axis=1)) * (size + 1) + one_answers(probabilities)
    return np.bincount(cell, minlength=clusters * size * (size + 1)).reshape(clusters, size, size + 1).astype(np.float64)


def _scores(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return metric -> (R,) from expressed emotion by answer, (R, L, L + 1)."""
    right, expressed, said = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts[..., :-1].sum(axis=1)
    return {
        "accuracy": right.sum(axis=1) / expressed.sum(axis=1),
        "balanced_accuracy": share(right, expressed).sum(axis=1) / (expressed > 0).sum(axis=1),
        "macro_f1": share(2 * right, expressed + said).mean(axis=1),
    }
