"""Files that point to other files: the other file is never opened."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest

from media.making import failure, frames_or_corrupt, gray, serves, write_media
from mesmer.media.reader import MediaReader


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.m3u8", "playlist.mkv"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{other}'\n",
        "file '{other}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation><BaseURL>{other}</BaseURL></Representation>",
        "[playlist]\nFile1={other}\n",
        "RTSPtextRTSP://127.0.0.1/{other}",
    ],
)
def test_a_text_that_points_to_another_file(reader: MediaReader, good: Path, tmp_path: Path, text: str, name: str) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(good.read_bytes())
    before = other.stat().st_atime_ns
    path = tmp_path / name
    path.write_text(text.format(other=other))
    assert failure(reader, path).kind == "container"
    assert other.stat().st_atime_ns == before
    serves(reader, good)


def boxed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def grown(content: bytes, chain: list[bytes], old: bytes, new: bytes) -> bytes:
    """Replace ``old`` by ``new`` inside nested boxes and correct the lengths of all boxes around it."""
    place = content.index(old)
    result = bytearray(content)
    for kind in chain:
        box = content.rindex(kind, 0, place) - 4
        struct.pack_into(">I", result, box, struct.unpack_from(">I", content, box)[0] + len(new) - len(old))
    result[place : place + len(old)] = new
    return bytes(result)


def alias(path: Path) -> bytes:
    """QuickTime's record of an external data file: names of volume and file, then the absolute path."""
    name, whole = path.name.encode(), str(path).encode()
    record = bytes(10) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(12)
    record += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    record += struct.pack(">HH", 2, len(whole)) + whole + (b"\0" if len(whole) % 2 else b"") + struct.pack(">HH", 0xFFFF, 0)
    return boxed(bytes.fromhex("616c6973"), bytes(4) + record)


def test_a_movie_whose_pictures_lie_in_another_file(reader: MediaReader, good: Path, tmp_path: Path) -> None:
    secret = write_media(tmp_path / "secret.mov", pictures=[gray(200)] * 5, video_codec="rawvideo", pixel_format="rgb24")
    content = write_media(
        tmp_path / "a.mov", pictures=[gray(50)] * 5, video_codec="rawvideo", pixel_format="rgb24"
    ).read_bytes()
    own = boxed(b"url ", b"\0\0\0\1")
    chain = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]
    place = content.index(b"dref")
    start = content.index(own, place) if own in content[place:] else None
    old = content[start : start + len(own)] if start is not None else content[place + 12 : place + 24]
    path = tmp_path / "pointing.mov"
    path.write_bytes(grown(content, chain, old, alias(secret)))
    # FFmpeg, where it is allowed to, follows the pointer and shows what lies in the other file ...
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=allowed) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.mean() == pytest.approx(200, abs=3)
    # ... and here it does not.
    frames = frames_or_corrupt(reader, path)
    assert all(abs(frame.mean() - 200) > 20 for frame in frames)
    serves(reader, good)
