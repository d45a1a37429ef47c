"""`mesmer explain` as a user runs it: a clip, the paper's figures, the check, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
import torch
from PIL import Image

from mesmer.cli.main import main
from mesmer.config import ModelSettings, PrepareSettings, SparseSettings, TextSettings
from mesmer.dataset.prepared import PreparedDataset
from mesmer.models.loading import load_model
from mesmer.models.registry import build_model
from mesmer.signals.text import train_tokenizer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain") / "data"
    assert main(["prepare", "synthetic", str(folder), "--size", "tiny", "--seed", "5"]) == 0
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MESM with fresh weights: whether it is right does not matter here."""
    tokenizer = train_tokenizer(PreparedDataset.open(data).split("train").texts, 200)
    settings = ModelSettings(
        width=4, feature_width=16, dim=16, heads=2, layers=1,
        text=TextSettings(vocabulary_size=200, width=16, layers=1, heads=2), sparse=SparseSettings(backend="masked"),
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("explain_model") / "model"
    network = build_model(settings, tokenizer_size=tokenizer.size)
    network.save_pretrained(folder, tokenizer=tokenizer, prepare=PrepareSettings())
    return folder


def test_a_clip_becomes_pictures_a_video_and_arrays(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out = data / "raw" / "unseen.mp4", tmp_path / "pictures"
    words = ["explain", str(clip), "--transcript", str(data / "raw" / "unseen.txt"), "--model", str(model)]
    assert main([*words, "--out", str(out), "--blur"]) == 0
    said = capsys.readouterr().out
    assert "parts of the log-odds" in said
    assert "random" in said
    names = {path.name for path in out.iterdir()}
    assert {
        "explanation.json",
        "explanation.npz",
        "shares.png",
        "words.svg",
        "strip.png",
        "strip.svg",
        "overlay.mp4",
    } <= names
    for modality in ("visual", "audio"):
        for part in ("original", "layer1", "layer2", "layer3"):
            assert f"{modality}_step01_{part}.png" in names
        assert f"{modality}_step01.svg" in names
    for path in out.glob("*.png"):
        picture = Image.open(path)
        picture.load()
        assert picture.width <= 2100  # a page at 300 dots per inch
    for path in out.glob("*.svg"):
        ElementTree.parse(path)
    with av.open(str(out / "overlay.mp4")) as video:
        assert len(list(video.decode(video=0))) > 5
        assert video.streams.audio
    with np.load(out / "explanation.npz", allow_pickle=False) as arrays:
        assert arrays["visual_layer1_kept"].dtype == bool
        assert "faces" not in arrays  # they were to be blurred
    told = json.loads((out / "explanation.json").read_text())
    for emotion, total in told["log_odds"].items():
        parts = [share[emotion] for share in told["shares"].values()]
        assert sum(parts) + told["offsets"][emotion] == pytest.approx(total, abs=1e-5)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*words, "--out", str(out), "--blur"]) == 0  # the same again, to the byte
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_words_alone_and_sound_alone(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with av.open(str(data / "raw" / "unseen.mp4")) as video, av.open(str(tmp_path / "voice.wav"), "w") as sound:
        stream = sound.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for frame in video.decode(audio=0):
            frame.pts = None
            sound.mux(stream.encode(frame))
        sound.mux(stream.encode(None))
    hostile = "$\\frac{1}{0}$ <script>alert(1)</script> \u202e喜び & yes"
    words = ["explain", str(tmp_path / "voice.wav"), "--transcript", hostile, "--model", str(model), "--json"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["shares"]) == {"text", "audio"}
    assert told["absent"]["visual"]
    assert all(Path(name).is_file() for name in told["files"])
    assert b"<script" not in (tmp_path / "out" / "words.svg").read_bytes()


def test_the_figures_of_the_paper(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--grid", str(data), "--split", "train", "--model", str(model), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for name in ("figure3_faces", "figure4_highest", "figure6_sounds"):
        assert Image.open(tmp_path / f"{name}.png").width == 999  # a column at 300 dots per inch
        assert f"{name}.png" in said
        ElementTree.parse(tmp_path / f"{name}.svg")
    assert said.count("happiness: s0") == 1


def test_the_check_measures_everything(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", "--check", str(data), "--split", "valid", "--clips", "3", "--model", str(model)]
    assert main([*words, "--runs", str(model), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "pointing game, visual, changed pixels" in said
    assert "do the runs agree?" in said
    told = json.loads((tmp_path / "check.json").read_text())
    assert told["utterances"] == 3
    assert told["runs"] == 2
    for modality in ("visual", "audio"):
        assert told["agreement"][modality]["overlap"]["mean"] == pytest.approx(1.0)  # the same run twice
        low, high = told["sanity"][modality]["all"]["rank"]["interval"]
        assert -1 <= low <= high <= 1
    assert "blurring the evidence in the face" in said
    assert 0 <= told["evidence_every"]["mean"] <= told["evidence"]["mean"] <= 1
    assert told["evidence_clips"] >= 1
    random = told["pointing"]["visual, parts of the face"]["random"]
    assert 0.7 < random["ratio"] < 1.3


def test_a_model_that_only_sees_is_checked_for_what_it_sees(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_model(model)
    settings = replace(loaded.model.settings, modalities="V")
    network = build_model(settings, tokenizer_size=loaded.tokenizer.size)
    network.save_pretrained(tmp_path / "model", tokenizer=loaded.tokenizer, prepare=loaded.prepare)
    words = ["explain", "--check", str(data), "--split", "valid", "--clips", "2", "--model", str(tmp_path / "model")]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert "pointing game, visual" in capsys.readouterr().out
    told = json.loads((tmp_path / "check.json").read_text())
    assert set(told["curves"]) == {"visual"}
    assert {name.partition(",")[0] for name in told["pointing"]} == {"visual"}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "nothing to explain"),
        (["a.mp4", "--check", "b"], "one thing"),
        (["a.mp4", "--steps", "guess"], "steps"),
        (["nowhere.mp4"], "nowhere.mp4"),
        (["--grid", "nowhere"], "not a prepared dataset"),
        (["--check", "{data}", "--clips", "0"], "clips"),
        (["{data}/raw/unseen.mp4", "--top-p", "2"], "top_p"),
        (["{data}/raw/unseen.mp4", "--out", "{data}/dataset.json"], "something else of this name stands here"),
    ],
)
def test_what_is_refused_is_told_in_one_line(
    words: list[str], problem: str, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(data=data) for word in words]
    assert main(["explain", *given, "--model", str(model)]) == 2
    said = capsys.readouterr().err.strip()
    assert problem in said
    assert "\n" not in said
