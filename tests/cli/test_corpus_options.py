"""Every option of a reader that can be said in words is an option of the command line, with help."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesmer.cli.corpus_options import OPTIONS, ROOTS
from mesmer.cli.main import main
from mesmer.cli.prepare import _KINDS
from mesmer.corpora.registry import CORPORA, corpus_options

NOT_WORDS = {"cmu_mosei": {"durations", "probe"}}
"""A mapping and a function, which a command line cannot give."""


def test_every_corpus_and_option_is_offered() -> None:
    assert set(OPTIONS) == set(ROOTS) == set(CORPORA) == set(_KINDS) - {"synthetic"}
    for corpus in CORPORA:
        assert set(OPTIONS[corpus]) == set(corpus_options(corpus)) - NOT_WORDS.get(corpus, set())


@pytest.mark.parametrize("corpus", sorted(CORPORA))
def test_help_names_every_option(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["prepare", corpus, "--help"])
    assert not end.value.code
    shown = capsys.readouterr().out
    for option in (*OPTIONS[corpus], "splits", "split", "fold", "seed", "limit", "dry-run", "workers", "engine", "address"):
        assert f"--{option.replace('_', '-')}" in shown


def test_own_clips_with_all_their_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "m.csv").write_text("path,labels\na.mp4,calm\n")
    line = ["prepare", "folder", str(tmp_path / "m.csv"), str(tmp_path / "out"), "--dry-run"]
    assert main([*line, "--name", "mine", "--emotions", "calm, bored"]) == 0
    shown = capsys.readouterr().out
    assert "1 of 1 utterances of mine would be prepared" in shown
    assert "labels: calm 1, bored 0" in shown
    assert main([*line, "--emotions", "bored"]) == 2
    assert "unknown label 'calm'" in capsys.readouterr().err
