"""Score files: what is written is read back; whatever is wrong is one error that names line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import DataError
from mesmer.evaluation.answers import Truth
from mesmer.evaluation.evaluate_scores import evaluate_scores
from mesmer.evaluation.score_files import MAX_LINE_BYTES, read_scores, read_thresholds, write_scores
from mesmer.evaluation.table import Resampling

HEADER = "id,speaker,anger_true,anger_score,joy_true,joy_score"
GOOD = f"{HEADER}\nu1,ann,1,0.9,0,0.25\nu2,,0.3,0.2,0,1\nu3,bob,0,1e-3,2,0.5\n"


def written(folder: Path, text: str | bytes, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_columns_in_any_order_soft_truth_and_unknown_speakers(tmp_path: Path) -> None:
    found = read_scores(written(tmp_path, GOOD))
    assert found.truth.ids == ("u1", "u2", "u3")
    assert found.truth.speakers == ("ann", None, "bob")
    assert found.truth.emotions == ("anger", "joy")
    assert found.truth.labels.tolist() == [[True, False], [True, False], [False, True]]  # 0.3 and 2 are above 0
    assert found.scores.tolist() == [[0.9, 0.25], [0.2, 1.0], [0.001, 0.5]]
    mixed = "joy_score,id,anger_true,joy_true,anger_score\r\n0.25,u1,1,0,0.9\r\n\r\n"
    again = read_scores(written(tmp_path, b"\xef\xbb\xbf" + mixed.encode()))
    assert again.truth.emotions == ("anger", "joy")
    assert again.truth.speakers == (None,)
    assert again.scores.tolist() == [[0.9, 0.25]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    import tempfile

    words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12)
    ids = data.draw(st.lists(words, min_size=1, max_size=6, unique=True))
    size, emotions = len(ids), data.draw(st.sampled_from([("joy",), ("anger", "very sad")]))
    speakers = [data.draw(st.one_of(st.none(), words)) for _ in ids]
    draws = np.random.default_rng(data.draw(st.integers(0, 999)))
    labels, scores = draws.random((size, len(emotions))) < 0.5, draws.random((size, len(emotions)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.csv"
        write_scores(path, Truth(ids=tuple(ids), speakers=tuple(speakers), emotions=emotions, labels=labels), scores)
        found = read_scores(path)
    assert (found.truth.ids, found.truth.speakers) == (tuple(ids), tuple(speakers))
    assert np.array_equal(found.truth.labels, labels)
    assert np.array_equal(found.scores, scores)  # bit for bit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1, header.*'id' is missing"),
        (HEADER + "\n", "no rows"),
        ("\n\n\n", "'id' is missing"),
        ("speaker,anger_true,anger_score\n", "'id' is missing"),
        ("id,speaker\nu,a\n", "0 emotions"),
        ("id,anger_true\nu,1\n", "'anger_score' is missing"),
        ("id,anger_score\nu,1\n", "'anger_score' has no meaning"),
        ("id,id,anger_true,anger_score\n", "'id' stands twice"),
        ("id,anger_true,anger_score,angre_score\nu,1,1,1\n", "did you mean 'anger_score'"),
        ("id,_true,_score\nu,1,1\n", "not a name"),
        ("id,=cmd_true,=cmd_score\nu,1,1\n", "not a name"),
        ("id," + ",".join(f"e{i}_true,e{i}_score" for i in range(65)) + "\n", "132 columns|131 columns"),
        (HEADER + "\nu1,a,1,0.5,0\n", "line 2, cells.*5 cells where the header has 6"),
        (HEADER + "\nu1,a,1,0.5,0,0.5,7\n", "line 2, cells"),
        (HEADER + "\nu1,a,1,0.5,0,0.5\nu1,a,1,0.5,0,0.5\n", "line 3, id.*line 2 already"),
        (HEADER + "\n ,a,1,0.5,0,0.5\n", "line 2, id.*not a name"),
        (HEADER + "\n" + "u" * 201 + ",a,1,0.5,0,0.5\n", "line 2, id"),
        (HEADER + "\nu\x1b[2J,a,1,0.5,0,0.5\n", "line 2, id"),
        (HEADER + "\nu1,a,1,1.5,0,0.5\n", "line 2, anger_score.*sigmoid"),
        (HEADER + "\nu1,a,1,-3,0,0.5\n", "line 2, anger_score.*sigmoid"),
        (HEADER + "\nu1,a,1,nan,0,0.5\n", "line 2, anger_score"),
        (HEADER + "\nu1,a,1,inf,0,0.5\n", "line 2, anger_score"),
        (HEADER + "\nu1,a,1,,0,0.5\n", "line 2, anger_score.*not a number"),
        (HEADER + "\nu1,a,1,0.5,yes,0.5\n", "line 2, joy_true.*not a number"),
        (HEADER + "\nu1,a,1,0.5,-1,0.5\n", "line 2, joy_true"),
        (HEADER + "\nu1,a,1,0.5,1e9,0.5\n", "line 2, joy_true"),
        (HEADER + "\nu1,a,1,0_5,0,0.5\n", "line 2, anger_score"),
        (HEADER + '\n"u1,a,1,0.5,0,0.5\n', "line 2, cells.*malformed"),
        (HEADER + '\n"u\n1",a,1,0.5,0,0.5\n', "line 2"),
        (HEADER + "\nu1,a,1,0.5,0,0." + "5" * MAX_LINE_BYTES + "\n", "line 2, length"),
        (HEADER.encode() + b"\nu\xff,a,1,0.5,0,0.5\n", "line 2, encoding.*UTF-8"),
        (HEADER.encode("utf-16"), "line 1, encoding"),
        (HEADER.encode() + b"\nu\x00,a,1,0.5,0,0.5\n", "line 2"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "line 1"),
        ("\n" * 600_000, "lines"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_scores(written(tmp_path, text))
    assert "s.csv" in str(caught.value)
    assert len(str(caught.value)) < 400


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for content in (data, HEADER.encode() + b"\n" + data, GOOD.encode() + data):
            try:
                read_scores(written(Path(folder), content))
            except DataError:
                continue


def test_a_second_file_is_put_in_the_order_of_the_first(tmp_path: Path) -> None:
    first = read_scores(written(tmp_path, GOOD))
    rows = GOOD.splitlines()
    shuffled = "\n".join(["joy_score,joy_true,anger_score,anger_true,id"] + [
        ",".join(reversed([cells[0], *cells[2:]])) for cells in (row.split(",") for row in (rows[3], rows[1], rows[2]))
    ])  # fmt: skip
    second = first.reordered(read_scores(written(tmp_path, shuffled, "t.csv")))
    assert np.array_equal(second.scores, first.scores)
    assert second.truth is first.truth
    for text, words in [
        (GOOD.replace("u3", "u4"), "other ids.*|id 'u3'"),
        (GOOD.replace("u2,,0.3", "u2,,0"), "id 'u2', anger_true: another truth"),
        (GOOD.replace("joy", "fear"), "joy: other emotions"),
    ]:
        with pytest.raises(DataError, match=words):
            first.reordered(read_scores(written(tmp_path, text, "t.csv")))


def test_thresholds_come_from_where_the_table_says(tmp_path: Path) -> None:
    scores = read_scores(written(tmp_path, GOOD))
    quick = Resampling(resamples=0)
    plain = evaluate_scores(scores, resampling=quick).table
    assert plain.rows[0].thresholds == {"anger": 0.5, "joy": 0.5}
    assert "0.5 for every emotion" in plain.caption
    assert "counted on these very utterances" in plain.caption
    assert plain.rows[0].per_emotion["anger"].accuracy == pytest.approx(2 / 3)
    assert evaluate_scores(scores, thresholds=0.2, resampling=quick).table.rows[0].per_emotion["anger"].accuracy == 1.0
    limits = read_thresholds(written(tmp_path, '{"anger": 0.1, "joy": 0.75}', "t.json"), ("anger", "joy"))
    assert evaluate_scores(scores, thresholds=limits, resampling=quick).table.rows[0].thresholds == limits
    held = "joy_score,joy_true,anger_score,anger_true,id,speaker\n0.3,1,0.6,1,v1,zoe\n0.1,0,0.4,0,v2,ann\n"
    valid = read_scores(written(tmp_path, held, "v.csv"))
    chosen = evaluate_scores(scores, validation=valid, resampling=quick).table
    assert chosen.rows[0].thresholds == {"anger": pytest.approx(0.5), "joy": pytest.approx(0.2)}
    assert "chosen on v.csv" in chosen.caption
    assert chosen.prior.shares == {"anger": 0.5, "joy": 0.5}
    assert chosen.warnings == ("1 of the 2 speakers are also in v.csv",)
    with pytest.raises(DataError, match="one of the two"):
        evaluate_scores(scores, validation=valid, thresholds=0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "an object"),
        ('{"anger": 0.5}', "joy: has no threshold"),
        ('{"anger": 0.5, "joy": 2}', "joy: is no number from 0 to 1"),
        ('{"anger": 0.5, "joy": true}', "joy"),
        ('{"anger": 0.5, "joy": "x"}', "joy"),
        ('{"anger": 0.5, "joy": 0.5, "anxer": 1}', "did you mean 'anger'"),
        ('{"anger": NaN, "joy": 0.5}', "not finite"),
        ("{", "not JSON"),
    ],
)
def test_bad_thresholds_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_thresholds(written(tmp_path, text, "t.json"), ("anger", "joy"))
