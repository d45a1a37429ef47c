"""Which of the containers we read a file is, told from its first bytes and never from its name."""

from __future__ import annotations

HEAD_BYTES = 4096
"""How much of a file's start :func:`sniff` wants to see."""

CONTAINERS = {
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "avi": "avi",
    "flv": "flv",
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
}
"""Our name of a container -> FFmpeg's name of the one demuxer that may touch it."""

_MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})


def sniff(head: bytes) -> str | None:
    """Return the container's name (a key of ``CONTAINERS``), or None if it is none that we read.

    A playlist, a subtitle file or any other text that points to further files has none of these signatures, so it is
    never given to a demuxer.

    >>> sniff(b"RIFF" + bytes(4) + b"WAVEfmt ")
    'wav'
    >>> sniff(b"#EXTM3U") is None
    True
    """
    if head[4:8] in _MOV_BOXES:
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    if _is_flash_video(head[:9]):
        return "flv"
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:3] == b"ID3" or _is_mpeg_audio(head.lstrip(b"\0")[:4]):
        return "mp3"
    return None


def _is_flash_video(head: bytes) -> bool:
    """Whether nine bytes are the whole header of a Flash video, version 1; the fifth says if there is sound or picture."""
    return head[:4] == b"FLV\x01" and len(head) == 9 and head[4] & ~0b101 == 0 and head[5:] == b"\0\0\0\x09"


def _is_mpeg_audio(word: bytes) -> bool:
    """Whether four bytes are the header of an MPEG audio frame (layers I to III)."""
    if len(word) < 4 or word[0] != 0xFF or word[1] & 0xE0 != 0xE0:
        return False
    version, layer = word[1] >> 3 & 3, word[1] >> 1 & 3
    bitrate, rate = word[2] >> 4, word[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate not in (0, 15) and rate != 3
