"""The folder of one training run, and who may write into it.

``settings.yaml`` (every setting) · ``log.jsonl`` (every step) · ``history.json`` (every epoch) · ``model/`` (the best
epoch's weights, with tokenizer and thresholds) · ``state/`` (what a resumed run needs) · ``tensorboard/`` (if asked for).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from mesmer.config import RunSettings
from mesmer.errors import ConfigError, MesmerError, ModelError
from mesmer.models.catalogue import DEFAULT, Catalogue
from mesmer.storage.atomic import plain_error, remove_leftovers
from mesmer.training.settings_file import first_difference, read_settings, write_settings

MODEL_VARIABLE = "MESMER_MODEL"
"""The environment variable that names the model to use where none is named."""


class RunFolder:
    """Paths of a run.

    Args:
        root: the folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.settings = self.root / "settings.yaml"
        self.log = self.root / "log.jsonl"
        self.history = self.root / "history.json"
        self.model = self.root / "model"
        self.state = self.root / "state"
        self.tensorboard = self.root / "tensorboard"
        self.finetuned = self.root / "finetune.json"
        self._older = self.root / "model.last"

    def check(self, settings: RunSettings, *, resume: bool) -> None:
        """Refuse a folder that a run with ``settings`` may not write into; writes nothing.

        Raises:
            ConfigError: another run or other files are here, or the run to resume has other settings.
        """
        if not self.root.exists() or (self.root.is_dir() and not any(self.root.iterdir())):
            return
        if not self.settings.is_file():
            raise ConfigError("this is not a run, and not empty", file=self.root, remedy="name a new folder with --run")
        if not resume:
            raise ConfigError(
                "a run is here already",
                file=self.root,
                remedy="add --resume to go on with it, or name a new folder with --run",
            )
        changed = first_difference(read_settings(self.settings).deciding, settings.deciding)
        if changed:
            raise ConfigError(
                "the run was started with another value",
                file=self.settings,
                field=changed,
                remedy="name a new folder with --run",
            )

    def create(self, settings: RunSettings) -> None:
        """Make the folder and write the settings, unless they are there.

        Raises:
            MesmerError: it cannot be written.
        """
        if not self.settings.is_file():
            write_settings(self.settings, settings)
        with self._plainly():
            for folder in (self.root, self.state):
                remove_leftovers(folder)  # of a part that was killed

    def check_room(self, *, weight_bytes: int, state_bytes: int, begun: bool) -> None:
        """Refuse a disk that has no room for what the run will save, before it has cost anything.

        Args:
            weight_bytes: of one saved model; two stand side by side while one replaces the other.
            state_bytes: of one state; two are kept, and a third stands beside them while it is written.
            begun: the run has saved before: room for the newer ones is enough.

        Raises:
            MesmerError: says how much there is and how much is needed.
        """
        needed = weight_bytes + state_bytes if begun else 2 * weight_bytes + 3 * state_bytes
        with self._plainly():
            free = shutil.disk_usage(self.root).free
        if free < needed:
            raise MesmerError(
                f"the disk has {free / 1e6:.0f} MB free, and the run needs about {needed / 1e6:.0f} MB",
                file=self.root,
                remedy="free some space or choose another folder",
            )

    def replace_model(self, save: Callable[[Path], None]) -> None:
        """Let ``save`` write a model into a new folder, and put it in the place of ``model/``.

        The older model goes only when the new one stands. Killed at any moment, one of the two is found by
        :meth:`saved_model`.
        """
        fresh = self.root / "model.next"
        shutil.rmtree(fresh, ignore_errors=True)  # of a part that was killed
        save(fresh)
        with self._plainly():
            if self.model.is_dir():
                shutil.rmtree(self._older, ignore_errors=True)
                self.model.rename(self._older)
            fresh.rename(self.model)
        shutil.rmtree(self._older, ignore_errors=True)

    def saved_model(self) -> Path | None:
        """Return where the best model lies; None before the first."""
        return next((folder for folder in (self.model, self._older) if folder.is_dir()), None)

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise plain_error(error, self.root) from error


def model_source(named: str | Path | None = None) -> str | Path:
    """Return where a model lies.

    Args:
        named: a run, a model folder, the name of a model at hand (:mod:`mesmer.models.catalogue`) or a hub id, which comes
            back as it is. ``default`` is the packaged model, whatever lies in this folder; any other folder here goes
            before a model of its name. None is what ``$MESMER_MODEL`` names, else ``default``.

    Raises:
        ModelError: it is a run that has not saved a model yet, or there is no default model.
    """
    if named is None:
        named = os.environ.get(MODEL_VARIABLE) or DEFAULT
    if named == DEFAULT or (isinstance(named, str) and "/" not in named and not Path(named).exists()):
        catalogue = Catalogue.here()
        if named == DEFAULT or named in catalogue:
            return catalogue.folder(str(named))
    folder = RunFolder(named)
    if not folder.settings.is_file():
        return named
    saved = folder.saved_model()
    if saved is None:
        raise ModelError(
            "this run has not saved a model yet", file=folder.root, remedy="train it: mesmer train --resume ..."
        )
    return saved


def model_folder(named: str | Path) -> Path:
    """Return the folder of a model on this machine. Raises as :func:`model_source`.

    Raises:
        ModelError: there is none.
    """
    folder = Path(model_source(named))
    if not folder.is_dir():
        raise ModelError(
            "there is no such model here", file=folder, remedy="name a run, a folder, or what `mesmer models` lists"
        )
    return folder
