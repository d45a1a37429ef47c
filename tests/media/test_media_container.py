from __future__ import annotations

import contextlib
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.making import failure, good_clip, gray, serves, strength, tone, write_media
from mesmer.errors import MediaError
from mesmer.media.container import CONTAINERS, HEAD_BYTES, sniff
from mesmer.media.reader import MediaReader

FILES = {
    "a.mp4": ("mov", "libx264", None),
    "a.mov": ("mov", "libx264", "pcm_s16le"),
    "a.m4a": ("mov", None, "aac"),
    "a.mkv": ("matroska", "libx264", "aac"),
    "a.mka": ("matroska", None, "flac"),
    "a.webm": ("matroska", "libvpx", None),
    "a.avi": ("avi", "mpeg4", "pcm_s16le"),
    "a.flv": ("flv", "flv", None),
    "a.wav": ("wav", None, "pcm_s16le"),
    "a.flac": ("flac", None, "flac"),
    "a.mp3": ("mp3", None, "mp3"),
    "a.ogg": ("ogg", None, "flac"),
}


@pytest.mark.parametrize("name", FILES)
def test_containers_are_told_by_content(tmp_path: Path, name: str) -> None:
    container, video, audio = FILES[name]
    path = write_media(
        tmp_path / name,
        pictures=[gray(100)] * 3 if video else (),
        video_codec=video or "libx264",
        sound=tone(440, 0.2, 16_000) if audio else None,
        audio_codec=audio or "aac",
    )
    head = path.read_bytes()[:HEAD_BYTES]
    assert sniff(head) == container
    # Another reader of signatures, over the whole of its own list of formats, agrees.
    with av.open(str(path)) as opened:
        assert opened.format.name == CONTAINERS[container]


def test_mp3_without_a_tag_and_after_padding(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mp3",
        sound=tone(440, 0.2, 16_000),
        audio_codec="mp3",
        container_options={"id3v2_version": "0", "write_xing": "0"},
    )
    assert sniff(path.read_bytes()[:HEAD_BYTES]) == "mp3"
    assert sniff(bytes(100) + path.read_bytes()[:1000]) == "mp3"
    adts = bytes([0xFF, 0xF1, 0x50, 0x80])  # raw AAC: the same first bits, but no MPEG layer
    assert sniff(adts) is None


def test_flash_video_is_read_like_any_other(tmp_path: Path) -> None:
    """The container of the older recordings of actors: right pictures at the right times, and the right tone."""
    path = write_media(
        tmp_path / "a.flv",
        pictures=[gray(20 + 4 * k) for k in range(50)],
        fps=25,
        video_codec="flv",
        video_options={"qmin": "2", "qmax": "2"},
        sound=tone(440, 2, 44_100),
        rate_hz=44_100,
    )
    with MediaReader() as reader:
        media = reader.read(path, start_s=0.4, end_s=1.9)
    assert media.facts.container == "flv"
    assert media.facts.duration_s == pytest.approx(2, abs=0.1)
    # A frame every 40 ms: the 10th comes at 0.4 s, the 22nd is shown at 0.9 s, the 35th comes at 1.4 s.
    assert [picture.mean() for picture in media.frames] == pytest.approx([20 + 4 * 10, 20 + 4 * 22, 20 + 4 * 35], abs=3)
    assert len(media.waveform) == 24_000
    assert strength(media.waveform, 440) == pytest.approx(0.5, abs=0.05)


def test_flash_video_damaged_or_false(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.flv", pictures=[gray(9)] * 50, video_codec="flv")
    data = path.read_bytes()
    for false in (b"FLV\x02" + data[4:], data[:4] + b"\xff" + data[5:], data[:8] + b"\x0a" + data[9:], data[:8]):
        assert sniff(false) is None
    with MediaReader() as reader:
        path.write_bytes(data[:9] + bytes(2000))
        assert failure(reader, path).kind in ("corrupt", "no_streams")
        generator = np.random.default_rng(0)
        for _ in range(20):
            torn = bytearray(data[: generator.integers(100, len(data))])
            for place in generator.integers(9, len(torn), 5):
                torn[place] ^= 1 << generator.integers(8)
            path.write_bytes(torn)
            with contextlib.suppress(MediaError):  # anything else that is raised, or a hang, is a defect
                reader.read(path)
        serves(reader, good_clip(tmp_path))


@given(st.text(max_size=300))
def test_no_text_is_a_container(text: str) -> None:
    """Whatever points to other files is text; none that a person can write begins like a container."""
    printable = "".join(letter for letter in text if letter.isprintable() or letter in "\r\n\t")
    words = ("ftyp", "moov", "mdat", "free", "skip", "wide", "pnot")
    if printable.encode()[4:8].decode("ascii", "replace") in words or printable.startswith(("RIFF", "RF64", "RIFX")):
        return
    if printable.startswith(("fLaC", "OggS", "ID3")):
        return
    assert sniff(printable.encode()) is None


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert sniff(head) is None or sniff(head) in CONTAINERS
