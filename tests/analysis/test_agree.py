"""A result held against codes: the rule of matching, by hand and by brute force, and the command as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mesmer.analysis.agree import agree
from mesmer.analysis.code_ratings import Stretches, by_time, by_utterance
from mesmer.analysis.codes import Code, Codes
from mesmer.analysis.rated import RatedRow, Result, read_result
from mesmer.cli.main import main
from mesmer.errors import DataError
from mesmer.evaluation.table import Resampling

EMOTIONS = ("anger", "fear", "happiness")


def row(start_s: float, end_s: float, *expressed: str, person: int | None = 1, answered: bool = True) -> RatedRow:
    return RatedRow(start_s=start_s, end_s=end_s, person=person, expressed=frozenset(expressed) if answered else None)


def code(start_s: float, end_s: float, *named: str, person=None, coder="ann", rated=None) -> Code:
    return Code(coder=coder, person=person, start_s=start_s, end_s=end_s, named=frozenset(named), rated=rated)


def result(*rows: RatedRow) -> Result:
    return Result(path=Path("analysis.json"), emotions=EMOTIONS, rows=rows)


def rated(one: Result, codes: list[Code], *, throughout=frozenset(), all_coded=False, shift_s=0.0):
    """Return what one coder says of each row, and of each 0.1 s of all rows, on anger."""
    held = [Codes(codes=codes, throughout=frozenset(throughout))]
    stretches = Stretches(one, held, people={"Ada": 1}, all_coded=all_coded, shift_s=shift_s)
    rows, _ = by_utterance(one, stretches, ["ann"], ["anger"])
    slices, _ = by_time(one, stretches, ["ann"], ["anger"])
    return rows[:, 1, 0].tolist(), slices[:, 1, 0].tolist()


def test_a_row_is_rated_where_half_of_it_is_and_expressed_where_half_of_that_is() -> None:
    one = result(row(0, 1))
    assert rated(one, [code(0.0, 0.4, "anger")]) == ([-1], [1] * 4 + [-1] * 6)
    assert rated(one, [code(0.0, 0.5, "anger")]) == ([1], [1] * 5 + [-1] * 5)
    assert rated(one, [code(0.0, 0.3, "anger"), code(0.3, 0.9, "fear")]) == ([0], [1] * 3 + [0] * 6 + [-1])
    assert rated(one, [code(0.0, 0.6, "anger"), code(0.3, 0.9)]) == ([1], [1] * 6 + [0] * 3 + [-1])
    assert rated(one, [code(0.0, 0.6, "anger")], all_coded=True) == ([1], [1] * 6 + [0] * 4)
    assert rated(one, [code(5.0, 5.6, "anger")], shift_s=-5) == ([1], [1] * 6 + [-1] * 4)
    assert rated(one, [code(0.0, 0.2, "anger")], throughout=[("ann", None, "anger")]) == ([0], [1] * 2 + [0] * 8)
    assert rated(one, [code(0, 1, "fear", rated=frozenset({"fear"}))]) == ([-1], [-1] * 10)


def test_a_code_goes_to_its_person() -> None:
    one = result(row(0, 1, person=1), row(0, 1, person=2), row(0, 1, person=None))
    assert rated(one, [code(0, 1, "anger")])[0] == [1, 1, 1]
    assert rated(one, [code(0, 1, "anger", person="Ada")])[0] == [1, -1, -1]
    assert rated(one, [code(0, 1, "anger", person="Person 2")])[0] == [-1, 1, -1]
    assert rated(one, [code(0, 1, "anger", person="unseen")])[0] == [-1, -1, 1]
    assert rated(one, [], throughout=[("ann", "Ada", "anger")])[0] == [0, -1, -1]
    with pytest.raises(DataError, match=r"nobody knows who 'Bea' is; say which face it is: --people 'Bea=1'.*has: 1, 2"):
        rated(one, [code(0, 1, person="Bea")])


TENTHS = st.integers(0, 60)


@given(
    st.lists(st.tuples(TENTHS, st.integers(1, 20), st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(TENTHS, st.integers(1, 20), st.booleans()), max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_both_levels_are_those_of_looking_at_every_tenth_of_a_second(rows: list, codes: list) -> None:
    one = result(*(row(a / 10, (a + n) / 10, *(["anger"] if said else [])) for a, n, said in rows))
    held = [code(a / 10, (a + n) / 10, *(["anger"] if said else [])) for a, n, said in codes]
    by_row, slices = [], []
    for a, n, _ in rows:
        mine = []
        for tenth in range(a, a + n):
            said = [there for first, length, there in codes if first <= tenth < first + length]
            mine.append(int(any(said)) if said else -1)
        slices += mine
        covered = sum(value >= 0 for value in mine)
        by_row.append(-1 if not covered or 2 * covered < n else int(2 * sum(value == 1 for value in mine) >= covered))
    assert rated(one, held) == (by_row, slices)


def test_kappa_of_the_whole_road_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    said = rng.integers(0, 2, (40, 2))
    one = result(*(row(n, n + 0.8, *(["anger"] if said[n, 0] else [])) for n in range(40)))
    held = [code(n - 0.05, n + 0.85, *(["anger"] if said[n, 1] else [])) for n in range(1, 40)]
    told = agree(one, [Codes(codes=held)], emotions=["anger"], resampling=Resampling(resamples=200))
    expected = cohen_kappa_score(said[1:, 0], said[1:, 1])
    for level, units in zip(told.levels, (39, 39 * 8), strict=True):
        pair = level.emotions[0].pairs["mesmer", "ann"]
        assert (pair.units, level.clusters, level.clustered_by) == (units, 40, "utterances")
        assert pair.kappa.value == pytest.approx(expected)
        assert pair.kappa.interval is not None
        assert pair.kappa.interval[0] < expected < pair.kappa.interval[1]
    by_row, by_slice = (level.emotions[0].pairs["mesmer", "ann"].kappa.interval for level in told.levels)
    assert by_slice == pytest.approx(by_row, abs=1e-9)  # eight tenths of one utterance are drawn as one


def test_people_are_drawn_where_many_speak() -> None:
    one = result(*(row(n, n + 0.8, person=n % 10 + 1) for n in range(40)), row(50, 51, person=None))
    told = agree(one, [Codes(codes=[code(0, 60, "anger")])], resampling=Resampling(resamples=10))
    assert {(level.clusters, level.clustered_by) for level in told.levels} == {(11, "people")}
    assert told.notes == ["never coded, so not compared (see --emotions): fear, happiness"]


def test_what_cannot_be_compared_is_told() -> None:
    one = result(row(0, 1, "anger"), row(2, 3, answered=False))
    told = agree(one, [Codes(codes=[code(0, 3, "anger"), code(7, 8, "anger")])])
    pair = told.levels[0].emotions[0].pairs["mesmer", "ann"]
    assert (pair.units, pair.raw, pair.kappa.value) == (1, 1.0, None)
    assert "1 of 2 codes lie where the tool has no utterance, and were not compared" in told.notes
    with pytest.raises(DataError, match="no emotion of the model was coded"):
        agree(one, [Codes(codes=[code(0, 1)])])
    with pytest.raises(DataError, match="a coder is called 'mesmer'"):
        agree(one, [Codes(codes=[code(0, 1, "anger", coder="mesmer")])])
    with pytest.raises(DataError, match="no utterance in it"):
        agree(result(), [Codes(codes=[code(0, 1, "anger")])])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A result as ``mesmer analyze`` writes it, as far as it is read here, and codes of two people."""
    utterances = []
    for n in range(12):
        emotions = {name: {"expressed": name == EMOTIONS[n % 3]} for name in EMOTIONS}
        utterances.append({"start_s": float(n), "end_s": n + 0.9, "person": 1 + n % 2, "emotions": emotions})
    value = {"format": "mesmer-analysis", "version": 1, "model": {"emotions": list(EMOTIONS)}, "utterances": utterances}
    (tmp_path / "talk.mp4").mkdir()
    (tmp_path / "talk.mp4" / "analysis.json").write_text(json.dumps(value))
    for coder, wrong in (("ann", {3}), ("=bob", {3, 4, 9})):
        lines = ["start_s,end_s,person,emotion"]
        for n in range(12):
            said = "none" if n in wrong else EMOTIONS[n % 3]
            lines.append(f"{n},{n + 0.9},{['Ada', 'Bea'][n % 2]},{said}")
        (tmp_path / f"{coder}.csv").write_text("\n".join(lines))
    return tmp_path


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "agree",
        str(folder / "talk.mp4"),
        str(folder / "ann.csv"),
        str(folder / "=bob.csv"),
        "--people",
        "Ada=1,Bea=2",
    ]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "By utterance: 12 utterances" in shown
    assert "mesmer / ann" in shown
    assert "95 %, 1000 draws of whole utterances" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80

    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["raters"] == ["mesmer", "ann", "=bob"]
    anger = told["levels"]["utterances"]["emotions"]["anger"]
    truth = np.arange(12) % 3 == 0
    ann = truth & (np.arange(12) != 3)
    assert anger["pairs"][0]["kappa"]["value"] == pytest.approx(cohen_kappa_score(truth, ann))
    assert [one["raters"] for one in anger["pairs"]] == [["mesmer", "ann"], ["mesmer", "=bob"], ["ann", "=bob"]]
    assert anger["coders"]["alpha"]["value"] < 1
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told

    assert main([*words, "--csv", "--resamples", "0"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == 2 * 3 * (3 + 2)
    assert {line["raters"] for line in lines} == {
        *("mesmer / ann", "mesmer / =bob", "ann / =bob", "mesmer / ann / =bob"),
    }
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.values())
    assert all(line["low"] == "" for line in lines)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("agree {0}/talk.mp4 {0}/ann.csv", "nobody knows who 'Ada' is"),
        ("agree {0} {0}/ann.csv", "there is no analysis.json in it"),
        ("agree {0}/ann.csv {0}/ann.csv", "this is not JSON"),
        ("agree {0}/talk.mp4", "missing: 'codes'"),
        ("agree {0}/talk.mp4 {0}/ann.csv {0}/ann.csv", "named twice"),
        ("agree {0}/talk.mp4 {0}/ann.csv --people Ada", "'Ada' is no pair"),
        ("agree {0}/talk.mp4 {0}/ann.csv --people Ada=x", "no number of a face"),
        ("agree {0}/talk.mp4 {0}/ann.csv --words amused=joy", "amused: 'joy' is no emotion of the model"),
        ("agree {0}/talk.mp4 {0}/ann.csv --emotions joy", "the model knows no 'joy'"),
        ("agree {0}/talk.mp4 {0}/ann.csv --json --csv", "--csv: one form at a time"),
        ("agree {0}/talk.mp4 {0}/ann.csv --resamples -1", "resamples"),
        ("agree {0}/talk.mp4 {0}/ann.csv --shift-s nan", "nan"),
        ("agree {0}/talk.mp4 {0}/ann.csv --shift-s 1e9", "--shift-s: 1e+09 s is not allowed"),
    ],
)
def test_the_command_refuses_in_one_line(folder: Path, line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.format(folder) for word in line.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert told in shown.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value.update(format="other"),
        lambda value: value.pop("utterances"),
        lambda value: value.update(utterances=3),
        lambda value: value["utterances"].append({}),
        lambda value: value["utterances"][0].update(start_s=-1),
        lambda value: value["utterances"][0].update(end_s="x"),
        lambda value: value["model"].update(emotions=[]),
        lambda value: value["utterances"][0]["emotions"].update(anger=[]),
    ],
)
def test_a_damaged_result_is_one_plain_error(folder: Path, damage) -> None:
    file = folder / "talk.mp4" / "analysis.json"
    value = json.loads(file.read_text())
    damage(value)
    file.write_text(json.dumps(value))
    with pytest.raises(DataError, match=r"analysis\.json"):
        read_result(file)
