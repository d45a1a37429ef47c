"""Sound of any rate, layout and format becomes one run of mono 16 kHz samples whose times agree with the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.making import gray, strength, tone, write_media
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_becomes_16_khz(reader: MediaReader, tmp_path: Path, rate_hz: int) -> None:
    sound = tone(440, 2, rate_hz, amplitude=0.4) + tone(1700, 2, rate_hz, amplitude=0.2)
    path = write_media(tmp_path / "a.wav", sound=sound, rate_hz=rate_hz, audio_codec="pcm_f32le")
    media = reader.read(path)
    assert media.waveform.dtype == np.float32
    assert abs(len(media.waveform) - 32_000) <= 1
    # Held against the formula, sample by sample: neither a shift nor a change of level. The ends ring a little.
    times = np.arange(len(media.waveform)) / 16_000
    expected = 0.4 * np.sin(2 * np.pi * 440 * times) + 0.2 * np.sin(2 * np.pi * 1700 * times)
    np.testing.assert_allclose(media.waveform[200:-200], expected[200:-200], atol=2e-3)
    assert (media.facts.sample_rate_hz, media.facts.channels) == (rate_hz, 1)


def test_what_is_above_8_khz_is_filtered_out_not_folded_down(reader: MediaReader, tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound=tone(11_000, 1, 48_000), rate_hz=48_000)
    waveform = reader.read(path).waveform
    assert np.abs(waveform[500:-500]).max() < 0.005


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rate_hz=st.integers(4_000, 96_000), seed=st.integers(0, 1000))
def test_unusual_rates(reader: MediaReader, tmp_path_factory: pytest.TempPathFactory, rate_hz: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frequency_hz = rng.uniform(100, 1500)
    path = write_media(
        tmp_path_factory.mktemp("rates") / "a.wav",
        sound=tone(frequency_hz, 0.5, rate_hz),
        rate_hz=rate_hz,
        audio_codec="pcm_f32le",
    )
    waveform = reader.read(path).waveform
    assert abs(len(waveform) - 8000) <= 2
    times = np.arange(len(waveform)) / 16_000
    np.testing.assert_allclose(waveform[300:-300], 0.5 * np.sin(2 * np.pi * frequency_hz * times)[300:-300], atol=4e-3)


@pytest.mark.parametrize(
    ("codec", "step"),
    [
        ("pcm_u8", 2**-7),
        ("pcm_s16le", 2**-15),
        ("pcm_s16be", 2**-15),
        ("pcm_s24le", 2**-23),
        ("pcm_s32le", 2**-24),
        ("pcm_f32le", 2**-24),
        ("pcm_f64le", 2**-24),
        ("pcm_mulaw", 2**-5),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_sample_formats(reader: MediaReader, tmp_path: Path, codec: str, step: float, layout: str) -> None:
    sound = tone(440, 0.5, 16_000)
    channels = np.stack([sound] * (2 if layout == "stereo" else 1))
    suffix = "mov" if codec == "pcm_s16be" else "wav"
    path = write_media(tmp_path / f"a.{suffix}", sound=channels, audio_codec=codec, layout=layout)
    np.testing.assert_allclose(reader.read(path).waveform, sound, atol=1.5 * step)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.mp3", "mp3", 44_100),
        ("a.m4a", "aac", 44_100),
        ("a.flac", "flac", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.oga", "flac", 16_000),
        ("a.mka", "libopus", 48_000),
        ("a.mkv", "aac", 48_000),
        ("a.mov", "pcm_s16le", 44_100),
        ("a.avi", "mp3", 44_100),
    ],
)
def test_codecs_keep_level_and_time(reader: MediaReader, tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    """A burst of a tone between two silences: what comes out begins and ends where it went in."""
    sound = tone(600, 2, rate_hz)
    sound[: rate_hz // 2] = 0
    sound[3 * rate_hz // 2 :] = 0
    path = write_media(tmp_path / name, sound=sound, rate_hz=rate_hz, audio_codec=codec)
    waveform = reader.read(path).waveform
    # The mp3 encoder's delay is stored by the mp3 container and lost in avi: 0.05 s at most.
    late_s = 0.06 if name == "a.avi" else 0.012
    assert strength(waveform[9_000:23_000], 600) == pytest.approx(0.5, abs=0.03)
    loud = np.flatnonzero(np.abs(waveform) > 0.15) / 16_000
    assert abs(loud[0] - 0.5) < late_s
    assert abs(loud[-1] - 1.5) < late_s


def test_surround_speech_comes_from_the_centre(reader: MediaReader, tmp_path: Path) -> None:
    """8 kHz 5.1 sound: the centre is heard, the bass channel is not, and nothing gets louder than it was."""
    frequencies = {"FL": 300, "FR": 500, "FC": 700, "LFE": 100, "BL": 1100, "BR": 1300}
    sound = np.stack([tone(frequency, 1, 8_000, amplitude=0.9) for frequency in frequencies.values()])
    path = write_media(tmp_path / "a.wav", sound=sound, rate_hz=8_000, layout="5.1")
    media = reader.read(path)
    assert media.facts.channels == 6
    assert abs(len(media.waveform) - 16_000) <= 1
    heard = {name: strength(media.waveform[160:-160], frequency) for name, frequency in frequencies.items()}
    assert heard["FC"] == max(heard.values())
    assert heard["LFE"] < 0.01
    assert heard["FL"] == pytest.approx(heard["FR"], rel=0.05)
    assert heard["FL"] > heard["BL"] > 0.05
    assert np.abs(media.waveform).max() <= 0.9 + 1e-3


@pytest.mark.parametrize("channels", [3, 7, 12])
def test_layouts_without_names_are_averaged(reader: MediaReader, tmp_path: Path, channels: int) -> None:
    """A wav file whose header names no speakers, written by hand."""
    samples = np.zeros((1600, channels), "<i2")
    samples[:, 0] = 20_000
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(samples.tobytes(), channels=channels, rate_hz=16_000, bits=16))
    media = reader.read(path)
    assert media.facts.channels == channels
    assert 0.1 * 20_000 / 32_768 / channels < media.waveform.mean() <= 20_000 / 32_768


def wav_bytes(data: bytes, *, channels: int, rate_hz: int, bits: int, tag: int = 1, claimed: int | None = None) -> bytes:
    block = channels * bits // 8
    size = len(data) if claimed is None else claimed
    header = tag.to_bytes(2, "little") + channels.to_bytes(2, "little") + rate_hz.to_bytes(4, "little")
    header += (rate_hz * block).to_bytes(4, "little") + block.to_bytes(2, "little") + bits.to_bytes(2, "little")
    body = b"WAVEfmt " + (16).to_bytes(4, "little") + header + b"data" + size.to_bytes(4, "little") + data
    return b"RIFF" + min(len(body), 0xFFFFFFFF).to_bytes(4, "little") + body


@pytest.mark.parametrize(("channel", "frequency_hz", "other_hz"), [("left", 500, 900), ("right", 900, 500)])
def test_one_channel_alone(reader: MediaReader, tmp_path: Path, channel: str, frequency_hz: int, other_hz: int) -> None:
    sound = np.stack([tone(500, 1, 16_000), tone(900, 1, 16_000)])
    path = write_media(tmp_path / "a.wav", sound=sound, layout="stereo")
    waveform = reader.read(path, channel=channel).waveform
    assert strength(waveform, frequency_hz) == pytest.approx(0.5, abs=1e-3)
    assert strength(waveform, other_hz) < 1e-3
    mixed = reader.read(path).waveform
    assert strength(mixed, 500) == pytest.approx(0.25, abs=1e-3)
    assert strength(mixed, 900) == pytest.approx(0.25, abs=1e-3)


def test_one_channel_of_mono_sound_is_the_sound(reader: MediaReader, tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound=tone(500, 1, 16_000))
    media = reader.read(path, channel="right")
    np.testing.assert_array_equal(media.waveform, reader.read(path).waveform)
    assert media.warnings == ("the sound has one channel; it was taken for the right one",)


@pytest.mark.parametrize("container", ["mkv", "mov"])
def test_sound_that_begins_late_is_preceded_by_silence(reader: MediaReader, tmp_path: Path, container: str) -> None:
    path = write_media(
        tmp_path / f"a.{container}",
        pictures=[gray(100)] * 50,
        sound=tone(500, 1, 16_000),
        sound_start_s=Fraction(1, 2),
    )
    media = reader.read(path)
    assert not media.waveform[:7_990].any()
    assert abs(np.flatnonzero(np.abs(media.waveform) > 0.05)[0] - 8_000) <= 20
    assert abs(len(media.waveform) - 24_000) <= 16
    later = reader.read(path, start_s=0.25).waveform
    np.testing.assert_array_equal(later, media.waveform[4_000:])


def test_a_pause_in_the_sound_is_silence(reader: MediaReader, tmp_path: Path) -> None:
    """Blocks 5 to 9 were never recorded; what follows keeps its time."""
    path = write_media(
        tmp_path / "a.mkv", sound=np.full(16_384, 0.5), sound_gaps=lambda block: 5 <= block < 10, audio_codec="pcm_f32le"
    )
    waveform = reader.read(path).waveform
    assert len(waveform) == 16_384
    expected = np.full(16_384, 0.5)
    expected[5 * 1024 : 10 * 1024] = 0
    assert np.count_nonzero(waveform != expected) <= 32  # Matroska rounds time stamps to milliseconds


def test_samples_that_are_not_numbers_are_silenced_and_counted(reader: MediaReader, tmp_path: Path) -> None:
    sound = tone(500, 1, 44_100).astype("<f4")
    sound[[0, 100, 7000]] = np.nan
    sound[[200, 9000]] = [np.inf, -np.inf]
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(sound.tobytes(), channels=1, rate_hz=44_100, bits=32, tag=3))
    media = reader.read(path)
    assert np.isfinite(media.waveform).all()
    assert strength(media.waveform, 500) == pytest.approx(0.5, abs=0.01)
    assert media.warnings == ("5 samples of the sound were not numbers and were silenced",)


def test_sound_beyond_full_scale_is_clipped(reader: MediaReader, tmp_path: Path) -> None:
    sound = (tone(500, 0.5, 16_000, amplitude=3.0)).astype("<f4")
    sound[4000] = 3e38
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(sound.tobytes(), channels=1, rate_hz=16_000, bits=32, tag=3))
    waveform = reader.read(path).waveform
    assert np.abs(waveform).max() == 1.0
    np.testing.assert_allclose(waveform, np.clip(sound, -1, 1), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [16_000, 48_000, 8_000])
def test_one_sample(reader: MediaReader, tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(np.array([8192], "<i2").tobytes(), channels=1, rate_hz=rate_hz, bits=16))
    media = reader.read(path)
    assert len(media.waveform) <= 2
    assert media.audio_absent == (None if len(media.waveform) else "no samples")
    if rate_hz == 16_000:
        assert media.waveform.tolist() == [0.25]


def test_no_samples(reader: MediaReader, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(b"", channels=1, rate_hz=16_000, bits=16))
    media = reader.read(path)
    assert (media.audio_absent, media.video_absent) == ("no samples", "no stream")
    assert media.waveform.shape == (0,)
    assert media.facts.has_audio


def test_a_stretch_of_sound(reader: MediaReader, tmp_path: Path) -> None:
    sound = np.linspace(-0.9, 0.9, 48_000)
    path = write_media(tmp_path / "a.wav", sound=sound, audio_codec="pcm_f32le")
    waveform = reader.read(path, start_s=1.0, end_s=1.7).waveform
    np.testing.assert_allclose(waveform, sound[16_000:27_200], atol=1e-6)


def test_blocks_follow_each_other_and_interleave_with_frames(reader: MediaReader, tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mov", pictures=[gray(100)] * 75, sound=tone(500, 3, 16_000), audio_codec="pcm_s16le")
    place_s, frames_s = 0.0, []
    for piece in reader.stream(path):
        if hasattr(piece, "samples"):
            assert piece.start_s == pytest.approx(place_s)
            assert len(piece.samples) <= 8_000
            place_s += len(piece.samples) / 16_000
        else:
            frames_s.append(piece.time_s)
            assert abs(piece.time_s - place_s) < 0.6  # neither goes far ahead
    assert frames_s == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert place_s == pytest.approx(3.0)


def test_a_cover_is_no_picture(reader: MediaReader, tmp_path: Path) -> None:
    """Music files carry their cover as a video stream of one frame."""
    source = write_media(tmp_path / "cover.mov", pictures=[gray(100)], video_codec="png", pixel_format="rgb24")
    path = tmp_path / "a.mp3"
    with av.open(str(source)) as given, av.open(str(path), "w", container_options={"id3v2_version": "3"}) as container:
        audio = container.add_stream("mp3", rate=44_100, layout="mono")
        cover = container.add_stream_from_template(given.streams.video[0])
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = cover
                container.mux(packet)
        frame = av.AudioFrame.from_ndarray(tone(500, 1, 44_100)[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        frame.pts = 0
        resampler = av.AudioResampler(audio.format.name, "mono", 44_100, frame_size=1152)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(audio.encode(converted))
        container.mux(audio.encode(None))
    with av.open(str(path)) as written:
        assert len(written.streams.video) == 1  # so the test is about something
    media = reader.read(path)
    assert media.video_absent == "no stream"
    assert not media.facts.has_video
    assert len(media.waveform) > 15_000


def test_the_default_track_is_taken(reader: MediaReader, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        tracks[0].disposition = av.stream.Disposition.dub
        tracks[1].disposition = av.stream.Disposition.default
        for track, frequency_hz in zip(tracks, (500, 900), strict=True):
            samples = (tone(frequency_hz, 0.5, 16_000) * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(track.encode(frame))
        for track in tracks:
            container.mux(track.encode(None))
    waveform = reader.read(path).waveform
    assert strength(waveform, 900) > 0.4 > 0.1 > strength(waveform, 500)


def test_silence_is_sound(reader: MediaReader, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [gray(100)] * 25, 25, np.zeros(16_000, np.float32))
    media = reader.read(tmp_path / "a.mp4")
    assert media.audio_absent is None
    assert len(media.waveform) >= 16_000
    assert np.abs(media.waveform).max() < 1e-6
