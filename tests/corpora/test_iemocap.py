"""IEMOCAP: the right words, times, labels, actor, half and channel for every turn, and each planted fault reported once."""

from __future__ import annotations

import time
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from damage import Damage, damages, records_or_one_error
from hypothesis import HealthCheck, given, settings
from raw_trees import (
    COLOURS,
    IEMOCAP_TURNS,
    TONES_HZ,
    evaluation_text,
    replace_once,
    transcription_text,
    two_actors_picture,
    two_actors_sound,
    write_iemocap,
    write_text,
)

from mesmer.corpora import iemocap
from mesmer.corpora.iemocap import read_iemocap
from mesmer.emotions import IEMOCAP_EMOTIONS
from mesmer.errors import ConfigError, DataError

TURNS = [turn for turns in IEMOCAP_TURNS.values() for turn in turns]
MAIN = {"ang": "anger", "exc": "excitement", "fru": "frustration", "hap": "happiness", "neu": "neutral", "sad": "sadness"}


def dialog(root: Path, dialogue: str) -> Path:
    return root / f"Session{dialogue[4]}" / "dialog"


def test_every_turn_comes_back_as_it_was_written(tmp_path: Path) -> None:
    corpus = read_iemocap(write_iemocap(tmp_path))
    by_id = {u.id: u for u in corpus.utterances}
    expected = [turn for turn in TURNS if turn.code in MAIN]
    assert list(by_id) == [turn.name for turn in expected]
    for turn in expected:
        u = by_id[turn.name]
        dialogue, _, last = turn.name.rpartition("_")
        side = "left" if last[0] == dialogue[5] else "right"
        assert (u.start_s, u.end_s, u.text) == (turn.start_s, turn.end_s, turn.text)
        assert u.labels == {MAIN[turn.code]: 1.0}
        assert (u.dialogue, u.speaker) == (dialogue, f"{turn.name[:5]}_{last[0]}")
        assert (u.region, u.channel) == (side, side)
        assert u.media == str(dialog(tmp_path, dialogue) / "avi" / "DivX" / f"{dialogue}.avi")
        assert u.sound == str(dialog(tmp_path, dialogue) / "wav" / f"{dialogue}.wav")
    assert corpus.emotions == IEMOCAP_EMOTIONS
    assert {row.id: row.rule for row in corpus.left_out} == {
        "Ses01F_impro01_F001": "the label 'xxx' (no majority) is not one of the main categories",
        "Ses01M_script01_1_FXX0": "the label 'sur' (surprise) is not one of the main categories",
        "Ses05M_impro08b_F000": "the label 'oth' (other) is not one of the main categories",
    }


def test_the_folder_around_the_corpus_will_do(tmp_path: Path) -> None:
    write_iemocap(tmp_path / "IEMOCAP_full_release")
    assert read_iemocap(tmp_path).root == tmp_path / "IEMOCAP_full_release"


def test_excitement_merged_into_happiness(tmp_path: Path) -> None:
    corpus = read_iemocap(write_iemocap(tmp_path), merge_excited=True)
    assert corpus.emotions == ("anger", "frustration", "happiness", "neutral", "sadness")
    labels = {u.id: u.labels for u in corpus.utterances}
    assert labels["Ses01M_script01_1_F000"] == labels["Ses01M_script01_1_M000"] == {"happiness": 1.0}


def test_all_raters_as_soft_and_multi_labels(tmp_path: Path) -> None:
    write_iemocap(tmp_path)
    soft = {u.id: u.labels for u in read_iemocap(tmp_path, targets="soft").utterances}
    assert soft["Ses01F_impro01_F000"] == {"neutral": 1.0, "sadness": pytest.approx(1 / 3)}
    assert soft["Ses01F_impro01_F001"] == pytest.approx({"neutral": 1 / 3, "sadness": 1 / 3, "frustration": 1 / 3})
    assert soft["Ses01M_script01_1_M000"] == pytest.approx({"excitement": 2 / 3, "happiness": 1 / 3})
    assert soft["Ses05M_impro08b_M000"] == pytest.approx({"sadness": 2 / 3, "neutral": 1 / 3})
    multi = read_iemocap(tmp_path, targets="multi")
    assert {u.id: u.labels for u in multi.utterances} == {name: dict.fromkeys(votes, 1.0) for name, votes in soft.items()}
    assert {row.id: row.rule for row in multi.left_out} == {
        "Ses01M_script01_1_FXX0": iemocap.NO_RATER,
        "Ses05M_impro08b_F000": iemocap.NO_RATER,
    }
    merged = {u.id: u.labels for u in read_iemocap(tmp_path, targets="soft", merge_excited=True).utterances}
    # A rater who named both counts once.
    assert merged["Ses01M_script01_1_M000"] == pytest.approx({"happiness": 2 / 3})
    with pytest.raises(ConfigError, match="targets"):
        read_iemocap(tmp_path, targets="mean")  # type: ignore[arg-type]


def test_the_right_actor_is_seen_and_heard(tmp_path: Path) -> None:
    """Each actor has an own colour and tone; the half and the channel of every utterance must show the one who speaks."""
    corpus = read_iemocap(write_iemocap(tmp_path, picture=two_actors_picture, sound=two_actors_sound), targets="multi")
    assert {(u.region, u.speaker[-1]) for u in corpus.utterances if u.speaker} == {
        ("left", "F"), ("right", "F"), ("left", "M"), ("right", "M"),
    }  # fmt: skip
    for u in corpus.utterances:
        assert u.speaker
        assert u.sound
        assert u.start_s is not None
        who = u.speaker[-1]
        with av.open(u.media) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        half = picture[:, : picture.shape[1] // 2] if u.region == "left" else picture[:, picture.shape[1] // 2 :]
        assert np.abs(half.mean((0, 1)) - COLOURS[who]).max() < 12, u.id
        with wave.open(u.sound) as file:
            file.setpos(round(u.start_s * 16_000))
            samples = np.frombuffer(file.readframes(8000), "<i2").reshape(-1, 2)
        heard = samples[:, 0 if u.channel == "left" else 1].astype(float)
        peak_hz = np.abs(np.fft.rfft(heard)).argmax() * 16_000 / len(heard)
        assert peak_hz == pytest.approx(TONES_HZ[who], abs=3), u.id


IMPRO = "Ses01F_impro01"


def evaluation(root: Path, dialogue: str = IMPRO) -> Path:
    return dialog(root, dialogue) / "EmoEvaluation" / f"{dialogue}.txt"


def transcription(root: Path, dialogue: str = IMPRO) -> Path:
    return dialog(root, dialogue) / "transcriptions" / f"{dialogue}.txt"


def test_turns_whose_parts_do_not_meet_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    clean = read_iemocap(root)
    replace_once(transcription(root), "Ses01F_impro01_F000 [000.5000-001.5000]", "Ses01F_impro01_F000 [003.5000-004.5000]")
    replace_once(transcription(root), "This is M000, it is fru.", " \x07 ")
    with transcription(root).open("a") as file:
        file.write("Ses01F_impro01_M001 [003.6000-004.4000]: Said again.\n")
        file.write("Ses01F_impro01_MXX0 [004.5000-004.6000]: [LAUGHTER]\n")
    replace_once(evaluation(root, "Ses01M_script01_1"), "[0.2500 - 1.2500]", "[1.2500 - 1.2500]")
    lines = transcription(root, "Ses01M_script01_1").read_text().splitlines(keepends=True)
    transcription(root, "Ses01M_script01_1").write_text("".join(line for line in lines if "_M001" not in line))
    picture = dialog(root, "Ses05M_impro08b") / "avi" / "DivX" / "Ses05M_impro08b.avi"
    picture.write_bytes(b"")
    broken = read_iemocap(root)
    planted = {
        "Ses01F_impro01_F000": (iemocap.TIMES_DIFFER, transcription(root)),
        "Ses01F_impro01_M000": (iemocap.EMPTY_TRANSCRIPTION, transcription(root)),
        "Ses01F_impro01_M001": (iemocap.TRANSCRIBED_TWICE, transcription(root)),
        "Ses01F_impro01_MXX0": (iemocap.NO_EVALUATION, evaluation(root)),
        "Ses01M_script01_1_F000": (iemocap.END_BEFORE_START, evaluation(root, "Ses01M_script01_1")),
        "Ses01M_script01_1_M001": (iemocap.NO_TRANSCRIPTION, transcription(root, "Ses01M_script01_1")),
        "Ses05M_impro08b_F000": ("the media file is empty", picture),
        "Ses05M_impro08b_M000": ("the media file is empty", picture),
    }
    other = {row.id: row for row in clean.left_out if row.id not in planted}
    assert {row.id: row for row in broken.left_out if row.id not in planted} == other
    assert {r.id: (r.rule, Path(r.file)) for r in broken.left_out if r.id in planted} == planted
    assert broken.utterances == tuple(u for u in clean.utterances if u.id not in planted)
    assert len(broken.left_out) + len(broken.utterances) == len(TURNS) + 1


@pytest.mark.parametrize(("part", "rule"), [("avi/DivX", "no picture file"), ("wav", "no sound file")])
def test_a_dialogue_without_its_media(tmp_path: Path, part: str, rule: str) -> None:
    root = write_iemocap(tmp_path)
    (gone,) = (dialog(root, IMPRO) / part).glob(f"{IMPRO}.*")
    gone.unlink()
    corpus = read_iemocap(root)
    found = {row.id: row for row in corpus.left_out if row.rule == rule}
    assert set(found) == {turn.name for turn in IEMOCAP_TURNS[IMPRO]}
    assert {row.file for row in found.values()} == {str(gone)}


def test_a_dialogue_without_transcription_or_evaluation(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    transcription(root).unlink()
    evaluation(root, "Ses05M_impro08b").unlink()
    rules = {row.id: row.rule for row in read_iemocap(root).left_out}
    assert {rules[turn.name] for turn in IEMOCAP_TURNS[IMPRO]} == {iemocap.NO_TRANSCRIPTION}
    assert {rules[turn.name] for turn in IEMOCAP_TURNS["Ses05M_impro08b"]} == {iemocap.NO_EVALUATION}


EVALUATION_FAULTS = [
    ("[0.5000 - 1.5000]\t", "[0.5000 - 1.5000] ", "line 3, cells", "3 cells instead of 4"),
    ("[0.5000 - 1.5000]", "[0.5000 1.5000]", "line 3, times", "not [start - end]"),
    ("[0.5000 - 1.5000]", "[0.5000 - 1.5O00]", "line 3, times", "'1.5O00' is not a number"),
    ("[0.5000 - 1.5000]", "[0.5000 - nan]", "line 3, times", "'nan' is outside"),
    ("[0.5000 - 1.5000]", "[0.5000 - 1_5]", "line 3, times", "is not a number"),
    ("F000\tneu", "F000\tnou", "line 3, label", "did you mean 'neu'?"),
    ("impro01_F000\tneu", "impro02_F000\tneu", "line 3, turn", "is not a turn of Ses01F_impro01"),
    ("impro01_F000\tneu", "impro01_X000\tneu", "line 3, turn", "does not say who speaks"),
    ("impro01_F000\tneu", "impro01_M000\tneu", "line 11, turn", "was evaluated in line 3 already"),
    ("neu\t[2.5000, 2.5000, 2.5000]", "neu\t[2.5000, 2.5000]", "line 3, dimensions", "not [valence, activation"),
    ("neu\t[2.5000, 2.5000, 2.5000]", "neu\t[2.5000, 2.5000, ?]", "line 3, dimensions", "is not a number"),
    ("C-E4:\tSadness; Neutral;", "C-E4:\tSadnes; Neutral;", "line 6, rater", "did you mean 'sadness'?"),
    ("C-E4:\tSadness; Neutral;", "C-E4\tSadness; Neutral;", "line 6, rater", "is not a rater's line"),
    ("C-E4:\tSadness; Neutral;", "E4:\tSadness; Neutral;", "line 6, line", "neither a turn nor a rater's line"),
    ("% [START_TIME", "C-E1:\tNeutral;\t()\n% [START_TIME", "line 1, rater", "before the first turn"),
    ("C-E4:\tSadness; Neutral;", "C-E4:\tSadness; Neutral;\0", "line 6, encoding", "zero byte"),
]
TRANSCRIPTION_FAULTS = [
    ("F000 [000.5000-001.5000]:", "F000 [000.5000-001.5000]", "line 1, line", "is not a turn"),
    ("F000 [000.5000-001.5000]:", "F000 000.5000-001.5000]:", "line 1, line", "is not a turn"),
    ("F000 [000.5000-001.5000]:", "F000 [000.5000:001.5000]:", "line 1, times", "not [start - end]"),
    ("F000 [000.5000-001.5000]:", "F000 [000.5000--01.5000]:", "line 1, times", "'-01.5000' is outside"),
    ("Ses01F_impro01_F000 [", "Ses01F_impro01 [", "line 1, turn", "is not a turn of"),
    ("Ses01F_impro01_F000 [", "../../Ses01F_impro01_F000 [", "line 1, turn", "another folder"),
    ("M: Yeah.", "N: Yeah.", "line 2, line", "is not a turn"),
    ("M: Yeah.", "M: Yeah.\n" + "x" * (2**20 + 1), "line 3, length", "longer than 1048576 bytes"),
]
FAULTS: list[tuple[Callable[[Path], Path], str, str, str, str]] = [
    *((evaluation, *fault) for fault in EVALUATION_FAULTS),
    *((transcription, *fault) for fault in TRANSCRIPTION_FAULTS),
]


@pytest.mark.parametrize(("place", "old", "new", "field", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_damaged_line_is_one_error_with_file_line_and_field(
    tmp_path: Path, place: Callable[[Path], Path], old: str, new: str, field: str, problem: str
) -> None:
    root = write_iemocap(tmp_path)
    replace_once(place(root), old, new)
    with pytest.raises(DataError) as caught:
        read_iemocap(root)
    assert caught.value.file == str(place(root))
    assert caught.value.field == field
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dialogue_in_the_wrong_session(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    evaluation(root).rename(evaluation(root).with_name("Ses02F_impro01.txt"))
    with pytest.raises(DataError, match="'Ses02F_impro01' is not a dialogue of Session1"):
        read_iemocap(root)


def test_a_folder_that_is_not_iemocap(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Session1 to Session5: not found here"):
        read_iemocap(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_iemocap(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        read_iemocap(tmp_path / "file")
    write_iemocap(tmp_path / "a")
    write_iemocap(tmp_path / "b")
    with pytest.raises(DataError, match="found 2 times"):
        read_iemocap(tmp_path)
    (tmp_path / "c" / "Session1" / "dialog").mkdir(parents=True)
    with pytest.raises(DataError, match="no evaluated turn"):
        read_iemocap(tmp_path / "c")


def test_letters_older_than_utf8_and_windows_line_ends(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    data = transcription(root).read_bytes().replace(b"it is fru.", b"it\x92s na\xefve\x85").replace(b"\n", b"\r\n")
    transcription(root).write_bytes(data)
    texts = {u.id: u.text for u in read_iemocap(root).utterances}
    assert texts["Ses01F_impro01_M000"] == "This is M000, it’s naïve…"


def test_a_line_end_inside_a_sentence_is_no_line_end(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    replace_once(transcription(root), "it is fru.", "it\u2028is\x0bfru\x1c.")
    texts = {u.id: u.text for u in read_iemocap(root).utterances}
    assert texts["Ses01F_impro01_M000"] == "This is M000, it is fru ."


@pytest.mark.parametrize("place", [evaluation, transcription])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_records_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, place: Callable[[Path], Path], damage: Damage
) -> None:
    root = tmp_path_factory.getbasetemp() / f"iemocap-{place.__name__}"
    if not root.exists():
        write_iemocap(root)
    text = evaluation_text if place is evaluation else transcription_text
    place(root).write_bytes(damage(text(IEMOCAP_TURNS[IMPRO]).encode()))
    records_or_one_error(lambda: read_iemocap(root, targets="soft"), place(root))


@pytest.mark.parametrize("filler", ["[", "]:", "-", "\t", " ", ";", "_", "x", "[0.1 - 0.2]"])
@pytest.mark.parametrize("place", [evaluation, transcription])
def test_time_is_linear_in_a_line_of_two_megabytes(tmp_path: Path, place: Callable[[Path], Path], filler: str) -> None:
    root = write_iemocap(tmp_path)
    iemocap_limit = 2**21
    line = (filler * (iemocap_limit // len(filler) + 1))[:iemocap_limit]
    text = f"[0.5000 - 1.5000]\t{line}" if place is evaluation else f"Ses01F_impro01_F000 [{line}"
    write_text(place(root), text)
    started = time.process_time()
    with pytest.raises(DataError, match="line 1, length"):
        read_iemocap(root)
    # Just below the bound the line is parsed.
    write_text(place(root), text[: 2**20])
    with pytest.raises(DataError, match="line 1, "):
        read_iemocap(root)
    assert time.process_time() - started < 2


def test_many_turns_take_time_in_proportion(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path)
    turns = [replace(IEMOCAP_TURNS[IMPRO][0], name=f"Ses01F_impro01_F{n:05d}", start_s=n, end_s=n + 1) for n in range(5000)]
    write_text(evaluation(root), evaluation_text(turns))
    write_text(transcription(root), transcription_text(turns))
    started = time.process_time()
    assert sum(u.dialogue == IMPRO for u in read_iemocap(root).utterances) == 5000
    assert time.process_time() - started < 5
