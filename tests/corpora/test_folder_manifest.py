"""A manifest of one's own clips: what is read, and one clear line for each way it can be wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import DataError, MesmerError
from mesmer.records import Utterance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("a.mp4", "b.mp4", "media/c.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write_jsonl(folder: Path, *rows: Any) -> Path:
    return write(folder, "".join(json.dumps(row) + "\n" for row in rows), "m.jsonl")


FULL = (
    "path,id,start_s,end_s,speaker,dialogue,text,labels,split\n"
    'a.mp4,u1,0.5,2,Ann,d1,"Well, ""really""?",happiness;surprise:0.5,train\n'
    "media/c.mp4,u2,,,Bob,,,none,test\n"
)


def test_csv_and_jsonl_agree(folder: Path) -> None:
    rows = [
        {"path": "a.mp4", "id": "u1", "start_s": 0.5, "end_s": 2, "speaker": "Ann", "dialogue": "d1",
         "text": 'Well, "really"?', "labels": {"happiness": 1, "surprise": 0.5}, "split": "train"},
        {"path": "media/c.mp4", "id": "u2", "speaker": "Bob", "labels": [], "split": "test", "text": None},
    ]  # fmt: skip
    from_csv = read_folder(write(folder, FULL))
    from_jsonl = read_folder(write_jsonl(folder, *rows))
    assert from_csv == from_jsonl
    first, second = from_csv.utterances
    assert first == Utterance(
        id="u1", corpus="folder", media=str(folder / "a.mp4"), start_s=0.5, end_s=2.0, speaker="Ann", dialogue="d1",
        text='Well, "really"?', labels={"happiness": 1.0, "surprise": 0.5}, split="train",
    )  # fmt: skip
    assert second.labels == {}
    assert second.text is None
    assert from_csv.emotions == SIX_EMOTIONS
    assert from_csv.split_sizes() == {"train": 1, "valid": 0, "test": 1}
    assert len(from_csv) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dialects_and_byte_order_mark(folder: Path, delimiter: str, bom: bool, newline: str) -> None:
    path = folder / "m.csv"
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline)
        writer.writerow(["Path ", "text", "labels"])
        writer.writerow(["a.mp4", "one, two; three\tfour\nfive", "happy;surprised:0.25"])
    (utterance,) = read_folder(path).utterances
    assert utterance.text == "one, two; three\tfour\nfive"
    assert utterance.labels == {"happiness": 1.0, "surprise": 0.25}
    assert utterance.media == str(folder / "a.mp4")


def test_a_single_column_is_enough(folder: Path) -> None:
    corpus = read_folder(write(folder, "path\na.mp4\n\nmedia/c.mp4\n"))
    assert [u.id for u in corpus.utterances] == ["a", "media/c"]
    assert all(u.labels is None and u.split is None for u in corpus.utterances)


def test_two_stretches_of_one_file_get_their_own_ids(folder: Path) -> None:
    corpus = read_folder(write(folder, "path,start_s,end_s\na.mp4,0,1.5\na.mp4,1.5,3\na.mp4,3,\n"))
    assert [u.id for u in corpus.utterances] == ["a@0-1.5", "a@1.5-3", "a@3-"]


def test_absolute_paths_are_taken_as_they_are(folder: Path) -> None:
    (folder / "sub").mkdir()
    target = folder / "b.mp4"
    (utterance,) = read_folder(write(folder / "sub", f"path\n{target}\n")).utterances
    assert utterance.media == str(target)


def test_label_sets(folder: Path) -> None:
    table = "path,labels\na.mp4,calm\nb.mp4,happy|bored:0.5\n"
    assert read_folder(write(folder, table)).emotions == ("bored", "calm", "happiness")
    given_set = ("calm", "bored", "happiness", "anger")
    assert read_folder(write(folder, table), emotions=given_set).emotions == given_set


def test_numbers_as_names_in_jsonl(folder: Path) -> None:
    (utterance,) = read_folder(write_jsonl(folder, {"path": "a.mp4", "id": 7, "speaker": 3})).utterances
    assert (utterance.id, utterance.speaker) == ("7", "3")


BAD_CSV = [
    ("", "empty", None),
    ("\n\n", "empty", None),
    ("path,labels\n", "no rows", None),
    ("path,labells\na.mp4,happy\n", "unknown column 'labells'", "did you mean 'labels'?"),
    ("path,text,text\na.mp4,x,y\n", "stands twice", "line 1"),
    ("text,labels\nx,happy\n", "no column 'path'", "line 1"),
    ("path,text\na.mp4,one,two\n", "3 fields where the header has 2", "line 2"),
    ("path;labels\na.mp4;happiness;surprise\n", "3 fields where the header has 2", "semicolon"),
    ('path,text\na.mp4,"never closed\n', "malformed CSV", "line 2"),
    ('path,text\na.mp4,x\nb.mp4,"a"b\n', "malformed CSV", "line 3"),
    ("path\rb.mp4\r", "malformed CSV", "line 1"),
    ("path,id\na.mp4,u\nb.mp4,u\n", "the id 'u' was used in line 2", "line 3, id"),
    ("path\na.mp4\na.mp4\n", "the id 'a' was used in line 2", "stretch stands twice"),
    ("path\na.mp4\nmissing.mp4\ngone.mp4\n", "missing.mp4' does not exist (and 1 more", "line 3, path"),
    ("path\nmedia\n", "is a folder", "line 2, path"),
    ("path\n../a.mp4\n", "leaves the manifest's folder", "absolute"),
    ("path\nmedia/../../a.mp4\n", "leaves the manifest's folder", "line 2, path"),
    ("path\nhttp://host/a.mp4\n", "an address, not a file", "line 2, path"),
    ("path,text\n,hello\n", "there is no path", "line 2, path"),
    ("path\n" + "x" * 300 + "\n", "does not exist", "line 2, path"),
    ("path,start_s\na.mp4,-1\n", "negative", "line 2, start_s"),
    ("path,start_s\na.mp4,nan\n", "not a finite number", "line 2, start_s"),
    ("path,end_s\na.mp4,inf\n", "not a finite number", "line 2, end_s"),
    ("path,end_s\na.mp4,soon\n", "'soon' is not a number", "line 2, end_s"),
    ("path;end_s\na.mp4;1,5\n", "'1,5' is not a number", "decimal point"),
    ("path,start_s,end_s\na.mp4,2,1\n", "the end 1 s is not after the start 2 s", "line 2, end_s"),
    ("path,start_s,end_s\na.mp4,2,2\n", "is not after", "line 2, end_s"),
    ("path,end_s\na.mp4,0\n", "is not after the start 0 s", "line 2, end_s"),
    ("path,labels\na.mp4,hapiness\n", "unknown label 'hapiness'", "did you mean 'happiness'?"),
    ("path,labels\na.mp4,happy:1.5\n", "the score 1.5 of 'happiness' is outside [0, 1]", "line 2, labels"),
    ("path,labels\na.mp4,happy:-0.1\n", "outside [0, 1]", "line 2, labels"),
    ("path,labels\na.mp4,happy:\n", "is not a number", "line 2, labels"),
    ("path,labels\na.mp4,happy:nan\n", "not a finite number", "line 2, labels"),
    ("path,labels\na.mp4,happy;joy\n", "the label 'happiness' stands twice", "line 2, labels"),
    ("path,labels\na.mp4,;\n", "no label between the separators", "line 2, labels"),
    ("path,labels\na.mp4,:0.5\n", "not the name of an emotion", "line 2, labels"),
    ("path,split\na.mp4,val\n", "unknown split 'val'", "did you mean 'valid'?"),
    ("path,split\na.mp4,trainn\n", "unknown split 'trainn'", "did you mean 'train'?"),
    ("path,split\na.mp4,train\nb.mp4,\n", "1 of 2 rows have no split", "line 3, split"),
    (b"path,text\na.mp4,Ren\xe9\n", "byte 10 is not UTF-8", "line 2"),
    ("path\na.mp4\n".encode("utf-16"), "UTF-16", "line 1"),
    (b"path\na.mp4\x00\n", "zero byte", "line 2"),
    ("path,text\na.mp4," + "x" * (1024**2 + 1) + "\n", "longer than 1048576 bytes", "line 2"),
    ("path,text\na.mp4," + "x" * 200_000 + "\n", "malformed CSV", "line 2"),
    ("path,speaker\na.mp4," + "x" * 400 + "\n", "longer than 300", "line 2, speaker"),
    ("path,labels\n" + "".join(f"a.mp4,e{i}q\n" for i in range(80)), "used in line", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem", "place"), BAD_CSV)
def test_bad_csv_is_one_clear_line(folder: Path, text: str | bytes, problem: str, place: str | None) -> None:
    path = write(folder, text)
    with pytest.raises(DataError) as caught:
        read_folder(path)
    message = str(caught.value)
    assert problem in message
    assert (place or "") in message
    assert str(path) in message
    assert "\n" not in message


BAD_JSON = [
    ("[1]\n", "not a JSON object", "line 1"),
    ('{"path": "a.mp4"}\n{"path": \n', "not JSON", "line 2"),
    ('{"path": "a.mp4", "path": "b.mp4"}\n', "the key 'path' stands twice", "line 1"),
    ('{"path": "a.mp4", "start_s": NaN}\n', "NaN is not finite", "line 1"),
    ('{"path": "a.mp4", "start_s": 1e999}\n', "is not finite", "line 1"),
    ('{"path": "a.mp4", "start_s": ' + "9" * 400 + "}\n", "is not a number", "line 1, start_s"),
    ('{"path": "a.mp4", "start_s": ' + "9" * 9000 + "}\n", "too long", "line 1"),
    ('{"path": "a.mp4", "start_s": true}\n', "is not a number", "line 1, start_s"),
    ('{"path": "a.mp4", "end_s": [1]}\n', "is not a number", "line 1, end_s"),
    ('{"path": 3}\n', "there is no path", "line 1, path"),
    ('{"id": "u"}\n', "no column 'path'", "line 1"),
    ('{"path": "a.mp4", "labells": []}\n', "unknown column 'labells'", "did you mean 'labels'?"),
    ('{"path": "a.mp4", "labels": 3}\n', "neither text, a list nor a mapping", "line 1, labels"),
    ('{"path": "a.mp4", "labels": [3]}\n', "not the name of an emotion", "line 1, labels"),
    ('{"path": "a.mp4", "labels": {"happy": "much"}}\n', "is not a number", "line 1, labels"),
    ('{"path": "a.mp4", "labels": {"happy": false}}\n', "is not a number", "line 1, labels"),
    ('{"path": "a.mp4", "text": 3}\n', "the transcript is not text", "line 1, text"),
    ('{"path": "a.mp4", "speaker": {}}\n', "not a name", "line 1, speaker"),
    ('{"path": "a.mp4", "id": "a\\nb"}\n', "control characters", "line 1, id"),
    ('{"path": "a\\u0000.mp4"}\n', "control characters", "line 1, path"),
    ('{"path": "\\ud800.mp4"}\n', "surrogate", "line 1"),
    ('{"path": ' + "[" * 200_000 + "\n", "nested", "line 1"),
    ("\n \n", "no rows", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem", "place"), BAD_JSON)
def test_bad_jsonl_is_one_clear_line(folder: Path, text: str, problem: str, place: str | None) -> None:
    path = write(folder, text, "m.jsonl")
    with pytest.raises(DataError) as caught:
        read_folder(path)
    assert problem in str(caught.value)
    assert (place or "") in str(caught.value)
    str(caught.value).encode()


def test_unknown_label_of_a_given_set(folder: Path) -> None:
    path = write(folder, "path,labels\na.mp4,surprisse\n")
    with pytest.raises(DataError, match=r"line 2, labels: unknown label 'surprisse'; did you mean 'surprise'\?"):
        read_folder(path, emotions=SIX_EMOTIONS)
    path = write(folder, "path,labels\na.mp4,calm\n")
    with pytest.raises(DataError, match="unknown label 'calm'; known: anger, disgust"):
        read_folder(path, emotions=SIX_EMOTIONS)


def test_too_many_different_labels(folder: Path) -> None:
    rows = [{"path": "a.mp4", "id": i, "labels": [f"word number {i}"]} for i in range(80)]
    with pytest.raises(DataError, match="80 different labels"):
        read_folder(write_jsonl(folder, *rows))


@pytest.mark.parametrize("name", ["m.txt", "m.json", "m"])
def test_other_kinds_of_file_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"name it \.csv, \.tsv or \.jsonl"):
        read_folder(write(folder, FULL, name))


def test_manifest_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_folder(folder / "none.csv")
    (folder / "dir.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_folder(folder / "dir.csv")
    with pytest.raises(DataError, match="does not exist"):
        read_folder(folder / ("n" * 300 + ".csv"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=200),
    suffix=st.sampled_from(["csv", "jsonl"]),
    head=st.sampled_from([b"", b"path,labels\na.mp4,"]),
)
def test_any_bytes_end_in_a_corpus_or_one_error(folder: Path, data: bytes, suffix: str, head: bytes) -> None:
    path = write(folder, head + data, f"any.{suffix}")
    try:
        answer = str(len(read_folder(path)))
    except MesmerError as error:
        answer = str(error)
    assert answer not in ("", "0")
    assert "\n" not in answer


names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "id": names,
                "speaker": names,
                "text": names,
                "start_s": st.floats(0, 1e6),
                "labels": st.dictionaries(st.sampled_from(SIX_EMOTIONS), st.floats(0, 1)),
            }
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row["id"],
    )
)
def test_jsonl_round_trip(folder: Path, rows: list[dict[str, Any]]) -> None:
    corpus = read_folder(write_jsonl(folder, *({"path": "a.mp4", **row} for row in rows)))
    for row, utterance in zip(rows, corpus.utterances, strict=True):
        assert {name: getattr(utterance, name) for name in row} == row


def utterance(**changes: Any) -> Utterance:
    return Utterance(**{"id": "u", "corpus": "c", "media": "a.mp4", **changes})


@pytest.mark.parametrize(
    ("utterances", "problem"),
    [
        ([utterance(), utterance()], "stands twice"),
        ([utterance(labels={"calm": 1.0})], "unknown label 'calm'"),
        ([utterance(split="dev")], "unknown split 'dev'"),
    ],
)
def test_a_corpus_refuses_what_does_not_fit(tmp_path: Path, utterances: list[Utterance], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        Corpus(name="c", emotions=SIX_EMOTIONS, utterances=tuple(utterances), root=tmp_path)
