"""The whole road by its commands: media are made and prepared, a model is trained, evaluated, and reads unseen clips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mesmer
from mesmer.cli.main import main
from mesmer.emotions import SIX_EMOTIONS
from mesmer.evaluation.trivial import TRIVIAL
from mesmer.records import Prediction

TINY = """
model:
  width: 4
  feature_width: 16
  dim: 16
  heads: 2
  layers: 1
  text: {width: 16, layers: 1, heads: 2, max_tokens: 24, vocabulary_size: 200}
  sparse: {warm_epochs: 1}
train: {learning_rate: 1e-3, epochs: 2, batch_size: 8, threads: 1}
"""


class Road:
    """Paths of one walk down the road."""

    def __init__(self, root: Path) -> None:
        self.data, self.run, self.config = root / "data", root / "run", root / "tiny.yaml"
        self.unseen = self.data / "raw" / "unseen.mp4"

    def train(self, run: Path, *more: str) -> int:
        return main(["train", "--config", str(self.config), "--data", str(self.data), "--run", str(run), *more])


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    walked = Road(tmp_path_factory.mktemp("road"))
    walked.config.write_text(TINY)
    assert main(["prepare", "synthetic", str(walked.data), "--size", "tiny", "--seed", "3"]) == 0
    assert walked.train(walked.run) == 0
    return walked


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The one JSON object that a command prints."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert isinstance(told, dict)
    return told


def check_prediction(told: dict[str, Any]) -> None:
    assert list(told["probabilities"]) == list(SIX_EMOTIONS)
    assert all(0 <= p <= 1 for p in told["probabilities"].values())
    reached = {name for name, p in told["probabilities"].items() if p >= told["thresholds"][name]}
    assert set(told["decisions"]) == reached
    assert told["decisions"] == sorted(told["decisions"], key=lambda name: -told["probabilities"][name])
    cost = told["cost"]
    assert 0 < cost["multiply_adds"] <= cost["dense_multiply_adds"]
    assert cost["seconds_total"] >= cost["seconds_model"] > 0
    assert set(told["modality_shares"]) == set(told["modalities_used"])
    for name, probability in told["probabilities"].items():  # the shares and what calibration adds make the log-odds
        logit = told["offsets"][name] + sum(shares[name] for shares in told["modality_shares"].values())
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(probability, abs=1e-5)


def test_a_run_leaves_what_it_promises(road: Road) -> None:
    names = {path.name for path in road.run.iterdir()}
    assert names == {"settings.yaml", "log.jsonl", "history.json", "model", "state"}
    history = json.loads((road.run / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2]
    lines = [json.loads(line) for line in (road.run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "step"] == [1, 2, 3, 4, 5, 6]
    thresholds = json.loads((road.run / "model" / "config.json").read_text())["thresholds"]
    assert thresholds == history["epochs"][history["best_epoch"] - 1]["thresholds"]


def test_the_table_carries_every_row(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "evaluate", str(road.run), "--data", str(road.data), "--split", "test")
    assert told["utterances"] == 10
    assert [row["name"] for row in told["rows"]] == ["TAV", "T", "A", "V", *TRIVIAL]
    assert all(0 <= value <= 1 for row in told["rows"] for value in row["average"].values())
    config = json.loads((road.run / "model" / "config.json").read_text())
    assert told["rows"][0]["thresholds"] == config["thresholds"]
    assert told["multiply_adds"] < told["dense_multiply_adds"]
    # On validation, the stored thresholds give the F1 that training reported.
    valid = answer(capsys, "evaluate", str(road.run), "--data", str(road.data), "--split", "valid", "--batch-size", "3")
    history = json.loads((road.run / "history.json").read_text())
    assert valid["rows"][0]["average"]["f1"] == pytest.approx(history["best_f1"])
    assert config["calibration"].keys() == config["unsure_margins"].keys() == thresholds_of(told).keys()
    assert told["warnings"] == []  # strangers, and the dataset it was trained on
    assert "fitted on these very utterances" in valid["warnings"][0]
    # And without --json it is a table for people.
    assert main(["evaluate", str(road.run), "--data", str(road.data)]) == 0
    assert "answer none" in capsys.readouterr().out


def thresholds_of(told: dict[str, Any]) -> dict[str, float]:
    found = told["rows"][0]["thresholds"]
    assert isinstance(found, dict)
    return found


def test_runs_are_compared_averaged_and_written_as_scores(
    road: Road, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", str(road.run), "--data", str(road.data), "--resamples", "50")
    saved = tmp_path / "scores.csv"
    same = answer(capsys, *words, "--against", str(road.run / "model"), "--save-scores", str(saved))
    assert {one["difference"] for one in same["against"]["average"].values()} == {0.0}
    seeds = answer(capsys, "evaluate", str(road.run), *words[1:])
    assert {spread["deviation"] for spread in seeds["seeds"]["rows"][0]["average"].values()} == {0.0}
    # What was written as scores, judged with the stored thresholds, gives the same numbers.
    limits = tmp_path / "thresholds.json"
    limits.write_text(json.dumps(thresholds_of(same)))
    again = answer(capsys, "evaluate", "--scores", str(saved), "--thresholds", str(limits), "--resamples", "50")
    assert again["rows"][0]["average"] == same["rows"][0]["average"]
    assert again["rows"][0]["intervals"] == same["rows"][0]["intervals"]


def test_an_unseen_clip_is_read(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    words = road.unseen.with_suffix(".txt")
    told = answer(capsys, "predict", str(road.unseen), "--transcript", str(words), "--model", str(road.run))
    check_prediction(told)
    assert told["modalities_used"] == ["text", "audio", "visual"]
    assert told["warnings"] == []
    same = answer(
        capsys, "predict", str(road.unseen), "--transcript", words.read_text(), "--model", str(road.run / "model")
    )
    assert same["probabilities"] == told["probabilities"]
    wordless = answer(capsys, "predict", str(road.unseen), "--model", str(road.run))
    assert wordless["modalities_used"] == ["audio", "visual"]
    assert wordless["warnings"] == ["text absent: no text"]
    assert main(["predict", str(road.unseen), "--model", str(road.run)]) == 0
    assert "expressed:" in capsys.readouterr().out


def test_top_p_is_a_dial_at_prediction_time(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("predict", str(road.unseen), "--model", str(road.run), "--top-p")
    costs = [answer(capsys, *words, str(p))["cost"] for p in (0.1, 0.5, 1.0)]
    assert costs[0]["multiply_adds"] < costs[1]["multiply_adds"] < costs[2]["multiply_adds"]
    assert len({cost["dense_multiply_adds"] for cost in costs}) == 1


def test_what_is_trained_on_is_what_is_predicted_on(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    """A test utterance, read from its mp4 by ``predict``, gets the probabilities of its prepared self."""
    from mesmer.dataset.loading import BatchLoader, PreparedDataset
    from mesmer.evaluation.predictions import answer_split
    from mesmer.models import load_model

    loaded = load_model(road.run / "model")
    split = PreparedDataset.open(road.data).split("test")
    settings = loaded.model.settings
    loader = BatchLoader(
        split, tokenizer=loaded.tokenizer, mel=settings.mel, max_tokens=24, batch_size=4, shuffle=False, seed=0
    )
    answers = answer_split(model=loaded.model, batches=loader.epoch(0), subsets=("TAV",))
    for row in (0, 7):
        clip = road.data / "raw" / "media" / f"{split.ids[row]}.mp4"
        told: Prediction = mesmer.predict(clip, model=loaded, transcript=split.texts[row])
        assert list(told.probabilities.values()) == pytest.approx(answers.probabilities["TAV"][row].tolist(), abs=1e-5)


def test_two_runs_with_one_seed_are_bit_equal_and_a_resumed_one_too(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run is killed after its first epoch, and resumed."""
    from mesmer.training import run as run_module

    real = run_module.save_state

    def save_and_die(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        if options["progress"].epoch:  # the first state is saved before the first step
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "save_state", save_and_die)
    again = tmp_path / "run"
    assert road.train(again) == 130
    monkeypatch.setattr(run_module, "save_state", real)
    torch.rand(7)  # whatever this process drew meanwhile
    assert road.train(again, "--resume") == 0
    for name in ("model/model.safetensors", "model/config.json", "history.json", "settings.yaml"):
        assert (again / name).read_bytes() == (road.run / name).read_bytes(), name
    drop = ("seconds", "utterances_per_s")
    logs = [
        [{k: v for k, v in json.loads(line).items() if k not in drop} for line in (run / "log.jsonl").open()]
        for run in (again, road.run)
    ]
    assert logs[0] == logs[1]
    assert road.train(again, "--resume") == 0  # all is done: nothing changes
    assert (again / "model" / "model.safetensors").read_bytes() == (road.run / "model" / "model.safetensors").read_bytes()


def test_nothing_is_written_over(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in road.run.rglob("*") if path.is_file()}
    assert road.train(road.run) == 2
    assert "add --resume" in capsys.readouterr().err
    assert road.train(road.run, "--resume", "--train.seed", "9") == 2
    assert "train.seed" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in road.run.rglob("*") if path.is_file()} == before
    # Preparing again finds all done.
    assert main(["prepare", "synthetic", str(road.data), "--size", "tiny", "--seed", "3"]) == 0
    assert main(["prepare", "synthetic", str(road.data), "--size", "tiny", "--seed", "4"]) == 2


def test_as_a_process_stdout_holds_the_object_alone(road: Road) -> None:
    command = [sys.executable, "-m", "mesmer.cli.main", "predict", str(road.unseen), "--json"]
    environment = {**os.environ, "MESMER_MODEL": str(road.run)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    check_prediction(json.loads(done.stdout))


def test_real_clips_are_read_with_the_modalities_they_have(
    road: Road, ravdess_clips: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """RAVDESS file names: 01-* carry sound, 02-* a silent track; one file has no sound stream at all."""
    sentences = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
    assert len(ravdess_clips) >= 6
    for clip in ravdess_clips:
        sentence = sentences[clip.stem.split("-")[4]]
        told = answer(capsys, "predict", str(clip), "--transcript", sentence, "--model", str(road.run))
        check_prediction(told)
        if clip.stem == "01-01-08-02-01-01-19":
            expected, warnings = ["text", "visual"], ["audio absent: no stream"]
        elif clip.stem.startswith("02-"):
            expected, warnings = ["text", "visual"], ["audio absent: silent"]
        else:
            expected, warnings = ["text", "audio", "visual"], []
        assert told["modalities_used"] == expected, clip.name
        assert told["warnings"] == warnings, clip.name


def test_the_dial_is_turned_for_good_and_decisions_follow(
    road: Road, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def turned(p: str, out: Path) -> dict[str, Any]:
        words = ["models", "turn", str(road.run), "--top-p", p, "--data", str(road.data), "--out", str(out)]
        assert main([*words, "--batch-size", "8"]) == 0
        return dict(json.loads((out / "config.json").read_text()))

    before = json.loads((road.run / "model" / "config.json").read_text())
    same = turned(str(before["model"]["sparse"]["top_p"]), tmp_path / "same")
    assert same["thresholds"] == pytest.approx(before["thresholds"])  # training ended with just this
    for name, one in before["calibration"].items():
        assert same["calibration"][name] == pytest.approx(one)
    other = turned("0.2", tmp_path / "other")
    assert other["model"]["sparse"]["top_p"] == 0.2
    assert other["calibration"] != before["calibration"]
    assert {name: other["extra"][name] for name in before["extra"]} == before["extra"]
    assert other["extra"]["train"]["epochs"] == 2
    capsys.readouterr()
    told = answer(capsys, "predict", str(road.unseen), "--model", str(tmp_path / "other"))
    assert told["thresholds"] == pytest.approx(other["thresholds"])
    words = ["models", "turn", str(road.run), "--top-p", "0", "--data", str(road.data), "--out", str(tmp_path / "none")]
    assert main(words) == 2
    assert "top_p" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
