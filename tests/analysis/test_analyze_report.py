"""The page that ``mesmer analyze`` leaves beside a result, and ``mesmer report``, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from two_people import Video

from mesmer.analysis import Analysis, Analyzer
from mesmer.analysis.result import schema
from mesmer.cli.main import main
from mesmer.models import LoadedModel
from mesmer.report import analysis_files
from mesmer.report.analysis_files import write_analysis
from mesmer.report.face_pictures import blurred


def _face(folder: Path) -> np.ndarray:
    return np.asarray(Image.open(folder / "faces" / "person-1.png"))


def test_a_page_is_left_beside_the_result_and_blurred_where_it_is_asked_for(
    one_person: Video, tiny_model: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["analyze", str(one_person.path), "--model", str(tiny_model.folder), "--out", str(tmp_path)]
    folder = tmp_path / one_person.path.name
    assert main(command) == 0
    sharp, page = _face(folder), (folder / "report.html").read_text(encoding="utf-8")
    assert 'alt="Face of person 1"' in page
    assert main(["report", str(folder)]) == 0  # the same page again
    assert (folder / "report.html").read_text(encoding="utf-8") == page
    assert main([*command, "--blur-faces"]) == 0  # what is done shows more than is asked for now
    assert "done before" not in capsys.readouterr().out
    assert np.array_equal(_face(folder), blurred(sharp))
    value = json.loads((folder / "analysis.json").read_text())
    jsonschema.validate(value, schema())
    assert value["faces_blurred"]
    for again in ([*command, "--blur-faces"], command):  # less is never shown sharp without being asked to
        assert main(again) == 0
        assert "done before" in capsys.readouterr().out
    assert main(["report", str(folder)]) == 0
    assert 'alt="Blurred face of person 1"' in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("owner", "call", "file"),
    [
        pytest.param(analysis_files, "write_json", analysis_files.RESULT_FILE, id="while the result is written"),
        pytest.param(Path, "unlink", analysis_files.RUNNING_FILE, id="before what was known so far is removed"),
    ],
)
def test_an_interruption_near_the_end_leaves_the_result_and_nothing_else(
    owner: Any,
    call: str,
    file: str,
    one_person: Video,
    tiny_model: LoadedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The signal comes in place of the first call of its kind."""
    real, calls = getattr(owner, call), []

    def interrupted_once(path: Path, *rest: Any, **named: Any) -> None:
        if path.name == file:
            calls.append(path)
            if len(calls) == 1:
                raise KeyboardInterrupt
        real(path, *rest, **named)

    monkeypatch.setattr(owner, call, interrupted_once)
    with Analyzer(tiny_model) as analyzer, pytest.raises(KeyboardInterrupt):
        analysis_files.analyze_file(one_person.path, tmp_path / "out", analyzer=analyzer)
    assert json.loads((tmp_path / "out" / "analysis.json").read_text())["complete"]
    assert not (tmp_path / "out" / "utterances.jsonl").exists()


def test_several_results_are_compared_in_one_page(
    analyzed: Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_analysis(analyzed, tmp_path / "results" / name)
    out = tmp_path / "both.html"
    assert main(["report", str(tmp_path / "results"), "--out", str(out), "--blur-faces", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"report": str(out), "size_bytes": out.stat().st_size}
    page = out.read_text(encoding="utf-8")
    assert "Comparison of 2 files" in page
    assert 'alt="Blurred face of person 1"' in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{missing}"], "the file does not exist"),
        (["{empty}"], "there is no analysis.json in it"),
        (["{damaged}"], "this is not JSON"),
        (["{damaged}", "--out", "page.pdf"], "ends in .html"),
        ([], "missing: 'results'"),
        (["{damaged}", "--blur"], "did you mean '--blur-faces'"),
    ],
)
def test_what_cannot_be_reported_on_is_one_line(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "damaged"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged" / "analysis.json").write_text("{")
    places = {name: tmp_path / name for name in ("missing", "empty", "damaged")}
    assert main(["report", *(word.format(**places) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not list(tmp_path.rglob("*.html"))
