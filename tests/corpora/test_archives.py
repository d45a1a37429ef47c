"""Archives from strangers: what is plain comes out whole, everything else is one error, and nothing stays behind."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import Damage, damages
from hypothesis import HealthCheck, given, settings
from raw_trees import write_meld

from mesmer.corpora.archives import ArchiveLimits, extract, is_archive
from mesmer.corpora.meld import read_meld
from mesmer.errors import DataError, MesmerError

FILES = {"top/a.txt": b"hello", "top/sub/b.bin": bytes(range(256)) * 40, "empty": b"", "c d é.txt": b"x"}
KINDS = ("zip", "stored.zip", "tar", "tar.gz", "tar.xz")


def tar_file(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]], mode: str = "w", **options: object) -> Path:
    with tarfile.open(path, mode, **options) as packed:  # type: ignore[call-overload]
        for member in members:
            info, data = (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            if not isinstance(member, tarfile.TarInfo):
                info.size = len(data)
            packed.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path


def zip_file(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, data in members:
            packed.writestr(name, data)
    return path


def make(path: Path, kind: str, files: dict[str, bytes]) -> Path:
    path = path / f"archive.{kind}"
    if kind.endswith("zip"):
        method = zipfile.ZIP_STORED if kind == "stored.zip" else zipfile.ZIP_DEFLATED
        return zip_file(path, list(files.items()), method)
    return tar_file(path, list(files.items()), "w" + kind.removeprefix("tar").replace(".", ":"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_plain_files_come_out_as_they_went_in(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path, kind, FILES)
    assert is_archive(archive)
    folder = extract(archive, tmp_path / "out")
    assert folder == tmp_path / "out"
    assert content(folder) == FILES
    assert sorted(os.listdir(tmp_path)) == [archive.name, "out"]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_with_folders_and_long_names(tmp_path: Path, format_: int) -> None:
    folder = tarfile.TarInfo("./very")
    folder.type = tarfile.DIRTYPE
    name = "./very/" + "/".join(["n" * 45] * (3 if format_ == tarfile.USTAR_FORMAT else 8)) + "/é.txt"
    archive = tar_file(tmp_path / "a.tar", [folder, (name, b"1")], format=format_)
    assert content(extract(archive, tmp_path / "out")) == {name[2:]: b"1"}


def test_two_xz_files_one_after_the_other(tmp_path: Path) -> None:
    data = make(tmp_path, "tar", FILES).read_bytes()
    archive = tmp_path / "b.tar.xz"
    archive.write_bytes(lzma.compress(data[:1000]) + b"\0" * 8 + lzma.compress(data[1000:]))
    assert content(extract(archive, tmp_path / "out")) == FILES


def test_a_corpus_from_its_archive(tmp_path: Path) -> None:
    write_meld(tmp_path / "MELD.Raw")
    with tarfile.open(tmp_path / "MELD.Raw.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "MELD.Raw", "MELD.Raw")
    unpacked = read_meld(extract(tmp_path / "MELD.Raw.tar.gz", tmp_path / "out"))
    original = read_meld(tmp_path / "MELD.Raw")
    assert [u.id for u in unpacked.utterances] == [u.id for u in original.utterances]
    assert unpacked.left_out == original.left_out == ()


def refused(archive: Path, problem: str, *, limits: ArchiveLimits | None = None) -> None:
    """The archive is refused for that reason, and neither the folder nor anything else is left."""
    before = sorted(os.listdir(archive.parent))
    with pytest.raises(DataError, match=problem) as caught:
        extract(archive, archive.parent / "out", limits=limits)
    assert caught.value.file == str(archive)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(archive.parent)) == before


EVIL_NAMES = [
    ("/etc/evil", "absolute"),
    ("../evil", "leads out of the folder"),
    ("a/../../evil", "leads out of the folder"),
    ("a/..", "leads out of the folder"),
    ("..\\evil", "absolute or of another system"),
    ("C:/evil", "absolute or of another system"),
    ("a\nb", "control characters"),
    ("a\x1b[2Jb", "control characters"),
    ("x" * 260, "too long"),
    ("/".join("d" * 60), "too deep"),
    ("n" * 1200, "too long"),
]


@pytest.mark.parametrize(("name", "problem"), EVIL_NAMES, ids=range(len(EVIL_NAMES)))
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_elsewhere(tmp_path: Path, kind: str, name: str, problem: str) -> None:
    refused(make(tmp_path, kind, {"good": b"1", name: b"2"}), problem)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_stand_twice(tmp_path: Path, kind: str) -> None:
    for members, problem in (
        ([("a", b"1"), ("a", b"2")], "two members have this name"),
        ([("a", b"1"), ("./a", b"2")], "two members have this name"),
        ([("a", b"1"), ("a/b", b"2")], "a file and a folder have the same name"),
        ([("a/b", b"1"), ("a", b"2")], "two members have this name"),
    ):
        path = tmp_path / f"t.{kind}"
        refused(zip_file(path, list(members)) if kind == "zip" else tar_file(path, list(members)), problem)


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"Z"]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, type_: bytes) -> None:
    info = tarfile.TarInfo("evil")
    info.type, info.linkname = type_, "good"
    archive = tar_file(tmp_path / "a.tar", [("good", b"1"), info])
    if type_ == tarfile.CONTTYPE:  # a plain file by another letter
        assert content(extract(archive, tmp_path / "out")) == {"good": b"1", "evil": b""}
    else:
        refused(archive, "a link or a device")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo("evil")
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    refused(zip_file(tmp_path / "a.zip", [("good", b"1"), (info, b"/etc/passwd")]), "a link or a device")


def test_modes_are_not_taken_over(tmp_path: Path) -> None:
    info = tarfile.TarInfo("tool")
    info.mode = 0o6777
    folder = extract(tar_file(tmp_path / "a.tar", [info]), tmp_path / "out")
    assert stat.S_IMODE((folder / "tool").stat().st_mode) & 0o7111 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_limits(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path, kind, {f"f{n}": b"0123456789" for n in range(20)})
    assert len(content(extract(archive, tmp_path / "fits", limits=ArchiveLimits(files=20, total_bytes=200)))) == 20
    refused(archive, "more than 19 files", limits=ArchiveLimits(files=19))
    refused(archive, "unpacks to more than 199 bytes", limits=ArchiveLimits(total_bytes=199))


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_is_stopped_early(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path, kind, {"zeros": bytes(2**23)})
    limits = ArchiveLimits(free_bytes=2**20)
    refused(archive, "unpacks to more than", limits=limits)
    fine = make(tmp_path, kind, {"noise": os.urandom(2**21)})
    assert len(content(extract(fine, tmp_path / "out", limits=limits))) == 1


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    """The directory says 10 bytes, the data unpack to 32 MiB: the bytes are counted, not the promise."""
    archive = make(tmp_path, "zip", {"zeros": bytes(2**25)})
    data = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", data, data.index(mark) + at, 10)
    archive.write_bytes(data)
    refused(archive, "damaged|unpacks to more", limits=ArchiveLimits(free_bytes=2**20))


def test_a_zip_directory_that_lies(tmp_path: Path) -> None:
    archive = make(tmp_path, "zip", {f"f{n}": b"" for n in range(50)})
    refused(archive, "more than 49 files", limits=ArchiveLimits(files=49))
    data = bytearray(archive.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, 1, 1)  # one entry, it says
    archive.write_bytes(data)
    refused(archive, "more than 49 files", limits=ArchiveLimits(files=49))
    struct.pack_into("<L", data, len(data) - 10, 2**31)
    archive.write_bytes(data)
    refused(archive, "the directory claims 2147483648 bytes")


def test_a_zip64_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    archive = make(tmp_path, "zip", FILES)
    assert b"PK\x06\x06" in archive.read_bytes()
    assert content(extract(archive, tmp_path / "out")) == FILES


def test_an_encrypted_or_strangely_packed_zip(tmp_path: Path) -> None:
    archive = zip_file(tmp_path / "a.zip", [("a", b"1" * 100)], zipfile.ZIP_BZIP2)
    refused(archive, "unknown method 12")
    archive = zip_file(tmp_path / "a.zip", [("a", b"1")])
    data = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    archive.write_bytes(data)
    refused(archive, "encrypted")


@pytest.mark.parametrize("type_", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory(tmp_path: Path, type_: bytes) -> None:
    info = tarfile.TarInfo("header")
    info.type, info.size = type_, 2**33
    archive = tmp_path / "a.tar"
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    refused(archive, "a header of 8589934592 bytes")


def test_headers_without_end(tmp_path: Path) -> None:
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 512
    block = info.tobuf(tarfile.GNU_FORMAT) + b"20 path=aaaaaaaaaaa\n".ljust(512, b"\0")
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(block * 20_000))
    refused(archive, "damaged")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_archive(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path, kind, FILES)
    data = archive.read_bytes()
    cuts = [*range(0, min(len(data), 3000), 97), *range(512, min(len(data), 12_000), 512)]
    for cut in cuts:
        # The last two of a tar's closing blocks of zeros are only there to fill a record.
        if kind == "tar" and not any(data[cut:]) and cut >= len(data.rstrip(b"\0")) + 512:
            continue
        archive.write_bytes(data[:cut])
        refused(archive, "damaged|cut off|empty|claims|directory")


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path: Path) -> None:
    archive = make(tmp_path, "tar", FILES)
    data = bytearray(archive.read_bytes())
    data[data.index(b"top/sub/b.bin")] ^= 1  # the checksum no longer fits
    archive.write_bytes(data)
    refused(archive, "damaged")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_files_or_one_error(tmp_path_factory: pytest.TempPathFactory, kind: str, damage: Damage) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    archive = make(folder, kind, {"a/b.txt": b"hello " * 30, "c.bin": bytes(range(200))})
    archive.write_bytes(damage(archive.read_bytes()))
    try:
        extract(archive, folder / "out")
    except MesmerError as error:
        problem = str(error)
    else:
        problem = ""
        assert content(folder / "out")
    assert "\n" not in problem
    assert sorted(os.listdir(folder)) == sorted([archive.name] + ["out"] * (not problem))


def test_what_is_no_archive(tmp_path: Path) -> None:
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "none.zip")
    with pytest.raises(DataError, match="does not exist"):
        extract(tmp_path / "none.zip", tmp_path / "out")
    writers: tuple[Callable[[], bytes], ...] = (lambda: b"", lambda: b"hello", lambda: b"PK", lambda: bytes(1024))
    for write in writers:
        (tmp_path / "x.zip").write_bytes(write())
        refused(tmp_path / "x.zip", "damaged|no directory|empty")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    archive = make(tmp_path, "zip", FILES)
    (tmp_path / "out").mkdir()
    extract(archive, tmp_path / "out")  # an empty folder will do
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(MesmerError, match="the folder is not empty"):
        extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "mine"
