"""What the runs of all experiments on one prepared dataset answer about its test split; each run is evaluated once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mesmer.evaluation.density import measure_density
from mesmer.evaluation.evaluate import Evaluation, evaluate_model
from mesmer.evaluation.predictions import turned_to
from mesmer.evaluation.reading import in_order
from mesmer.evaluation.seed_intervals import OverRuns, over_runs
from mesmer.evaluation.table import Resampling
from mesmer.evaluation.thresholds import choose_thresholds
from mesmer.experiments.recipes import Recipe
from mesmer.experiments.trained_runs import TrainedRuns
from mesmer.models.loading import LoadedModel, load_model

SPLIT = "test"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Multiply-adds (1 = 2 FLOPs): of an end-to-end model those of its convolution branches and their attention, of a
    model on hand-crafted features those of the whole network, without what making the features costs.

    Attributes:
        multiply_adds: mean per utterance, over the runs.
        dense_multiply_adds: the same if nothing were skipped.
        per_second: multiply-adds for a second of input.
    """

    multiply_adds: float
    dense_multiply_adds: float
    per_second: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the runs of one recipe answered.

    Attributes:
        recipe: theirs.
        evaluations: one per seed, in order.
        numbers: of the runs together.
        cost: of an answer.
    """

    recipe: Recipe
    evaluations: tuple[Evaluation, ...]
    numbers: OverRuns
    cost: Cost


class Runs(TrainedRuns):
    """Runs on one prepared dataset, and what they answer.

    Args:
        data, folder, seeds, screen, workers, jobs: as in :class:`~mesmer.experiments.trained_runs.TrainedRuns`.
        resampling: of the intervals; None is 1,000 resamples with seed 0.
        batch_size: utterances at a time in evaluation.

    Raises:
        MesmerError: the data cannot be used, or there are no seeds.
    """

    def __init__(
        self,
        *,
        data: str | Path,
        folder: str | Path,
        seeds: int = 5,
        screen: TextIO | None = None,
        resampling: Resampling | None = None,
        workers: int = 1,
        jobs: int = 1,
        batch_size: int = 16,
    ) -> None:
        super().__init__(data=data, folder=folder, seeds=seeds, screen=screen, workers=workers, jobs=jobs)
        self.resampling, self._batch_size = resampling or Resampling(), batch_size
        self._evaluated: dict[tuple[str, str | None, float | None], tuple[Evaluation, ...]] = {}

    def outcome(self, recipe: Recipe, *, top_p: float | None = None) -> Outcome:
        """Train what is missing of a recipe, and return what its runs answer about the test split.

        Args:
            top_p: turns the dial of the trained models; their thresholds are then chosen anew on the validation split.
        """
        self.train([recipe])
        evaluations = self._all_evaluations(recipe, subset=None, top_p=top_p)
        name = recipe.folder if top_p is None else f"{recipe.folder} at {top_p:g}"
        return self._outcome(recipe, name, evaluations, row=0)

    def outcomes_by_subset(self, recipe: Recipe, subsets: Sequence[str]) -> dict[str, Outcome]:
        """Return what the runs of one recipe answer with modalities hidden: subset -> outcome.

        Args:
            subsets: letters of the modalities left visible; the first is all that the model is given. The thresholds of
                the others are chosen on the validation split.
        """
        self.train([recipe])
        evaluations = self._all_evaluations(recipe, subset=",".join(subsets), top_p=None)
        return {
            subset: self._outcome(recipe, f"{recipe.folder} hearing {subset}", evaluations, row=row)
            for row, subset in enumerate(subsets)
        }

    def density(self, recipe: Recipe, *, top_p: float) -> dict[str, float]:
        """Return modality -> share of sites that the first sparse block keeps at ``top_p``, the mean over the runs."""
        shares: dict[str, list[float]] = {}
        for seed in self.seeds:
            loaded = load_model(self.model(recipe, seed))
            model = loaded.model
            batches = in_order(loaded, self.dataset.split(SPLIT), batch_size=self._batch_size)
            with turned_to(model, top_p):
                found = measure_density(model=model, batches=batches.epoch(0))
            for modality, blocks in found.items():
                shares.setdefault(modality, []).append(blocks[0])
        return {modality: sum(found) / len(found) for modality, found in shares.items()}

    def _outcome(self, recipe: Recipe, name: str, evaluations: tuple[Evaluation, ...], *, row: int) -> Outcome:
        answers = [evaluation.answers[row] for evaluation in evaluations]
        numbers = over_runs(evaluations[0].truth, answers, name=name, resampling=self.resampling)
        tables = [evaluation.table for evaluation in evaluations]
        mean = sum(table.multiply_adds or 0.0 for table in tables) / len(tables)
        seconds = float(self.dataset.split(SPLIT).durations_s.mean())
        cost = Cost(
            multiply_adds=mean,
            dense_multiply_adds=sum(table.dense_multiply_adds or 0.0 for table in tables) / len(tables),
            per_second=mean / seconds,
        )
        return Outcome(recipe=recipe, evaluations=evaluations, numbers=numbers, cost=cost)

    def _all_evaluations(self, recipe: Recipe, *, subset: str | None, top_p: float | None) -> tuple[Evaluation, ...]:
        if top_p == recipe.settings.model.sparse.top_p:
            top_p = None
        key = (recipe.folder, subset, top_p)
        if key not in self._evaluated:
            self.tell(f"evaluating {recipe.folder}" + ("" if top_p is None else f" at p = {top_p:g}"))
            self._evaluated[key] = tuple(self._evaluate(recipe, seed, subset, top_p) for seed in self.seeds)
        return self._evaluated[key]

    def _evaluate(self, recipe: Recipe, seed: int, subset: str | None, top_p: float | None) -> Evaluation:
        loaded = load_model(self.model(recipe, seed))
        subsets = subset.split(",") if subset else [recipe.settings.model.modalities]
        thresholds = None
        if top_p is not None:
            seen = self._answered(loaded, subsets, split="valid", top_p=top_p, thresholds=None)
            thresholds = choose_thresholds(seen.truth.labels, seen.answers[0].probabilities, seen.truth.emotions)
        return self._answered(loaded, subsets, split=SPLIT, top_p=top_p, thresholds=thresholds)

    def _answered(
        self,
        loaded: LoadedModel,
        subsets: Sequence[str],
        *,
        split: str,
        top_p: float | None,
        thresholds: Mapping[str, float] | None,
    ) -> Evaluation:
        return evaluate_model(
            loaded,
            data=self.dataset.folder,
            split=split,
            batch_size=self._batch_size,
            top_p=top_p,
            thresholds=thresholds,
            resampling=Resampling(resamples=0),  # intervals are made of all runs together
            subsets=subsets,
        )
