"""Unpacking an archive from a stranger into a folder: zip, tar, tar.gz, tar.xz.

Only plain files and folders come out, at plain relative paths, within a :class:`ArchiveLimits`; sizes are counted as the
bytes are written, never believed. The folder appears whole or not at all.
"""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, cast

from mesmer.corpora.archive_streams import BoundedTarInfo, UnpackedStream, check_zip_directory
from mesmer.errors import DataError
from mesmer.storage.atomic import atomic_folder

BLOCK_BYTES = 2**20
MAX_NAME_CHARS = 1000
MAX_PART_BYTES = 200
MAX_DEPTH = 40

_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    OverflowError, NotImplementedError, RuntimeError, struct.error,
)  # fmt: skip
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """How much an archive may unpack to.

    Attributes:
        files: number of files and folders.
        total_bytes: size of everything together.
        ratio: unpacked bytes per byte of the archive; text packs 5 to 20 times, a made-up archive a thousand times.
        free_bytes: so many bytes are allowed whatever the ratio, since small files pack unevenly.
    """

    files: int = 1_000_000
    total_bytes: int = 2**40
    ratio: float = 100.0
    free_bytes: int = 2**26


def is_archive(path: str | Path) -> bool:
    """Whether the name of ``path`` is that of an archive :func:`extract` can unpack, and it is a file."""
    path = Path(path)
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def extract(archive: str | Path, folder: str | Path, *, limits: ArchiveLimits | None = None) -> Path:
    """Unpack ``archive`` into ``folder``, which must be new or empty, and return the folder.

    Raises:
        DataError: the archive is no archive, damaged or encrypted; a member is a link, a device or anything else than a
            file or folder, has a path that leads elsewhere, or stands twice; or a limit is passed. Nothing stays behind.
        MesmerError: the folder is not empty or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise DataError("the archive does not exist", file=archive, remedy="give a zip, tar, tar.gz or tar.xz file")
    with archive.open("rb") as stream:
        start = stream.read(6)
    unpack = _unpack_zip if start.startswith(b"PK") else _unpack_tar
    with atomic_folder(folder) as temporary:
        writer = _Writer(archive=archive, root=temporary, limits=limits or ArchiveLimits())
        try:
            unpack(archive, writer)
        except _DAMAGE as error:
            problem = f"this is no zip or tar archive, or it is damaged ({str(error)[:200] or type(error).__name__})"
            raise DataError(problem, file=archive, remedy="fetch it again") from None
        if not writer.entries:
            raise DataError("the archive is empty", file=archive)
    return folder


class _Writer:
    """Writes members below ``root``, and counts."""

    def __init__(self, *, archive: Path, root: Path, limits: ArchiveLimits) -> None:
        self.archive = archive
        self.root = root
        self.limits = limits
        self.entries = 0
        self.written_bytes = 0
        self.allowed_bytes = min(limits.total_bytes, int(limits.free_bytes + limits.ratio * archive.stat().st_size))

    def fail(self, member: str, problem: str, remedy: str | None = None) -> NoReturn:
        shown = "".join(mark if mark.isprintable() else "?" for mark in member[:100])
        raise DataError(problem, file=self.archive, field=shown or None, remedy=remedy)

    def count(self, member: str) -> None:
        self.entries += 1
        if self.entries > self.limits.files:
            self.fail(
                member, f"the archive holds more than {self.limits.files} files", "unpack it yourself if you trust it"
            )

    def check_bytes(self, member: str, more_bytes: int) -> None:
        if self.written_bytes + more_bytes <= self.allowed_bytes:
            return
        what = f"{self.limits.total_bytes} bytes"
        if self.allowed_bytes < self.limits.total_bytes:
            what = f"{self.limits.ratio:g} times its own size"
        self.fail(member, f"the archive unpacks to more than {what}", "unpack it yourself if you trust it")

    def folder(self, member: str) -> None:
        self.count(member)
        parts = self._parts(member)
        self._make(member, self.root.joinpath(*parts))

    def file(self, member: str, size_bytes: int, opened: Callable[[], IO[bytes]]) -> None:
        self.count(member)
        self.check_bytes(member, size_bytes)  # what the archive says; what it holds is counted below
        parts = self._parts(member)
        if not parts:
            self.fail(member, "this file has no name")
        self._make(member, self.root.joinpath(*parts[:-1]))
        path = self.root.joinpath(*parts)
        try:
            target = path.open("xb")
        except FileExistsError:
            self.fail(member, "two members have this name")
        with target, opened() as source:
            while block := source.read(BLOCK_BYTES):
                self.check_bytes(member, len(block))
                self.written_bytes += len(block)
                target.write(block)

    def _make(self, member: str, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            self.fail(member, "a file and a folder have the same name")

    def _parts(self, member: str) -> list[str]:
        """The parts of a member's path, each a plain name on every system."""
        if len(member) > MAX_NAME_CHARS or not member.isprintable():
            self.fail(member, "the name is too long or holds control characters")
        if member.startswith("/") or "\\" in member or ":" in member.partition("/")[0]:
            self.fail(member, "the path is absolute or of another system", "only paths inside the folder are unpacked")
        parts = [part for part in member.split("/") if part not in ("", ".")]
        if ".." in parts:
            self.fail(member, "the path leads out of the folder", "only paths inside the folder are unpacked")
        if len(parts) > MAX_DEPTH or any(len(os.fsencode(part)) > MAX_PART_BYTES for part in parts):
            self.fail(member, "the path is too deep or a part of it too long")
        return parts


def _unpack_zip(archive: Path, writer: _Writer) -> None:
    with archive.open("rb") as stream:
        check_zip_directory(stream, archive, max_entries=writer.limits.files)
        with zipfile.ZipFile(stream) as packed:
            for info in packed.infolist():
                _unpack_zip_member(packed, info, writer)


def _unpack_zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo, writer: _Writer) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        writer.fail(info.filename, "this member is a link or a device", "only files and folders are unpacked")
    if info.is_dir():
        writer.folder(info.filename)
        return
    if info.flag_bits & 0x1:
        writer.fail(info.filename, "this member is encrypted", "unpack the archive yourself")
    if info.compress_type not in _ZIP_METHODS:
        writer.fail(info.filename, f"packed by the unknown method {info.compress_type}", "unpack the archive yourself")

    def opened() -> IO[bytes]:
        return packed.open(info)

    writer.file(info.filename, info.file_size, opened)


def _unpack_tar(archive: Path, writer: _Writer) -> None:
    with archive.open("rb") as stream:
        headers_bytes = 2 * tarfile.RECORDSIZE + 8 * tarfile.BLOCKSIZE * writer.limits.files
        unpacked = UnpackedStream(stream, archive=archive, max_bytes=writer.allowed_bytes + headers_bytes)
        # "r|" reads from front to back, so that a member is never looked up twice.
        with tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r|", tarinfo=BoundedTarInfo) as packed:
            for info in _members(packed):
                _unpack_tar_member(packed, info, writer)
        unpacked.drain()


def _members(packed: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := packed.next()) is not None:
        packed.members = []  # type: ignore[attr-defined]  # it would grow with every member of the archive
        yield info


def _unpack_tar_member(packed: tarfile.TarFile, info: tarfile.TarInfo, writer: _Writer) -> None:
    if info.isdir():
        writer.folder(info.name)
        return
    if not info.isreg() or info.issparse():
        writer.fail(info.name, "this member is a link or a device", "only files and folders are unpacked")

    def opened() -> IO[bytes]:
        source = packed.extractfile(info)
        if source is None:
            writer.fail(info.name, "this member is no file")
        return source

    writer.file(info.name, info.size, opened)
