"""The command line itself: help is quick and whole, and what it cannot read ends in one line and exit code 2."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mesmer
from mesmer.cli.main import COMMANDS, main
from mesmer.models import catalogue


def run_process(*words: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-c", code) if code else ("-m", "mesmer.cli.main")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": ""})


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from mesmer.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'av', 'datasets', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = run_process(code=code)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert not end.value.code
    assert COMMANDS[name].DESCRIPTION.split()[0] in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert not end.value.code
    assert capsys.readouterr().out.strip() == f"mesmer {mesmer.__version__}"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "--help"),
        ("prediict x", "did you mean 'predict'?"),
        ("predict", "missing: 'clip'"),
        ("predict x --top-q 1", "unknown argument '--top-q'; did you mean '--top-p'?"),
        ("predict x --top-p high", "--top_p"),
        ("evaluate x --data y --split tset", "'tset'"),
        ("evaluate x", "missing: 'data'"),
        ("prepare", "synthetic"),
        ("prepare syntheti x", "'syntheti'"),
        ("prepare synthetic x --sede 1", "did you mean '--seed'?"),
        ("prepare synthetic x --workers two", "--workers"),
        ("prepare synthetic x --settings.face_margin 7", "settings.face_margin: face_margin is 7.0; use 0 to 2"),
        ("train --data x --run y --model.widthh 3", "did you mean '--model.width'?"),
        ("train --data x --run y --model.width wide", "--model.width"),
        ("train --data x --run y --model.sparse.top_p 3", "model.sparse.top_p: top_p is 3.0"),
        ("train --data x --run y --config nowhere.yaml", "nowhere.yaml: the file does not exist"),
        ("train --data x --run y --preset papre", "there is no preset 'papre'"),
        ("train --data x --run y --config", "--config"),
        ("train --run y", "missing: 'data'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("mesmer: error: ")
    assert shown.err.count("\n") == 1
    assert told in shown.err


def test_stopped_by_the_user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from mesmer.cli import predict

    def stopped(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "run", stopped)
    assert main(["predict", "x"]) == 130
    assert capsys.readouterr().err == "mesmer: stopped\n"


def test_overrides_stand_on_file_and_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mesmer.cli import train

    seen = []
    monkeypatch.setattr(train, "run", lambda arguments: seen.append(train.settings_of(arguments)) or 0)
    file = tmp_path / "c.yaml"
    file.write_text("preset: paper\nmodel: {width: 16, sparse: {top_p: 0.7}}\n")
    line = (
        f"train --data d --run r --config {file} --model.sparse.top_p 0.9 --train.learning_rate 1e-3 --model.emotions [a,b]"
    )
    assert main(line.split()) == 0
    settings = seen[0]
    assert settings.model.width == 16
    assert settings.model.sparse.top_p == 0.9
    assert settings.model.sparse.attention_gradient == "none"  # of the paper preset
    assert settings.train.learning_rate == 1e-3
    assert settings.model.emotions == ("a", "b")


def test_a_transcript_is_words_or_a_text_file(tmp_path: Path) -> None:
    from mesmer.cli.predict import read_transcript
    from mesmer.errors import ConfigError

    file = tmp_path / "said.txt"
    file.write_text("  I am glad.\n")
    assert read_transcript(None) is None
    assert read_transcript("null") == "null"
    assert read_transcript(str(file)) == "I am glad."
    assert read_transcript("I wrote it down in said.txt") == "I wrote it down in said.txt"
    with pytest.raises(ConfigError, match="no such file"):
        read_transcript("missing.txt")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_transcript(str(file))


def test_without_a_model_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESMER_MODEL", raising=False)
    (tmp_path / "shelf").mkdir()
    shutil.copy(catalogue.PACKAGED / "catalogue.json", tmp_path / "shelf")
    monkeypatch.setattr(catalogue, "PACKAGED", tmp_path / "shelf")  # an installation without weights
    assert main(["predict", "clip.mp4", "--json"]) == 2
    assert "make demo" in capsys.readouterr().err
