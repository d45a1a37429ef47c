from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mesmer.errors import MesmerError
from mesmer.storage.replacing import replaced_folder


def fill(folder: Path, text: str) -> None:
    (folder / "a.txt").write_text(text)


def test_the_newer_folder_takes_the_place_of_the_older(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        with replaced_folder(tmp_path / "m") as folder:
            fill(folder, text)
        assert (tmp_path / "m" / "a.txt").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_nothing_of_the_older_is_left(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "m") as folder:
        fill(folder, "one")
        (folder / "old.txt").write_text("x")
    with replaced_folder(tmp_path / "m") as folder:
        fill(folder, "two")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), OSError(errno.ENOSPC, "no room")])
def test_if_the_body_fails_the_older_stays(tmp_path: Path, error: BaseException) -> None:
    with replaced_folder(tmp_path / "m") as folder:
        fill(folder, "one")

    def replace_by_half() -> None:
        with replaced_folder(tmp_path / "m") as folder:
            fill(folder, "two")
            raise error

    with pytest.raises((type(error), MesmerError)) as caught:
        replace_by_half()
    if isinstance(error, OSError):
        assert str(caught.value) == f"{tmp_path / 'm'}: the disk is full; free some space"
    assert (tmp_path / "m" / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
