"""Experiments and a sweep by their commands, on the tiny corpus with narrow models: made, stopped, resumed, refused."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesmer.cli.main import main
from mesmer.experiments.recipes import SIX_MODELS
from mesmer.training import run as run_module

END_TO_END = """
model:
  name: {name}
  width: 2
  feature_width: 8
  dim: 8
  heads: 2
  layers: 1
  text: {{width: 8, layers: 1, heads: 2, max_tokens: 16, vocabulary_size: 150}}
train: {{learning_rate: 3e-3, epochs: 1, batch_size: 10, threads: 1}}
"""
ON_FEATURES = """
model:
  name: {name}
  dim: 8
  heads: 2
  layers: 1
  features: {{text: {text}, text_width: 12}}
  baseline: {{text_lstm: 8, audio_lstm: 8, visual_lstm: 8, lstm_layers: 1, memory_layers: 1}}
train: {{learning_rate: 3e-3, epochs: 1, batch_size: 10, threads: 1}}
"""
SWEEP = """
config: configs/mesm.yaml
method: {method}
trials: 5
pruning: {pruning}
startup_trials: 1
warmup_epochs: 1
keys:
  train.learning_rate: {{values: [1e-2, 1e-9]}}
  model.dim: {{values: [8, 9]}}
  model.modalities: {{values: [T]}}
  train.epochs: {{values: [3]}}
"""

KILLED = """
config: configs/mesm.yaml
trials: 6
startup_trials: 2
warmup_epochs: 1
keys:
  train.learning_rate: {low: 1e-4, high: 1e-1, log: true}
  model.dropout: {low: 0.0, high: 0.5, step: 0.1}
  train.epochs: {values: [4]}
  train.save_every_steps: {values: [1]}
"""


class Bench:
    """Paths that the stories share."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.configs = root, root / "data", root / "configs"
        self.configs.mkdir()
        for name in ("fe2e", "mesm"):
            (self.configs / f"{name}.yaml").write_text(END_TO_END.format(name=name))
        for name in SIX_MODELS[:4]:
            text = "glove" if name == "mult" else "corpus"  # no file of GloVe's is at hand
            (self.configs / f"{name}.yaml").write_text(ON_FEATURES.format(name=name, text=text))

    def experiment(self, out: Path, *words: str, data: Path | None = None, seeds: int = 2) -> int:
        common = ["--configs", str(self.configs), "--data", str(data or self.data), "--out", str(out)]
        return main(["experiment", *words, *common, "--seeds", str(seeds), "--resamples", "50"])

    def sweep(self, out: Path, *words: str, method: str = "grid", pruning: str = "median") -> int:
        spec = self.root / f"{method}-{pruning}.yaml"
        spec.write_text(SWEEP.format(method=method, pruning=pruning))
        return main(["sweep", str(spec), "--data", str(self.data), "--out", str(out), *words])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("experiments"))
    assert main(["prepare", "synthetic", str(made.data), "--size", "tiny", "--seed", "3"]) == 0
    return made


@pytest.fixture(autouse=True)
def _no_glove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESMER_GLOVE", raising=False)


def told(file: Path) -> dict[str, Any]:
    value = json.loads(file.read_text())
    assert isinstance(value, dict)
    return value


def stop_at_save(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], None]:
    """Let the state be saved so many times in all, then press Ctrl-C; return what puts the real thing back."""
    real, saved = run_module.save_state, []

    def save_and_stop(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        saved.append(None)
        if len(saved) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "save_state", save_and_stop)
    return lambda: monkeypatch.setattr(run_module, "save_state", real)


def test_table_4_has_the_papers_numbers_beside_ours_where_the_corpus_is_its_own(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bench.root / "mosei"  # the label sets are the same; the name is borrowed
    shutil.copytree(bench.data, data, ignore=shutil.ignore_patterns("raw"))
    facts = told(data / "dataset.json") | {"corpus": "cmu_mosei"}
    (data / "dataset.json").write_text(json.dumps(facts))
    out, again = bench.root / "four", bench.root / "four-again"
    put_back = stop_at_save(monkeypatch, 5)  # in the third run of ten
    assert bench.experiment(again, "table4", data=data) == 130
    put_back()
    assert len(list(again.glob("runs/*/seed-*"))) == 3
    assert bench.experiment(again, "table4", "--jobs", "2", data=data) == 0
    assert bench.experiment(out, "table4", data=data) == 0
    # What was stopped, and gone on with in two processes, comes out as what was not.
    assert told(out / "table4.json") == told(again / "table4.json") | {"command": told(out / "table4.json")["command"]}

    table = told(out / "table4.json")
    assert [row["title"] for row in table["rows"][:6]] == [
        "LF-LSTM",
        "LF-TRANS",
        "EmoEmbs",
        "MulT",
        "FE2E",
        "MESM (p = 0.5)",
    ]
    assert [row["runs"] for row in table["rows"]] == [2, 2, 2, 0, 2, 2, 0, 0, 0, 0]
    assert "MESMER_GLOVE" in table["rows"][3]["note"]  # the row without features says what they need
    assert table["rows"][5]["paper"]["average"] == {"weighted_accuracy": 66.8, "f1": 46.8}
    assert table["metrics"][0] == "weighted_accuracy"
    fe2e, mesm = (row["cost"] for row in table["rows"][4:6])
    assert mesm["multiply_adds"] < mesm["dense_multiply_adds"] == fe2e["multiply_adds"]
    assert table["differences"][0]["title"] == "MESM (p = 0.5) less FE2E"
    lines = list(csv.DictReader((out / "table4.csv").open()))
    ours = next(line for line in lines if line["answer"] == "FE2E" and line["emotion"] == "average")
    assert float(ours["f1_mean"]) == table["rows"][4]["average"]["f1"]["mean"]
    assert (ours["paper_f1"], ours["paper_weighted_accuracy"]) == ("0.474", "0.676")
    for suffix in ("md", "tex"):
        text = (out / f"table4.{suffix}").read_text()
        assert "67.6" in text
        assert "answer all" in text
    # A number of the table is that of the runs, evaluated by themselves.
    capsys.readouterr()
    runs = sorted(str(path) for path in out.glob("runs/fe2e-*/seed-*"))
    assert main(["evaluate", *runs, "--data", str(data), "--resamples", "0", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["seeds"]["rows"][0]
    assert row["average"]["f1"]["mean"] == pytest.approx(table["rows"][4]["average"]["f1"]["mean"])
    assert row["average"]["f1"]["deviation"] == pytest.approx(table["rows"][4]["average"]["f1"]["deviation"])
    assert bench.experiment(out, "table3", data=data) == 2
    assert "ask for table4" in capsys.readouterr().err


def test_ablation_figure_and_missing_modalities_share_their_runs(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench.root / "more"
    words = ("table2", "table5", "figure5", "missing", "curves", "--points", "0.2,0.5,1")
    assert bench.experiment(out, *words, seeds=1) == 0
    assert len(list(out.glob("runs/*"))) == 7 + 3 + 7  # the figure and the one model need none of their own
    counts = told(out / "table2.json")
    assert sum(row["utterances"]["train"] for row in counts["labels"]) > 0
    five = told(out / "table5.json")
    assert [row["title"].split(", ")[1] for row in five["rows"][:10]] == [
        *("TAV", "TA", "TV", "AV", "T", "A", "V"),
        *("TAV", "TA", "TV"),
    ]
    costs = {row["title"]: row["cost"]["multiply_adds"] for row in five["rows"][:10]}
    assert costs["FE2E, T"] == 0
    assert costs["FE2E, AV"] == costs["FE2E, TAV"] == costs["FE2E, A"] + costs["FE2E, V"]
    figure = told(out / "figure5.json")
    points = [point["multiply_adds"] for point in figure["turned"]]
    assert points == sorted(points)
    assert points[-1] <= figure["fe2e"]["multiply_adds"] * 1.1
    assert figure["turned"][1]["average"]["f1"]["mean"] == five["rows"][7]["average"]["f1"]["mean"]  # p = 0.5 is its own
    missing = told(out / "missing.json")
    titles = [row["title"] for row in missing["rows"][:14]]
    assert titles[:2] == ["TAV, the one model", "TAV, trained on it"]
    assert len({title.split(",")[0] for title in titles}) == 7
    assert missing["rows"][0]["average"] == five["rows"][7]["average"]
    assert len(missing["differences"]) == 7
    curves = {curve["subset"]: curve["points"] for curve in told(out / "curves.json")["curves"]}
    assert [point["f1"] for point in curves["TAV"]] == [point["average"]["f1"] for point in figure["turned"]]
    for subset, seen in (("TAV", ["audio", "visual"]), ("A", ["audio"]), ("V", ["visual"])):
        densities = [point["density"] for point in curves[subset]]
        assert all(sorted(density) == seen for density in densities)
        assert all(0 < densities[0][name] < densities[1][name] < densities[2][name] == 1 for name in seen)
    for name in ("figure5", "missing", "curves"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (out / f"{name}.svg").read_text()
    before = (out / "figure5.svg").read_bytes()
    capsys.readouterr()
    assert bench.experiment(out, "figure5", "--points", "0.2,0.5,1", seeds=1) == 0  # nothing is trained again
    assert "epoch" not in capsys.readouterr().err
    assert (out / "figure5.svg").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tabel3"], "did you mean 'table3'"),
        (["table3", "--seeds", "0"], "--seeds"),
        (["table3", "--jobs", "0"], "--jobs"),
        (["table3", "--set", "train.epochs"], "KEY=VALUE"),
        (["table3", "--set", "train.epoch=1"], "did you mean 'epochs'"),
        (["figure5", "--points", "0.5,2"], "p is above 0"),
        (["figure5", "--points", "half"], "no list of numbers"),
        (["missing", "--model", "mulT"], "mulT.yaml"),
        (["table5", "--small"], "exclude"),
        (["table5", "--set", "model.text.encoder=./nowhere"], "cannot be trained: encoder"),
    ],
)
def test_what_cannot_be_made_is_told_before_anything_is_trained(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    common = ["--configs", str(bench.configs), "--data", str(bench.data), "--out", str(tmp_path / "out")]
    assert main(["experiment", *common, *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_sweep_ends_the_same_where_it_was_stopped(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    out, again = bench.root / "sweep", bench.root / "sweep-again"
    assert bench.sweep(out) == 0
    table = told(out / "trials.json")
    states = [trial["state"] for trial in table["trials"]]
    assert len(states) == 4  # the grid has no more, whatever was asked for
    assert states.count("failed") == 2
    failed = next(trial for trial in table["trials"] if trial["state"] == "failed")
    assert "not a multiple of heads" in failed["reason"]
    assert table["best"]["f1"] == max(t["f1"] for t in table["trials"] if t["state"] == "done")
    assert (out / "trials.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("trials/*/state"))
    history = told(out / "trials" / f"{table['best']['number']:04d}" / "history.json")
    assert history["best_f1"] == table["best"]["f1"]
    best = bench.root / "best-run"  # what is promised to be next
    words = ["--config", str(out / "best.yaml"), "--data", str(bench.data), "--run", str(best)]
    assert main(["train", *words]) == 0
    assert told(best / "history.json")["best_f1"] == table["best"]["f1"]

    put_back = stop_at_save(monkeypatch, 2)
    assert bench.sweep(again) == 130
    put_back()
    assert bench.sweep(again) == 0
    assert told(again / "trials.json") == table
    capsys.readouterr()
    assert bench.sweep(again) == 0  # all is done
    assert "trial 1" not in capsys.readouterr().err
    assert bench.sweep(again, method="random") == 2
    assert "begun with other keys or settings" in capsys.readouterr().err
    assert bench.sweep(bench.data, method="random") == 2
    assert "not a sweep, and not empty" in capsys.readouterr().err


def test_a_sweep_in_two_processes(bench: Bench) -> None:
    pytest.importorskip("optuna")
    out = bench.root / "sweep-two"
    assert bench.sweep(out, "--workers", "2", pruning="none") == 0
    trials = told(out / "trials.json")["trials"]
    assert [trial["state"] for trial in trials] == ["done", "failed", "done", "failed"]
    # Each is what one process makes of it.
    settings = out / "trials" / "0000" / "settings.yaml"
    assert main(["train", "--config", str(settings), "--data", str(bench.data), "--run", str(bench.root / "alone")]) == 0
    assert told(bench.root / "alone" / "history.json")["best_f1"] == trials[0]["f1"]


@pytest.mark.slow
def test_a_killed_sweep_ends_the_same(bench: Bench) -> None:
    pytest.importorskip("optuna")
    spec = bench.root / "killed.yaml"
    spec.write_text(KILLED)
    out, again = bench.root / "whole", bench.root / "killed"
    start = time.monotonic()
    words = [sys.executable, "-m", "mesmer.cli.main", "sweep", str(spec), "--data", str(bench.data), "--out"]
    subprocess.run([*words, str(out)], check=True, capture_output=True)
    whole_s = time.monotonic() - start
    for share in (0.2, 0.4, 0.5, 0.6):  # of which a part is spent on starting
        process = subprocess.Popen([*words, str(again)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(share * whole_s)
        process.kill()
        process.wait()
    subprocess.run([*words, str(again)], check=True, capture_output=True)
    assert told(again / "trials.json") == told(out / "trials.json")


@pytest.mark.slow
def test_a_sweep_on_ray(bench: Bench) -> None:
    pytest.importorskip("optuna")
    pytest.importorskip("ray")
    out = bench.root / "sweep-ray"
    assert bench.sweep(out, "--engine", "ray", "--workers", "2") == 0
    assert told(out / "trials.json")["best"]["f1"] > 0
