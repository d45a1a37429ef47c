"""Packing a model, dropping it in, and using it by name, by the commands; nothing is fetched."""

from __future__ import annotations

import json
import socket
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mesmer
from mesmer.cli.main import main
from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.models import build_model, catalogue
from mesmer.signals.text import train_tokenizer


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, a sound, and a shelf for packaged models; the network is out of reach."""
    tokenizer = train_tokenizer(["i am glad", "leave me alone"], 80)
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80)
    settings = ModelSettings(width=2, feature_width=8, dim=8, heads=2, layers=1, text=text)
    model = build_model(settings, tokenizer_size=tokenizer.size)
    extra = {"trained_on": ["synthetic"]}
    model.save_pretrained(tmp_path / "model", tokenizer=tokenizer, prepare=PrepareSettings(), extra=extra)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((8000 * np.sin(np.arange(16000) / 20)).astype("<i2").tobytes())
    (tmp_path / "shelf").mkdir()
    values = json.loads((catalogue.PACKAGED / "catalogue.json").read_text()) | {"sha256": {}}
    (tmp_path / "shelf" / "catalogue.json").write_text(json.dumps(values))
    monkeypatch.setattr(catalogue, "PACKAGED", tmp_path / "shelf")
    for name in ("MESMER_MODEL", "MESMER_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("something wanted the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


def test_from_a_run_to_the_default(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "No default model is installed" in capsys.readouterr().out
    assert main(["predict", "tone.wav"]) == 2
    assert "no default model is installed" in capsys.readouterr().err

    numbers = {"title": "Made up", "rows": [{"name": "all", "metric": "macro F1", "value": 0.25, "low": 0.2, "high": 0.3}]}
    (place / "numbers.json").write_text(json.dumps(numbers))
    assert (
        main(["models", "pack", "model", "--out", "shelf/default", "--numbers", "numbers.json", "--summary", "A toy."]) == 0
    )
    assert "licence apache-2.0; demonstration" in capsys.readouterr().out

    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert "default (default): A toy." in told
    assert "No default" not in told
    assert all(
        words in told for words in ("words, voice, face", "anger, disgust", "synthetic", "came with MESMER", "MB, fp16")
    )
    assert main(["models", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["models"]
    assert (entry["name"], entry["default"], entry["license"]) == ("default", True, "apache-2.0")
    assert main(["models", "show", "default"]) == 0
    assert "| all | macro F1 | 0.250 | 0.200 to 0.300 |" in capsys.readouterr().out
    assert main(["models", "check", "default"]) == 0
    assert "sound" in capsys.readouterr().out

    answers = []
    for words in ([], ["--model", "default"], ["--model", "shelf/default"]):
        assert main(["predict", "tone.wav", "--json", *words]) == 0
        answers.append(json.loads(capsys.readouterr().out)["probabilities"])
    assert answers[0] == answers[1] == answers[2]
    assert mesmer.predict("tone.wav").probabilities == answers[0]
    assert main(["analyze", "tone.wav", "--json", "--out", "analyzed"]) == 0

    weights = place / "shelf" / "default" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    capsys.readouterr()
    assert main(["models", "check", "default"]) == 2
    assert "model.safetensors: not the file that was saved" in capsys.readouterr().err


def test_a_card_of_ones_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pack", "model", "--out", "first"]) == 0
    mended = (place / "first" / "README.md").read_text().replace("None were measured.", "<!-- numbers -->") + "\nMine.\n"
    (place / "mine.md").write_text(mended)
    assert main(["models", "pack", "model", "--out", "second", "--card", "mine.md"]) == 0
    assert (place / "second" / "README.md").read_text() == mended.replace("<!-- numbers -->", "None were measured.")
    (place / "mine.md").write_text(mended.replace("## Where it must not be used", "## Fun"))
    capsys.readouterr()
    assert main(["models", "pack", "model", "--out", "third", "--card", "mine.md"]) == 2
    assert "Where it must not be used: the card lacks a section" in capsys.readouterr().err
    assert not (place / "third").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("models pack model --out Upper", "'Upper' is no name of a model"),
        ("models pack model --out x --license MIT!", "'MIT!' is no licence"),
        ("models pack model --out x --max-mb 0.01", "more than the 0.01 MB"),
        ("models pack nowhere --out x", "there is no such model here"),
        ("models show nowhere", "there is no such model here"),
        ("models show model", "this model has no card"),
        ("models check nowhere", "there is no such model here"),
        ("models shoow x", "shoow"),
        ("models pack model --out x --numbers model/config.json", "these are no results"),
    ],
)
def test_what_cannot_be_done_is_one_line(place: Path, capsys: pytest.CaptureFixture[str], line: str, told: str) -> None:
    assert main(line.split()) == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.count("\n") == 1
    assert not (place / "x").exists()
