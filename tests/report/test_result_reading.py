"""Results of strangers: what is no result, too large, contradicts itself or points elsewhere is one clear line."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_reader import drawn_face, made_result
from PIL import Image

import mesmer.report
from mesmer.errors import ConfigError, DataError, MesmerError
from mesmer.report.face_pictures import png_bytes
from mesmer.report.result_reading import find_results, read_result
from mesmer.report.result_report import write_report


def written(folder: Path, value: dict[str, Any], *, face: bytes | None = None) -> Path:
    """A result on the disk, with a picture of person 1."""
    (folder / "faces").mkdir(parents=True)
    if face is not None:
        value["people"][0]["thumbnail_file"] = "faces/person-1.png"
        (folder / "faces" / "person-1.png").write_bytes(face)
    (folder / "analysis.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def test_what_was_written_is_read_with_its_faces(tmp_path: Path) -> None:
    value = made_result()
    folder = written(tmp_path / "a", value, face=png_bytes(drawn_face(1)))
    result = read_result(folder / "analysis.json")
    assert result.value == value
    assert list(result.faces) == [1]
    assert np.array_equal(result.faces[1], drawn_face(1))
    (folder / "faces" / "person-1.png").unlink()  # somebody wanted no faces kept
    assert read_result(folder / "analysis.json").faces == {}


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.pop(key)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set("format", to="other"), "format: not by the schema"),
        (_set("version", to=2), "version: not by the schema"),
        (_drop("cost"), "'cost' is a required property"),
        (_set("utterances", to={"a": 1}), "utterances: not by the schema"),
        (_set("utterances", 0, "id", to="<b>"), "utterances.0.id: not by the schema"),
        (_set("utterances", 0, "emotions", "anger", "probability", to=1.5), "utterances.0.emotions.anger.probability"),
        (_set("utterances", 0, "emotions", "anger", "probability", to="9" * 5000), "not by the schema"),
        (_set("utterances", 0, "emotions", to={}), ""),  # no answer is an answer
        (
            _set("utterances", 0, "emotions", "joy", to=made_result()["utterances"][0]["emotions"]["anger"]),
            "not those of the",
        ),
        (_set("utterances", 0, "end_s", to=0.25), "ends before it begins"),
        (_set("utterances", 0, "end_s", to=1e9), "a hundred days"),
        (_set("source", "duration_s", to=1e9), "a hundred days"),
        (_set("utterances", 0, "person", to=10**400), "too large"),
        (_set("cost", "seconds_total", to=10**30), "seconds_total: this number is too large"),
        (_set("people", 1, "number", to=1), "the same number"),
        (_set("model", "emotions", to=[f"e{n}" for n in range(65)]), "65 emotions"),
        (_set("people", 0, "thumbnail_file", to="../b.png"), "leads out of this folder"),
        (_set("people", 0, "thumbnail_file", to="/etc/passwd"), "an absolute path"),
        (_set("people", 0, "thumbnail_file", to="C:\\b.png"), "an absolute path"),
        (_set("people", 0, "thumbnail_file", to="a\x00b"), "names no file"),
        (_set("people", 0, "thumbnail_file", to="analysis.json"), "no picture in PNG"),
        (_set("people", 0, "thumbnail_file", to="faces"), "not a regular file"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], None], told: str, tmp_path: Path
) -> None:
    value = made_result()
    change(value)
    file = written(tmp_path / "a", value) / "analysis.json"
    if not told:
        read_result(file)
        return
    with pytest.raises(DataError) as caught:
        read_result(file)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 700
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"format": NaN}', b"\xff\xfe", b'{"a": ' * 100 + b"1" + b"}" * 100]
)
def test_what_is_no_json_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "analysis.json").write_bytes(data)
    with pytest.raises(DataError):
        read_result(tmp_path / "analysis.json")


def test_a_result_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a", made_result())
    monkeypatch.setattr("mesmer.report.result_reading.MAX_RESULT_BYTES", 1000)
    with pytest.raises(DataError, match="larger than 1000 bytes"):
        read_result(folder / "analysis.json")
    monkeypatch.setattr("mesmer.report.result_report.MAX_RESULT_BYTES", 1000)
    with pytest.raises(ConfigError, match="compare fewer"):
        write_report(folder)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _saved(form: str) -> bytes:
    data = io.BytesIO()
    Image.fromarray(drawn_face(1)).save(data, form)
    return data.getvalue()


_GOOD = png_bytes(drawn_face(1))
_WIDE = _GOOD[:8] + _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)) + _GOOD[33:]
_BOMB = _GOOD[:33] + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 * 2**20), 1)) + _GOOD[33:]


@pytest.mark.parametrize(
    "data",
    [b"", _GOOD[:200], _WIDE, _BOMB, b"<svg xmlns='http://www.w3.org/2000/svg'/>", _saved("JPEG"), _saved("GIF"),
     png_bytes(np.zeros((600, 600, 3), np.uint8)), _GOOD + bytes(2**20)],
    ids=["empty", "cut", "wide", "bomb", "svg", "jpeg", "gif", "large", "long"],
)  # fmt: skip
def test_a_picture_that_is_no_plain_small_png_is_refused(data: bytes, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", made_result(), face=data)
    with pytest.raises(DataError, match=r"person-1\.png"):
        read_result(folder / "analysis.json")


def test_what_else_a_picture_holds_does_not_reach_the_page(tmp_path: Path) -> None:
    told = _GOOD[:33] + _chunk(b"tEXt", b"Comment\0taken at home") + _GOOD[33:] + b"<script>"
    folder = written(tmp_path / "a", made_result(), face=told)
    page = write_report(folder).read_text(encoding="utf-8")
    clean = write_report(written(tmp_path / "b", made_result(), face=_GOOD)).read_text(encoding="utf-8")
    assert page == clean


def test_a_link_is_no_picture(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", made_result(), face=_GOOD)
    face = folder / "faces" / "person-1.png"
    for target in (tmp_path / "secret.png", folder / "faces" / "other.png"):
        target.write_bytes(_GOOD)
        face.unlink()
        face.symlink_to(target)
        with pytest.raises(DataError, match="link"):
            read_result(folder / "analysis.json")


def test_results_are_found_in_folders_each_once(tmp_path: Path) -> None:
    files = [written(tmp_path / name, made_result()) / "analysis.json" for name in ("x/b", "x/a", "c")]
    assert find_results([tmp_path / "c", tmp_path / "x", files[0]]) == [files[2], files[1], files[0]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no analysis\.json in it"):
        find_results([tmp_path / "empty"])


def test_pages_go_where_they_are_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (written(tmp_path / name, made_result(), face=_GOOD) for name in ("a", "b"))
    assert mesmer.report.write_report(one) == one / "report.html"
    monkeypatch.chdir(tmp_path)
    assert write_report([one, two]) == Path("comparison.html")
    assert (tmp_path / "comparison.html").is_file()
    assert write_report([one, two], out=tmp_path / "new" / "c.htm").is_file()
    before = (one / "analysis.json").read_bytes()
    for bad in (one / "analysis.json", tmp_path / "page", one):
        with pytest.raises(MesmerError, match=r"ends in \.html"):
            write_report(one, out=bad)
    assert (one / "analysis.json").read_bytes() == before
    with pytest.raises(MesmerError, match="nothing to report on"):
        write_report([])
    assert write_report(one).read_bytes() == write_report(one).read_bytes()
