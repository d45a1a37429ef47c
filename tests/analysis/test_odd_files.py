"""Files that are odd but legal have a defined result: the table of ``docs/analyze.md``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mesmer.analysis import Analyzer
from mesmer.analysis.result import schema
from mesmer.corpora.synthetic.plan import plan_utterance
from mesmer.corpora.synthetic.rendering import perform
from mesmer.errors import MediaError

sys.path.append(str(Path(__file__).parents[1] / "media"))
from making import write_media

jsonschema = pytest.importorskip("jsonschema")

RATE_HZ = 16_000
Sound = NDArray[np.float64]


@functools.cache
def said() -> Any:
    """One drawn person, about two seconds."""
    return perform(plan_utterance(seed=3, name="odd", speaker="s004", split="train", emotions=("anger",)), seed=3)


@functools.cache
def pictures() -> tuple[NDArray[np.uint8], ...]:
    return tuple(said().pictures())


def fps() -> Fraction:
    return Fraction(said().plan.fps)


def speech(rate_hz: int = RATE_HZ) -> Sound:
    wave = said().speech.waveform.astype(np.float64)
    times = np.arange(int(len(wave) / RATE_HZ * rate_hz)) / rate_hz
    return np.interp(times, np.arange(len(wave)) / RATE_HZ, wave)


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE_HZ))


def noise(seconds: float, level: float = 0.003) -> Sound:
    return np.random.default_rng(0).normal(0, level, round(seconds * RATE_HZ))


def music(seconds: float) -> Sound:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * times) for hz in (220.0, 277.2, 329.6))
    return np.asarray(0.15 * chord * (1 + 0.3 * np.sin(2 * np.pi * 2 * times)), dtype=np.float64)


def black(count: int, width: int = 192, height: int = 176) -> list[NDArray[np.uint8]]:
    return [np.zeros((height, width, 3), np.uint8)] * count


def scaled(factor: float) -> list[NDArray[np.uint8]]:
    from PIL import Image

    return [
        np.asarray(
            Image.fromarray(one).resize((2 * round(one.shape[1] * factor / 2), 2 * round(one.shape[0] * factor / 2)))
        )
        for one in pictures()
    ]


@dataclass(frozen=True)
class Odd:
    """A file and what becomes of it: how many rows, with which modalities, and a warning about file or row."""

    make: Callable[[], dict[str, Any]]
    rows: int = 1
    used: tuple[str, ...] | None = ("audio", "visual")
    warns: str = ""
    ending: str = "mkv"
    people: int | None = 1


def usual(**change: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "pictures": pictures(),
        "fps": fps(),
        "sound": speech(),
        **{key: value() if callable(value) else value for key, value in change.items()},
    }


def only_sound(sound: Callable[[], Any] = speech, **change: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"sound": sound(), **change}


def only_picture(frames: Callable[[], Any] = pictures, **change: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"pictures": frames(), "fps": fps(), **change}


AUDIO = ("audio",)
VISUAL = ("visual",)
FILES: dict[str, Odd] = {
    # what is there
    "usual": Odd(usual()),
    "no sound": Odd(only_picture(), used=VISUAL, warns="no sound in the file"),
    "no picture": Odd(only_sound(), used=AUDIO, warns="no picture in the file", people=0, ending="wav"),
    "no speech, silence": Odd(usual(sound=lambda: silence(3)), rows=0, used=None, warns="no speech was heard"),
    "no speech, noise": Odd(usual(sound=lambda: noise(3)), rows=0, used=None, warns="no speech was heard"),
    "no speech, music": Odd(usual(sound=lambda: music(3)), rows=0, used=None, warns="no speech was heard"),
    "music without picture": Odd(only_sound(lambda: music(3)), rows=0, used=None, people=0, ending="wav"),
    "black picture": Odd(usual(pictures=lambda: black(60)), warns="no face in 100 %", people=0),
    "black picture, silence": Odd(usual(pictures=lambda: black(60), sound=lambda: silence(2)), rows=0, used=None, people=0),
    "black picture, no sound": Odd(only_picture(lambda: black(60)), rows=0, used=None, people=0),
    "white noise as picture": Odd(
        usual(pictures=lambda: list(np.random.default_rng(0).integers(0, 255, (50, 96, 96, 3), np.uint8))), people=0
    ),
    "speech over music": Odd(usual(sound=lambda: speech() + 0.1 * music(5)[: len(speech())])),
    "two sentences": Odd(
        usual(sound=lambda: np.concatenate([speech(), silence(1.0), speech()])), rows=2, used=None, warns="picture"
    ),
    # lengths
    "one frame and no sound": Odd(only_picture(lambda: pictures()[:1]), rows=0, used=None, people=0),
    "one frame and speech": Odd(usual(pictures=lambda: pictures()[:1]), used=None, people=None),
    "ten milliseconds of sound": Odd(only_sound(lambda: speech()[:160]), rows=0, used=None, people=0, ending="wav"),
    "picture much shorter": Odd(usual(pictures=lambda: pictures()[:10]), used=None, people=None),
    "sound much shorter": Odd(usual(sound=lambda: speech()[: RATE_HZ // 2])),
    "sound begins late": Odd(usual(sound_start_s=1.0), used=None),
    "speech to the very end": Odd(usual(sound=lambda: speech()[: int(0.7 * len(speech()))])),
    "a minute of one picture": Odd(
        lambda: {"pictures": pictures()[:1] * 60, "fps": Fraction(1, 1), "sound": np.concatenate([speech(), silence(57)])}
    ),
    # sound
    "8 kHz": Odd(usual(sound=lambda: speech(8_000), rate_hz=8_000)),
    "11025 Hz": Odd(usual(sound=lambda: speech(11_025), rate_hz=11_025)),
    "44.1 kHz": Odd(usual(sound=lambda: speech(44_100), rate_hz=44_100)),
    "96 kHz": Odd(usual(sound=lambda: speech(96_000), rate_hz=96_000)),
    "two channels": Odd(usual(sound=lambda: np.stack([speech(), speech()]), layout="stereo")),
    "speech on one channel": Odd(usual(sound=lambda: np.stack([speech(), 0 * speech()]), layout="stereo")),
    "six channels": Odd(usual(sound=lambda: np.stack([*[0 * speech()] * 2, speech(), *[0 * speech()] * 3]), layout="5.1")),
    "very quiet": Odd(usual(sound=lambda: 0.002 * speech()), rows=0, used=None),
    "clipped": Odd(usual(sound=lambda: np.clip(20 * speech(), -1, 1))),
    "constant offset": Odd(usual(sound=lambda: 0.3 + 0.6 * speech())),
    "pauses in the stamps": Odd(usual(sound_gaps=lambda: lambda block: block % 9 == 8), used=None, rows=1),
    "MP3": Odd(only_sound(audio_codec="libmp3lame"), used=AUDIO, people=0, ending="mp3"),
    "Ogg Opus": Odd(
        only_sound(lambda: speech(48_000), rate_hz=48_000, audio_codec="libopus"), used=AUDIO, people=0, ending="ogg"
    ),
    "FLAC": Odd(only_sound(audio_codec="flac"), used=AUDIO, people=0, ending="flac"),
    "AAC in mp4": Odd(usual(audio_codec="aac"), ending="mp4"),
    # picture
    "variable rate": Odd(
        lambda: {
            **usual()(),
            "times_s": [Fraction(k, 25) + (Fraction(1, 50) if k % 3 else 0) for k in range(len(pictures()))],
        }
    ),
    "one frame a second": Odd(usual(pictures=lambda: pictures()[::25], fps=1)),
    "120 frames a second": Odd(usual(pictures=lambda: [p for p in pictures() for _ in range(4)], fps=lambda: 4 * fps())),
    "odd sizes": Odd(usual(pictures=lambda: [one[:175, :191] for one in pictures()], pixel_format="yuv444p")),
    "tiny": Odd(usual(pictures=lambda: scaled(0.1)), people=0, warns="no face"),
    "1280 wide": Odd(usual(pictures=lambda: scaled(6.7)[:40])),
    "upside down": Odd(usual(pictures=lambda: [one[::-1] for one in pictures()]), people=None),
    "grey": Odd(usual(pictures=lambda: [one[..., 1:2].repeat(3, 2) for one in pictures()])),
    "a thin strip": Odd(usual(pictures=lambda: black(50, 640, 8)), people=0),
    "two of the same face": Odd(
        usual(pictures=lambda: [np.concatenate([one, one], axis=1) for one in pictures()]), rows=2, people=2
    ),
    "MPEG-4 in avi": Odd(usual(video_codec="mpeg4", fps=25), ending="avi"),
    "VP9 in webm": Odd(
        usual(video_codec="libvpx-vp9", audio_codec="libopus", sound=lambda: speech(48_000), rate_hz=48_000,
              video_options={"deadline": "realtime", "cpu-used": "8"}),
        ending="webm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_an_odd_file_has_its_result(name: str, tmp_path: Path, analyzer: Analyzer) -> None:
    odd = FILES[name]
    path = write_media(tmp_path / f"odd.{odd.ending}", **odd.make())
    told = analyzer.analyze(path)
    jsonschema.validate(told.to_json(), schema())
    assert len(told.utterances) == odd.rows
    assert told.complete
    if odd.people is not None:
        assert len(told.people) == odd.people
    sentences = " ".join([*told.warnings, *(warning for row in told.utterances for warning in row.warnings)])
    assert odd.warns in sentences
    for row in told.utterances:
        assert 0 <= row.start_s < row.end_s <= told.source["duration_s"] + 0.5
        assert row.prediction is not None
        if odd.used is not None:
            assert tuple(row.prediction.modalities_used) == odd.used
        alone = analyzer.predictor.predict(path, start_s=row.start_s, end_s=row.end_s)
        if row.kind == "speech" and len(told.people) < 2:
            assert row.prediction.probabilities == alone.probabilities


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 48


def test_a_file_that_is_cut_short_gives_what_is_left(tmp_path: Path, analyzer: Analyzer) -> None:
    whole = write_media(tmp_path / "whole.mkv", **usual()())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    told = analyzer.analyze(cut)
    assert len(told.utterances) == 1
    assert told.utterances[0].end_s < analyzer.analyze(whole).utterances[0].end_s
    assert any("ends early" in warning for warning in told.warnings)


@pytest.mark.parametrize("content", [b"", b"RIFF", bytes(2000)])
def test_what_is_no_media_is_one_error(content: bytes, tmp_path: Path, analyzer: Analyzer) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        analyzer.analyze(path)
