"""What a study of a composite corpus found: rows, differences, and the answers against p."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mesmer.evaluation.paired import Comparison
from mesmer.evaluation.table import Table

LOSS_ALLOWED = 0.01
"""The knee is the smallest p that loses at most this much average F1 on the validation split."""
CHANCE_SLACK = 0.05


@dataclass(frozen=True, kw_only=True)
class Versus:
    """Two rows held against each other.

    Attributes:
        first, second: names of the rows.
        by_speaker: what belongs together is what has one voice.
        by_sentence: what belongs together is what has one sentence.
    """

    first: str
    second: str
    by_speaker: Comparison
    by_sentence: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "first": self.first,
            "second": self.second,
            "by_speaker": self.by_speaker.to_json(),
            "by_sentence": self.by_sentence.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One p: F1 on both splits, how it differs from p = 1 on the test split, and mean multiply-adds of an utterance."""

    top_p: float
    valid_f1: float
    against_dense: Comparison
    multiply_adds: float


@dataclass(frozen=True, kw_only=True)
class CompositeStudy:
    """What was found.

    Attributes:
        corpus: its name.
        table: the seven subsets, the shuffled ones, and the trivial answers.
        valid_f1: subset -> average F1 on the validation split, by which the best parts were chosen.
        fusions: each subset of several modalities less its best part.
        losses: the model less itself on shuffled modalities.
        curve: p in rising order, 1 last; empty for a dense model.
        curve_table: the rows of the curve, named ``p=0.5``; None for a dense model.
        trained_p: the p of its training; ``knee``: see :data:`LOSS_ALLOWED`; both None for a dense model.
        notes, warnings: what must be known.
    """

    corpus: str
    table: Table
    valid_f1: Mapping[str, float]
    fusions: tuple[Versus, ...]
    losses: tuple[Versus, ...]
    curve: tuple[CurvePoint, ...]
    curve_table: Table | None
    trained_p: float | None
    knee: float | None
    notes: tuple[str, ...]

    name: ClassVar[str] = "composite"

    @property
    def chance(self) -> bool:
        """Whether the model, all modalities shuffled, answers no better than chance: AUROC of 50 % lies in the interval or
        above it; without an interval, the AUROC is at most 55 %.
        """
        row = self.table.row("all shuffled")
        low = row.average.auroc - CHANCE_SLACK if row.intervals is None else row.intervals.average["auroc"][0]
        return low <= 0.5

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that belong above the numbers."""
        return self.table.warnings

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "corpus": self.corpus,
            "table": self.table.to_json(),
            "valid_f1": dict(self.valid_f1),
            "fusions": [one.to_json() for one in self.fusions],
            "losses": [one.to_json() for one in self.losses],
            "curve": [
                {
                    "top_p": point.top_p,
                    "valid_f1": point.valid_f1,
                    "multiply_adds": point.multiply_adds,
                    "against_dense": point.against_dense.to_json(),
                }
                for point in self.curve
            ],
            "curve_table": None if self.curve_table is None else self.curve_table.to_json(),
            "trained_p": self.trained_p,
            "knee": self.knee,
            "chance": self.chance,
            "notes": list(self.notes),
        }


def notes_of(table: Table) -> tuple[str, ...]:
    """Return what must be known to read the numbers."""
    return (
        "Percent; averages are over emotions. T, A, V: text, audio, visual, all of one trained model. Thresholds and best "
        "parts are chosen on the validation split.",
        "Shuffled: the modality comes from an utterance that shares no emotion; thresholds stay. All shuffled: every "
        "modality from a random other utterance, so that only what is missing is left to go by; AUROC must be about 50.",
        "p: paired tests by swapping whole clusters, once those with one voice, once those with one sentence. Few voices "
        "give a coarse p; of the faces no person is known.",
        f"{table.utterances} utterances, {table.speakers} voices.",
    )
