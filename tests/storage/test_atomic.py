"""Writing is all or nothing, and its failures are one line."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.errors import DataError, MesmerError, ModelError
from mesmer.storage.atomic import (
    atomic_file,
    atomic_folder,
    read_json,
    remove_leftovers,
    write_bytes,
    write_json,
    write_text,
)
from mesmer.storage.reading import parse_json, read_bytes


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_arrives_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "data.bin", b"\0\1")
    write_text(tmp_path / "a" / "text.txt", "grün\n")
    write_json(tmp_path / "a" / "value.json", {"z": 1, "a": [None, 0.1]})
    assert (tmp_path / "a" / "b" / "data.bin").read_bytes() == b"\0\1"
    assert (tmp_path / "a" / "text.txt").read_bytes() == "grün\n".encode()
    assert json.loads((tmp_path / "a" / "value.json").read_text()) == {"z": 1, "a": [None, 0.1]}
    assert names(tmp_path / "a") == ["b", "text.txt", "value.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a" / "text.txt").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failing_body_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "x.mp4", "old")
    writer = atomic_file(tmp_path / "x.mp4")
    temporary = writer.__enter__()
    assert (temporary.suffix, temporary.parent) == (".mp4", tmp_path)
    temporary.write_text("half")
    broken = ZeroDivisionError()
    assert not writer.__exit__(ZeroDivisionError, broken, None)
    assert (tmp_path / "x.mp4").read_text() == "old"
    assert names(tmp_path) == ["x.mp4"]


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: the write stops half-way."""
    write_bytes(tmp_path / "x.bin", b"old")
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old_limit[1]))
    try:
        with pytest.raises(MesmerError, match="too large") as caught:
            write_bytes(tmp_path / "x.bin", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert caught.value.file == str(tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


def test_the_full_device() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    from mesmer.storage.atomic import plain_error

    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as handle:
        handle.write(b"x")
    assert str(plain_error(caught.value, "out.json")) == "out.json: the disk is full; free some space"


@pytest.mark.parametrize("target", ["file/x.json", "folder", "n" * 300])
def test_impossible_places_are_one_line(tmp_path: Path, target: str) -> None:
    write_text(tmp_path / "file", "")
    write_text(tmp_path / "folder" / "x", "")
    with pytest.raises(MesmerError) as caught:
        write_text(tmp_path / target, "x")
    assert caught.value.file == str(tmp_path / target)
    assert names(tmp_path) == ["file", "folder"]


def test_read_only_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(MesmerError, match="no permission"):
            write_text(tmp_path / "x", "x")
    finally:
        tmp_path.chmod(0o755)


def test_errors_about_other_files_are_not_blamed_on_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "x"):
        (tmp_path / "other").read_bytes()


def test_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new" / "model") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a").write_text("1")
        assert not (tmp_path / "new" / "model").exists()
    assert (tmp_path / "new" / "model" / "deep" / "a").read_text() == "1"
    assert names(tmp_path / "new") == ["model"]


def test_folder_may_be_empty_but_not_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as temporary:
        (temporary / "a").write_text("1")
    for occupied in (tmp_path / "empty", tmp_path / "empty" / "a"):
        with pytest.raises(MesmerError, match=r"not empty|stands here"), atomic_folder(occupied):
            pytest.fail("the body ran")
    assert (tmp_path / "empty" / "a").read_text() == "1"


def test_folder_filled_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(MesmerError, match="not empty"), atomic_folder(tmp_path / "out"):
        write_text(tmp_path / "out" / "theirs", "2")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["theirs"]


def test_failing_folder_body_leaves_nothing(tmp_path: Path) -> None:
    folder = atomic_folder(tmp_path / "out")
    (folder.__enter__() / "a").write_text("1")
    assert not folder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert names(tmp_path) == []


def test_killed_writer_leaves_the_old_or_the_new_content(tmp_path: Path) -> None:
    script = (
        "import sys, itertools; from mesmer.storage.atomic import write_bytes\n"
        "for n in itertools.count():\n    write_bytes(sys.argv[1], bytes([n % 250]) * 300_000); print(n, flush=True)\n"
    )
    target = tmp_path / "x.bin"
    process = subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(20):  # a reader beside the writer never sees a half
        data = target.read_bytes()
        assert len(data) == 300_000
        assert len(set(data)) == 1
        time.sleep(0.003)
    process.kill()
    process.wait()
    process.stdout.close()
    data = target.read_bytes()
    assert (len(data), len(set(data))) == (300_000, 1)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["x.bin"]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=12,
)


@given(value=plain)
def test_json_comes_back(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_json(path, value)
    assert read_json(path, max_bytes=10**6) == value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": NaN}', "not finite"),
        (b'{"a": [-Infinity]}', "not finite"),
        (b'{"a": 1e999}', "not finite"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        (b'{"o": {"k": 1, "k": 1}}', "'k' stands twice"),
        (b"[" * 100_000, "levels|not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "levels"),
        (b"[" * 34 + b"]" * 34, "levels"),
        (b'"\xff"', "UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b"1" * 10_000, "too long"),
    ],
)
def test_bad_json_is_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_json(tmp_path / "x.json", max_bytes=10**6)
    assert caught.value.file == str(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_depth_bound_is_exact() -> None:
    assert parse_json(b"[" * 5 + b"]" * 5, max_depth=5) == [[[[[]]]]]
    with pytest.raises(DataError, match="5 levels"):
        parse_json(b"[" * 6 + b"]" * 6, max_depth=5)


@given(data=st.binary(max_size=60) | st.text('{}[]",:0123456789.eE-tfnulra \\ud', max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except DataError:
        return
    assert value == json.loads(data.decode("utf-8-sig"))


def test_reading_is_bounded_and_typed(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x", bytes(100))
    assert len(read_bytes(tmp_path / "x", max_bytes=100)) == 100
    with pytest.raises(ModelError, match="larger than 99"):
        read_bytes(tmp_path / "x", max_bytes=99, error=ModelError)
    with pytest.raises(ModelError, match="does not exist"):
        read_bytes(tmp_path / "y", max_bytes=99, error=ModelError)
    with pytest.raises(DataError, match="not a regular file"):
        read_bytes(tmp_path, max_bytes=99)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read_bytes(tmp_path / "pipe", max_bytes=99)
