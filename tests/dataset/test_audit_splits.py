"""Leakage against sets, ids against the reader of the corpus, the paper's figures against each other, and its own lists."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.corpora.id_lists import read_id_lists
from mesmer.dataset.audit import audit_id_lists
from mesmer.dataset.audit_ids import cmu_mosei_units, iemocap_units
from mesmer.dataset.audit_leakage import PAIRS, Leakage
from mesmer.dataset.audit_paper import PAPER_TABLES, paper_table
from mesmer.dataset.audit_record import Audit
from mesmer.emotions import IEMOCAP_EMOTIONS, SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError
from mesmer.records import SPLITS

ROWS = st.lists(st.tuples(st.sampled_from(SPLITS), st.sampled_from([None, *"abcdef"])), max_size=40)


@settings(max_examples=200, deadline=None)
@given(rows=ROWS)
def test_leakage_is_what_sets_say(rows: list[tuple[str, str | None]]) -> None:
    leakage = Leakage(["speaker"])
    for split, name in rows:
        leakage.add(split, {"speaker": name})
    names = {split: {name for s, name in rows if s == split and name} for split in SPLITS}
    sizes = Counter(split for split, _ in rows)
    pairs = [(of, with_) for of, with_ in PAIRS if sizes[of] and sizes[with_]]
    assert [(leak.of, leak.with_) for leak in leakage.leaks()] == pairs
    for leak in leakage.leaks():
        shared = names[leak.of] & names[leak.with_]
        assert leak.names == tuple(sorted(shared))
        assert (leak.known, leak.shared) == (len(names[leak.of]), len(shared))
        assert leak.affected == sum(split == leak.of and name in shared for split, name in rows)
        assert leak.unknown == rows.count((leak.of, None))
        assert leak.utterances == sizes[leak.of]
        if not names[leak.of]:
            assert "cannot be seen" in leak.sentence
        elif not shared:
            assert leak.sentence.startswith(f"no speaker of {leak.of} is in {leak.with_}")
        else:
            assert f"also in {leak.with_}: {leak.affected} of its {leak.utterances} utterances" in leak.sentence
            assert ("(100 %)" in leak.sentence) == (leak.affected == leak.utterances)
    found = {(f.kind, f.count) for f in leakage.findings() if f.kind == "leak_speaker"}
    assert found == {("leak_speaker", leak.affected) for leak in leakage.leaks() if leak.shared}
    assert leakage.names(["train", "test"]) == {"speaker": len(names["train"] | names["test"])}


@pytest.mark.parametrize(
    ("of_test", "of_train", "sentence"),
    [
        ("aab", "ab", "all 2 speakers of test are also in train: 3 of its 3 utterances (100 %)"),
        ("abc", "a", "1 of the 3 speakers of test is also in train: 1 of its 3 utterances (33.3 %)"),
        ("abc", "abx", "2 of the 3 speakers of test are also in train: 2 of its 3 utterances (66.7 %)"),
        ("aa", "a", "the one speaker of test is also in train: 2 of its 2 utterances (100 %)"),
        ("ab", "c", "no speaker of test is in train"),
        ("a" * 1999 + "-", "a", "the one known speaker of test is also in train: 1,999 of its 2,000 utterances (99.9 %); "
         "of 1 utterances the speaker is unknown"),
    ],
)  # fmt: skip
def test_leakage_in_plain_words(of_test: str, of_train: str, sentence: str) -> None:
    leakage = Leakage(["speaker"])
    for split, names in (("test", of_test), ("train", of_train)):
        for name in names:
            leakage.add(split, {"speaker": None if name == "-" else name})
    (leak,) = leakage.leaks()
    assert leak.sentence == sentence


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("Ses01F_impro01_F000", ("Ses01_F", "Ses01F_impro01")),
        ("Ses01F_impro01_M013", ("Ses01_M", "Ses01F_impro01")),
        ("Ses03M_script01_1b_MXX0", ("Ses03_M", "Ses03M_script01_1b")),
        ("Ses06F_impro01_F000", None),
        ("Ses01F_F000", None),
        ("Ses01F_impro01", None),
        ("-3g5yACwYnA_10", None),
        ("", None),
    ],
)
def test_iemocap_ids(name: str, units: tuple[str, str] | None) -> None:
    parsed = iemocap_units(name)
    assert (parsed and (parsed["speaker"], parsed["dialogue"])) == units


def test_iemocap_ids_say_what_the_reader_says(tmp_path: Path) -> None:
    from mesmer.corpora.iemocap import _utterance
    from mesmer.corpora.iemocap_turns import read_evaluation
    from mesmer.corpora.text_files import Place

    place = Place(file=tmp_path, line=1)
    for name in ("Ses01F_impro01_F000", "Ses02M_script03_2_FXX1", "Ses05F_impro08_M027"):
        dialogue = name.rpartition("_")[0]
        turn = read_evaluation(place, f"[1.0 - 2.0]\t{name}\tneu\t[2.5, 2.5, 2.5]", dialogue)
        utterance = _utterance(turn, "words", {}, picture=tmp_path, sound=tmp_path)
        parsed = iemocap_units(name)
        assert parsed is not None
        assert (parsed["speaker"], parsed["dialogue"]) == (utterance.speaker, utterance.dialogue)


@pytest.mark.parametrize(
    ("name", "video"),
    [("-3g5yACwYnA_10", "-3g5yACwYnA"), ("a_b__3", "a_b_"), ("_3", None), ("abc", None), ("abc_x", None), ("abc_٣", None)],
)
def test_cmu_mosei_ids_are_split_from_the_right(name: str, video: str | None) -> None:
    parsed = cmu_mosei_units(name)
    assert (parsed and parsed["video"]) == video


# --- the paper -------------------------------------------------------------------------------------------------------


def test_the_rows_of_table_1_add_up_to_the_published_sizes() -> None:
    table = PAPER_TABLES["iemocap"]
    assert {split: sum(row.utterances[split] for row in table.rows.values()) for split in SPLITS} == table.sizes
    assert sum(table.sizes.values()) == 7380
    assert sum(PAPER_TABLES["cmu_mosei"].sizes.values()) == 20477


@pytest.mark.parametrize("corpus", PAPER_TABLES)
def test_with_the_columns_put_right_people_speak_two_to_five_words_a_second(corpus: str) -> None:
    emotions = IEMOCAP_EMOTIONS if corpus == "iemocap" else SIX_EMOTIONS
    table = paper_table(corpus, emotions)
    assert table is not None
    assert set(table.rows) == set(emotions)
    for row in table.rows.values():
        assert 2 < row.words_mean / row.seconds_mean < 5


def test_merged_excitement_is_both_rows_of_the_paper() -> None:
    merged = paper_table("iemocap", [e for e in IEMOCAP_EMOTIONS if e != "excitement"])
    assert merged is not None
    row = merged.rows["happiness"]
    assert row.utterances == {"train": 398 + 736, "valid": 62 + 92, "test": 135 + 213}
    assert row.words_mean == pytest.approx((13.58 * 595 + 16.79 * 1041) / (595 + 1041))
    assert "excitement" not in merged.rows
    assert paper_table("meld", SIX_EMOTIONS) is None


# --- lists of ids ----------------------------------------------------------------------------------------------------


def lists(folder: Path, **ids: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for split in SPLITS:
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in ids[split]))
    return folder


def sentences(audit: Audit) -> dict[tuple[str, str, str], str]:
    return {(leak.unit, leak.of, leak.with_): leak.sentence for leak in audit.leaks}


def test_the_papers_iemocap_lists_share_every_speaker_and_dialogue(real_data: Path) -> None:
    audit = audit_id_lists(real_data / "mesm_splits" / "iemocap", corpus="iemocap")
    told = sentences(audit)
    all_of_test = "1,481 of its 1,481 utterances (100 %)"
    assert told["speaker", "test", "train"] == f"all 10 speakers of test are also in train: {all_of_test}"
    assert told["dialogue", "test", "train"] == f"all 151 dialogues of test are also in train: {all_of_test}"
    assert audit.splits["all"].utterances == 7380
    assert {split: audit.splits[split].utterances for split in SPLITS} == {"train": 5162, "valid": 737, "test": 1481}
    assert {finding.kind for finding in audit.findings} == {"leak_speaker", "leak_dialogue", "leak_session"}


def test_the_papers_cmu_mosei_lists_share_no_video(real_data: Path) -> None:
    audit = audit_id_lists(real_data / "mesm_splits" / "cmu_mosei", corpus="cmu_mosei")
    assert set(sentences(audit).values()) == {
        "no video of test is in train",
        "no video of valid is in train",
        "no video of test is in valid",
    }
    assert audit.splits["all"].utterances == 20477
    assert [audit.splits[split].names["video"] for split in SPLITS] == [2086, 285, 630]
    assert audit.wrong() == ()
    assert [finding.kind for finding in audit.findings] == ["unknown_speaker"]


def test_ids_of_another_form_are_told(tmp_path: Path) -> None:
    folder = lists(
        tmp_path / "lists",
        train=["Ses01F_impro01_F000", "what"],
        valid=["Ses02F_impro01_F000"],
        test=["Ses03F_impro01_F000"],
    )
    audit = audit_id_lists(folder, corpus="iemocap")
    kinds = {finding.kind: finding for finding in audit.findings}
    assert kinds["odd_id"].ids == ("what",)
    assert kinds["odd_id"].sentence.startswith("1 of 4 ids")
    assert "train has 2 utterances, published are 5,162" in kinds["differs_from_paper"].sentence
    assert set(kinds) == {"odd_id", "differs_from_paper", "unknown_speaker", "unknown_dialogue"}


def test_lists_of_another_corpus_are_refused(tmp_path: Path) -> None:
    folder = lists(tmp_path / "lists", train=["a-b"], valid=["c"], test=["d"])
    with pytest.raises(DataError, match="name another --corpus"):
        audit_id_lists(folder, corpus="cmu_mosei")
    with pytest.raises(ConfigError, match="known: iemocap, cmu_mosei"):
        audit_id_lists(folder, corpus="meld")
    assert read_id_lists(folder).sizes() == {"train": 1, "valid": 1, "test": 1}
