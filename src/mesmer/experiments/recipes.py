"""A recipe is what a run is trained by, but for its seed; and where the recipes of an experiment are written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mesmer
from mesmer.config import RunSettings
from mesmer.config_dict import settings_hash
from mesmer.errors import ConfigError
from mesmer.training.settings_file import read_settings, with_values

SIX_MODELS: tuple[str, ...] = ("lf_lstm", "lf_transformer", "emo_embs", "mult", "fe2e", "mesm")
"""The rows of Tables 3 and 4, in the paper's order."""

TITLES: Mapping[str, str] = {
    "lf_lstm": "LF-LSTM",
    "lf_transformer": "LF-TRANS",
    "emo_embs": "EmoEmbs",
    "mult": "MulT",
    "fe2e": "FE2E",
    "mesm": "MESM",
}
"""``ModelSettings.name`` -> the model's name in the paper."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the runs of one row have in common.

    Attributes:
        name: short, of letters that a folder's name may have.
        settings: of the runs; each puts in its own seed.
    """

    name: str
    settings: RunSettings

    @property
    def title(self) -> str:
        """For people: ``MESM (p = 0.7)``."""
        model = self.settings.model
        title = TITLES.get(model.name, model.name)
        return f"{title} (p = {model.sparse.top_p:g})" if model.name == "mesm" else title

    @property
    def folder(self) -> str:
        """Name of the folder of its runs; another for each recipe, the same for every experiment that has this one."""
        return f"{self.name}-{settings_hash(self.with_seed(0).deciding)[:8]}"

    def with_seed(self, seed: int) -> RunSettings:
        """Return the settings of one run."""
        return replace(self.settings, train=replace(self.settings.train, seed=seed))

    def changed(self, name: str, **model: Any) -> Recipe:
        """Return a recipe of another name whose model differs in some settings."""
        return Recipe(name=name, settings=replace(self.settings, model=replace(self.settings.model, **model)))

    def on(self, modalities: str) -> Recipe:
        """Return the recipe of a model that is given these modalities only; itself where those are all of its own."""
        if set(modalities) == set(self.settings.model.modalities):
            return self
        return self.changed(f"{self.name}-{modalities}", modalities=modalities)

    def at(self, top_p: float) -> Recipe:
        """Return the recipe trained with another ``top_p``; itself where that is its own."""
        sparse = self.settings.model.sparse
        return (
            self if sparse.top_p == top_p else self.changed(f"{self.name}-p{top_p:g}", sparse=replace(sparse, top_p=top_p))
        )


class Recipes:
    """The recipes in a folder of settings, one YAML file per model: ``mesm.yaml``, ``fe2e.yaml``, ...

    Args:
        folder: of the files.
        values: dotted name -> value, put into every recipe.
    """

    def __init__(self, folder: str | Path, values: Mapping[str, Any] | None = None) -> None:
        self.folder, self._values = Path(folder), dict(values or {})

    def read(self, model: str) -> Recipe:
        """Return the recipe of a model.

        Raises:
            ConfigError: there is no file for it, the file is refused, or it speaks of another model.
        """
        file = self.folder / f"{model}.yaml"
        settings = read_settings(file)
        if settings.model.name != model:
            raise ConfigError(f"these are settings of '{settings.model.name}'", file=file, field="model.name")
        return Recipe(name=model, settings=with_values(settings, self._values) if self._values else settings)

    def read_all(self, models: Sequence[str] = SIX_MODELS) -> list[Recipe]:
        """Return the recipes of some models. Raises as :meth:`read`."""
        return [self.read(model) for model in models]


def configs_folder(corpus: str, *, small: bool = False, folder: str | Path | None = None) -> Path:
    """Return the folder of settings for a corpus.

    Args:
        corpus: of the prepared data.
        small: the small models, of any corpus, instead of the paper's.
        folder: one's own instead.

    Raises:
        ConfigError: the paper has no settings for the corpus, or the folder is not there.
    """
    if small and folder is not None:
        raise ConfigError("--small and --configs exclude each other", remedy="give one of them")
    if folder is not None:
        found = Path(folder)
    elif small:
        found = _ours() / "small"
    elif corpus in ("iemocap", "cmu_mosei"):
        found = _ours() / "paper" / corpus
    else:
        raise ConfigError(
            f"the paper has no settings for the corpus '{corpus}'",
            remedy="add --small, or --configs FOLDER with one YAML file per model",
        )
    if not found.is_dir():
        raise ConfigError("there is no such folder", file=found, remedy="name one with --configs, or work in the project")
    return found


def _ours() -> Path:
    """Return the project's folder of settings: beside its sources, or where one works."""
    beside = Path(mesmer.__file__).parents[2] / "configs"
    return beside if beside.is_dir() else Path("configs")
