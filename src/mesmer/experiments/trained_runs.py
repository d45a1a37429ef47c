"""The training runs of all experiments on one prepared dataset: trained where they are missing, and gone on with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TextIO

from mesmer.config import RunSettings
from mesmer.dataset.features import make_features
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, MesmerError
from mesmer.experiments.processes import died, process_pool
from mesmer.experiments.recipes import Recipe
from mesmer.models.registry import reads_tokens
from mesmer.signals.text import load_tokenizer
from mesmer.training.progress import Counter, time_left
from mesmer.training.run import train_model


class TrainedRuns:
    """Runs of recipes on one prepared dataset, below one folder.

    Args:
        data: the prepared dataset.
        folder: ``folder/runs/RECIPE/seed-N`` is a run folder.
        seeds: how many runs each recipe has; their seeds are 0, 1, ...
        screen: told how it goes; None tells nobody.
        workers: processes that make features.
        jobs: runs trained at a time, each in a process of its own if more than one.

    Raises:
        MesmerError: the data cannot be used, or there are no seeds.
    """

    def __init__(
        self, *, data: str | Path, folder: str | Path, seeds: int, screen: TextIO | None, workers: int, jobs: int
    ) -> None:
        if seeds < 1:
            raise ConfigError(f"{seeds} seeds", field="--seeds", remedy="use 1 or more")
        if jobs < 1 or workers < 1:
            raise ConfigError(f"{min(jobs, workers)} processes", field="--jobs, --workers", remedy="use 1 or more")
        self.dataset = PreparedDataset.open(data)
        self.folder, self.seeds = Path(folder), tuple(range(seeds))
        self._screen, self._workers, self._jobs = screen, workers, jobs
        self._trained: dict[tuple[str, int], Path] = {}

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
            self.tell(f"run {number} of {len(wanted)}: {recipe.folder}, seed {seed}{left}")
            before = time.monotonic()
            self.model(recipe, seed)
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
                self.tell(f"{number} of {len(wanted)} runs trained: {recipe.folder}, seed {seed}; about {left} left")
        except BrokenProcessPool:
            raise died() from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def model(self, recipe: Recipe, seed: int) -> Path:
        """Return the model of one run, trained if it is not there.

        Raises:
            MesmerError: the run cannot be trained or gone on with.
        """
        key = (recipe.folder, seed)
        if key not in self._trained:
            settings, data, folder = self._run(recipe, seed)
            result = train_model(settings=settings, data=data, folder=folder, resume=True, screen=self._screen)
            self._trained[key] = result.model
        return self._trained[key]

    def tell(self, text: str) -> None:
        """Say how it goes."""
        if self._screen is not None:
            print(text, file=self._screen, flush=True)

    def _run(self, recipe: Recipe, seed: int) -> tuple[RunSettings, Path, Path]:
        """Return settings, data and folder of one run."""
        folder = self.folder / "runs" / recipe.folder / f"seed-{seed}"
        return recipe.with_seed(seed), self.dataset.folder, folder


def _train_alone(settings: RunSettings, data: Path, folder: Path) -> Path:
    """Train one run in a process of its own; return its model."""
    return train_model(settings=settings, data=data, folder=folder, resume=True).model
