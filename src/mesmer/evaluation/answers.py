"""The truth of some utterances, and what somebody answered: the two things every number of an evaluation is made of.

Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.evaluation.bootstrap import Clusters, clusters_of
from mesmer.evaluation.measures import Answered
from mesmer.evaluation.thresholds import decide


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is expressed in each utterance.

    Attributes:
        ids: N utterance ids, no two alike.
        speakers: N names, None where unknown.
        emotions: L names.
        labels: bool (N, L).
    """

    ids: tuple[str, ...]
    speakers: tuple[str | None, ...]
    emotions: tuple[str, ...]
    labels: NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        size = len(self.ids)
        if len(self.speakers) != size or self.labels.shape != (size, len(self.emotions)):
            raise DataError(
                f"{size} ids, {len(self.speakers)} speakers, {len(self.emotions)} emotions and labels "
                f"{self.labels.shape} do not meet",
                field="labels",
            )
        if not size:
            raise DataError("there is no utterance to score", field="labels", remedy="choose a split that is not empty")

    @property
    def single_label(self) -> bool:
        """Whether every utterance carries exactly one of at least two emotions."""
        return len(self.emotions) > 1 and bool((self.labels.sum(axis=1) == 1).all())

    @property
    def clusters(self) -> Clusters:
        """Which utterances belong together: those of one speaker."""
        return clusters_of(self.speakers)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one answerer said about every utterance.

    Attributes:
        name: short and unique in a table: ``TAV``, ``T``, ``A``, ``V``, ``scores``, or a trivial answer's.
        title: for people.
        probabilities: float64 (N, L).
        decisions: bool (N, L).
        thresholds: emotion -> threshold that the decisions come from; None where there is none.
        thresholds_from: where those come from, in words.
        unread: utterances of which the answerer had nothing; answered "none", and in every count.
        trivial: whether anybody could answer so without looking.
    """

    name: str
    title: str
    probabilities: NDArray[np.float64] = field(repr=False)
    decisions: NDArray[np.bool_] = field(repr=False)
    thresholds: Mapping[str, float] | None = None
    thresholds_from: str | None = None
    unread: int = 0
    trivial: bool = False

    def against(self, truth: Truth) -> Answered:
        """Return the answer beside the truth.

        Raises:
            DataError: the shapes do not meet, or a probability is not in [0, 1].
        """
        return Answered(truth=truth.labels, probabilities=self.probabilities, decisions=self.decisions)


def thresholded(
    *,
    name: str,
    title: str,
    probabilities: NDArray[np.float64],
    emotions: tuple[str, ...],
    thresholds: Mapping[str, float],
    thresholds_from: str,
    read: NDArray[np.bool_] | None = None,
) -> Answer:
    """Return the answer whose decisions are the probabilities at or above their thresholds.

    Args:
        read: bool (N,), where there was something to read; elsewhere nothing is decided, not even at a threshold of 0.
    """
    seen = np.ones(len(probabilities), dtype=bool) if read is None else read
    return Answer(
        name=name,
        title=title,
        probabilities=probabilities,
        decisions=decide(probabilities, thresholds, emotions) & seen[:, None],
        thresholds=dict(thresholds),
        thresholds_from=thresholds_from,
        unread=int((~seen).sum()),
    )
