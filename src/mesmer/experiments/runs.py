"""The runs of all experiments on one prepared dataset: trained where they are missing, gone on with, and evaluated once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mesmer.config import RunSettings
from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.features import make_features
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, MesmerError
from mesmer.evaluation.density import measure_density
from mesmer.evaluation.evaluate import Evaluation, evaluate_model
from mesmer.evaluation.predictions import turned_to
from mesmer.evaluation.seed_intervals import OverRuns, over_runs
from mesmer.evaluation.table import Resampling
from mesmer.evaluation.thresholds import choose_thresholds
from mesmer.experiments.processes import died, process_pool
from mesmer.experiments.recipes import Recipe
from mesmer.models.loading import LoadedModel, load_model
from mesmer.models.registry import reads_tokens
from mesmer.signals.text import load_tokenizer
from mesmer.training.progress import Counter, time_left
from mesmer.training.run import train_model

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


class Runs:
    """Runs on one prepared dataset, below one folder.

    Args:
        data: the prepared dataset.
        folder: ``folder/runs/RECIPE/seed-N`` is a run folder.
        seeds: how many runs each recipe has; their seeds are 0, 1, ...
        screen: told how it goes; None tells nobody.
        resampling: of the intervals; None is 1,000 resamples with seed 0.
        workers: processes that make features.
        jobs: runs trained at a time, each in a process of its own if more than one.
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
        if seeds < 1:
            raise ConfigError(f"{seeds} seeds", field="--seeds", remedy="use 1 or more")
        if jobs < 1 or workers < 1:
            raise ConfigError(f"{min(jobs, workers)} processes", field="--jobs, --workers", remedy="use 1 or more")
        self.dataset = PreparedDataset.open(data)
        self.folder, self.seeds, self.resampling = Path(folder), tuple(range(seeds)), resampling or Resampling()
        self._screen, self._workers, self._jobs, self._batch_size = screen, workers, jobs, batch_size
        self._trained: dict[tuple[str, int], Path] = {}
        self._evaluated: dict[tuple[str, str | None, float | None], tuple[Evaluation, ...]] = {}

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.dataset.facts.corpus

    def lacking(self, recipe: Recipe) -> str | None:
        """Make the hand-crafted features that a recipe's model reads, or see that its text encoder is at hand.

        Returns:
            What is lacking and cannot be made or found; None where all is there.
        """
        model = recipe.settings.model
        settings = model.features
        try:
            if reads_tokens(model) and model.text.encoder != "small":
                load_tokenizer(model.text.encoder)
            if settings is None:
                return None
            if self._screen is None:
                make_features(self.dataset, settings, workers=self._workers)
            else:
                with Counter("features", file=self._screen) as counter:
                    make_features(self.dataset, settings, workers=self._workers, progress=counter)
        except MesmerError as error:
            return str(error)
        return None

    def need(self, recipes: Sequence[Recipe]) -> None:
        """Refuse to begin where something is lacking.

        Raises:
            ConfigError: it is.
        """
        for recipe in {recipe.settings.model.name: recipe for recipe in recipes}.values():
            reason = self.lacking(recipe)
            if reason:
                raise ConfigError(f"{recipe.title} cannot be trained: {reason}")

    def train(self, recipes: Sequence[Recipe]) -> None:
        """Train every run of some recipes, seed by seed, so that a stopped experiment has something of each row.

        Raises:
            MesmerError: a run cannot be trained or gone on with.
        """
        unlike = list({recipe.folder: recipe for recipe in recipes}.values())
        wanted = [(recipe, seed) for seed in self.seeds for recipe in unlike if (recipe.folder, seed) not in self._trained]
        if self._jobs > 1 and len(wanted) > 1:
            self._train_together(wanted)
            return
        start, trained = time.monotonic(), 0
        for number, (recipe, seed) in enumerate(wanted, start=1):
            left = (
                f"; about {time_left((time.monotonic() - start) / trained * (len(wanted) - number + 1))} left"
                if trained
                else ""
            )
            self._tell(f"run {number} of {len(wanted)}: {recipe.folder}, seed {seed}{left}")
            before = time.monotonic()
            self._train(recipe, seed)
            trained += time.monotonic() - before > 1  # a finished one comes back at once
            if not trained:
                start = time.monotonic()

    def _train_together(self, wanted: Sequence[tuple[Recipe, int]]) -> None:
        start = time.monotonic()
        pool = process_pool(min(self._jobs, len(wanted)))
        try:
            waiting = {pool.submit(_train_alone, *self._run(*one)): one for one in wanted}
            for number, future in enumerate(as_completed(waiting), start=1):
                recipe, seed = waiting[future]
                self._trained[recipe.folder, seed] = future.result()
                left = time_left((time.monotonic() - start) / number * (len(wanted) - number))
                self._tell(f"{number} of {len(wanted)} runs trained: {recipe.folder}, seed {seed}; about {left} left")
        except BrokenProcessPool:
            raise died() from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

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
            loaded = load_model(self._train(recipe, seed))
            model = loaded.model
            batches = BatchLoader(
                self.dataset.split(SPLIT),
                tokenizer=loaded.tokenizer,
                mel=model.settings.mel,
                max_tokens=model.settings.text.max_tokens,
                batch_size=self._batch_size,
                shuffle=False,
                seed=0,
            )
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
            self._tell(f"evaluating {recipe.folder}" + ("" if top_p is None else f" at p = {top_p:g}"))
            self._evaluated[key] = tuple(self._evaluate(recipe, seed, subset, top_p) for seed in self.seeds)
        return self._evaluated[key]

    def _evaluate(self, recipe: Recipe, seed: int, subset: str | None, top_p: float | None) -> Evaluation:
        loaded = load_model(self._train(recipe, seed))
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

    def _train(self, recipe: Recipe, seed: int) -> Path:
        key = (recipe.folder, seed)
        if key not in self._trained:
            settings, data, folder = self._run(recipe, seed)
            result = train_model(settings=settings, data=data, folder=folder, resume=True, screen=self._screen)
            self._trained[key] = result.model
        return self._trained[key]

    def _run(self, recipe: Recipe, seed: int) -> tuple[RunSettings, Path, Path]:
        """Return settings, data and folder of one run."""
        folder = self.folder / "runs" / recipe.folder / f"seed-{seed}"
        return recipe.with_seed(seed), self.dataset.folder, folder

    def _tell(self, text: str) -> None:
        if self._screen is not None:
            print(text, file=self._screen, flush=True)


def _train_alone(settings: RunSettings, data: Path, folder: Path) -> Path:
    """Train one run in a process of its own; return its model."""
    return train_model(settings=settings, data=data, folder=folder, resume=True).model
