"""What was delivered packed is unpacked once, beside nothing else, and found again; a folder is taken as it is."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from raw_trees import MELD_FOLDERS, write_meld, write_ravdess

from mesmer.corpora.delivery import archives_of, unpack, unpacked_folder
from mesmer.corpora.meld import read_meld
from mesmer.corpora.ravdess import read_ravdess
from mesmer.errors import DataError


def tar(folder: Path, archive: Path, *names: str) -> Path:
    with tarfile.open(archive, "w:gz") as packed:
        for name in names:
            packed.add(folder / name, name)
    return archive


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path / "raw")
    assert archives_of(root) == ()
    assert unpack(root, cache=tmp_path / "cache") == unpacked_folder(root, cache=tmp_path / "cache") == root
    assert not (tmp_path / "cache").exists()
    assert unpack(tmp_path / "nowhere", cache=tmp_path / "cache") == tmp_path / "nowhere"  # its reader says that best


def test_meld_as_published_has_archives_inside_its_archive(tmp_path: Path) -> None:
    plain = write_meld(tmp_path / "MELD.Raw")
    for word, folder in MELD_FOLDERS.items():
        tar(plain, plain / f"{word}.tar.gz", folder)
    archive = tar(tmp_path, tmp_path / "MELD.Raw.tar.gz", *(f"MELD.Raw/{path.name}" for path in plain.glob("*[vz]")))
    cache = tmp_path / "cache"
    assert unpacked_folder(archive, cache=cache) is None
    folder = unpack(archive, cache=cache)
    assert unpacked_folder(archive, cache=cache) == folder
    assert [u.id for u in read_meld(folder).utterances] == [u.id for u in read_meld(plain).utterances]
    inner = folder / "MELD.Raw" / "dev" / "dev_splits_complete"
    inner.rename(folder / "gone")  # as if a kill had struck between two of them: the rest is not unpacked again
    (folder / "MELD.Raw" / "dev").rmdir()
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.csv")}
    unpack(archive, cache=cache)
    assert inner.is_dir()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.csv")} == times


def test_a_folder_of_archives_is_one_corpus(tmp_path: Path) -> None:
    plain = write_ravdess(tmp_path / "plain")
    (tmp_path / "zips").mkdir()
    for actor in plain.glob("Actor_*"):
        with zipfile.ZipFile(tmp_path / "zips" / f"Video_Speech_{actor.name}.zip", "w") as packed:
            for path in actor.iterdir():
                packed.write(path, path.relative_to(plain))
    (tmp_path / "zips" / "._Video_Speech_Actor_01.zip").write_bytes(b"Mac")
    assert len(archives_of(tmp_path / "zips")) == 3
    folder = unpack(tmp_path / "zips", cache=tmp_path / "cache")
    assert sorted(u.id for u in read_ravdess(folder).utterances) == sorted(u.id for u in read_ravdess(plain).utterances)
    (tmp_path / "zips" / "notes.txt").write_text("no archive")
    assert archives_of(tmp_path / "zips") == ()


def test_another_archive_of_the_same_name_is_another_corpus(tmp_path: Path) -> None:
    plain, cache = write_ravdess(tmp_path / "plain"), tmp_path / "cache"
    archive = tar(plain, tmp_path / "r.tar.gz", "Actor_01", "Actor_02")
    first = unpack(archive, cache=cache)
    tar(plain, tmp_path / "r.tar.gz", "Actor_24")
    os.utime(archive, ns=(1, 1))
    second = unpack(archive, cache=cache)
    assert first != second
    assert {path.name for path in second.iterdir()} == {"Actor_24"}


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    plain, cache = write_ravdess(tmp_path / "plain"), tmp_path / "cache"
    archive = tar(plain, tmp_path / "r.tar.gz", "Actor_01")
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"r\.tar\.gz"):
        unpack(archive, cache=cache)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert unpacked_folder(archive, cache=cache) is None
