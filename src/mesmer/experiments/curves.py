"""What MESM answers against the share of sites it looks at: with all modalities, and with the sound or the picture alone.

Where words are given they carry most of an answer, and a mask that throws away the rest costs nothing. So the curve of the
whole model says little about its masks; the curves of one modality alone do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mesmer.evaluation.seed_intervals import Number
from mesmer.experiments.ablation import trained_on
from mesmer.experiments.comparison import COST_NOTE
from mesmer.experiments.dial import POINTS, check_points
from mesmer.experiments.recipes import Recipe, Recipes
from mesmer.experiments.result import interval_note, notes_of
from mesmer.experiments.runs import Outcome, Runs

SUBSETS: tuple[str, ...] = ("TAV", "A", "V")
TOLERATED = 0.01
"""The knee is the smallest p whose average F1 is at most this far below that at the largest p."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One p of one model.

    Attributes:
        top_p: the p it was turned to.
        f1: average F1 on the test split.
        density: modality -> share of sites that the first block keeps, mean over utterances and runs.
        multiply_adds, dense_multiply_adds: mean per utterance, as executed and if nothing were skipped.
    """

    top_p: float
    f1: Number
    density: Mapping[str, float]
    multiply_adds: float
    dense_multiply_adds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "top_p": self.top_p,
            "f1": self.f1.to_json(),
            "density": dict(self.density),
            "multiply_adds": self.multiply_adds,
            "dense_multiply_adds": self.dense_multiply_adds,
        }


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One model: the modalities it was trained on, the p it was trained with, its points and its knee."""

    subset: str
    trained_p: float
    points: tuple[CurvePoint, ...]

    @property
    def knee(self) -> float:
        """The smallest p that is tolerated, and all above it are."""
        best = self.points[-1].f1.mean
        bad = [point.top_p for point in self.points if point.f1.mean < best - TOLERATED]
        return min(point.top_p for point in self.points if point.top_p > max(bad, default=0.0))

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        points = [point.to_json() for point in self.points]
        return {"subset": self.subset, "trained_p": self.trained_p, "knee": self.knee, "points": points}


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All of them; ``notes`` belong below the numbers and ``warnings`` above."""

    corpus: str
    curves: tuple[Curve, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    name: ClassVar[str] = "curves"

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "corpus": self.corpus,
            "curves": [curve.to_json() for curve in self.curves],
            "seeds": list(self.seeds),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def draw_curves(runs: Runs, recipes: Recipes, *, points: Sequence[float] = POINTS) -> Curves:
    """Turn the dial of MESM, and of MESM trained on the sound or the picture alone, and measure densities beside it.

    The models of one modality are those of :func:`mesmer.experiments.ablation.missing_modalities`.

    Args:
        points: the values of p, rising, each in (0, 1].

    Raises:
        ConfigError: there is no point, or one is not in (0, 1].
        MesmerError: settings are refused, or a run cannot be trained.
    """
    check_points(points)
    mesm = recipes.read("mesm")
    models = {subset: mesm if subset == "TAV" else trained_on(mesm, subset) for subset in SUBSETS}
    runs.need([mesm])
    runs.train(list(models.values()))
    curves, last = [], None
    for subset, recipe in models.items():
        outcomes = {p: runs.outcome(recipe, top_p=p) for p in sorted(points)}
        made = tuple(_point(runs, recipe, p, outcome) for p, outcome in outcomes.items())
        curves.append(Curve(subset=subset, trained_p=recipe.settings.model.sparse.top_p, points=made))
        last = last or outcomes[max(points)]
    assert last is not None
    return Curves(
        corpus=runs.corpus,
        curves=tuple(curves),
        seeds=runs.seeds,
        warnings=last.evaluations[0].table.warnings,
        notes=(
            *notes_of(last.evaluations[0].table, runs.seeds),
            interval_note(last, resamples=runs.resampling.resamples),
            "TAV: all modalities; A: sound alone; V: picture alone, each a model of its own. The dial is turned after "
            "training, thresholds are chosen anew on the validation split. Density: share of the sites that the first "
            "sparse block keeps.",
            COST_NOTE,
        ),
    )


def _point(runs: Runs, recipe: Recipe, top_p: float, outcome: Outcome) -> CurvePoint:
    return CurvePoint(
        top_p=top_p,
        f1=outcome.numbers.average["f1"],
        density=runs.density(recipe, top_p=top_p),
        multiply_adds=outcome.cost.multiply_adds,
        dense_multiply_adds=outcome.cost.dense_multiply_adds,
    )
