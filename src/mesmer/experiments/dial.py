"""Figure 5 of the paper: what MESM answers, and what it costs, against the nucleus mass p; FE2E's level beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mesmer.errors import ConfigError
from mesmer.evaluation.seed_intervals import Number
from mesmer.experiments.comparison import COST_NOTE
from mesmer.experiments.paper_results import METRIC_OF
from mesmer.experiments.recipes import Recipes
from mesmer.experiments.result import interval_note, notes_of
from mesmer.experiments.runs import Outcome, Runs

POINTS: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class DialPoint:
    """One p: metric -> number, of the mean over emotions, and the mean multiply-adds of an utterance."""

    top_p: float
    average: dict[str, Number]
    multiply_adds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        average = {name: one.to_json() for name, one in self.average.items()}
        return {"top_p": self.top_p, "average": average, "multiply_adds": self.multiply_adds}


@dataclass(frozen=True, kw_only=True)
class Dial:
    """What Figure 5 shows.

    Attributes:
        corpus: evaluated on its test split.
        metrics: the ones drawn, the paper's first.
        turned: one trained model whose dial is turned, for each p.
        trained_p: the p it was trained with.
        retrained: models trained with each p; empty where none were.
        level: FE2E; its ``top_p`` is 1.
        seeds: of the runs.
        notes: what must be known to read it; ``warnings`` belong above the numbers.
    """

    corpus: str
    metrics: tuple[str, ...]
    turned: tuple[DialPoint, ...]
    trained_p: float
    retrained: tuple[DialPoint, ...]
    level: DialPoint
    seeds: tuple[int, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    name: ClassVar[str] = "figure5"

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "name": self.name,
            "corpus": self.corpus,
            "metrics": list(self.metrics),
            "turned": [point.to_json() for point in self.turned],
            "trained_p": self.trained_p,
            "retrained": [point.to_json() for point in self.retrained],
            "fe2e": self.level.to_json(),
            "seeds": list(self.seeds),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def turn_dial(runs: Runs, recipes: Recipes, *, points: Sequence[float] = POINTS, retrain: bool = False) -> Dial:
    """Evaluate MESM at each p, and FE2E.

    Args:
        points: the values of p, each in (0, 1].
        retrain: also train MESM anew with each p.

    Raises:
        ConfigError: there is no point, or one is not in (0, 1].
        MesmerError: settings are refused, or a run cannot be trained.
    """
    check_points(points)
    mesm, fe2e = recipes.read("mesm"), recipes.read("fe2e")
    each = [mesm.at(p) for p in points] if retrain else []
    runs.need([mesm, fe2e])
    runs.train([mesm, fe2e, *each])
    level = runs.outcome(fe2e)
    trained_p = mesm.settings.model.sparse.top_p
    return Dial(
        corpus=runs.corpus,
        metrics=tuple(dict.fromkeys((METRIC_OF.get(runs.corpus, "weighted_accuracy"), "f1"))),
        turned=tuple(_point(p, runs.outcome(mesm, top_p=p)) for p in points),
        trained_p=trained_p,
        retrained=tuple(_point(p, runs.outcome(recipe)) for p, recipe in zip(points, each, strict=False)),
        level=_point(1.0, level),
        seeds=runs.seeds,
        warnings=level.evaluations[0].table.warnings,
        notes=(
            *notes_of(level.evaluations[0].table, runs.seeds),
            interval_note(level, resamples=runs.resampling.resamples),
            f"MESM was trained with p = {trained_p:g}. Where its dial is turned, thresholds are chosen anew on the "
            "validation split.",
            COST_NOTE,
        ),
    )


def check_points(points: Sequence[float]) -> None:
    """Refuse values that p cannot take, and none at all.

    Raises:
        ConfigError: there is no point, or one is not in (0, 1].
    """
    if not points or not all(0 < p <= 1 for p in points):
        raise ConfigError("p is above 0 and at most 1", field="--points", remedy="such as 0.1,0.5,1")


def _point(top_p: float, outcome: Outcome) -> DialPoint:
    return DialPoint(top_p=top_p, average=dict(outcome.numbers.average), multiply_adds=outcome.cost.multiply_adds)
