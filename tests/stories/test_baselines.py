"""The baselines by their commands: features are made, a model is trained, resumed, evaluated, and reads unseen clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mesmer
from mesmer.cli.main import main
from mesmer.dataset.loading import BatchLoader, PreparedDataset
from mesmer.evaluation.predictions import answer_split
from mesmer.models import load_model
from mesmer.models.registry import ON_FEATURES
from mesmer.signals.text import NoTokens
from mesmer.training import run as run_module

TINY = """
model:
  dim: 16
  heads: 2
  layers: 1
  features: {text: corpus, text_width: 20}
  baseline: {text_lstm: 16, audio_lstm: 16, visual_lstm: 16, lstm_layers: 1, memory_layers: 1}
train: {learning_rate: 1e-3, epochs: 2, batch_size: 8, threads: 1}
"""


class Road:
    """Paths of one walk down the road."""

    def __init__(self, root: Path) -> None:
        self.data, self.root, self.config = root / "data", root, root / "tiny.yaml"
        self.unseen = self.data / "raw" / "unseen.mp4"

    def train(self, name: str, run: Path, *more: str) -> int:
        words = ["--config", str(self.config), "--data", str(self.data), "--run", str(run), "--model.name", name]
        return main(["train", *words, *more])


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    walked = Road(tmp_path_factory.mktemp("road"))
    walked.config.write_text(TINY)
    assert main(["prepare", "synthetic", str(walked.data), "--size", "tiny", "--seed", "3"]) == 0
    return walked


def test_training_without_features_says_what_to_run(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert road.train("mult", road.root / "none") == 2
    assert "run `mesmer features" in capsys.readouterr().err
    assert not (road.root / "none").exists()
    assert main(["features", str(road.data), "--set", "offline", "--text-width", "20"]) == 0


@pytest.mark.parametrize("name", sorted(ON_FEATURES))
def test_a_baseline_is_trained_resumed_evaluated_and_asked(
    name: str, road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, again = road.root / name, road.root / f"{name}-again"
    assert road.train(name, run) == 0

    real, saved = run_module.save_state, []

    def save_and_die(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        saved.append(None)
        if len(saved) > 1:  # the state before the first step, then the first epoch's
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "save_state", save_and_die)
    assert road.train(name, again) == 130
    monkeypatch.setattr(run_module, "save_state", real)
    assert road.train(name, again, "--resume") == 0
    for file in ("model/model.safetensors", "history.json", "settings.yaml"):
        assert (again / file).read_bytes() == (run / file).read_bytes(), file

    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(road.data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["multiply_adds"] == told["dense_multiply_adds"] > 0

    loaded = load_model(run / "model")
    assert isinstance(loaded.tokenizer, NoTokens)
    split = PreparedDataset.open(road.data).with_features(loaded.model.settings.features).split("test")
    loader = BatchLoader(
        split,
        tokenizer=loaded.tokenizer,
        mel=loaded.model.settings.mel,
        max_tokens=24,
        batch_size=4,
        shuffle=False,
        seed=0,
    )
    expected = answer_split(model=loaded.model, batches=loader.epoch(0), subsets=("TAV",)).probabilities["TAV"][0]
    clip = road.data / "raw" / "media" / f"{split.ids[0]}.mp4"
    prediction = mesmer.predict(clip, model=loaded, transcript=split.texts[0])
    assert list(prediction.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-4)


def test_real_clips_are_read_with_no_extra_step(
    road: Road, ravdess_clips: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in ravdess_clips[:3]:
        capsys.readouterr()
        words = ("--model", str(road.root / "mult"), "--transcript", "Kids are talking by the door.", "--json")
        assert main(["predict", str(clip), *words]) == 0
        told = json.loads(capsys.readouterr().out)
        assert all(0 <= p <= 1 for p in told["probabilities"].values())
        assert {"text", "visual"} <= set(told["modalities_used"])
