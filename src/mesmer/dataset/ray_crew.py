"""Workers on a Ray cluster: actors that do one task at a time. The only place that imports Ray."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch

from mesmer.dataset.crew import Died, Done, Failed, Told, Worker
from mesmer.dataset.pieces import Task
from mesmer.dataset.workers import MakeWork
from mesmer.errors import ConfigError, MesmerError

_UNSHARED = "let the files and OUT lie on storage that every node of the cluster sees under the same path"


def connect(address: str | None) -> tuple[Any, bool]:
    """Return the package ``ray``, connected to a cluster, and whether it was connected here and is ours to shut down.

    Args:
        address: of the cluster (``auto``, ``ray://host:10001``); None starts one on this machine.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed", field="engine", remedy="pip install 'mesmer-emotion[scale]', or use engine local"
        ) from error
    if ray.is_initialized():
        return ray, False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of this run
    own = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise ConfigError(
            f"no Ray cluster answers at '{address}' ({error})",
            field="address",
            remedy="start one (ray start --head), or leave the address out",
        ) from error
    return ray, True


class RayCrew:
    """Workers on a Ray cluster, one processor each; a context manager.

    Args:
        make: gives each worker what does its tasks.
        seen: whether this process sees what a task was to write.
        address: of the cluster (``auto``, ``ray://host:10001``); None starts one on this machine for as long as it takes.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, make: MakeWork, *, seen: Callable[[Any], bool], address: str | None) -> None:
        self._ray, self._ours = connect(address)
        self._make, self._seen = make, seen
        self._actor: Any = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._ours:
            self._ray.shutdown()

    @property
    def processors(self) -> int:
        """Processors of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def hire(self) -> RayWorker:
        """Start an actor, wherever the cluster has a processor."""
        return RayWorker(self._ray, self._actor.remote(self._make), self._seen)

    def heard(self, workers: Sequence[Worker]) -> list[tuple[Worker, Told]]:
        """Wait until workers say something; return who said what."""
        at_work = {worker.says: worker for worker in workers if isinstance(worker, RayWorker) and worker.says is not None}
        ready, _ = self._ray.wait(list(at_work), num_returns=1, fetch_local=True)
        return [(at_work[says], at_work[says].hear()) for says in ready]


class RayWorker:
    """One actor, as the driver sees it; ``says`` is the stream of what it says about the task it is at."""

    def __init__(self, ray: Any, actor: Any, seen: Callable[[Any], bool]) -> None:
        self._ray, self._actor, self._seen = ray, actor, seen
        self._task: Task | None = None
        self.says: Any = None

    def start(self, task: Task) -> None:
        """Give it a task."""
        self._task = task
        self.says = self._actor.work.remote(task)

    def hear(self) -> Told:
        """Take one message."""
        try:
            told: Told = self._ray.get(next(self.says))
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.RayTaskError, StopIteration):
            return Died(None)
        if isinstance(told, Done):
            self.says = None
            if self._task is not None and not self._seen(self._task):
                return Failed(MesmerError("a worker has written a file that is not seen here", remedy=_UNSHARED), "")
        return told

    def stop(self) -> None:
        """End the actor."""
        self._ray.kill(self._actor)


class _Actor:
    """Does tasks; what runs on the cluster."""

    def __init__(self, make: MakeWork) -> None:
        torch.set_num_threads(1)
        self._open = ExitStack()
        self._make = make
        self._made: Any = None

    def work(self, task: Task) -> Iterator[Told]:
        """Do a task, telling how far it is."""
        try:
            if self._made is None:  # an error of this is told, where one at the birth of an actor is only its death
                self._made = self._open.enter_context(self._make())
            yield from self._made(task)
            yield Done()
        except MesmerError as error:
            yield Failed(error, "")
        except Exception:
            yield Failed(None, traceback.format_exc())
