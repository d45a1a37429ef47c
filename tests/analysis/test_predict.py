"""Prediction from a file: the same words, pictures and sound give the same answer, however it is asked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import mesmer
from mesmer.analysis import Predictor
from mesmer.errors import ConfigError
from mesmer.media.writer import write_video
from mesmer.models import LoadedModel
from mesmer.report.prediction_text import print_prediction


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "noise.mp4"
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (15, 20, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(30)]
    write_video(path, frames, 25, rng.normal(0, 0.1, 19_200).astype(np.float32))
    return path


def test_one_predictor_for_many_clips_answers_as_predict_does(clip: Path, tiny_model: LoadedModel) -> None:
    with Predictor(tiny_model.folder) as predictor:
        answers = [predictor.predict(clip, transcript=words) for words in ("i am glad", None, "i am glad")]
    alone = mesmer.predict(clip, model=tiny_model, transcript="i am glad")
    assert answers[0].probabilities == answers[2].probabilities == alone.probabilities
    assert answers[1].probabilities != alone.probabilities
    assert answers[1].modalities_used == ["audio", "visual"]


def test_decisions_are_those_at_or_above_their_threshold(clip: Path, tiny_model: LoadedModel) -> None:
    told = mesmer.predict(clip, model=tiny_model)
    reached = [name for name, p in told.probabilities.items() if p >= told.thresholds[name]]
    assert sorted(told.decisions) == sorted(reached)
    probabilities = [told.probabilities[name] for name in told.decisions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert told.thresholds == tiny_model.model.thresholds


def test_the_dial_is_turned_back(clip: Path, tiny_model: LoadedModel) -> None:
    before = tiny_model.model.top_p
    small = mesmer.predict(clip, model=tiny_model, top_p=0.05)
    assert tiny_model.model.top_p == before
    assert small.cost["multiply_adds"] < mesmer.predict(clip, model=tiny_model).cost["multiply_adds"]
    for refused in (0.0, 1.01, float("nan")):
        with pytest.raises(ConfigError, match="top_p"):
            Predictor(tiny_model, top_p=refused)
    assert tiny_model.model.top_p == before


def test_a_person_is_told_the_same(clip: Path, tiny_model: LoadedModel) -> None:
    told = mesmer.predict(clip, model=tiny_model)
    file = io.StringIO()
    print_prediction(told, file=file)
    text = file.getvalue()
    assert text.startswith("noise.mp4: expressed: ")
    for name, probability in told.probabilities.items():
        assert f"{name}" in text
        assert f"{probability:.2f} (threshold {told.thresholds[name]:.2f})" in text
    assert text.count("*") == len(told.decisions)
    assert "note: text absent: no text" in text


def test_calibration_and_doubt_are_those_stored(clip: Path, tiny_model: LoadedModel) -> None:
    plain = mesmer.predict(clip, model=tiny_model)
    assert plain.unsure == []
    assert set(plain.offsets.values()) == {0.0}
    emotions = list(plain.probabilities)
    before = tiny_model.model.calibration
    try:
        tiny_model.model.calibration = {name: {"temperature": 2.0, "offset": -0.1 * i} for i, name in enumerate(emotions)}
        tiny_model.model.unsure_margins = {name: 100.0 * (i % 2) for i, name in enumerate(emotions)}
        told = mesmer.predict(clip, model=tiny_model)
    finally:
        tiny_model.model.calibration, tiny_model.model.unsure_margins = before, dict.fromkeys(emotions, 0.0)
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
