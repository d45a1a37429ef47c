"""A path from a manifest stays in its folder, whatever it says; hashes are SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.errors import DataError
from mesmer.storage.hashes import sha256_bytes, sha256_file
from mesmer.storage.paths import safe_join


@pytest.mark.parametrize(
    "bad",
    ["", " ", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\0b", "C:\\x", "C:x", "\\\\host\\x", "..\\x"],
)
def test_escapes_are_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(DataError):
        safe_join(tmp_path, bad)


def test_inner_paths_are_joined(tmp_path: Path) -> None:
    assert safe_join(tmp_path, "a/./b c.mp4") == tmp_path / "a" / "b c.mp4"
    assert safe_join(str(tmp_path), Path("ä.wav")) == tmp_path / "ä.wav"


def test_links_may_stay_but_not_leave(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "in").symlink_to("inner")
    (root / "out").symlink_to(tmp_path)
    (root / "circle").symlink_to("circle")
    assert safe_join(root, "in/x") == root / "in" / "x"
    with pytest.raises(DataError, match="link"):
        safe_join(root, "out/x")
    (tmp_path / "root2").symlink_to(root)  # the root itself may be reached by a link
    assert safe_join(tmp_path / "root2", "in/x") == tmp_path / "root2" / "in" / "x"
    with pytest.raises(DataError):
        safe_join(root, "circle/../x")


@given(text=st.text(st.sampled_from("ab./\\:~ \0"), max_size=12) | st.text(max_size=20))
def test_no_text_leads_out(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp().resolve()
    try:
        joined = safe_join(root, text)
    except DataError:
        return
    except UnicodeEncodeError:
        pytest.fail("half a surrogate pair escaped")
    assert joined.resolve().is_relative_to(root)


def test_hashes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()
    assert sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(DataError):
        sha256_file(tmp_path / "y")
