"""Bad input, kind by kind, through the real commands: a defined answer, or one clear line and exit code 2.

Every kind is a builder that makes the input in a folder and returns the words of the command. After each, nothing
half-written may be left behind.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mesmer.cli.main import main
from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.corpora.synthetic.plan import plan_unseen
from mesmer.corpora.synthetic.rendering import perform
from mesmer.emotions import SIX_EMOTIONS
from mesmer.media.writer import write_video
from mesmer.models.registry import build_model
from mesmer.signals.text import train_tokenizer

FPS = 25


class Parts:
    """Good things to damage: a face, a voice, a video of both, a model, a prepared dataset."""

    def __init__(self, root: Path) -> None:
        self.root = root
        unseen = perform(plan_unseen(seed=0), seed=0)
        self.faces: list[NDArray[np.uint8]] = [picture for _, picture in zip(range(26), unseen.pictures(), strict=False)]
        self.voice: NDArray[np.float32] = unseen.speech.waveform[:16_000].astype(np.float32)
        self.clip = root / "good.mp4"
        write_video(self.clip, self.faces, FPS, self.voice)
        self.model = self._model(root / "model", PrepareSettings())
        self.data = self._dataset(root / "data")
        self.tiny = root / "tiny.yaml"
        self.tiny.write_text(
            "model: {width: 2, feature_width: 8, dim: 8, heads: 2, layers: 1, "
            "text: {width: 8, layers: 1, heads: 2, vocabulary_size: 100}}\ntrain: {epochs: 1}\n"
        )

    def _model(self, folder: Path, prepare: PrepareSettings, emotions: tuple[str, ...] = SIX_EMOTIONS) -> Path:
        tokenizer = train_tokenizer(["i am glad", "leave me alone", "what a day"], 100)
        torch.manual_seed(0)
        settings = ModelSettings(
            emotions=emotions,
            width=2,
            feature_width=8,
            dim=8,
            heads=2,
            layers=1,
            text=TextSettings(width=8, layers=1, heads=2, max_tokens=50, vocabulary_size=100),
        )
        model = build_model(settings, tokenizer_size=tokenizer.size)
        model.save_pretrained(folder, tokenizer=tokenizer, prepare=prepare)
        return folder

    def _dataset(self, folder: Path) -> Path:
        folder.mkdir()
        rows = [
            {"path": "../good.mp4", "id": f"{split}{i}", "text": "i am glad", "labels": ["happiness"][:i], "split": split}
            for split in ("train", "valid", "test")
            for i in range(2)
        ]
        manifest = self.root / "good.jsonl"
        manifest.write_text("".join(json.dumps({**row, "path": "good.mp4"}) + "\n" for row in rows))
        assert main(["prepare", "folder", str(manifest), str(folder), "--workers", "0"]) == 0
        return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return Parts(tmp_path_factory.mktemp("parts"))


def write_wav(path: Path, samples: NDArray[Any], rate: int) -> None:
    """16-bit PCM, (T,) or (T, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def write_float_wav(path: Path, samples: NDArray[np.float32], rate: int = 16_000) -> None:
    """32-bit float samples, which may be anything."""
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)


# ------------------------------------------------------------------------------------------------ clips to predict on

ClipKind = Callable[[Parts, Path], Path]


def bytes_named_mp4(data: bytes) -> ClipKind:
    def build(parts: Parts, folder: Path) -> Path:
        path = folder / "clip.mp4"
        path.write_bytes(data)
        return path

    return build


def playlist(parts: Parts, folder: Path) -> Path:
    path = folder / "clip.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{parts.clip}'\n")
    return path


def cut_to(share: float) -> ClipKind:
    def build(parts: Parts, folder: Path) -> Path:
        data = parts.clip.read_bytes()
        path = folder / "clip.mp4"
        path.write_bytes(data[: int(share * len(data))])
        return path

    return build


def video_of(make: Callable[[Parts], tuple[list[NDArray[np.uint8]], NDArray[np.float32] | None]]) -> ClipKind:
    def build(parts: Parts, folder: Path) -> Path:
        frames, sound = make(parts)
        write_video(folder / "clip.mp4", frames, FPS, sound)
        return folder / "clip.mp4"

    return build


def sound_of(samples: Callable[[Parts], NDArray[Any]], rate: int = 16_000, *, floats: bool = False) -> ClipKind:
    def build(parts: Parts, folder: Path) -> Path:
        path = folder / "clip.wav"
        if floats:
            write_float_wav(path, samples(parts), rate)
        else:
            write_wav(path, samples(parts), rate)
        return path

    return build


def with_bad_samples(parts: Parts) -> NDArray[np.float32]:
    samples = parts.voice.copy()
    samples[100:200], samples[300], samples[301] = np.nan, np.inf, -np.inf
    return samples


def surround(parts: Parts) -> NDArray[np.float32]:
    return np.stack([parts.voice[::2]] * 6, axis=1)


def two_faces(parts: Parts) -> tuple[list[NDArray[np.uint8]], None]:
    return [np.hstack([frame, frame[:, ::-1]]) for frame in parts.faces], None


def no_face(parts: Parts) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    rows = np.linspace(0, 200, 160).astype(np.uint8)
    return [np.repeat(np.repeat(rows[:, None, None], 200, 1), 3, 2)] * 26, parts.voice


ANSWERED: dict[str, tuple[ClipKind, str | None, list[str], list[str]]] = {
    # kind: (clip, transcript, modalities used, one pattern per warning)
    "only sound": (sound_of(lambda p: p.voice), None, ["audio"], ["text absent: no text", "visual absent: no stream"]),
    "only picture": (video_of(lambda p: (p.faces, None)), "hi", ["text", "visual"], ["audio absent: no stream"]),
    "one frame": (video_of(lambda p: (p.faces[:1], None)), "hi", ["text", "visual"], ["audio absent: no stream"]),
    "silent sound": (
        video_of(lambda p: (p.faces, np.zeros(16_000, np.float32))),
        "hi",
        ["text", "visual"],
        ["audio absent: silent"],
    ),
    "1 sample": (
        sound_of(lambda p: np.array([0.5])),
        None,
        ["audio"],
        ["text absent: no text", "visual absent: no stream"],
    ),
    "NaN samples": (
        sound_of(with_bad_samples, floats=True),
        "hi",
        ["text", "audio"],
        ["visual absent: no stream", "102 samples of the sound were not numbers and were silenced"],
    ),
    "8 kHz 5.1 sound": (sound_of(surround, 8_000), "hi", ["text", "audio"], ["visual absent: no stream"]),
    "10,000 words": (lambda p, f: p.clip, "word " * 10_000, ["text", "audio", "visual"], []),
    "words of no language": (lambda p, f: p.clip, "\u202e\ufffd🙂\x07 \U0001f9ff" * 50, ["text", "audio", "visual"], []),
    "blank words": (lambda p, f: p.clip, " \t\n ", ["audio", "visual"], ["text absent: no text"]),
    "no face": (video_of(no_face), None, ["audio", "visual"], ["text absent: no text", "no face found: the crops.*"]),
    "two faces": (video_of(two_faces), "hi", ["text", "visual"], ["audio absent: no stream", "2 faces seen; .*"]),
    "a picture of 16 pixels": (
        video_of(lambda p: ([np.zeros((16, 16, 3), np.uint8)] * 5, None)),
        None,
        ["visual"],
        ["text absent: no text", "audio absent: no stream", "no face found: .*"],
    ),
}


@pytest.mark.parametrize("kind", ANSWERED)
def test_what_can_be_read_is_answered_and_told(
    kind: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, transcript, modalities, patterns = ANSWERED[kind]
    words = ["predict", str(build(parts, tmp_path)), "--model", str(parts.model), "--json"]
    if transcript is not None:
        words += ["--transcript", transcript]
    capsys.readouterr()
    assert main(words) == 0, capsys.readouterr().err
    told = json.loads(capsys.readouterr().out)
    assert set(told["probabilities"]) == set(SIX_EMOTIONS)
    assert all(0 <= p <= 1 for p in told["probabilities"].values())
    assert told["modalities_used"] == modalities
    assert len(told["warnings"]) == len(patterns), told["warnings"]
    for warning, pattern in zip(told["warnings"], patterns, strict=True):
        assert re.fullmatch(pattern, warning)


REFUSED_CLIPS: dict[str, tuple[ClipKind, str]] = {
    "missing file": (lambda p, f: f / "nowhere.mp4", "nowhere.mp4: there is no such file"),
    "empty file": (bytes_named_mp4(b""), "clip.mp4: is empty"),
    "text as mp4": (bytes_named_mp4(b"Dear all, the video is attached.\n" * 50), "clip.mp4: .*no media file"),
    "random bytes": (bytes_named_mp4(np.random.default_rng(0).bytes(5000)), "clip.mp4: .*no media file"),
    "a picture file": (bytes_named_mp4(b"\x89PNG\r\n\x1a\n" + bytes(200)), "clip.mp4: .*no media file"),
    "a playlist of other files": (playlist, "clip.mp4: .*no media file"),
    "file cut at its head": (cut_to(0.02), "clip.mp4: "),
    "a folder": (lambda p, f: f, "a folder"),
    "a device": (lambda p, f: Path("/dev/zero"), "/dev/zero: "),
    "nothing in it": (sound_of(lambda p: np.zeros(16_000)), r"clip.wav: nothing to read \(text: no text, audio: silent"),
    "a header without samples": (sound_of(lambda p: np.zeros(0)), "clip.wav: "),
}


@pytest.mark.parametrize("kind", REFUSED_CLIPS)
def test_what_cannot_be_read_is_one_line(
    kind: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, told = REFUSED_CLIPS[kind]
    refuse(["predict", str(build(parts, tmp_path)), "--model", str(parts.model), "--json"], told, capsys)


def test_a_pipe_does_not_hang(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    refuse(["predict", str(tmp_path / "clip.mp4"), "--model", str(parts.model)], "clip.mp4: ", capsys)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_file_ends_in_an_answer_or_one_line(
    share: float, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["predict", str(cut_to(share)(parts, tmp_path)), "--model", str(parts.model), "--json"])
    shown = capsys.readouterr()
    if code == 0:
        assert set(json.loads(shown.out)["probabilities"]) == set(SIX_EMOTIONS)
    else:
        assert code == 2
        assert re.fullmatch(r"mesmer: error: .*clip\.mp4: .*\n", shown.err)


# --------------------------------------------------------------------------------------------------------- manifests

MANIFESTS: dict[str, tuple[str, str, str]] = {
    # kind: (file name, content with {clip}, what is told)
    "missing media": ("m.csv", "path,labels\nnowhere.mp4,anger\n", "line 2, path: .*nowhere.mp4' does not exist"),
    "duplicate id": ("m.csv", "path,id\n{clip},a\n{clip},a\n", "line 3, id: the id 'a' was used in line 2"),
    "unknown label": ("m.csv", "path,labels\n{clip},hapiness\n", "line 2, labels: .*did you mean 'happiness'"),
    "score over 1": ("m.csv", "path,labels\n{clip},anger:7\n", r"line 2, labels: .*outside \[0, 1\]"),
    "score that is no number": ("m.csv", "path,labels\n{clip},anger:nan\n", "line 2, labels: .*not a finite number"),
    "end before start": ("m.csv", "path,start_s,end_s\n{clip},2,1\n", "line 2, end_s: .*not after the start"),
    "negative start": ("m.csv", "path,start_s\n{clip},-1\n", "line 2, start_s: .*negative"),
    "time that is no number": ("m.csv", "path,start_s\n{clip},soon\n", "line 2, start_s: 'soon' is not a number"),
    "unknown split": ("m.csv", "path,split\n{clip},tset\n", "line 2, split: unknown split 'tset'; did you mean 'test'"),
    "some splits": ("m.csv", "path,id,split\n{clip},a,test\n{clip},b,\n", "line 3, split: 1 of 2 rows have no split"),
    "unknown column": ("m.csv", "path,labelz\n{clip},anger\n", "labelz.*did you mean 'labels'"),
    "no path column": ("m.csv", "file,labels\n{clip},anger\n", "m.csv: "),
    "path out of the folder": ("m.csv", "path\n../../etc/passwd\n", "line 2, path: .*leaves the manifest's folder"),
    "an address": ("m.csv", "path\nhttp://example.org/a.mp4\n", "line 2, path: .*is an address, not a file"),
    "empty manifest": ("m.csv", "", "m.csv: "),
    "heading only": ("m.csv", "path,labels\n", "m.csv: "),
    "no manifest's name": ("m.txt", "path\n{clip}\n", "m.txt: this is not a manifest"),
    "broken JSON": ("m.jsonl", '{{"path": "{clip}"\n', "m.jsonl: line 1"),
    "JSON that is no object": ("m.jsonl", "[1]\n", "m.jsonl: line 1"),
    "stretch outside the file": ("m.csv", "path,start_s\n{clip},500\n", "not one|no utterance|quarantine"),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_bad_manifest_is_one_line_and_nothing_is_written(
    kind: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, told = MANIFESTS[kind]
    (tmp_path / name).write_text(content.format(clip=parts.clip))
    out = tmp_path / "out"
    refuse(["prepare", "folder", str(tmp_path / name), str(out), "--workers", "0"], told, capsys)
    assert not (out / "dataset.json").exists()
    assert not list(out.glob("*.parquet"))


def test_manifests_that_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    refuse(["prepare", "folder", str(tmp_path / "m.csv"), out], "m.csv: the manifest does not exist", capsys)
    (tmp_path / "bytes.csv").write_bytes(b"path\n\xff\xfe.mp4\n")
    refuse(["prepare", "folder", str(tmp_path / "bytes.csv"), out], "bytes.csv: .*UTF-8", capsys)
    assert not Path(out).exists()


def test_a_broken_clip_goes_to_quarantine_and_the_rest_goes_on(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    rows = [("broken.mp4", "bad"), *((str(parts.clip), f"good{i}") for i in range(3))]
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,id,labels\n" + "".join(f"{path},{name},fear\n" for path, name in rows))
    assert main(["prepare", "folder", str(manifest), str(tmp_path / "out"), "--workers", "0"]) == 0
    assert "3 of 4 utterances" in capsys.readouterr().out
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    assert "broken.mp4" in line


# ------------------------------------------------------------------------------------------------ models and datasets


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


class Trap:
    """Unpickling it would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no model": (shutil.rmtree, "no such folder"),
    "weights missing": (lambda m: (m / "model.safetensors").unlink(), "model.safetensors: .*missing"),
    "weights damaged": (lambda m: flip_last_byte(m / "model.safetensors"), "model.safetensors: not the file"),
    "weights are a pickle": (
        lambda m: (m / "model.safetensors").write_bytes(pickle.dumps(Trap(m / "trapped"))),
        "model.safetensors: not the file",
    ),
    "settings edited": (lambda m: edit_json(m / "config.json", thresholds={}), "config.json: not the file"),
    "no hashes": (lambda m: (m / "hashes.json").unlink(), "hashes.json: .*missing"),
    "hashes that are no JSON": (lambda m: (m / "hashes.json").write_text("{"), "hashes.json"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_damaged_model_is_one_line(kind: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, told = MODELS[kind]
    model = tmp_path / "model"
    shutil.copytree(parts.model, model)
    damage(model)
    refuse(["predict", str(parts.clip), "--model", str(model)], told, capsys)
    refuse(["evaluate", str(model), "--data", str(parts.data)], told, capsys)
    assert not list(tmp_path.rglob("trapped"))


@pytest.mark.parametrize("top_p", ["0", "-1", "1.5", "nan", "inf"])
def test_top_p_out_of_range(top_p: str, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(["predict", str(parts.clip), "--model", str(parts.model), f"--top-p={top_p}"], "top_p", capsys)
    refuse(["evaluate", str(parts.model), "--data", str(parts.data), f"--top-p={top_p}"], "top_p", capsys)


DATASETS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no dataset": (shutil.rmtree, "data: .*|dataset.json"),
    "not a dataset": (lambda d: (d / "dataset.json").unlink(), "data"),
    "description damaged": (lambda d: (d / "dataset.json").write_text("{"), "dataset.json"),
    "shard missing": (lambda d: next(d.glob("test*.parquet")).unlink(), r"test-.*\.parquet"),
    "shard cut": (lambda d: os.truncate(next(d.glob("test*.parquet")), 100), r"test-.*\.parquet"),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_a_damaged_dataset_is_one_line_and_no_run_is_begun(
    kind: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, told = DATASETS[kind]
    data = tmp_path / "data"
    shutil.copytree(parts.data, data)
    damage(data)
    refuse(["evaluate", str(parts.model), "--data", str(data)], told, capsys)
    run = tmp_path / "run"
    refuse(["train", "--config", str(parts.tiny), "--data", str(data), "--run", str(run)], told, capsys)
    assert not run.exists()


def test_model_and_data_that_do_not_fit(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = parts._model(tmp_path / "stale", PrepareSettings(face_margin=0.5))
    refuse(["evaluate", str(stale), "--data", str(parts.data)], "face_margin", capsys)
    other = parts._model(tmp_path / "other", PrepareSettings(), emotions=("bored", "keen"))
    refuse(["evaluate", str(other), "--data", str(parts.data)], "emotions: the data speak of anger", capsys)
    words = ["train", "--config", str(parts.tiny), "--data", str(parts.data), "--run", str(tmp_path / "run")]
    refuse([*words, "--model.emotions", "[bored,keen]"], "model.emotions: the data speak of anger", capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("{clip},a,anger,train\n{clip},b,fear,test\n", "split"),  # nothing to validate on
        ("{clip},a,,train\n{clip},b,fear,valid\n", "unlabelled"),
        ("{clip},a,fear,train\n{clip},b,,valid\n", "label"),
    ],
)
def test_data_that_cannot_be_trained_on(
    rows: str, told: str, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.csv").write_text("path,id,labels,split\n" + rows.format(clip=parts.clip))
    assert main(["prepare", "folder", str(tmp_path / "m.csv"), str(tmp_path / "data"), "--workers", "0"]) == 0
    run = tmp_path / "run"
    refuse(["train", "--config", str(parts.tiny), "--data", str(tmp_path / "data"), "--run", str(run)], told, capsys)
    assert not run.exists()


def test_folders_that_cannot_be_written(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    for run in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/mesmer")):
        words = ["train", "--config", str(parts.tiny), "--data", str(parts.data), "--run", str(run)]
        refuse(words, re.escape(str(run)[:12]), capsys)
        refuse(["prepare", "folder", str(parts.root / "good.jsonl"), str(run)], re.escape(str(run)[:12]), capsys)
        refuse(["prepare", "synthetic", str(run), "--size", "tiny"], re.escape(str(run)[:12]), capsys)
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def refuse(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command that must end with exit code 2, an empty stdout, and one line that matches ``told``."""
    capsys.readouterr()
    code = main(words)
    shown = capsys.readouterr()
    last = shown.err.splitlines()[-1] if shown.err else ""
    assert code == 2, shown.err
    assert shown.out == ""
    assert last.startswith("mesmer: error: ")
    assert re.search(told, last), last
    assert shown.err.count("mesmer: error: ") == 1
