from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.making import gray, tone, write_media
from mesmer.media.container import CONTAINERS, HEAD_BYTES, sniff

FILES = {
    "a.mp4": ("mov", "libx264", None),
    "a.mov": ("mov", "libx264", "pcm_s16le"),
    "a.m4a": ("mov", None, "aac"),
    "a.mkv": ("matroska", "libx264", "aac"),
    "a.mka": ("matroska", None, "flac"),
    "a.webm": ("matroska", "libvpx", None),
    "a.avi": ("avi", "mpeg4", "pcm_s16le"),
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
