"""What a clip says of its media: what is there, what is absent and why, in the speaker's half and from their microphone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_parts import MadeDetector, MadeReader, made_corpus, same_clip
from numpy.typing import NDArray

from mesmer.config import PrepareSettings
from mesmer.dataset.clip import make_clip
from mesmer.dataset.sound import from_pcm16, spoken_part, to_pcm16
from mesmer.dataset.workers import make_parts
from mesmer.errors import MediaError
from mesmer.media.facts import Frame, MediaFacts, SoundBlock, StretchEnd
from mesmer.media.stretch import Stretch
from mesmer.media.writer import write_video
from mesmer.records import Clip, Utterance

SETTINGS = PrepareSettings()


def made_clip(tmp_path: Path, **what: Any) -> Clip:
    changes = {name: what.pop(name) for name in ("sound_file", "channel", "region") if name in what}
    utterance = made_corpus(tmp_path, [what]).utterances[0]
    if "sound_file" in changes:
        changes["sound"] = changes.pop("sound_file")
    return make_clip(replace(utterance, **changes), reader=MadeReader(), detector=MadeDetector(), settings=SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "absent"),
    [
        ({}, {}),
        ({"picture": False}, {"visual": "no stream"}),
        ({"sound": False}, {"audio": "no stream"}),
        ({"silent": True}, {"audio": "silent"}),
        ({"text": "\n "}, {"text": "no text"}),
        ({"text": None}, {"text": "no text"}),
        ({"seconds": 0.0}, {"audio": "no samples", "visual": "no stream"}),
        ({"picture": False, "sound": False, "text": ""}, {"text": "no text", "audio": "no stream", "visual": "no stream"}),
    ],
)
def test_absent_modalities_have_a_reason_and_hold_nothing(
    tmp_path: Path, what: dict[str, Any], absent: dict[str, str]
) -> None:
    clip = made_clip(tmp_path, **what)
    assert clip.absent == absent
    assert ("text" in absent) == (clip.text == "")
    assert ("audio" in absent) == (len(clip.waveform) == 0)
    assert ("visual" in absent) == (len(clip.faces) == 0)
    steps = len(clip.faces)
    assert clip.faces.shape == (steps, 48, 48, 3)
    assert (clip.face_times_s.shape, clip.face_boxes_px.shape, clip.face_found.shape) == ((steps,), (steps, 4), (steps,))
    assert (clip.face_times_s.dtype, clip.face_boxes_px.dtype) == (np.float64, np.float32)


class OneStream(MadeReader):
    """A reader of one stream of given pieces."""

    def __init__(self, *pieces: Frame | SoundBlock, seconds: float = 1.0) -> None:
        self._pieces = pieces
        self.facts = MediaFacts(container="made", size_bytes=1, duration_s=seconds, has_video=True, has_audio=True)

    def stretches(self, path: str, stretches: Mapping[int, Stretch]) -> Any:
        ((_, self.asked),) = stretches.items()
        return self

    def __iter__(self) -> Any:
        return iter([*((0, piece) for piece in self._pieces), (0, StretchEnd())])

    def clip(self, detector: Any = None, prepare: PrepareSettings = SETTINGS, **changes: Any) -> Clip:
        utterance = Utterance(id="x", corpus="c", media="x.mp4", **changes)
        return make_clip(utterance, reader=self, detector=detector or MadeDetector(), settings=prepare)  # type: ignore[arg-type]


def block(*values: float) -> SoundBlock:
    return SoundBlock(start_s=0.0, samples=np.array(values, np.float32))


def test_silence_is_at_or_below_the_peak() -> None:
    step = 1 / 32_768
    quiet = OneStream(block(0.0, 3 * step, -3 * step)).clip()
    assert quiet.absent["audio"] == "silent"  # 9.2e-5 <= 1e-4
    loud = OneStream(block(0.0, 4 * step, 0.0)).clip()
    assert "audio" not in loud.absent
    assert loud.waveform.tolist() == [0.0, 4 * step, 0.0]


def test_silence_around_sound_is_cut_on_request_and_where_there_is_no_picture() -> None:
    hiss = np.random.default_rng(0).uniform(-1e-3, 1e-3, 3 * 16_000)
    hiss[16_000:20_000] += np.sin(np.arange(4_000))
    sound = block(*hiss)
    frame = Frame(time_s=0.0, pixels=np.full((60, 80, 3), 200, np.uint8))
    trimming = replace(SETTINGS, trim_silence=True)
    whole, beside = OneStream(sound, seconds=3.0).clip(), OneStream(sound, frame, seconds=3.0).clip(prepare=trimming)
    assert len(whole.waveform) == len(beside.waveform) == 48_000
    cut = OneStream(sound, seconds=3.0).clip(prepare=trimming)
    assert np.array_equal(cut.waveform, whole.waveform[16_000 - 800 : 20_160 + 800])  # to the end of a frame of 20 ms
    assert cut.duration_s == len(cut.waveform) / 16_000
    assert cut.sound_end_s is None
    silent = OneStream(block(*np.zeros(100)), seconds=3.0).clip(prepare=trimming)
    assert (silent.absent["audio"], silent.duration_s) == ("silent", 3.0)


@given(
    hnp.arrays(np.int16, st.integers(0, 4000), elements=st.integers(-40, 40)), st.integers(0, 3000), st.integers(1, 2000)
)
def test_what_is_cut_is_quiet_and_what_is_loud_stays(quiet: NDArray[np.int16], place: int, samples: int) -> None:
    wave = np.concatenate([from_pcm16(quiet[:place]), np.full(samples, 0.5, np.float32), from_pcm16(quiet[place:])])
    kept = spoken_part(wave)
    assert len(kept) <= len(wave)
    assert np.count_nonzero(kept == 0.5) >= samples - 319  # what is left of a frame at the end counts as nothing
    assert np.isin(kept, wave).all()
    assert np.array_equal(spoken_part(np.zeros(900, np.float32)), np.zeros(900, np.float32))


def test_samples_that_are_no_numbers_are_silenced_and_told() -> None:
    clip = OneStream(block(0.5, float("nan"), float("inf")), block(-7.0)).clip()
    assert clip.waveform.tolist() == [0.5, 0.0, 32767 / 32768, -1.0]
    assert clip.warnings[0] == "2 samples of the sound are no numbers and were silenced"


def test_the_speakers_half_of_the_picture_and_its_boxes() -> None:
    left = np.full((60, 80, 3), 10, np.uint8)  # dark: the made detector sees nobody
    right = np.full((60, 80, 3), 200, np.uint8)
    frame = Frame(time_s=0.0, pixels=np.concatenate([left, right], axis=1))
    one, other = OneStream(frame).clip(region="left"), OneStream(frame).clip(region="right")
    assert (one.faces == 10).all()
    assert not one.face_found.any()
    assert one.face_boxes_px.tolist() == [[10, 0, 70, 60]]
    assert (other.face_found.all(), int(other.faces[0, 24, 24, 0])) == (True, 200)
    x0, _, x1, _ = other.face_boxes_px[0].tolist()
    assert (x0 + x1) / 2 == pytest.approx(80 + 40, abs=1.0)  # the made detector's face is 20..60 in what it is shown
    narrow = Frame(time_s=0.0, pixels=np.zeros((5, 1, 3), np.uint8))
    assert OneStream(narrow).clip(region="right").faces.shape == (1, 48, 48, 3)


def test_a_picture_without_a_face_stays_and_says_so() -> None:
    clip = OneStream(Frame(time_s=0.0, pixels=np.zeros((60, 80, 3), np.uint8))).clip()
    assert clip.present == (False, False, True)
    assert not clip.face_found.any()
    assert any("no face found" in warning for warning in clip.warnings)


def test_channel_and_sound_file_are_the_utterances(tmp_path: Path) -> None:
    mixed, right = made_clip(tmp_path), made_clip(tmp_path, channel="right")
    assert np.allclose(right.waveform, mixed.waveform / 4, atol=1e-4)
    other = tmp_path / "microphone.json"
    other.write_text('{"seed": 99, "picture": false, "seconds": 0.5}')
    apart = made_clip(tmp_path, sound_file=str(other))
    assert np.array_equal(apart.faces, mixed.faces)
    assert len(apart.waveform) == 8000
    assert apart.absent == {}
    other.unlink()
    with pytest.raises(MediaError, match=r"microphone.json"):
        made_clip(tmp_path, sound_file=str(other))


def test_the_stretch_and_the_settings_are_asked_for() -> None:
    settings = replace(SETTINGS, frame_interval_s=0.2, max_frame_side_px=99)
    reader = OneStream(block(0.5), seconds=9.0)
    utterance = Utterance(id="x", corpus="c", media="x.mp4", start_s=2.0, end_s=5.5)
    clip = make_clip(utterance, reader=reader, detector=MadeDetector(), settings=settings)  # type: ignore[arg-type]
    assert reader.asked == Stretch(
        start_s=2.0, end_s=5.5, frame_interval_s=0.2, max_frame_side_px=99, channel="mix", want_video=True, want_audio=True
    )
    assert clip.duration_s == 3.5
    assert OneStream(block(0.5), seconds=9.0).clip(start_s=2.0).duration_s == 7.0
    assert OneStream(block(0.5), seconds=9.0).clip().duration_s == 9.0


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 40])
def test_frames_all_arrive_in_time_order_whatever_their_number(frames: int) -> None:
    pieces = [Frame(time_s=n / 2, pixels=np.full((48, 48, 3), n, np.uint8)) for n in range(frames)]
    clip = OneStream(*pieces).clip()
    assert clip.face_times_s.tolist() == [n / 2 for n in range(frames)]
    assert clip.faces[:, 0, 0, 0].tolist() == list(range(frames))


def test_a_transcript_of_half_characters_can_be_stored(tmp_path: Path) -> None:
    assert OneStream(block(0.5)).clip(text=" x\ud800y ").text == "x?y"


@given(hnp.arrays(np.int16, st.integers(0, 50)))
def test_sixteen_bits_come_back(samples: NDArray[np.int16]) -> None:
    waveform = from_pcm16(samples)
    assert waveform.dtype == np.float32
    assert np.abs(waveform).max(initial=0.0) <= 1.0
    assert np.array_equal(to_pcm16(waveform), samples)


@given(hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(-1, 1, width=32)))
def test_rounding_moves_a_sample_by_half_a_step_and_only_once(waveform: NDArray[np.float32]) -> None:
    once = from_pcm16(to_pcm16(waveform))
    assert np.abs(once - np.minimum(waveform, np.float32(32767 / 32768))).max(initial=0.0) <= 0.5 / 32_768 + 1e-9
    assert np.array_equal(from_pcm16(to_pcm16(once)), once)


def test_real_media_twice_and_in_any_company(tmp_path: Path) -> None:
    """The same file gives the same clip, whatever was read before it."""
    generator = np.random.default_rng(0)
    for name, size in (("a", (60, 80)), ("b", (96, 64))):
        frames = [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(30)]
        write_video(tmp_path / f"{name}.mp4", frames, 20, np.sin(np.arange(24_000) / 20).astype(np.float32))
    (tmp_path / "text.mp4").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    a, b, text = (Utterance(id=n, corpus="c", media=str(tmp_path / f"{n}.mp4"), text="x") for n in ("a", "b", "text"))
    with make_parts(SETTINGS) as (reader, detector):
        first = make_clip(a, reader=reader, detector=detector, settings=SETTINGS)
        make_clip(b, reader=reader, detector=detector, settings=SETTINGS)
        with pytest.raises(MediaError):
            make_clip(text, reader=reader, detector=detector, settings=SETTINGS)
        again = make_clip(a, reader=reader, detector=detector, settings=SETTINGS)
    assert same_clip(first, again)
    assert first.present == (True, True, True)
    assert first.face_times_s.tolist() == [0.0, 0.5, 1.0]
    assert abs(len(first.waveform) - 24_000) < 1600
