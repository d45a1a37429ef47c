"""Every option of a reader that can be said in words is an option of the command line, with help."""

from __future__ import annotations

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
