"""``mesmer analyze`` as a user runs it: folders, resuming, failures, interruption, words, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from mesmer.analysis.result import schema
from mesmer.cli.main import main
from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.corpora.synthetic.plan import plan_utterance
from mesmer.corpora.synthetic.rendering import perform
from mesmer.media.writer import write_video
from mesmer.models.registry import build_model
from mesmer.signals.text import train_tokenizer

jsonschema = pytest.importorskip("jsonschema")
SAID = "We lost the letter last night."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = train_tokenizer(["i am glad", "leave me alone", SAID], 80)
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80)
    settings = ModelSettings(width=2, feature_width=8, dim=8, heads=2, layers=1, text=text)
    folder = tmp_path_factory.mktemp("model") / "m"
    build_model(settings, tokenizer_size=tokenizer.size).save_pretrained(
        folder, tokenizer=tokenizer, prepare=PrepareSettings()
    )
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn person who speaks once."""
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    one = perform(plan_utterance(seed=3, name="a", speaker="s004", split="train", emotions=("anger",)), seed=3)
    write_video(path, one.pictures(), Fraction(one.plan.fps), one.speech.waveform)
    return path


@pytest.fixture
def videos(tmp_path: Path, clip: Path) -> Path:
    """A folder with two videos, one of them deeper, one that is damaged, and a file that is none."""
    folder = tmp_path / "videos"
    (folder / "day 2").mkdir(parents=True)
    shutil.copy(clip, folder / "a.mp4")
    shutil.copy(clip, folder / "day 2" / "a.mp4")
    (folder / "broken.mov").write_bytes(clip.read_bytes()[:600])
    (folder / "notes.txt").write_text("no video")
    return folder


def test_folders_failures_and_resuming(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["analyze", str(videos), "--model", str(model), "--out", str(out)]
    assert main(command) == 2
    told = capsys.readouterr()
    assert told.err.startswith("mesmer: failed: ")
    assert "broken.mov" in told.err
    assert "2 of 3 files analysed" in told.out
    assert "x real time: reading" in told.out
    results = [out / "a.mp4", out / "day 2" / "a.mp4"]
    for folder in results:
        assert {file.name for file in folder.iterdir()} == {
            *("analysis.json", "faces", "report.html"),
            *(f"utterances.{ending}" for ending in ("csv", "srt", "vtt", "eaf")),
        }
        value = json.loads((folder / "analysis.json").read_text())
        jsonschema.validate(value, schema())
        assert value["complete"]
        assert [row["kind"] for row in value["utterances"]] == ["speech"]
        assert (folder / value["people"][0]["thumbnail_file"]).is_file()
    assert not (out / "broken.mov").exists()
    before = [(folder / "analysis.json").stat().st_mtime_ns for folder in results]
    assert main([*command, "--json"]) == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["error"] is None for file in files] == [True, False, True]
    assert [(folder / "analysis.json").stat().st_mtime_ns for folder in results] == before
    os.utime(videos / "a.mp4", ns=(1, 1))  # another file now, as far as anybody can tell
    (results[1] / "analysis.json").write_text("{")  # and damage
    assert main(command) == 2
    assert "done before" not in capsys.readouterr().out
    assert main([*command, "--top-p", "0.25"]) == 2
    assert "done before" not in capsys.readouterr().out


def test_words_come_from_subtitles_or_a_text(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words"
    words.mkdir()
    (words / "talk.vtt").write_text(f"WEBVTT\n\n00:00.000 --> 00:01.500\n<v Ada>{SAID}</v>\n")
    (tmp_path / "said.txt").write_text(SAID + "\n")
    for transcript in (words, tmp_path / "said.txt"):
        out = tmp_path / f"with {transcript.name}"
        assert (
            main(["analyze", str(clip), "--model", str(model), "--out", str(out / "o"), "--transcript", str(transcript)])
            == 0
        )
        assert f'"{SAID}"' in capsys.readouterr().out
        value = json.loads((out / "o" / "talk.mp4" / "analysis.json").read_text())
        assert value["utterances"][0]["text"] == SAID
        assert set(value["utterances"][0]["modalities_used"]) == {"text", "audio", "visual"}
    predicted = ["predict", str(clip), "--model", str(model), "--json", "--transcript", SAID]
    assert main(predicted) == 0  # the same words reach the model by the other command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.mp4"], "there is no such file"),
        (["{empty}"], "there is nothing to analyse"),
        (["{clip}", "--transcript", "a.srt", "--whisper", "w"], "words come from one place"),
        (["{clip}", "--language", "en"], "give --whisper"),
        (["{clip}", "--transcript", "missing.srt"], "--transcript"),
        (["{clip}", "--transcript", "{clip}"], "this is no transcript"),
        (["{clip}", "--top-p", "2"], "top_p"),
        (["{clip}", "{copy}"], "same folder"),
        (["{clip}", "--budget", "cheap"], "--budget: 'cheap' is no budget; write a multiple of real time, such as 0.5x"),
        (["{clip}", "--budget", "1x", "--top-p", "0.5"], "--budget: a budget chooses top_p"),
        (["{clip}", "--buget", "1x"], "did you mean '--budget'?"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], told: str, clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "copy").mkdir()
    copy = shutil.copy(clip, tmp_path / "copy" / clip.name)
    words = [word.format(clip=clip, empty=tmp_path / "empty", copy=copy) for word in words]
    assert main(["analyze", *words, "--model", str(model), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not list((tmp_path / "out").rglob("analysis.json"))


def test_without_whisper_a_message_says_what_to_install(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    out = str(tmp_path / "out")
    assert main(["analyze", str(clip), "--model", str(model), "--out", out, "--whisper", "tiny"]) == 2
    assert "pip install 'mesmer-emotion[asr]'" in capsys.readouterr().err
    assert main(["analyze", str(clip), "--model", str(model), "--out", out]) == 0
    assert "silero-VAD is not installed" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "talk.mp4" / "analysis.json").read_text())["made_by"]["hearing"] == "loudness"


def _heed_interruptions() -> None:
    """What a shell runs in the background ignores them, and so would its children: the tests themselves may run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_control_c_keeps_what_is_done(clip: Path, model: Path, tmp_path: Path) -> None:
    """A long file: one sentence and much silence, so that the interruption comes in the middle."""
    one = perform(plan_utterance(seed=3, name="a", speaker="s004", split="train", emotions=("anger",)), seed=3)
    path, out = tmp_path / "long.mp4", tmp_path / "out"
    picture = next(one.pictures())
    sound = np.concatenate([one.speech.waveform, np.zeros(16_000 * 900, np.float32)])
    write_video(path, (picture for _ in range(900)), 1, sound)
    command = [sys.executable, "-m", "mesmer.cli.main", "analyze", str(path), "--model", str(model), "--out", str(out)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interruptions
    )
    running = out / "long.mp4" / "utterances.jsonl"
    deadline = time.monotonic() + 60
    while not (running.is_file() and running.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    first = json.loads(running.read_text().splitlines()[0])
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "mesmer: stopped\n"
    value = json.loads((out / "long.mp4" / "analysis.json").read_text())
    jsonschema.validate(value, schema())
    assert not value["complete"]
    assert value["utterances"] == [first]
    assert not running.exists()
