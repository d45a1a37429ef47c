"""Human codes as strangers write them: CSV and ELAN, read to the same meaning, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pympi
import pytest

from mesmer.analysis.codes import Code, EmotionWords, read_code_file
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import DataError

WORDS = EmotionWords(SIX_EMOTIONS, {"Amused": "happiness"})


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, **more):
    return read_code_file(path, words=WORDS, coder="file", **more)


def code(start_s: float, end_s: float, *named: str, person=None, coder="file", rated=None) -> Code:
    names = None if rated is None else frozenset(rated)
    return Code(coder=coder, person=person, start_s=start_s, end_s=end_s, named=frozenset(named), rated=names)


def test_csv_with_a_column_of_words(tmp_path: Path) -> None:
    lines = [
        "start_s,end_s,person,emotion,coder,note",
        "0,1.5,Ada,angry; SURPRISE,,=cmd()",
        "1.5,2,,none,bob,",
        "2,3,Ada,,,",
        "3,4,Ada,amused|bored,,",
    ]
    found = read(written(tmp_path / "a.csv", "\n".join(lines)))
    assert list(found.codes) == [
        code(0, 1.5, "anger", "surprise", person="Ada"),
        code(1.5, 2, coder="bob"),
        code(2, 3, person="Ada"),
        code(3, 4, "happiness", person="Ada"),
    ]
    assert found.coders == ["file", "bob"]
    assert found.notes == [
        "a.csv: columns that were not read: note",
        "a.csv: codes that are no emotion of the model were read as none of them: bored (1)",
    ]


def test_csv_with_a_column_for_each_emotion(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.csv", "\ufeffstart_s,end_s,Joy,anger\r\n0,1,1,0\r\n1,2,,1\r\n2,3,,\r\n"))
    assert list(found.codes) == [
        code(0, 1, "happiness", rated={"happiness", "anger"}),
        code(1, 2, "anger", rated={"anger"}),
        code(2, 3, rated=set()),
    ]
    assert not found.notes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("start_s,end_s,anger\n", "there are no codes in it"),
        ("start_s,anger\n0,1\n", "'end_s' is missing"),
        ("start_s,end_s,hapiness\n0,1,1\n", "no column says what is expressed; give either a column 'emotion'"),
        ("start_s,end_s,anger,emotion\n0,1,1,anger\n", "there are columns of emotions and a column 'emotion'"),
        ("start_s,end_s,joy,happiness\n0,1,1,1\n", "two columns mean 'happiness'"),
        ("start_s,end_s,anger\n2,1,1\n", "line 2, end_s: the end 1 s is not after the start 2 s"),
        ("start_s,end_s,anger\nnan,1,1\n", "line 2, start_s: 'nan'"),
        ("start_s,end_s,anger\n-1,1,1\n", "line 2, start_s: '-1' is outside"),
        ("start_s,end_s,anger\n0,1e9,1\n", "line 2, end_s: '1e9' is outside"),
        ("start_s,end_s,anger\n0,1,2\n", "line 2, anger: '2' is outside 0 to 1"),
        ("start_s,end_s,anger\n0,1,yes\n", "line 2, anger: 'yes' is not a number"),
        ("start_s,end_s,anger\n0,1\n", "2 cells where the header has 3"),
        ("start_s,end_s,person,anger\n0,1,a\x1b[2J,1\n", "is not a name"),
        (b"start_s,end_s,anger\n0,1,\xff\n", "not UTF-8"),
    ],
)
def test_csv_that_is_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(DataError) as error:
        read(written(tmp_path / "a.csv", text))
    assert told in str(error.value)
    assert "a.csv" in str(error.value)
    assert "\x1b" not in str(error.value)


def elan(path: Path, tiers: dict[str, list[tuple[int, int, str]]], **attributes: str) -> Path:
    """Write an ELAN document by a library of others; ``attributes`` (ann, part) are those of all its tiers."""
    document = pympi.Elan.Eaf()
    document.remove_tier("default")
    for name, codes in tiers.items():
        document.add_tier(name, **attributes)
        for start_ms, end_ms, value in codes:
            document.add_annotation(name, start_ms, end_ms, value)
    document.to_file(str(path))
    return path


def test_elan_tiers_named_after_emotions_are_rated_throughout(tmp_path: Path) -> None:
    path = elan(tmp_path / "a.eaf", {"anger@Ada": [(500, 1500, "strong"), (2000, 3000, "0")], "sad": [], "words": []})
    found = read(path)
    assert list(found.codes) == [
        code(0.5, 1.5, "anger", person="Ada", rated={"anger"}),
        code(2, 3, person="Ada", rated={"anger"}),
    ]
    assert found.throughout == {("file", "Ada", "anger"), ("file", None, "sadness")}
    assert found.notes == ["a.eaf: tiers read as codes: anger@Ada, sad", "a.eaf: tiers left out: words"]


def test_elan_tiers_of_emotion_words(tmp_path: Path) -> None:
    tiers = {
        "face": [(0, 1000, "Happy"), (1000, 2000, "neutral"), (2000, 3000, "anger, fear"), (3000, 4000, "puzzled")],
        "said": [(0, 1000, "i am happy"), (1000, 2000, "fear not")],
    }
    found = read(elan(tmp_path / "a.eaf", tiers, part="Bea", ann="bob"))
    assert list(found.codes) == [
        code(0, 1, "happiness", person="Bea", coder="bob"),
        code(1, 2, person="Bea", coder="bob"),
        code(2, 3, "anger", "fear", person="Bea", coder="bob"),
        code(3, 4, person="Bea", coder="bob"),
    ]
    assert not found.throughout
    assert any("puzzled (1)" in note for note in found.notes)
    only = read(tmp_path / "a.eaf", tiers=["said"])
    assert [one.named for one in only.codes] == [frozenset(), frozenset()]
    with pytest.raises(DataError, match=r"no tier 'fsce'; did you mean 'face'"):
        read(tmp_path / "a.eaf", tiers=["fsce"])


def document(tiers: str, slots: str = "", head: str = "", times: str = "milliseconds") -> str:
    return (
        f'<?xml version="1.0"?>{head}<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="{times}"/>'
        f"<TIME_ORDER>{slots}</TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>"
    )


def slot(name: str, time_ms: str | None) -> str:
    return f'<TIME_SLOT TIME_SLOT_ID="{name}"' + ("/>" if time_ms is None else f' TIME_VALUE="{time_ms}"/>')


def aligned(name: str, first: str, second: str, value: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{second}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def hung(name: str, on: str, value: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{on}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


SLOTS = slot("t1", "0") + slot("t2", None) + slot("t3", None) + slot("t4", "3000")


def test_elan_slots_without_time_and_tiers_that_hang_on_others(tmp_path: Path) -> None:
    spoken = "".join(aligned(f"a{n}", f"t{n}", f"t{n + 1}", "word") for n in (1, 2, 3))
    felt = hung("b1", "a1", "anger") + hung("b2", "a2", "none") + hung("c", "b2", "fear")
    text = document(f'<TIER TIER_ID="felt">{felt}</TIER><TIER TIER_ID="said">{spoken}</TIER>', SLOTS)
    found = read(written(tmp_path / "a.eaf", text))
    assert list(found.codes) == [code(0, 1, "anger"), code(1, 2), code(1, 2, "fear")]


ONE = f'<TIER TIER_ID="x">{aligned("a", "t1", "t4", "anger")}</TIER>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this is no XML"),
        ("<a>", "this is no XML"),
        ("<a/>", "this is no ELAN document"),
        (document("", SLOTS), "no tier of it holds codes"),
        (document(ONE, SLOTS, times="NTSC-frames"), "its times are in 'NTSC-frames'"),
        (document(ONE, ""), "there is no time slot 't1'"),
        (document(ONE, slot("t1", "-5")), "'-5' is no time in milliseconds"),
        (document(ONE, slot("t1", "9" * 30)), "is no time in milliseconds"),
        (document(ONE, slot("t1", "5") + slot("t4", "4")), "ends before it begins"),
        (document(ONE, slot("t1", None) + slot("t4", None)), "has no times"),
        (document(f'<TIER TIER_ID="x">{hung("a", "b", "anger")}{hung("b", "a", "fear")}</TIER>'), "hangs on none"),
        (document(ONE, SLOTS, head='<!DOCTYPE x [<!ENTITY a "b">]>'), "declares a document type or entities"),
        (document(ONE, SLOTS, head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "declares a document type"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "this is no XML"),
        ("<a>" * 100_000, "this is no XML"),
    ],
)
def test_elan_that_is_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(DataError) as error:
        read(written(tmp_path / "a.eaf", text))
    assert told in str(error.value)


def test_entities_are_never_read(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret.txt", "anger")
    head = f'<!DOCTYPE x [<!ENTITY s SYSTEM "{secret.as_uri()}">]>'
    text = document(ONE.replace("anger", "&s;"), SLOTS, head=head)
    with pytest.raises(DataError, match="document type"):
        read(written(tmp_path / "a.eaf", text))
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol"}">' for n in range(12))
    with pytest.raises(DataError, match="document type"):
        read(written(tmp_path / "b.eaf", document(ONE, SLOTS, head=f"<!DOCTYPE x [{bomb}]>")))


def test_other_files_and_meanings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file of codes; give a \.csv"):
        read(written(tmp_path / "a.txt", "x"))
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="did you mean 'happiness'"):
        EmotionWords(SIX_EMOTIONS, {"amused": "hapiness"})
