"""What a check of explanations measured: every number a mean over utterances with an interval by speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.evaluation.bootstrap import Interval, percentiles, resampled_means
from mesmer.explain.pointing import Pointing

Known = tuple[float, Interval]
"""A mean over utterances and its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was measured.

    Attributes:
        utterances, speakers, runs: on what.
        top_p: the attention mass that was kept.
        curves: modality -> name -> mean over utterances: ``deletion attention`` and the like (mean change of the share over
            the fractions, in log-odds), and the gain over each other order.
        kept: modality -> name -> loss of the share where as much as was kept is blurred, for the model's sites and for each
            control, and the gain over each control.
        sanity: modality -> what was drawn anew -> ``rank``, ``overlap``, ``chance``.
        agreement: modality -> the same between two runs, mean over all pairs; empty with one run.
        pointing: modality and truth -> mask -> the pointing game; empty where the truth is not known.
        evidence: share of the clips with evidence in the face on which blurring it moves the score of the likeliest shown
            emotion more than blurring as much at any other place, mean over runs; None where the truth is not known.
        evidence_every: the same where the score of every shown emotion must be moved most.
        evidence_clips: how many those are.
    """

    utterances: int
    speakers: int
    runs: int
    top_p: float
    curves: Mapping[str, Mapping[str, Known]]
    kept: Mapping[str, Mapping[str, Known]]
    sanity: Mapping[str, Mapping[str, Mapping[str, Known]]]
    agreement: Mapping[str, Mapping[str, Known]] = field(default_factory=dict)
    pointing: Mapping[str, Mapping[str, Pointing]] = field(default_factory=dict)
    evidence: Known | None = None
    evidence_every: Known | None = None
    evidence_clips: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "utterances": self.utterances,
            "speakers": self.speakers,
            "runs": self.runs,
            "top_p": self.top_p,
            "curves": _plain(self.curves),
            "kept": _plain(self.kept),
            "sanity": _plain(self.sanity),
            "agreement": _plain(self.agreement),
            "evidence": _plain_known(self.evidence),
            "evidence_every": _plain_known(self.evidence_every),
            "evidence_clips": self.evidence_clips,
            "pointing": {
                name: {mask: one.to_json() for mask, one in masks.items()} for name, masks in self.pointing.items()
            },
        }


def mean_of(values: NDArray[np.float64], speakers: Sequence[str | None], *, seed: int = 0) -> Known:
    """Return the mean of a number per utterance (N,), or per run and utterance (R, N), and its 95 % interval.

    Whole speakers are resampled, and whole runs where there are several.
    """
    return float(values.mean()), percentiles(resampled_means(np.atleast_2d(values), speakers, seed=seed))


def _plain_known(value: Known | None) -> dict[str, Any] | None:
    return None if value is None else {"mean": value[0], "interval": list(value[1])}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) if isinstance(value, Mapping) else _plain_known(value) for name, value in values.items()}
