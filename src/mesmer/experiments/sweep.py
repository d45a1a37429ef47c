"""A sweep: trials are asked for, trained in run folders of their own, and judged by the validation split alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from mesmer.dataset.features import make_features
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, MesmerError
from mesmer.experiments.sweep_crew import Crew, Here, Processes, RayTasks, TrialTask, trial_folder
from mesmer.experiments.sweep_spec import SweepSpec
from mesmer.experiments.sweep_study import DONE, FAILED, JOURNAL_FILE, Study, Trial, mend
from mesmer.storage.atomic import read_json, write_json
from mesmer.storage.locking import LOCK_FILE, locked_folder
from mesmer.training.settings_file import write_settings

SWEEP_FILE, BEST_FILE = "sweep.json", "best.yaml"


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        folder: of the sweep.
        spec: what was tried.
        data: name of the prepared dataset.
        trials: in order.
        best: the finished trial of highest validation F1.
        importance: key -> share of what mattered; empty where too few trials were finished to say.
    """

    folder: Path
    spec: SweepSpec
    data: str
    trials: tuple[Trial, ...]
    best: Trial
    importance: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "data": self.data,
            "method": self.spec.method,
            "seed": self.spec.seed,
            "keys": self.spec.deciding["keys"],
            "best": self.best.to_json(),
            "importance": self.importance,
            "trials": [trial.to_json() for trial in self.trials],
        }


def sweep(
    spec: SweepSpec,
    *,
    data: str | Path,
    folder: str | Path,
    workers: int = 1,
    engine: str = "local",
    address: str | None = None,
    screen: TextIO | None = None,
) -> SweepResult:
    """Train the trials of ``spec`` that are missing in ``folder``.

    A sweep that was stopped goes on: trials that were not over are trained on from their last saved state. With one worker
    the outcome is that of a sweep never stopped.

    Args:
        data: the prepared dataset; its test split is never looked at.
        workers: trials at a time; 0 with Ray: as many as the cluster has processors.
        engine: ``local``, or ``ray``: a cluster that sees ``data`` and ``folder`` under the same paths.
        address: of the cluster; None starts one on this machine.
        screen: told how it goes; None tells nobody.

    Raises:
        ConfigError: the folder holds another sweep, a package is missing, or no trial could be trained.
        MesmerError: data or folder cannot be used.
    """
    if engine not in ("local", "ray") or workers < 0 or (engine == "local" and not workers):
        raise ConfigError(
            f"{workers} workers of engine '{engine}'", field="--workers", remedy="use 1 or more, local or ray"
        )
    dataset, root = PreparedDataset.open(data), Path(folder)
    with locked_folder(root, busy=MesmerError("another process is at this sweep", file=root, remedy="wait for it")):
        _check_same(root, spec, dataset)
        if spec.base.model.features is not None:
            make_features(dataset, spec.base.model.features)
        mend(root / JOURNAL_FILE)
        study = Study(root / JOURNAL_FILE, spec)
        study.enqueue_grid()
        with _crew(engine, workers, address) as crew:
            _run(spec, study, crew, data=dataset.folder.resolve(), root=root.resolve(), screen=screen)
        return _result(spec, study, dataset, root)


def _crew(engine: str, workers: int, address: str | None) -> Crew:
    if engine == "ray":
        return RayTasks(workers, address=address)
    return Here() if workers == 1 else Processes(workers)


def _run(spec: SweepSpec, study: Study, crew: Crew, *, data: Path, root: Path, screen: TextIO | None) -> None:
    """Keep the crew busy until so many trials are over as were asked for."""
    begun = study.trials()
    unfinished = [trial for trial in begun if trial.state is None and len(trial.values) == len(spec.keys)]
    left = spec.trials - len(begun)
    over = [trial for trial in begun if trial.state is not None]
    for trial in begun:
        if trial.state is None and trial not in unfinished:  # killed while its values were being drawn
            study.tell(_failed(trial, "the sweep was stopped before it began"))
    while unfinished or left > 0 or crew.busy:
        while crew.free and (unfinished or left > 0):
            if unfinished:
                trial = unfinished.pop(0)
            else:
                trial, left = study.ask(), left - 1
            told = ", ".join(f"{name} = {value}" for name, value in trial.values.items())
            _tell(screen, f"trial {trial.number + 1} of {spec.trials}: {told}")
            crew.start(TrialTask(trial=trial, spec=spec, data=data, sweep=root))
        ended = crew.ended()
        study.tell(ended)
        over.append(ended)
        shutil.rmtree(trial_folder(root, ended.number) / "state", ignore_errors=True)  # large, and not gone on with
        _tell(screen, _line(ended, over))


def _line(ended: Trial, over: list[Trial]) -> str:
    f1 = "" if ended.f1 is None else f", validation F1 {100 * ended.f1:.1f}"
    done = [trial.f1 for trial in over if trial.state == DONE and trial.f1 is not None]
    best = f"; best so far {100 * max(done):.1f}" if done else ""
    return f"trial {ended.number + 1} {ended.state}{f1}{best}" + (f": {ended.reason}" if ended.reason else "")


def _failed(trial: Trial, reason: str) -> Trial:
    return Trial(number=trial.number, values=trial.values, state=FAILED, reason=reason)


def _result(spec: SweepSpec, study: Study, dataset: PreparedDataset, root: Path) -> SweepResult:
    trials = study.trials()
    done = [trial for trial in trials if trial.state == DONE and trial.f1 is not None]
    if not done:
        reasons = [trial.reason for trial in trials if trial.reason]
        remedy = f"the first says: {reasons[0]}" if reasons else None
        raise ConfigError("no trial could be trained to its end", file=root, remedy=remedy)
    best = max(done, key=lambda trial: (trial.f1 or 0.0, -trial.number))
    write_settings(root / BEST_FILE, spec.settings(best.values))
    return SweepResult(
        folder=root,
        spec=spec,
        data=dataset.folder.resolve().name,
        trials=tuple(trials),
        best=best,
        importance=study.importance(),
    )


def _check_same(root: Path, spec: SweepSpec, dataset: PreparedDataset) -> None:
    """Write down what the folder is of, or refuse one that is of something else; more trials are no difference."""
    told = {"spec": spec.deciding, "data": dataset.fingerprint}
    file = root / SWEEP_FILE
    if not file.exists():
        if any(path.name != LOCK_FILE for path in root.iterdir()):
            raise ConfigError("this is not a sweep, and not empty", file=root, remedy="name a new folder with --out")
        write_json(file, told)
        return
    before = read_json(file, error=ConfigError)
    for field in told:
        if not isinstance(before, dict) or before.get(field) != told[field]:
            what = "data" if field == "data" else "keys or settings"
            raise ConfigError(f"the sweep was begun with other {what}", file=file, remedy="name a new folder with --out")


def _tell(screen: TextIO | None, text: str) -> None:
    if screen is not None:
        print(text, file=screen, flush=True)
