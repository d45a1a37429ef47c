"""Hand-crafted features by their command, on the synthetic corpus whose truth is known and on real clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mesmer.cli.main import main
from mesmer.config import FeatureSettings, PrepareSettings
from mesmer.dataset.clip import make_clip
from mesmer.dataset.prepared import PreparedDataset
from mesmer.media.reader import MediaReader
from mesmer.records import Utterance
from mesmer.signals.handcrafted.acoustics import COLUMNS as ACOUSTIC
from mesmer.signals.handcrafted.clip_features import clip_features, columns
from mesmer.signals.handcrafted.corpus_words import corpus_words
from mesmer.signals.handcrafted.landmark_measures import COLUMNS as MEASURES
from mesmer.signals.handcrafted.resources import FeatureResources
from mesmer.signals.mtcnn import FaceDetector

OFFLINE = FeatureSettings(text="corpus")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story") / "data"
    assert main(["prepare", "synthetic", str(folder), "--size", "tiny", "--seed", "1"]) == 0
    assert main(["features", str(folder), "--set", "offline", "--workers", "0"]) == 0
    return folder


def test_the_command_says_what_it_made_and_does_it_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", str(data), "--set", "offline", "--workers", "0"]) == 0
    told = capsys.readouterr().out
    assert "steps: text " in told
    assert "words without a vector (corpus): train 0.0 %" in told


def test_a_picture_of_an_utterance(data: Path, tmp_path: Path) -> None:
    utterance = PreparedDataset.open(data).split("test").ids[0]
    out = tmp_path / "features.png"
    words = ["features", str(data), "--set", "offline", "--picture", utterance, "--out", str(out)]
    assert main(words) == 0
    pixels = np.asarray(Image.open(out).convert("RGB"))
    assert pixels.shape[0] > 1000
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200  # something is drawn


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "MESMER_GLOVE"),
        (("--set", "papre"), "did you mean 'paper'?"),
        (("--set", "offline", "--visual", "muscles"), "'muscles' is not one of"),
        (("--set", "offline", "--text-width", "0"), "text_width is 0"),
        (("--set", "offline", "--picture", "nobody"), "--picture ID --out PNG"),
        (("--set", "offline", "--picture", "nobody", "--out", "x.png"), "there is no utterance 'nobody'"),
        (("--set", "openface", "--text", "corpus", "--workers", "0"), "--media"),
        (("--set", "offline", "--workers", "-2"), "workers is -2"),
        (("--glove", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_bad_input_is_one_line(
    data: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESMER_GLOVE", raising=False)
    assert main(["features", str(data), *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("mesmer: error: ")
    assert told in said


def test_what_is_no_dataset_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", str(tmp_path)]) == 2
    assert "mesmer prepare" in capsys.readouterr().err


def test_measures_follow_the_units_that_were_drawn(data: Path) -> None:
    """Of the units that move the face most. `benchmarks/landmark_measures.py` has the whole table."""
    dataset = PreparedDataset.open(data).with_features(OFFLINE)
    truth = {row["id"]: row["visual"] for row in map(json.loads, (data / "raw/truth.jsonl").read_text().splitlines())}
    measured, drawn = [], []
    for split in ("train", "valid", "test"):
        for clip in dataset.split(split):
            times_s = np.array(truth[clip.id]["times_s"])
            nearest = np.abs(times_s[None] - clip.face_times_s[:, None]).argmin(axis=1)
            units = truth[clip.id]["action_units"]
            none = np.zeros(len(times_s))
            drawn.append(np.array([np.array(units.get(f"AU{unit}", none)) for unit in (1, 2, 26)]).T[nearest])
            assert clip.features is not None
            measured.append(clip.features["visual"])
    for place, name in enumerate(("inner_brow_raise", "outer_brow_raise", "jaw_drop")):
        follows = np.corrcoef(np.concatenate(measured)[:, MEASURES.index(name)], np.concatenate(drawn)[:, place])[0, 1]
        assert follows > 0.4, name


def test_features_of_real_clips_are_plausible(ravdess_clips: list[Path]) -> None:
    """No NaN, numbers within their ranges, silent tracks and missing streams without a step and with their reason."""
    texts = ["Kids are talking by the door", "Dogs are sitting by the door"]
    resources = FeatureResources(corpus_words(texts, width=OFFLINE.text_width))
    detector = FaceDetector(min_face_px=40)
    with MediaReader() as reader:
        for file in ravdess_clips:
            utterance = Utterance(id=file.stem, corpus="", media=str(file), text=texts[int(file.stem.split("-")[4]) - 1])
            clip = make_clip(utterance, reader=reader, detector=detector, settings=PrepareSettings())
            found = clip_features(clip, OFFLINE, resources)
            assert all(np.isfinite(values).all() for values in found.values())
            assert found["text"].shape == (6, 300)
            assert found["visual"].shape == (len(clip.faces), 35)
            assert np.abs(found["visual"]).max() < 8
            heard = file.stem.startswith("01") and not file.stem.endswith("-19")
            assert clip.absent.get("audio") == (None if heard else "silent" if file.stem.startswith("02") else "no stream")
            assert found["audio"].shape == (int(np.ceil(len(clip.waveform) / 6400)), 142)
            if heard:
                _sounds_like_speech(found["audio"])


def _sounds_like_speech(audio: np.ndarray) -> None:
    pause, voice = audio[:, ACOUSTIC.index("pause_mean")], audio[:, ACOUSTIC.index("voice_mean")]
    assert pause[0] > 0.7  # the actors wait, speak, and wait
    assert pause[-1] > 0.7
    assert voice.max() > 0.3
    shares = audio[:, 34:].reshape(len(audio), 18, 6)[:, :, [0, 4, 5]]  # mean, maximum, minimum
    assert (shares >= 0).all()
    assert (shares <= 1).all()
    loud = audio[:, :22].mean(axis=1)
    assert np.corrcoef(loud, pause)[0, 1] < -0.5
    assert (audio[:, :22] <= 0).all()  # nothing is louder than full scale


def test_every_set_names_its_columns() -> None:
    for settings in (OFFLINE, FeatureSettings(audio="egemaps", visual="openface", text_width=50)):
        assert {name: len(names) for name, names in columns(settings).items()} == settings.widths
