"""The answers that need no look at the utterance. They stand in every table: what does not beat them has learnt nothing.

- ``none``: no emotion, ever, with probability 0. Right most of the time where emotions are rare.
- ``all``: every emotion, always, with probability 1. Its F1 is one that many a model does not reach.
- ``prior``: for everybody, the share of training utterances that carry the emotion; decided from 0.5 on. Its calibration
  error is hard to beat, and says nothing about anybody.
- ``most_frequent``: the one emotion that most training utterances carry, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mesmer.errors import DataError
from mesmer.evaluation.answers import Answer
from mesmer.evaluation.metrics import positives

TRIVIAL: tuple[str, ...] = ("none", "all", "prior", "most_frequent")


@dataclass(frozen=True, kw_only=True)
class Prior:
    """How often each emotion is expressed, where an answerer may know it from.

    Attributes:
        shares: emotion -> share of utterances.
        source: where it was counted: ``train``, ``valid``, or words.
    """

    shares: Mapping[str, float]
    source: str

    @property
    def most_frequent(self) -> str:
        """The emotion of the largest share; of several the first."""
        return max(self.shares, key=lambda name: self.shares[name])

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {"shares": dict(self.shares), "source": self.source, "most_frequent": self.most_frequent}


def prior_of(labels: ArrayLike, emotions: Sequence[str], *, source: str) -> Prior:
    """Return the prior of labels (N, L), of which those above 0 count.

    Raises:
        DataError: there is none.
    """
    truth = positives(labels)
    if not len(truth):
        raise DataError("there is no utterance to count", field="labels")
    return Prior(shares=dict(zip(emotions, truth.mean(axis=0).tolist(), strict=True)), source=source)


def trivial_answers(size: int, emotions: Sequence[str], prior: Prior) -> tuple[Answer, ...]:
    """Return the trivial answers about ``size`` utterances, in the order of :data:`TRIVIAL`."""
    shares = np.array([prior.shares[name] for name in emotions])
    favourite = np.array([name == prior.most_frequent for name in emotions])
    said = {
        "none": ("answer none", np.zeros(len(emotions))),
        "all": ("answer all", np.ones(len(emotions))),
        "prior": ("answer the prior", shares),
        "most_frequent": (f"answer {prior.most_frequent}", favourite.astype(np.float64)),
    }
    return tuple(
        Answer(
            name=name,
            title=said[name][0],
            probabilities=np.tile(said[name][1], (size, 1)),
            decisions=np.tile(said[name][1] >= 0.5, (size, 1)),
            trivial=True,
        )
        for name in TRIVIAL
    )
