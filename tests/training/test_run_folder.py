"""A run's folder is never written over, and never mixed with other files or other settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesmer.config import RunSettings, preset
from mesmer.errors import ConfigError, ModelError
from mesmer.training.run_folder import RunFolder, model_source


@pytest.fixture
def settings() -> RunSettings:
    return preset("mesmer")


def test_a_new_or_empty_folder_is_free_and_checking_writes_nothing(tmp_path: Path, settings: RunSettings) -> None:
    for folder in (tmp_path / "new", tmp_path):
        RunFolder(folder).check(settings, resume=False)
        RunFolder(folder).check(settings, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_only_gone_on_with_when_asked_and_unchanged(tmp_path: Path, settings: RunSettings) -> None:
    run = RunFolder(tmp_path / "deep" / "run")
    run.create(settings)
    with pytest.raises(ConfigError, match="a run is here already; add --resume"):
        run.check(settings, resume=False)
    run.check(settings, resume=True)
    with pytest.raises(ConfigError, match=r"settings\.yaml: train\.seed: the run was started with another value"):
        run.check(replace(settings, train=replace(settings.train, seed=7)), resume=True)


def test_other_peoples_files_are_left_alone(tmp_path: Path, settings: RunSettings) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="not a run, and not empty"):
            RunFolder(tmp_path).check(settings, resume=resume)
    with pytest.raises(ConfigError, match="not a run"):
        RunFolder(tmp_path / "thesis.tex").check(settings, resume=False)


def test_the_model_of_a_run(tmp_path: Path, settings: RunSettings) -> None:
    assert model_source("some/hub-id") == "some/hub-id"
    run = RunFolder(tmp_path / "run")
    run.create(settings)
    with pytest.raises(ModelError, match="has not saved a model yet"):
        model_source(run.root)
    run.model.mkdir()
    assert model_source(str(run.root)) == run.model


def test_a_killed_replacement_leaves_one_model(tmp_path: Path, settings: RunSettings) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(settings)

    def save(text: str, *, fail: bool = False):  # type: ignore[no-untyped-def]
        def write(folder: Path) -> None:
            folder.mkdir()
            (folder / "weights").write_text(text)
            if fail:
                raise KeyboardInterrupt

        return write

    run.replace_model(save("first"))
    with pytest.raises(KeyboardInterrupt):
        run.replace_model(save("half", fail=True))
    assert (run.model / "weights").read_text() == "first"
    run.replace_model(save("second"))
    assert (run.model / "weights").read_text() == "second"
    assert [path.name for path in run.root.iterdir() if path.name.startswith("model")] == ["model"]
    run.model.rename(run.root / "model.last")  # killed between the two renames
    assert model_source(run.root) == run.root / "model.last"
    run.replace_model(save("third"))
    assert (run.model / "weights").read_text() == "third"
