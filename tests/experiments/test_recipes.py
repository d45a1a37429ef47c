"""Recipes: the folders they name, the settings they are read from, and the paper's Table 6."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesmer.errors import ConfigError
from mesmer.experiments.ablation import SEVEN
from mesmer.experiments.paper_results import TABLE_3, TABLE_4, TABLE_5, on_same_data
from mesmer.experiments.recipes import SIX_MODELS, Recipes, configs_folder
from mesmer.models.registry import MODELS
from mesmer.training.settings_file import setting_names, with_values

TABLE_6 = {  # corpus, model -> the rows of Table 6 that we have as settings
    ("iemocap", "fe2e"): 50,
    ("iemocap", "mesm"): 100,
    ("cmu_mosei", "fe2e"): 50,
    ("cmu_mosei", "mesm"): 100,
}


@pytest.mark.parametrize(("corpus", "model"), TABLE_6)
def test_the_end_to_end_models_are_those_of_table_6(corpus: str, model: str) -> None:
    settings = Recipes(configs_folder(corpus)).read(model).settings
    assert (settings.train.batch_size, settings.train.learning_rate) == (8, 5e-5)
    assert (settings.model.dim, settings.model.heads, settings.model.layers) == (64, 4, 4)
    assert settings.model.text.max_tokens == TABLE_6[corpus, model]
    assert (settings.model.width, settings.model.modality_dropout) == (64, 0.0)
    if model == "mesm":
        assert settings.model.sparse.top_p == {"iemocap": 0.7, "cmu_mosei": 0.5}[corpus]  # Tables 3 and 4
        assert settings.model.sparse.attention_gradient == "none"


@pytest.mark.parametrize("folder", ["iemocap", "cmu_mosei", None])
def test_every_folder_has_every_model(folder: str | None) -> None:
    recipes = Recipes(configs_folder(folder or "synthetic", small=folder is None))
    assert [recipe.settings.model.name for recipe in recipes.read_all()] == list(SIX_MODELS)
    assert set(SIX_MODELS) == set(MODELS)


def test_a_folder_of_runs_belongs_to_one_recipe() -> None:
    mesm = Recipes(configs_folder("synthetic", small=True)).read("mesm")
    workers = replace(mesm, settings=with_values(mesm.settings, {"train.workers": 2, "train.seed": 7}))
    assert workers.folder == mesm.folder  # neither has a part in what the recipe is
    others = [mesm.on(subset) for subset in SEVEN] + [mesm.at(p) for p in (0.1, 0.5, 1.0)]
    assert len({recipe.folder for recipe in others}) == len(others) - 1  # TAV and p = 0.5 are its own
    assert mesm.on("VAT") is mesm
    assert mesm.at(0.5) is mesm
    assert mesm.on("VA").settings.model.modalities == "AV"
    assert mesm.with_seed(3).train.seed == 3


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no settings for the corpus 'meld'; add --small"):
        configs_folder("meld")
    with pytest.raises(ConfigError, match="exclude"):
        configs_folder("meld", small=True, folder=tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        configs_folder("meld", folder=tmp_path / "none")
    (tmp_path / "mesm.yaml").write_text("model: {name: fe2e}")
    with pytest.raises(ConfigError, match="settings of 'fe2e'"):
        Recipes(tmp_path).read("mesm")
    with pytest.raises(ConfigError, match="does not exist"):
        Recipes(tmp_path).read("mult")
    (tmp_path / "mesm.yaml").write_text("model: {name: mesm}")
    with pytest.raises(ConfigError, match=r"did you mean 'epochs'"):
        Recipes(tmp_path, {"train.epoch": 3}).read("mesm")


def test_settings_are_changed_by_their_dotted_names() -> None:
    base = Recipes(configs_folder("synthetic", small=True)).read("mesm").settings
    changed = with_values(base, {"model.sparse.top_p": 0.25, "model.text.width": 32, "train.learning_rate": 1})
    assert (changed.model.sparse.top_p, changed.model.text.width, changed.train.learning_rate) == (0.25, 32, 1.0)
    assert changed.model.sparse.warm_epochs == base.model.sparse.warm_epochs
    assert with_values(base, {}) == base
    for name in ("model.sparse.top_p", "model.features.text_width", "model.baseline.lstm_layers", "train.seed"):
        assert name in setting_names()


@pytest.mark.parametrize("table", [TABLE_3, TABLE_4])
def test_the_printed_averages_are_means_of_the_printed_emotions(table: dict[str, object]) -> None:
    """A figure copied wrongly would move the mean; the paper's own rounding moves it by up to 0.11."""
    assert list(table) == list(SIX_MODELS)
    for printed in table.values():
        for metric, average in printed.average.items():  # type: ignore[attr-defined]
            mean = sum(of[metric] for of in printed.per_emotion.values()) / 6  # type: ignore[attr-defined]
            assert mean == pytest.approx(average, abs=0.11)


def test_the_paper_stands_beside_the_same_data_only() -> None:
    emotions = tuple(TABLE_3["mesm"].per_emotion)
    assert on_same_data("table3", "iemocap", emotions)
    assert on_same_data("table5", "iemocap", emotions[::-1])
    assert not on_same_data("table3", "iemocap", emotions[:5])
    assert not on_same_data("table3", "cmu_mosei", tuple(TABLE_4["mesm"].per_emotion))
    assert on_same_data("table4", "cmu_mosei", tuple(TABLE_4["mesm"].per_emotion))
    assert not on_same_data("table4", "synthetic", tuple(TABLE_4["mesm"].per_emotion))
    assert [subset for model, subset in TABLE_5 if model == "fe2e"] == list(SEVEN)
