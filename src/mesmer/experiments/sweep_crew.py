"""Who trains the trials of a sweep: this process, several on this machine, or the tasks of a Ray cluster."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

from mesmer.dataset.ray_crew import connect
from mesmer.errors import MesmerError
from mesmer.experiments.processes import died, process_pool
from mesmer.experiments.sweep_spec import SweepSpec
from mesmer.experiments.sweep_study import DONE, FAILED, JOURNAL_FILE, PRUNED, Study, Trial
from mesmer.training.run import train_model


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """A trial to train; the folders, of the data and of the sweep, are absolute."""

    trial: Trial
    spec: SweepSpec
    data: Path
    sweep: Path


def train_trial(task: TrialTask) -> Trial:
    """Train one trial, from its last saved state where it was begun, and return how it ended.

    Settings that are refused and a loss that is not finite end the trial, not the sweep.
    """
    number, study = task.trial.number, Study(task.sweep / JOURNAL_FILE, task.spec)
    try:
        result = train_model(
            settings=task.spec.settings(task.trial.values),
            data=task.data,
            folder=trial_folder(task.sweep, number),
            resume=True,
            report=lambda epoch, f1: study.report(number, epoch, f1),
        )
    except MesmerError as error:
        return replace(task.trial, state=FAILED, reason=str(error))
    ended = PRUNED if result.stopped == "report" else DONE
    return replace(task.trial, state=ended, f1=result.best_f1, epochs=result.epochs, best_epoch=result.best_epoch)


def trial_folder(sweep: Path, number: int) -> Path:
    """Return the run folder of a trial."""
    return sweep / "trials" / f"{number:04d}"


class Crew(Protocol):
    """Trains trials; a context manager."""

    @property
    def free(self) -> bool:
        """Whether it can take one more."""

    @property
    def busy(self) -> bool:
        """Whether it has any."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def start(self, task: TrialTask) -> None:
        """Take a trial."""

    def ended(self) -> Trial:
        """Wait until one has ended, and return it."""


class Here:
    """Trains in this process, one trial at a time."""

    def __init__(self) -> None:
        self._task: TrialTask | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    @property
    def free(self) -> bool:
        return self._task is None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def start(self, task: TrialTask) -> None:
        self._task = task

    def ended(self) -> Trial:
        assert self._task is not None
        task, self._task = self._task, None
        return train_trial(task)


class Processes:
    """Trains in so many processes of this machine, which share its processors; they end when this one does."""

    def __init__(self, workers: int) -> None:
        self._pool = process_pool(workers)
        self._workers, self._waiting = workers, set[Future[Trial]]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown(wait=not any(raised), cancel_futures=True)

    @property
    def free(self) -> bool:
        return len(self._waiting) < self._workers

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def start(self, task: TrialTask) -> None:
        self._waiting.add(self._pool.submit(train_trial, task))

    def ended(self) -> Trial:
        over, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        one = over.pop()
        self._waiting.discard(one)
        try:
            return one.result()
        except BrokenProcessPool:
            raise died() from None


class RayTasks:
    """Trains in tasks of a Ray cluster, each with a processor and, where the cluster has any, a GPU.

    Args:
        workers: trials at a time; 0 is as many as there are processors, or GPUs.
        address: of the cluster; None starts one on this machine.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, workers: int, *, address: str | None) -> None:
        self._ray, self._ours = connect(address)
        has = self._ray.cluster_resources()
        gpus = int(has.get("GPU", 0))
        self._workers = workers or gpus or max(1, int(has.get("CPU", 1)))
        self._train = self._ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, max_retries=0)(train_trial)
        self._waiting: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._ours:
            self._ray.shutdown()

    @property
    def free(self) -> bool:
        return len(self._waiting) < self._workers

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def start(self, task: TrialTask) -> None:
        self._waiting.append(self._train.remote(task))

    def ended(self) -> Trial:
        over, self._waiting = self._ray.wait(self._waiting, num_returns=1)
        try:
            trial: Trial = self._ray.get(over[0])
        except self._ray.exceptions.RayError as error:
            raise MesmerError(
                f"a task that trained a trial died ({type(error).__name__})",
                remedy="see that every node has data, sweep and mesmer under the same paths; give the same command again",
            ) from error
        return trial
