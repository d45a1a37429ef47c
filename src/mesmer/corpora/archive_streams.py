"""What the standard library's readers of zip and tar would believe of a hostile archive, bounded.

A tar is read through :class:`UnpackedStream`, its headers as :class:`BoundedTarInfo`; the directory of a zip is walked by
:func:`check_zip_directory` before the library loads it into memory.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
from pathlib import Path
from typing import IO, NoReturn

from mesmer.errors import DataError

BLOCK_BYTES = 2**16
XZ_MEMORY_BYTES = 2**28
MAX_HEADER_BYTES = 2**16
MAX_DIRECTORY_BYTES = 2**29

_LONG_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class BoundedTarInfo(tarfile.TarInfo):
    """A tar header that is stricter than the library, which takes a damaged header for the end of the archive.

    Long names and extended headers of unreasonable size are refused, for they are read into memory whole.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> BoundedTarInfo:
        """Read one header block. Raises ValueError where it is damaged or missing, or asks for too much."""
        if not buf:
            raise ValueError("it ends in the middle")
        if not any(buf):
            return super().frombuf(buf, encoding, errors)  # blocks of zeros are the end of a tar; the library knows
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise ValueError(str(error)) from None
        if info.size < 0 or (info.type in _LONG_HEADERS and info.size > MAX_HEADER_BYTES):
            raise ValueError(f"a header of {info.size} bytes")
        return info


class UnpackedStream:
    """The bytes of a tar, tar.gz or tar.xz, front to back, at most ``max_bytes`` of them.

    Args:
        stream: the archive, at its start.
        archive: its path, for the error.
        max_bytes: reading more raises a DataError.
    """

    def __init__(self, stream: IO[bytes], *, archive: Path, max_bytes: int) -> None:
        start = stream.read(6)
        stream.seek(0)
        self._inner: _XzReader | IO[bytes] = stream
        if start.startswith(b"\x1f\x8b"):
            self._inner = io.BufferedReader(gzip.GzipFile(fileobj=stream))
        elif start == b"\xfd7zXZ\x00":
            self._inner = _XzReader(stream)
        self._archive = archive
        self._max_bytes = max_bytes
        self._read_bytes = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        data = self._inner.read(size)
        self._read_bytes += len(data)
        if self._read_bytes > self._max_bytes:
            remedy = "unpack it yourself if you trust it"
            raise DataError(f"the archive unpacks to more than {self._max_bytes} bytes", file=self._archive, remedy=remedy)
        return data

    def drain(self) -> None:
        """Read to the end: only there do the packed forms check what they gave."""
        while self.read(BLOCK_BYTES):
            pass


class _XzReader:
    """An xz file read with bounded memory, which ``lzma.LZMAFile`` cannot do."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._xz = self._decompressor()

    def _decompressor(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)

    def read(self, size: int) -> bytes:
        packed = b""
        while True:
            if self._xz.eof:  # one xz file may follow another, with zeros between them
                packed = (self._xz.unused_data or self._stream.read(BLOCK_BYTES)).lstrip(b"\0")
                if not packed:
                    return b""
                self._xz = self._decompressor()
            elif self._xz.needs_input:
                packed = self._stream.read(BLOCK_BYTES)
                if not packed:
                    raise EOFError("it ends in the middle")
            unpacked = self._xz.decompress(packed, size)
            packed = b""
            if unpacked:
                return unpacked


_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")


def check_zip_directory(stream: IO[bytes], archive: Path, *, max_entries: int) -> None:
    """Walk the directory of a zip without loading it.

    Raises:
        DataError: there is no directory, it is larger than the file or than 512 MiB, or has more than ``max_entries``.
    """

    def refuse(problem: str) -> NoReturn:
        raise DataError(problem, file=archive, field="directory of the zip", remedy="fetch it again")

    size = stream.seek(0, io.SEEK_END)
    tail_bytes = min(size, _END.size + 2**16)
    stream.seek(size - tail_bytes)
    tail = stream.read(tail_bytes)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        refuse("the archive has no directory: it is cut off or no zip")
    end = size - tail_bytes + at
    *_, directory_bytes, _, _ = _END.unpack_from(tail, at)
    place = end - _END64_PLACE.size - _END64.size
    stream.seek(max(place, 0))
    large = stream.read(_END64.size + _END64_PLACE.size) if place >= 0 else b""
    if large[_END64.size :].startswith(b"PK\x06\x07"):  # the directory of a large zip is told once more before the end
        mark, *_, directory_bytes, _ = _END64.unpack_from(large)
        _, _, found, _ = _END64_PLACE.unpack_from(large, _END64.size)
        if mark != b"PK\x06\x06" or found != place:
            refuse("the directory does not stand where it says")
        end = place
    if directory_bytes > min(end, MAX_DIRECTORY_BYTES):
        refuse(f"the directory claims {directory_bytes} bytes")
    stream.seek(end - directory_bytes)
    left, entries = directory_bytes, 0
    while left >= _ENTRY.size:
        fields = _ENTRY.unpack(stream.read(_ENTRY.size))
        if fields[0] != b"PK\x01\x02":
            refuse("the directory is damaged")
        variable = sum(fields[10:13])
        stream.seek(variable, io.SEEK_CUR)
        left -= _ENTRY.size + variable
        entries += 1
        if entries > max_entries:
            refuse(f"the archive holds more than {max_entries} files")
    if left:
        refuse("the directory is damaged")
    stream.seek(0)
