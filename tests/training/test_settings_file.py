"""Settings as YAML: presets as base, one clear line for every fault, the resolved settings read back equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.config import ModelSettings, RunSettings, SparseSettings, TextSettings, TrainSettings, preset
from mesmer.errors import ConfigError
from mesmer.training.settings_file import LARGEST_FILE_BYTES, first_difference, read_settings, write_settings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def read(tmp_path: Path, text: str, **options: str) -> RunSettings:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    return read_settings(file, **options)


def test_a_file_names_only_what_differs_from_its_preset(tmp_path: Path) -> None:
    got = read(tmp_path, "preset: paper\nmodel:\n  width: 16\n  sparse: {top_p: 0.7}\ntrain: {learning_rate: 1e-3}\n")
    paper = preset("paper")
    expected = RunSettings(
        model=replace(paper.model, width=16, sparse=replace(paper.model.sparse, top_p=0.7)),
        train=replace(paper.train, learning_rate=1e-3),
    )
    assert got == expected
    assert read(tmp_path, "") == preset("mesmer")
    assert read(tmp_path, "preset: mesmer\n", preset_name="paper") == paper
    assert read_settings(None, preset_name="paper") == paper


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 512),
    rate=st.floats(1e-9, 10, allow_nan=False),
    top_p=st.floats(0.001, 1),
    scale=st.none() | st.floats(0.001, 100),
    emotions=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4),
    frozen=st.booleans(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, width, rate, top_p, scale, emotions, frozen
) -> None:  # type: ignore[no-untyped-def]
    made = RunSettings(
        model=ModelSettings(
            width=width,
            emotions=tuple(emotions),
            text=TextSettings(frozen=frozen),
            sparse=SparseSettings(top_p=top_p, logit_scale=scale),
        ),
        train=TrainSettings(learning_rate=rate),
    )
    file = tmp_path_factory.mktemp("settings") / "settings.yaml"
    write_settings(file, made)
    assert read_settings(file) == made


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: {widthh: 16}", "did you mean 'width'"),
        ("mmodel: {width: 16}", "did you mean 'model'"),
        ("model: {sparse: {top_q: 1}}", "model.sparse.top_q: unknown key 'top_q'; did you mean 'top_p'"),
        ("model: {width: wide}", "model.width: 'wide' is not of type int"),
        ("model: {width: true}", "model.width"),
        ("model: {sparse: {top_p: 1.5}}", "model.sparse.top_p: top_p is 1.5"),
        ("train: {schedule: stairs}", "train.schedule"),
        ("train: {learning_rate: .nan}", "train.learning_rate"),
        ("preset: papre", "preset"),
        ("preset: [paper]", "preset"),
        ("model: 3", "model: a mapping is expected"),
        ("- model", "a mapping is expected"),
        ("model: {width: 16", "not YAML"),
        ("model: {width: 16}\nmodel: {width: 32}", "key 'model' stands twice"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("a: &a [*a]", "aliases"),
        ("model: !!python/object/apply:os.system ['true']", "not YAML"),
        ("model: " + "[" * 5000, "YAML"),
        ("model: 0000-99-99", "YAML"),
        ("#" * (LARGEST_FILE_BYTES + 1), "larger than"),
        ("\x00", "YAML"),
    ],
)
def test_every_fault_is_one_line_that_names_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert told in message
    assert "\n" not in message
    if not text.startswith("preset: papre"):  # the preset's own error names what is known instead
        assert "settings.yaml" in message


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: the file does not exist"):
        read_settings(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        read_settings(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_settings(tmp_path / "binary")


def test_first_difference_names_the_setting() -> None:
    base = preset("mesmer")
    assert first_difference(base, base) is None
    other = replace(base, model=replace(base.model, sparse=replace(base.model.sparse, top_p=0.9)))
    assert first_difference(base, other) == "model.sparse.top_p"


RUNS = sorted(file for file in CONFIGS.rglob("*.yaml") if file.stem != "sweep")  # a sweep's file is read by its own tests


@pytest.mark.parametrize("file", RUNS, ids=lambda file: str(file.relative_to(CONFIGS)))
def test_every_config_of_the_project_is_read(file: Path) -> None:
    assert isinstance(read_settings(file), RunSettings)
