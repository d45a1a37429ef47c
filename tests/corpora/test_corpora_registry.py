"""Corpora by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_trees import grey_faces, write_fer_csv, write_goemotions
from raw_trees import write_cmu_mosei, write_crema_d, write_iemocap, write_meld, write_ravdess

from mesmer.corpora.registry import CORPORA, corpus_options, read_corpus
from mesmer.errors import ConfigError

WRITERS = {
    "iemocap": write_iemocap,
    "cmu_mosei": write_cmu_mosei,
    "meld": write_meld,
    "ravdess": write_ravdess,
    "crema_d": write_crema_d,
    "fer2013": lambda root: write_fer_csv(root, grey_faces(3)),
    "ravdess_speech": write_ravdess,
    "goemotions": lambda root: write_goemotions(root, [("train", "a", "0", "x")], ["anger"], fine=False),
}


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"folder"}))
def test_every_corpus_reads_its_own_layout(tmp_path: Path, name: str) -> None:
    corpus = read_corpus(name, WRITERS[name](tmp_path))
    assert corpus.name == name
    assert {u.corpus for u in corpus.utterances} == {name}
    assert all(Path(path).is_file() for u in corpus.utterances for path in (u.media, u.sound or u.media))


def test_own_clips(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "m.csv").write_text("path\na.mp4\n")
    assert len(read_corpus("folder", tmp_path / "m.csv")) == 1


def test_options_are_checked(tmp_path: Path) -> None:
    write_iemocap(tmp_path)
    assert corpus_options("iemocap") == {"targets": "majority", "merge_excited": False}
    assert "excitement" not in read_corpus("iemocap", tmp_path, merge_excited=True).emotions
    with pytest.raises(ConfigError, match="no option 'merge_exited'; did you mean 'merge_excited'"):
        read_corpus("iemocap", tmp_path, merge_exited=True)
    with pytest.raises(ConfigError, match="the corpus 'meld' has no option 'x'; it has no options"):
        read_corpus("meld", tmp_path, x=1)
    with pytest.raises(ConfigError, match="no corpus 'iemocapp'; did you mean 'iemocap'"):
        read_corpus("iemocapp", tmp_path)
