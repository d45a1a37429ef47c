"""RAVDESS: everything from the file's name, one utterance per performance, and each planted fault reported once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_trees import RAVDESS_FILES, placeholder, write_ravdess

from mesmer.corpora import ravdess
from mesmer.corpora.ravdess import RAVDESS_EMOTIONS, read_ravdess, unknown_field
from mesmer.errors import DataError


def test_one_utterance_per_performance(tmp_path: Path) -> None:
    corpus = read_ravdess(write_ravdess(tmp_path))
    assert [(u.id, u.speaker, u.text, u.labels) for u in corpus.utterances] == [
        ("01-01-01-01-01-01-01", "actor_01", "Kids are talking by the door", {"neutral": 1.0}),
        ("01-01-03-02-02-01-01", "actor_01", "Dogs are sitting by the door", {"happiness": 1.0}),
        ("02-01-08-01-01-02-02", "actor_02", "Kids are talking by the door", {"surprise": 1.0}),
        ("03-01-05-02-02-02-24", "actor_24", "Dogs are sitting by the door", {"anger": 1.0}),
    ]
    sounds = {u.id: u.sound for u in corpus.utterances}
    # Where the recording with both is missing, picture and sound come from the two that are there.
    assert sounds["02-01-08-01-01-02-02"] == str(tmp_path / "Actor_02" / "03-01-08-01-01-02-02.wav")
    assert [name for name, sound in sounds.items() if sound] == ["02-01-08-01-01-02-02"]
    assert corpus.emotions == RAVDESS_EMOTIONS
    assert {row.id: row.rule for row in corpus.left_out} == {
        "02-01-01-01-01-01-01": ravdess.OTHER_RECORDING,
        "01-02-04-01-01-01-24": ravdess.SONG,
    }
    used = sum(1 + (u.sound is not None) for u in corpus.utterances)
    assert used + len(corpus.left_out) == len(RAVDESS_FILES)


def test_songs_on_request(tmp_path: Path) -> None:
    corpus = read_ravdess(write_ravdess(tmp_path), song=True)
    assert "01-02-04-01-01-01-24" in {u.id for u in corpus.utterances}
    assert {row.rule for row in corpus.left_out} == {ravdess.OTHER_RECORDING}


def test_faults_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path)
    clean = read_ravdess(root)
    planted = {
        "Actor_01/01-01-09-01-01-01-01.mp4": "the emotion '09' in the name is unknown",
        "Actor_01/04-01-03-01-01-01-01.mp4": "the modality '04' in the name is unknown",
        "Actor_01/01-01-03-01-01-01-25.mp4": "the actor '25' in the name is unknown",
        "Actor_01/01-01-03-01-01-01.mp4": ravdess.NOT_A_NAME,
        "Actor_01/01-01-03-01-01-01-1.mp4": ravdess.NOT_A_NAME,
        "Actor_01/holiday.mp4": ravdess.NOT_A_NAME,
        "Actor_02/01-01-06-01-01-01-01.mp4": ravdess.OTHER_ACTOR,
        "Actor_24/more/01-01-03-02-02-01-01.mp4": ravdess.SAME_NAME,
        "Actor_24/01-01-07-01-01-01-24.mp4": "the media file is empty",
    }
    for name in planted:
        placeholder(root / name)
    (root / "Actor_24/01-01-07-01-01-01-24.mp4").write_bytes(b"")
    placeholder(root / "Actor_01" / "._01-01-01-01-01-01-01.mp4")
    corpus = read_ravdess(root)
    assert {Path(r.file): r.rule for r in corpus.left_out} == {
        **{Path(row.file): row.rule for row in clean.left_out},
        **{root / name: rule for name, rule in planted.items()},
    }
    assert corpus.utterances == clean.utterances


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(DataError, match="files such as 01-01-03"):
        read_ravdess(tmp_path)


@given(st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"[0-9٠-٩]{2}(-[0-9]{2}){6}", fullmatch=True))
def test_any_name_is_known_or_refused(stem: str) -> None:
    fields = stem.split("-")
    plain = len(fields) == 7 and all(len(f) == 2 and set(f) <= set("0123456789") for f in fields)
    highest = (3, 2, 8, 2, 2, 2, 24)
    known = plain and all(1 <= int(f) <= high for f, high in zip(fields, highest, strict=True))
    assert (unknown_field(stem) is None) == known


def test_real_clips(ravdess_clips: list[Path]) -> None:
    corpus = read_ravdess(ravdess_clips[0].parent)
    assert [u.media for u in corpus.utterances] == [str(path) for path in ravdess_clips]
    assert corpus.left_out == ()
    assert {u.id: u.labels for u in corpus.utterances}["01-01-08-02-01-01-19"] == {"surprise": 1.0}
