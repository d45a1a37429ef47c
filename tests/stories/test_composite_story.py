"""The road to one model of three modalities that no clip has together: three sets of one modality, three runs, a composite,
a fusion, and the study that tells what it is worth. Small, and in full.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mesmer.cli.main import main
from mesmer.dataset.composite.build import NOTE
from mesmer.experiments.ablation import SEVEN
from mesmer.models import load_model
from mesmer.training.settings_file import read_settings
from one_modality import make_sources

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PARTS = {"faces": "V", "voices": "A", "words": "T"}
TINY = """
model:
  width: 4
  feature_width: 16
  dim: 16
  heads: 2
  layers: 1
  text: {width: 16, layers: 1, heads: 2, max_tokens: 24, vocabulary_size: 200, positions: none, pooling: sum}
  sparse: {warm_epochs: 2}
train: {learning_rate: 2e-3, text_learning_rate_factor: 1.0, batch_size: 16, threads: 1, positive_weight: none}
"""
FUSION = ("--train.freeze_branches_epochs", "1", "--train.branch_loss", "0.5", "--model.modality_dropout", "0.2")


class Road:
    """Paths of one walk."""

    def __init__(self, root: Path) -> None:
        self.root, self.sources, self.config = root, make_sources(root / "sources", each=4), root / "tiny.yaml"
        self.data, self.run, self.out = root / "composite", root / "run", root / "out"
        self.config.write_text(TINY)

    def train(self, data: Path, run: Path, *more: str) -> int:
        return main(["train", "--config", str(self.config), "--data", str(data), "--run", str(run), *more])

    def fuse(self, run: Path, *more: str) -> int:
        branches = [f"{part}={self.root / part}" for part in PARTS]
        return self.train(self.data, run, "--init-branches", *branches, "--train.epochs", "2", *FUSION, *more)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    walked = Road(tmp_path_factory.mktemp("road"))
    for part, letter in PARTS.items():
        loss = "binary" if part == "words" else "choice"
        more = ("--model.modalities", letter, "--train.loss", loss, "--train.epochs", "2")
        assert walked.train(walked.sources[part], walked.root / part, *more) == 0
    made = [f"--{part}={folder}" for part, folder in walked.sources.items()]
    assert main(["prepare", "composite", *made, "--out", str(walked.data), "--size", "160", "--workers", "0"]) == 0
    assert walked.fuse(walked.run) == 0
    return walked


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_every_number_says_that_the_modalities_are_of_different_people(
    road: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    told = answer(capsys, "evaluate", str(road.run), "--data", str(road.data), "--resamples", "20")
    assert told["warnings"] == [NOTE]
    assert [row["name"] for row in told["rows"]][:4] == ["TAV", "T", "A", "V"]
    extra = load_model(road.run / "model").extra
    assert extra["notes"] == [NOTE]
    assert sorted(extra["trained_on"]) == ["faces", "voices", "words"]
    assert {modality: one["run"] for modality, one in extra["branches"].items()} == {
        "text": "words",
        "audio": "voices",
        "visual": "faces",
    }


def test_a_fusion_that_was_stopped_ends_with_the_same_bits(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the epoch in which the branches are let go."""
    from mesmer.training import run as run_module

    real, again = run_module.save_state, road.root / "again"

    def save_and_die(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        if options["progress"].step >= 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "save_state", save_and_die)
    assert road.fuse(again, "--train.save_every_steps", "5") == 130
    monkeypatch.setattr(run_module, "save_state", real)
    assert road.fuse(again, "--resume") == 0
    for name in ("model/model.safetensors", "history.json"):
        assert (again / name).read_bytes() == (road.run / name).read_bytes(), name


def test_the_study_holds_every_row_and_says_what_it_cost(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["experiment", "composite", "--run", str(road.run), "--data", str(road.data), "--out", str(road.out)]
    assert main([*words, "--points", "0.3,0.5", "--resamples", "20"]) == 0
    printed = capsys.readouterr().out
    assert "All shuffled: AUROC" in printed
    told = json.loads((road.out / "composite.json").read_text())
    names = [row["name"] for row in told["table"]["rows"]]
    assert names[:11] == [*SEVEN, "T shuffled", "A shuffled", "V shuffled", "all shuffled"]
    assert told["table"]["warnings"] == [NOTE]
    for versus in told["fusions"]:
        parts = [part for part in SEVEN if set(part) < set(versus["first"])]
        assert versus["second"] == max(parts, key=lambda part: told["valid_f1"][part])
        assert versus["by_speaker"]["clusters"] <= versus["by_sentence"]["utterances"]
    assert [point["top_p"] for point in told["curve"]] == [0.3, 0.5, 1.0]
    costs = [point["multiply_adds"] for point in told["curve"]]
    assert costs == sorted(costs)
    assert told["curve"][-1]["against_dense"]["average"]["f1"]["difference"] == 0.0
    dense_f1 = told["curve"][-1]["valid_f1"]
    fine = [point["top_p"] for point in told["curve"] if point["valid_f1"] >= dense_f1 - 0.01]
    assert told["knee"] == min(fine)
    assert NOTE.split(":")[0] in (road.out / "composite.md").read_text()
    assert {path.suffix for path in road.out.iterdir()} == {".md", ".tex", ".csv", ".json", ".png", ".svg"}
    # What `evaluate` says of the model is what the study says of it.
    same = answer(capsys, "evaluate", str(road.run), "--data", str(road.data), "--resamples", "0")
    assert same["rows"][0]["average"] == told["table"]["rows"][0]["average"]


def test_what_cannot_be_is_told_in_one_line(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    new = road.root / "new"

    def refused(code: int) -> str:
        assert code == 2
        assert not new.exists()
        return capsys.readouterr().err

    assert "is not of the form PART=RUN" in refused(road.train(road.data, new, "--init-branches", "face=x"))
    assert "train.init_faces" in refused(road.train(road.data, new, "--init-branches", f"faces={road.root / 'gone'}"))
    broad = ("--init-branches", f"faces={road.root / 'faces'}", "--model.width", "8")
    assert "visual branch does not fit" in refused(road.train(road.data, new, *broad))
    study = ["experiment", "composite", "--data", str(road.data), "--out", str(new)]
    assert "--run" in refused(main(study))
    assert "all three modalities" in refused(main([*study, "--run", str(road.root / "faces")]))
    made = [f"--{part}={road.sources['words']}" for part in PARTS]
    assert "--voices: the train split has no utterance" in refused(main(["prepare", "composite", *made, "--out", str(new)]))


def test_the_recipe_has_the_sizes_of_its_parts() -> None:
    whole = read_settings(RECIPES / "composite.yaml").model
    for part, modality in (("faces", "visual"), ("voices", "audio"), ("words", "text")):
        if not (RECIPES / f"{part}.yaml").is_file():
            pytest.skip("the recipes of the parts are not here")
        own = read_settings(RECIPES / f"{part}.yaml").model
        assert own.name == whole.name
        assert own.mel == whole.mel
        if modality == "text":
            assert (own.text.encoder, own.text.max_tokens) == (whole.text.encoder, whole.text.max_tokens)
        else:
            ours = whole.of_branch(modality)  # type: ignore[arg-type]
            names = ("width", "feature_width", "layers", "dim", "heads", "positions", "norm")
            assert [getattr(own, name) for name in names] == [getattr(ours, name) for name in names]
            assert own.sparse.choosing_blocks == whole.sparse.choosing_blocks
