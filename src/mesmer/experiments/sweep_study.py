"""The memory of a sweep: an Optuna study in one journal file, which any process that dies leaves readable.

Each trial's values follow from the seed, its number and the trials before it, so a sweep that was stopped and gone on with
by one process tries what it would have tried. Optuna is imported here alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.errors import ConfigError, DependencyError
from mesmer.experiments.sweep_spec import Choice, Range, SweepSpec, Value, exact
from mesmer.storage.atomic import plain_error

DONE, PRUNED, FAILED = "done", "pruned", "failed"
JOURNAL_FILE = "journal.jsonl"
_NAME = "sweep"


def optuna() -> Any:
    """Return the package, quiet.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import optuna as package
    except ImportError as error:
        raise DependencyError("Optuna is not installed", remedy="pip install 'mesmer-emotion[search]'") from error
    package.logging.set_verbosity(package.logging.ERROR)
    return package


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial.

    Attributes:
        number: from 0.
        values: dotted name -> value.
        state: ``done``, ``pruned`` or ``failed``; None while it is not over.
        f1: best average F1 on the validation split so far; None where there is none.
        epochs, best_epoch: trained, and where ``f1`` was reached.
        reason: why it failed.
    """

    number: int
    values: Mapping[str, Value]
    state: str | None = None
    f1: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {**self.__dict__, "values": dict(self.values)}


class Study:
    """The trials of a sweep, in ``journal``.

    Raises:
        DependencyError: Optuna is not installed.
        MesmerError: the journal cannot be read or written.
    """

    def __init__(self, journal: Path, spec: SweepSpec) -> None:
        self._optuna, self._spec, self._journal = optuna(), spec, journal
        with self._plainly():
            backend = self._optuna.storages.journal.JournalFileBackend(str(journal))
            storage = self._optuna.storages.JournalStorage(backend)
            pruner: Any = self._optuna.pruners.NopPruner()
            if spec.pruning == "median":
                pruner = self._optuna.pruners.MedianPruner(
                    n_startup_trials=spec.startup_trials, n_warmup_steps=spec.warmup_epochs
                )
            self._study = self._optuna.create_study(
                study_name=_NAME, storage=storage, direction="maximize", pruner=pruner, load_if_exists=True
            )

    def enqueue_grid(self) -> None:
        """Put every point of the grid in line that is not there yet."""
        with self._plainly():
            for point in self._spec.points[: self._spec.trials]:
                held = {name: _told(of, point[name]) for name, of in self._spec.keys.items()}
                self._study.enqueue_trial(held, skip_if_exists=True)

    def ask(self) -> Trial:
        """Return the next trial."""
        with self._plainly():
            self._study.sampler = self._sampler(sum(t.state.name != "WAITING" for t in self._study.trials))
            trial = self._study.ask()
            values = {name: _suggested(trial, name, of) for name, of in self._spec.keys.items()}
        return Trial(number=trial.number, values=values)

    def trials(self) -> list[Trial]:
        """Return all trials that were begun, in order."""
        with self._plainly():
            return [self._read(trial) for trial in self._study.trials if trial.state.name != "WAITING"]

    def report(self, number: int, epoch: int, f1: float) -> bool:
        """Note a trial's validation F1 at an epoch; return whether the trial should end."""
        with self._plainly(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an epoch that is trained again after a kill is reported again
            trial = self._handle(number)
            trial.report(f1, epoch - 1)  # Optuna counts from 0
            return bool(trial.should_prune())

    def tell(self, trial: Trial) -> None:
        """Note how a trial ended."""
        states = self._optuna.trial.TrialState
        state = {DONE: states.COMPLETE, PRUNED: states.PRUNED, FAILED: states.FAIL}[str(trial.state)]
        with self._plainly():
            handle = self._handle(trial.number)
            for name in ("f1", "epochs", "best_epoch", "reason"):
                handle.set_user_attr(name, getattr(trial, name))
            self._study.tell(trial.number, trial.f1 if trial.state == DONE else None, state=state)

    def importance(self) -> dict[str, float]:
        """Return key -> share of what made the better tenth of finished trials better (PED-ANOVA, Watanabe et al. 2023);
        empty with fewer than four of them, or where they hardly differ.
        """
        done = [trial for trial in self.trials() if trial.state == DONE]
        if len(done) < 4 or len({trial.f1 for trial in done}) < 2:
            return {}
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        with self._plainly(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        shares = {name: float(found.get(name, 0.0)) for name in self._spec.keys}
        return shares if sum(shares.values()) > 0 else {}

    def _sampler(self, number: int) -> Any:
        seed = self._spec.seed * 1_000_003 + number  # anew for each trial: nothing is lost with a process
        if self._spec.method == "tpe":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # constant_liar, which keeps workers apart, is called experimental
                return self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        return self._optuna.samplers.RandomSampler(seed=seed)

    def _handle(self, number: int) -> Any:
        return self._optuna.trial.Trial(self._study, self._study.trials[number]._trial_id)

    def _read(self, frozen: Any) -> Trial:
        state = {"COMPLETE": DONE, "PRUNED": PRUNED, "FAIL": FAILED}.get(frozen.state.name)
        told = frozen.user_attrs
        values = {name: _value(of, frozen.params[name]) for name, of in self._spec.keys.items() if name in frozen.params}
        return Trial(
            number=frozen.number,
            values=values,
            state=state,
            **{name: told.get(name) for name in ("f1", "epochs", "best_epoch", "reason")},
        )

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise plain_error(error, self._journal) from error
        except (ValueError, KeyError, RuntimeError) as error:
            raise ConfigError(
                f"the journal of the sweep cannot be used: {error}", file=self._journal, remedy="start in a new folder"
            ) from error


def mend(journal: Path) -> None:
    """Cut off a last line that a process was killed in the middle of.

    Raises:
        MesmerError: the file cannot be written.
    """
    if not journal.is_file():
        return
    try:
        with journal.open("r+b") as file:
            file.seek(max(0, journal.stat().st_size - 2**20))
            start, tail = file.tell(), file.read()
            if tail and not tail.endswith(b"\n"):
                file.truncate(start + tail.rfind(b"\n") + 1)
                os.fsync(file.fileno())
    except OSError as error:
        raise plain_error(error, journal) from error


def _told(of: Choice | Range, value: Value) -> Any:
    """Return a value as the study holds it: the choices are held as JSON, for Optuna takes 1, 1.0 and true for one."""
    return json.dumps(value) if isinstance(of, Choice) else value


def _suggested(trial: Any, name: str, of: Choice | Range) -> Value:
    if isinstance(of, Choice):
        return _value(of, trial.suggest_categorical(name, [json.dumps(value) for value in of.values]))
    suggest = trial.suggest_int if of.whole else trial.suggest_float
    if of.step is None:
        return _value(of, suggest(name, of.low, of.high, log=of.log))
    high = exact(of.low + int((of.high - of.low) / of.step + 1e-9) * of.step)  # the last step, as Optuna wants it
    return _value(of, suggest(name, of.low, high, step=of.step))


def _value(of: Choice | Range, held: Any) -> Value:
    if isinstance(of, Choice):
        value: Value = json.loads(held)
        return value
    return exact(held)
