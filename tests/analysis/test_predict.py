"""Prediction from a file: the same words, pictures and sound give the same answer, however it is asked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

import mesmer
from mesmer.analysis import Predictor
from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.errors import ConfigError
from mesmer.media.writer import write_video
from mesmer.models import LoadedModel, load_model
from mesmer.models.registry import build_model
from mesmer.report.prediction_text import print_prediction
from mesmer.signals.text import train_tokenizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "noise.mp4"
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (15, 20, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(30)]
    write_video(path, frames, 25, rng.normal(0, 0.1, 19_200).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    tokenizer = train_tokenizer(["i am glad", "leave me alone"], 80)
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80)
    settings = ModelSettings(width=2, feature_width=8, dim=8, heads=2, layers=1, text=text)
    model = build_model(settings, tokenizer_size=tokenizer.size)
    model.thresholds = {name: 0.45 + 0.02 * i for i, name in enumerate(settings.emotions)}
    folder = tmp_path_factory.mktemp("model") / "m"
    model.save_pretrained(folder, tokenizer=tokenizer, prepare=PrepareSettings())
    return load_model(folder)


def test_one_predictor_for_many_clips_answers_as_predict_does(clip: Path, loaded: LoadedModel) -> None:
    with Predictor(loaded.folder) as predictor:
        answers = [predictor.predict(clip, transcript=words) for words in ("i am glad", None, "i am glad")]
    alone = mesmer.predict(clip, model=loaded, transcript="i am glad")
    assert answers[0].probabilities == answers[2].probabilities == alone.probabilities
    assert answers[1].probabilities != alone.probabilities
    assert answers[1].modalities_used == ["audio", "visual"]


def test_decisions_are_those_at_or_above_their_threshold(clip: Path, loaded: LoadedModel) -> None:
    told = mesmer.predict(clip, model=loaded)
    reached = [name for name, p in told.probabilities.items() if p >= told.thresholds[name]]
    assert sorted(told.decisions) == sorted(reached)
    probabilities = [told.probabilities[name] for name in told.decisions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert told.thresholds == loaded.model.thresholds


def test_the_dial_is_turned_back(clip: Path, loaded: LoadedModel) -> None:
    before = loaded.model.top_p
    small = mesmer.predict(clip, model=loaded, top_p=0.05)
    assert loaded.model.top_p == before
    assert small.cost["multiply_adds"] < mesmer.predict(clip, model=loaded).cost["multiply_adds"]
    for refused in (0.0, 1.01, float("nan")):
        with pytest.raises(ConfigError, match="top_p"):
            Predictor(loaded, top_p=refused)
    assert loaded.model.top_p == before


def test_a_person_is_told_the_same(clip: Path, loaded: LoadedModel) -> None:
    told = mesmer.predict(clip, model=loaded)
    file = io.StringIO()
    print_prediction(told, file=file)
    text = file.getvalue()
    assert text.startswith("noise.mp4: expressed: ")
    for name, probability in told.probabilities.items():
        assert f"{name}" in text
        assert f"{probability:.2f} (threshold {told.thresholds[name]:.2f})" in text
    assert text.count("*") == len(told.decisions)
    assert "note: text absent: no text" in text


def test_calibration_and_doubt_are_those_stored(clip: Path, loaded: LoadedModel) -> None:
    plain = mesmer.predict(clip, model=loaded)
    assert plain.unsure == []
    assert set(plain.offsets.values()) == {0.0}
    emotions = list(plain.probabilities)
    before = loaded.model.calibration
    try:
        loaded.model.calibration = {name: {"temperature": 2.0, "offset": -0.1 * i} for i, name in enumerate(emotions)}
        loaded.model.unsure_margins = {name: 100.0 * (i % 2) for i, name in enumerate(emotions)}
        told = mesmer.predict(clip, model=loaded)
    finally:
        loaded.model.calibration, loaded.model.unsure_margins = before, dict.fromkeys(emotions, 0.0)
    for i, name in enumerate(emotions):
        log_odds = np.log(plain.probabilities[name] / (1 - plain.probabilities[name]))
        assert told.probabilities[name] == pytest.approx(1 / (1 + np.exp(-(log_odds / 2 - 0.1 * i))))
        shares = sum(share[name] for share in told.modality_shares.values())
        assert shares + told.offsets[name] == pytest.approx(log_odds / 2 - 0.1 * i, abs=1e-5)
    assert told.unsure == emotions[1::2]
    reached = {name for name in emotions if told.probabilities[name] >= told.thresholds[name]}
    assert set(told.decisions) == reached
    file = io.StringIO()
    print_prediction(told, file=file)
    assert file.getvalue().count(" unsure") == len(told.unsure)
    assert told.to_json()["unsure"] == told.unsure
