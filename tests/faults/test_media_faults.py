"""What is no media file or beyond the limits, a decoder that crashes or hangs: one clear error, then the next clip."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from media.making import failure, good_clip, gray, serves, tone, write_media
from mesmer.errors import MediaError
from mesmer.media.limits import Limits
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_clip(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def reader() -> Iterator[MediaReader]:
    with MediaReader() as one:
        yield one


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"a", "container"),
        (b"\0" * 5000, "container"),
        (b"This is a letter, not a video.\n" * 100, "container"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "container"),
        (b"GIF89a" + b"\0" * 100, "container"),
        (b"%PDF-1.7" + b"\0" * 100, "container"),
        (b"PK\x03\x04" + b"\0" * 100, "container"),
        (b"\x80\x04\x95" + b"\0" * 100, "container"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 100, "corrupt"),
        (b"\0\0\0\x08mdat", "corrupt"),
        (b"\x1aE\xdf\xa3" + b"\xff" * 100, "corrupt"),
        (b"RIFF\xff\xff\xff\xffAVI LIST" + b"\xff" * 100, "no_streams"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 100, "corrupt"),
        (b"fLaC" + b"\xff" * 100, "corrupt"),
        (b"OggS" + b"\xff" * 100, "corrupt"),
        (b"ID3\x04" + b"\0" * 100, "corrupt"),
    ],
)
def test_what_is_no_media_file(reader: MediaReader, good: Path, tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert failure(reader, path).kind == kind
    with pytest.raises(MediaError):
        reader.probe(path)
    serves(reader, good)


def test_what_is_no_file(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "folder.mp4").mkdir()
    kinds = {
        "absent.mp4": "missing",
        "dangling.mp4": "missing",
        "good\0.mp4": "missing",
        "x" * 300: "missing",
        "folder.mp4": "container",
        "pipe.mp4": "container",
    }
    for name, kind in kinds.items():
        with pytest.raises(MediaError) as caught:
            reader.read(tmp_path / name)
        assert caught.value.kind == kind, name
    assert failure(reader, Path("/dev/zero")).kind == "container"
    (tmp_path / "link.mp4").symlink_to(good)
    serves(reader, tmp_path / "link.mp4")


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"file_bytes": 1000}, "file_bytes"),
        ({"pixels": 1000}, "pixels"),
        ({"duration_s": 2.0}, "duration_s"),
        ({"sample_rate_hz": 8000}, "sample_rate_hz"),
        ({"clip_bytes": 50_000}, "clip_bytes"),
        ({"streams": 1}, None),
    ],
)
def test_files_beyond_a_limit(good: Path, limits: dict[str, float], field: str | None) -> None:
    with MediaReader(limits=Limits(**limits)) as strict:
        error = failure(strict, good)
        assert error.kind == "limit"
        assert field is None or error.field == field


def test_too_many_channels(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound=np.zeros((6, 800)), rate_hz=8_000, layout="5.1")
    with MediaReader(limits=Limits(channels=2)) as strict:
        assert failure(strict, path).field == "channels"


def test_a_stretch_of_a_file_that_is_too_long_can_be_read(good: Path) -> None:
    with MediaReader(limits=Limits(duration_s=2.0)) as strict:
        assert len(strict.read(good, end_s=1.0).frames) == 2


def test_a_picture_that_is_larger_than_its_container_says(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    """A bomb: the container says 64 x 48, the JPEG inside 65500 x 65500 (12 GB once decoded)."""
    path = write_media(tmp_path / "a.avi", pictures=[gray(100)] * 3, video_codec="mjpeg", pixel_format="yuvj420p", fps=25)
    content = bytearray(path.read_bytes())
    place = content.find(b"\xff\xc0")
    assert place > 0
    while place > 0:
        struct.pack_into(">HH", content, place + 5, 65_500, 65_500)
        place = content.find(b"\xff\xc0", place + 2)
    path.write_bytes(content)
    assert failure(reader, path).kind in ("corrupt", "limit")
    serves(reader, good)


def test_a_decoder_that_needs_too_much_memory(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    write_video(path, [np.zeros((2160, 3840, 3), np.uint8)] * 2, 25, preset="ultrafast")
    # FFmpeg answers a shortage in many ways, a crash among them; each of them ends here.
    for memory_mib in (4, 16, 24):
        with MediaReader(limits=Limits(memory_bytes=memory_mib << 20)) as strict:
            error = failure(strict, path)
            assert error.kind in ("limit", "corrupt", "crash")
            assert "memory" in str(error) or error.kind == "crash"
            if memory_mib == 24:
                serves(strict, good)


def test_a_file_that_only_claims_to_be_long(reader: MediaReader, tmp_path: Path) -> None:
    """The header of a wav file says 4 GB, the file holds a tenth of a second."""
    path = write_media(tmp_path / "a.wav", sound=tone(440, 0.1, 16_000))
    content = bytearray(path.read_bytes())
    content[4:8] = b"\xff\xff\xff\x7f"
    size = content.index(b"data") + 4
    content[size : size + 4] = b"\xf0\xff\xff\x7f"
    path.write_bytes(content)
    media = reader.read(path)
    assert len(media.waveform) == 1600


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS])
def test_a_crash_while_reading(good: Path, number: signal.Signals) -> None:
    with MediaReader() as one:
        stream = one.stream(good)
        next(stream)
        pid = one.decoder_pid
        assert pid is not None
        os.kill(pid, number)
        with pytest.raises(MediaError) as caught:
            list(stream)
        assert caught.value.kind == "crash"
        assert caught.value.file == str(good)
        assert number.name in str(caught.value)
        assert list(stream) == []
        serves(one, good)
        assert one.decoder_pid != pid


def test_a_crash_between_two_files_goes_unnoticed(good: Path) -> None:
    with MediaReader() as one:
        one.probe(good)
        os.kill(one.decoder_pid or 0, signal.SIGKILL)
        time.sleep(0.1)
        serves(one, good)


def test_a_hang(good: Path) -> None:
    with MediaReader(limits=Limits(timeout_s=0.5)) as one:
        stream = one.stream(good)
        next(stream)
        pid = one.decoder_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        started_s = time.monotonic()
        with pytest.raises(MediaError) as caught:
            list(stream)
        assert time.monotonic() - started_s < 3
        assert (caught.value.kind, caught.value.field) == ("timeout", "timeout_s")
        serves(one, good)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_too_much_processor_time(good: Path) -> None:
    with MediaReader() as one:
        stream = one.stream(good)
        next(stream)
        os.kill(one.decoder_pid or 0, signal.SIGXCPU)
        with pytest.raises(MediaError) as caught:
            list(stream)
        assert (caught.value.kind, caught.value.field) == ("timeout", "cpu_s")
        serves(one, good)


def test_waiting_too_long_in_all(good: Path) -> None:
    with MediaReader(limits=Limits(clip_timeout_s=1e-6)) as one:
        assert failure(one, good).kind == "timeout"
