"""MELD: three tables, three folders of clips, the published split; each planted fault reported once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from damage import Damage, damages, records_or_one_error
from hypothesis import HealthCheck, given, settings
from raw_trees import MELD_FOLDERS, MELD_HEADER, placeholder, replace_once, write_meld, write_text

from mesmer.corpora import meld
from mesmer.corpora.meld import MELD_EMOTIONS, read_meld
from mesmer.errors import DataError


@pytest.mark.parametrize("inner", [False, True])
def test_every_line_comes_back_as_it_was_written(tmp_path: Path, inner: bool) -> None:
    corpus = read_meld(write_meld(tmp_path, inner=inner))
    assert [(u.id, u.speaker, u.text, u.labels, u.split) for u in corpus.utterances] == [
        ("train_dia0_utt0", "Chandler", "also I was the point person, from the KL-5.", {"neutral": 1.0}, "train"),
        ("train_dia0_utt1", "The Interviewer", "You must’ve had your hands full.", {"happiness": 1.0}, "train"),
        ("train_dia1_utt0", "Ross", 'He said "no", and left.', {"anger": 1.0}, "train"),
        ("dev_dia0_utt0", "Phoebe", "Oh my God, he’s lost it.", {"sadness": 1.0}, "valid"),
        ("test_dia0_utt0", "Mark", "Why do you’re mugs have numbers?", {"surprise": 1.0}, "test"),
        ("test_dia0_utt1", "Rachel", "Oh.", {"disgust": 1.0}, "test"),
    ]
    assert [u.dialogue for u in corpus.utterances] == [u.id.rpartition("_")[0] for u in corpus.utterances]
    place = tmp_path / "test" if inner else tmp_path
    assert corpus.utterances[-1].media == str(place / "output_repeated_splits_test" / "dia0_utt1.mp4")
    assert all(u.start_s is None and u.region == "full" and u.channel == "mix" for u in corpus.utterances)
    assert corpus.emotions == MELD_EMOTIONS
    assert corpus.left_out == ()


def test_a_part_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    root = write_meld(tmp_path / "MELD.Raw")
    (root / "dev_sent_emo.csv").unlink()
    (root / "dev_splits_complete").rename(root / "elsewhere")
    assert read_meld(tmp_path).split_sizes() == {"train": 3, "valid": 0, "test": 2}


def test_half_a_part_is_one_error(tmp_path: Path) -> None:
    root = write_meld(tmp_path)
    (root / "dev_splits_complete").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"dev: 'dev_splits_complete' is missing; unpack dev.tar.gz"):
        read_meld(root)
    (root / "elsewhere").rename(root / "dev_splits_complete")
    (root / "dev_sent_emo.csv").unlink()
    with pytest.raises(DataError, match=r"dev: 'dev_sent_emo.csv' is missing"):
        read_meld(root)
    with pytest.raises(DataError, match=r"tables such as train_sent_emo.csv: not found"):
        read_meld(root / "train_splits")


def test_clips_and_lines_that_do_not_meet_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    root = write_meld(tmp_path)
    clean = read_meld(root)
    (root / "train_splits" / "dia0_utt0.mp4").unlink()
    (root / "test_splits").mkdir()  # of no part
    test = root / MELD_FOLDERS["test"]
    (test / "dia0_utt0.mp4").write_bytes(b"")
    placeholder(test / "final_videos_testdia93_utt5.mp4")
    replace_once(root / "dev_sent_emo.csv", '"Oh my God, he\u0092s lost it."', '" "')
    corpus = read_meld(root)
    assert [(row.id, row.rule, Path(row.file)) for row in corpus.left_out] == [
        ("train_dia0_utt0", "no picture file", root / "train_splits" / "dia0_utt0.mp4"),
        ("dev_dia0_utt0", meld.EMPTY_TEXT, root / "dev_sent_emo.csv"),
        ("test_dia0_utt0", "the media file is empty", test / "dia0_utt0.mp4"),
        ("test_final_videos_testdia93_utt5", meld.NO_ROW, test / "final_videos_testdia93_utt5.mp4"),
    ]
    planted = {row.id for row in corpus.left_out}
    assert corpus.utterances == tuple(u for u in clean.utterances if u.id not in planted)


FAULTS = [
    ("Emotion,", "Emotions,", "line 1, header", "the column 'Emotion' is missing; did you mean 'Emotions'?"),
    ("Sr No.,", "Emotion,", "line 1, header", "'Emotion' stands twice"),
    ("Chandler,neutral,neutral,0,0", "Chandler,neutrel,neutral,0,0", "line 2, Emotion", "did you mean 'neutral'?"),
    ("Chandler,neutral,neutral,0,0", "Chandler,,neutral,0,0", "line 2, Emotion", "unknown label ''"),
    ("Chandler,neutral,neutral,0,0", "Chandler,neutral,neutral,x,0", "line 2, Dialogue_ID", "'x' is not a number"),
    ("Chandler,neutral,neutral,0,0", "Chandler,neutral,neutral,0,-1", "line 2, Utterance_ID", "outside 0 to"),
    ("Chandler,neutral,neutral,0,0", "Chandler,neutral,neutral,0,0,0", "line 2, cells", "12 cells where the header has 11"),
    ("Interviewer,joy,neutral,0,1", "Interviewer,joy,neutral,0,0", "line 3, Utterance_ID", "dia0_utt0 stands in line 2"),
    ('"He said ""no"",', '"He said "no",', "line 4, cells", "malformed CSV"),
    ("and left.", "and\0left.", "line 5, encoding", "zero byte"),
    ("and left.", "and " + "x" * 25_000, "line 4, Utterance", "longer than 20000 characters"),
    ("and left.", "and " + "x" * 200_000, "line 4, cells", "malformed CSV (field larger"),
]


@pytest.mark.parametrize(("old", "new", "field", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_damaged_line_is_one_error_with_file_line_and_field(
    tmp_path: Path, old: str, new: str, field: str, problem: str
) -> None:
    root = write_meld(tmp_path)
    table = root / "train_sent_emo.csv"
    replace_once(table, old, new)
    with pytest.raises(DataError) as caught:
        read_meld(root)
    assert (caught.value.file, caught.value.field) == (str(table), field)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", MELD_HEADER])
def test_a_table_without_lines(tmp_path: Path, text: str) -> None:
    root = write_meld(tmp_path)
    write_text(root / "test_sent_emo.csv", text)
    if text == MELD_HEADER:
        assert {row.rule for row in read_meld(root).left_out} == {meld.NO_ROW}
    else:
        with pytest.raises(DataError, match="line 1, header: the table is empty"):
            read_meld(root)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_records_or_one_error(tmp_path_factory: pytest.TempPathFactory, damage: Damage) -> None:
    root = tmp_path_factory.getbasetemp() / "meld"
    table, valid = root / "train_sent_emo.csv", root.with_suffix(".valid")
    if not valid.exists():
        write_meld(root)
        valid.write_bytes(table.read_bytes())
    table.write_bytes(damage(valid.read_bytes()))
    records_or_one_error(lambda: read_meld(root), table)


@pytest.mark.parametrize("filler", ['"', '""', ",", '",', "x", "\t"])
def test_time_is_linear_in_a_line_of_two_megabytes(tmp_path: Path, filler: str) -> None:
    root = write_meld(tmp_path)
    line = filler * (2**21 // len(filler))
    started = time.process_time()
    for text in (line, line[: 2**20]):
        write_text(root / "train_sent_emo.csv", f"{MELD_HEADER}\n{text}\n{MELD_HEADER}")
        with pytest.raises(DataError, match=r"line [23], "):
            read_meld(root)
    assert time.process_time() - started < 2
