"""Models by name: what is found where, which goes first, and what is said where nothing is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import mesmer
from mesmer.config import PrepareSettings
from mesmer.errors import ConfigError, ModelError
from mesmer.models import build_model, load_model
from mesmer.models import catalogue as catalogue_module
from mesmer.models.catalogue import PACKAGED, Catalogue, read_card
from mesmer.models.packing import pack_model
from mesmer.models.provenance import Provenance
from mesmer.signals.text import train_tokenizer
from mesmer.storage.hashes import sha256_file
from mesmer.training.run_folder import model_folder, model_source
from model_batches import small_settings


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalogue")
    tokenizer = train_tokenizer(["i am glad", "you are sad"], 64)
    torch.manual_seed(0)
    model = build_model(small_settings("fe2e"), tokenizer_size=tokenizer.size).eval()
    model.save_pretrained(root / "m", tokenizer=tokenizer, prepare=PrepareSettings())
    told = Provenance(name="x", summary="Made in a test.", use="tests", trained_on=("synthetic",), license="apache-2.0")
    pack_model(load_model(root / "m"), root / "packed", provenance=told, card="# The card\n", notices={})
    return root / "packed"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder like the one in the package, without models."""
    (tmp_path / "packaged").mkdir()
    values = json.loads((PACKAGED / "catalogue.json").read_text()) | {"sha256": {}}
    (tmp_path / "packaged" / "catalogue.json").write_text(json.dumps(values))
    return tmp_path / "packaged"


def test_this_version_says_honestly_what_it_ships() -> None:
    entries = Catalogue().entries()
    folders = {folder.name for folder in PACKAGED.iterdir() if folder.is_dir() and folder.name != "__pycache__"}
    assert {entry.name for entry in entries} == folders
    for entry in entries:  # whatever is dropped in must be whole, small and say what it may be used for
        assert entry.problem is None
        assert entry.provenance is not None
        assert entry.provenance.use
        assert entry.size_bytes <= 80 * 10**6
        Catalogue().check(entry.name)


def test_one_folder_dropped_in_is_the_default(shelf: Path, packed: Path, tmp_path: Path) -> None:
    assert "default" not in Catalogue(packaged=shelf)
    shutil.copytree(packed, shelf / "default")
    catalogue = Catalogue(packaged=shelf)
    (entry,) = catalogue.entries()
    assert (entry.name, entry.is_default, entry.origin) == ("default", True, "packaged")
    assert catalogue.folder("default") == shelf / "default"
    assert catalogue.check("default") == ("README.md", "config.json", "model.safetensors", "provenance.json",
                                          "tokenizer.json", "tokenizer_config.json")  # fmt: skip


def test_the_catalogue_may_name_another_default(shelf: Path, packed: Path) -> None:
    shutil.copytree(packed, shelf / "base-2")
    values = json.loads((shelf / "catalogue.json").read_text()) | {"default": "base-2"}
    (shelf / "catalogue.json").write_text(json.dumps(values))
    assert Catalogue(packaged=shelf).folder("default") == shelf / "base-2"
    assert Catalogue(packaged=shelf).entry("default").name == "base-2"


def test_a_pinned_model_that_was_replaced_is_found(shelf: Path, packed: Path) -> None:
    shutil.copytree(packed, shelf / "default")
    values = json.loads((shelf / "catalogue.json").read_text())
    values["sha256"] = {"default": sha256_file(shelf / "default" / "hashes.json")}
    (shelf / "catalogue.json").write_text(json.dumps(values))
    Catalogue(packaged=shelf).check("default")
    values["sha256"]["default"] = "0" * 64  # as if the folder were another, whole in itself
    (shelf / "catalogue.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match="not the model that came with this package"):
        Catalogue(packaged=shelf).check("default")


def test_ones_own_folder_goes_first_and_junk_is_passed_over(shelf: Path, packed: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(packed, shelf / "default")
    shutil.copytree(packed, own / "default")
    shutil.copytree(packed, own / "mine")
    (own / "notes").mkdir()
    (own / "file.txt").write_text("x")
    (own / ".hidden").mkdir()
    catalogue = Catalogue(packaged=shelf, own=own)
    assert [(one.name, one.origin) for one in catalogue.entries()] == [("default", "yours"), ("mine", "yours")]
    (own / "mine" / "config.json").write_text("{")
    (entry,) = (one for one in catalogue.entries() if one.name == "mine")
    assert entry.problem is not None
    assert "config.json" in entry.problem
    with pytest.raises(ModelError, match=r"config\.json"):
        catalogue.check("mine")
    assert read_card(own / "default") == "# The card\n"
    with pytest.raises(ModelError, match="no card"):
        read_card(own / "notes")


def test_what_is_not_there_is_one_clear_sentence(shelf: Path, packed: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no default model is installed: .*; name a run or a model folder .*MESMER_MODELS"
    ):
        Catalogue(packaged=shelf).folder("default")
    shutil.copytree(packed, shelf / "base")
    with pytest.raises(ModelError, match="there is no model 'bass'; did you mean 'base'"):
        Catalogue(packaged=shelf).folder("bass")
    with pytest.raises(ConfigError, match=r"MESMER_MODELS: there is no such folder"):
        Catalogue(packaged=shelf, own=tmp_path / "nowhere")
    (shelf / "catalogue.json").write_text("[]")
    with pytest.raises(ModelError, match="not a catalogue"):
        Catalogue(packaged=shelf)


def test_whatever_takes_a_model_takes_its_name(
    packed: Path, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue_module, "PACKAGED", shelf)
    monkeypatch.delenv("MESMER_MODEL", raising=False)
    monkeypatch.delenv("MESMER_MODELS", raising=False)
    (tmp_path / "talk.mp4").write_bytes(b"no media")
    for call in (mesmer.predict, mesmer.analyze, mesmer.explain):
        with pytest.raises(ModelError, match="no default model is installed"):
            call("talk.mp4")
    own = tmp_path / "own"
    shutil.copytree(packed, own / "mine")
    monkeypatch.setenv("MESMER_MODELS", str(own))
    assert model_source("mine") == own / "mine"
    shutil.copytree(packed, own / "default")
    (tmp_path / "default").mkdir()  # `default` always means the model, any other folder here itself
    (tmp_path / "mine").mkdir()
    assert model_source(None) == model_source("default") == own / "default"
    assert model_source("mine") == "mine"
    assert model_source("./default") == "./default"
    assert model_source("some/hub-id") == "some/hub-id"
    assert model_source("nobody") == "nobody"
    with pytest.raises(ModelError, match="no such model here"):
        model_folder("nobody")
    monkeypatch.setenv("MESMER_MODEL", str(packed))
    assert model_source(None) == str(packed)
