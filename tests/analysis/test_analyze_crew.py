"""Many files by several workers: the same results as of one process, resumed, failures listed, nothing lost on a stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from two_people import Video

from mesmer.analysis.recipe import AnalyzerRecipe
from mesmer.cli.main import main
from mesmer.dataset.crew import Brought
from mesmer.models import LoadedModel
from mesmer.report.analysis_crew import STOPPED_EXIT_CODE, FileTask, analyze_by_crew, file_worker
from mesmer.report.analysis_files import analyze_files


@pytest.fixture(scope="module")
def videos(one_person: Video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos and a file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(one_person.path, folder / name)
    (folder / "broken.mov").write_bytes(one_person.path.read_bytes()[:600])
    return folder


def plain(folder: Path) -> dict[str, Any]:
    """Return a result without what it cost."""
    value = json.loads((folder / "analysis.json").read_text())
    del value["cost"]
    for row in value["utterances"]:
        del row["cost"]
    return value


def run(videos: Path, model: Path, out: Path, *more: str) -> int:
    return main(["analyze", str(videos), "--model", str(model), "--out", str(out), *more])


@pytest.fixture(scope="module")
def alone(videos: Path, tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of one process."""
    out = tmp_path_factory.mktemp("alone")
    assert run(videos, tiny_model.folder, out) == 2
    return {name: plain(out / name) for name in ("a.mp4", "b.mp4")}


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_workers_change_no_bit(
    engine: str,
    videos: Path,
    alone: dict[str, Any],
    tiny_model: LoadedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
        monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    words = ["--engine", engine, "--workers", "2"]
    assert run(videos, tiny_model.folder, tmp_path, *words, "--json") == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(file["file"]).name for file in files] == ["a.mp4", "b.mp4", "broken.mov"]  # whoever was ready first
    assert [file["error"] is None for file in files] == [True, True, False]
    assert "broken.mov" in files[2]["error"]
    assert {name: plain(tmp_path / name) for name in alone} == alone
    if engine == "local":  # what is done is not done again, by whomever
        (tmp_path / "b.mp4" / "analysis.json").unlink()
        before = (tmp_path / "a.mp4" / "analysis.json").stat().st_mtime_ns
        assert run(videos, tiny_model.folder, tmp_path, *words) == 2
        told = capsys.readouterr()
        assert "a.mp4: done before" in told.out
        assert "2 of 3 files analysed" in told.out
        assert "broken.mov" in told.err
        assert (tmp_path / "a.mp4" / "analysis.json").stat().st_mtime_ns == before
        assert plain(tmp_path / "b.mp4") == alone["b.mp4"]


def test_a_file_that_workers_die_of_has_failed(one_person: Video, tiny_model: LoadedModel, tmp_path: Path) -> None:
    task = FileTask(
        rows=(3,),
        passes=((3,),),
        given_up={3: "the process that was at it died, twice"},
        path=one_person.path,
        folder=tmp_path / "out",
        transcripts=None,
        again=False,
        blur_faces=False,
    )
    with file_worker(AnalyzerRecipe(model=str(tiny_model.folder)), polite=False) as work:
        _, brought = work(task)
    assert isinstance(brought, Brought)
    place, told = brought.value
    assert place == 3
    assert told.analysis is None
    assert "died, twice" in str(told.error)
    assert one_person.path.name in str(told.error)


def test_a_stopped_worker_keeps_what_is_done(one_person: Video, tiny_model: LoadedModel, tmp_path: Path) -> None:
    """The same video many times over in the file list keeps both workers busy when the interruption comes."""
    folder, out = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    for number in range(40):
        os.link(one_person.path, folder / f"{number:02d}.mp4")
    command = [sys.executable, "-m", "mesmer.cli.main", "analyze", str(folder), "--workers", "2", "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--model", str(tiny_model.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where tests run in the background
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:  # one is done, and another one has begun
        begun = [file for file in out.rglob("utterances.jsonl") if file.stat().st_size]
        if list(out.rglob("analysis.json")) and begun:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "mesmer: stopped\n")
    assert not list(out.rglob("utterances.jsonl"))
    values = [json.loads(file.read_text()) for file in out.rglob("analysis.json")]
    assert 1 <= len(values) < 40
    assert any(value["complete"] for value in values)
    assert all(value["complete"] or "stopped" in " ".join(value["warnings"]) for value in values)


def test_a_recipe_goes_to_other_folders(
    one_person: Video, tiny_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.folder.parent)
    recipe = AnalyzerRecipe(model=tiny_model.folder.name, whisper="tiny.en").absolute()
    assert (recipe.model, recipe.whisper) == (str(tiny_model.folder), "tiny.en")
    with AnalyzerRecipe(model=tiny_model.folder.name).open() as analyzer:
        (told,) = analyze_files([(one_person.path, tmp_path / "o")], analyzer=analyzer)
    assert told.error is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "0"], "--workers: 0 workers"),
        (["--address", "auto"], "--address: an address is of a Ray cluster"),
        (["--engine", "spark"], "--engine"),
        (["--transcript", "{a}", "--workers", "2"], "one transcript cannot serve several files"),
    ],
)
def test_what_workers_cannot_do_is_one_line(
    words: list[str],
    told: str,
    videos: Path,
    tiny_model: LoadedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.txt").write_text("words")
    words = [word.format(a=tmp_path / "a.txt") for word in words]
    assert run(videos, tiny_model.folder, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


def test_no_cluster_at_the_address_is_told_in_the_words_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def refuse(**how: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(ray, "init", refuse)
    files = [(Path("a.mp4"), Path("out"))]
    recipe = AnalyzerRecipe(model=None)
    with pytest.raises(Exception, match=r"^address: no Ray cluster answers at 'ray://nowhere:1'"):
        list(analyze_by_crew(files, recipe=recipe, workers=1, engine="ray", address="ray://nowhere:1"))


@pytest.mark.parametrize("when", ["at work", "between two files", "while it ends"])
def test_a_worker_told_to_end_says_nothing_whatever_it_is_at(when: str, tiny_model: LoadedModel) -> None:
    """SIGTERM may come once more when the worker is ending already: it must not end with a traceback."""
    program = f"""
import os, signal, sys
from mesmer.analysis.recipe import AnalyzerRecipe
from mesmer.dataset import workers
from mesmer.report.analysis_crew import file_worker
import functools

class Pipe:
    def recv(self):
        if {when!r} == "between two files":
            os.kill(os.getpid(), signal.SIGTERM)
        raise EOFError

real = AnalyzerRecipe.open
class Slow:
    def __init__(self, analyzer):
        self.analyzer = analyzer
    def __enter__(self):
        if {when!r} == "at work":
            os.kill(os.getpid(), signal.SIGTERM)
        return self.analyzer.__enter__()
    def __exit__(self, *raised):
        self.analyzer.__exit__(*raised)
AnalyzerRecipe.open = lambda self, **how: Slow(real(self, **how))
workers._serve(Pipe(), functools.partial(file_worker, AnalyzerRecipe(model=sys.argv[1]), polite=True))
if {when!r} == "while it ends":
    os.kill(os.getpid(), signal.SIGTERM)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tiny_model.folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stderr == ""
    assert ended.returncode == (0 if when == "while it ends" else STOPPED_EXIT_CODE)
