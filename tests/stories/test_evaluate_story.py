"""`mesmer evaluate` on anybody's scores, by its command: tables, comparison, seeds, files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from mesmer.cli.main import main

EMOTIONS = ("anger", "joy", "fear")


def scores(folder: Path, name: str, *, skill: float, seed: int, first: int = 0, size: int = 120) -> Path:
    """A score file of a model with some skill; the truth is that of the ids, whatever the seed."""
    rng, truth_of = np.random.default_rng(seed), np.random.default_rng(first)
    truth = truth_of.random((size, 3)) < (0.4, 0.3, 0.2)
    values = expit(skill * (2.0 * truth - 1) + rng.normal(0, 1, truth.shape))
    rows = [",".join(["id", "speaker", *(f"{e}_{kind}" for e in EMOTIONS for kind in ("true", "score"))])]
    for i in range(size):
        pairs = [cell for k in range(3) for cell in (str(int(truth[i, k])), repr(float(values[i, k])))]
        rows.append(",".join([f"u{first + i}", f"s{first}-{i % 24}", *pairs]))
    path = folder / name
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("scores")
    return {
        "good": scores(folder, "good.csv", skill=1.5, seed=1),
        "weak": scores(folder, "weak.csv", skill=0.4, seed=2),
        "other": scores(folder, "other.csv", skill=1.5, seed=3),
        "valid": scores(folder, "valid.csv", skill=1.5, seed=4, first=1000),
    }


def told(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", *map(str, words), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_score_file_gets_the_whole_table(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, "--scores", files["good"])
    assert [row["name"] for row in found["rows"]] == ["scores", "none", "all", "prior", "most_frequent"]
    assert (found["utterances"], found["speakers"], found["clusters"]) == (120, 24, 24)
    for metric, value in found["rows"][0]["average"].items():
        low, high = found["rows"][0]["intervals"]["average"][metric]
        assert 0 <= low <= high <= 1
        assert 0 <= value <= 1
    assert found == told(capsys, "--scores", files["good"])  # seeded
    chosen = told(capsys, "--scores", files["good"], "--valid-scores", files["valid"])
    assert "valid.csv" in chosen["rows"][0]["thresholds_from"]
    assert set(chosen["rows"][0]["thresholds"].values()) != {0.5}
    fixed = tmp_path / "t.json"
    fixed.write_text(json.dumps(dict.fromkeys(EMOTIONS, 0.25)))
    assert told(capsys, "--scores", files["good"], "--thresholds", fixed)["rows"][0]["thresholds"]["joy"] == 0.25
    assert told(capsys, "--scores", files["good"], "--thresholds", "0.25")["rows"][0]["thresholds"]["joy"] == 0.25


def test_a_person_reads_it_on_80_columns(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--scores", str(files["good"]), "--against", str(files["weak"])]) == 0
    text = capsys.readouterr().out
    for words in ("answer none", "answer the prior", "AUROC", "Co-occurrence", "24 speakers", "A-B", "paired bootstrap"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["evaluate", "--scores", str(files["good"]), str(files["other"])]) == 0
    text = capsys.readouterr().out
    assert "2 runs" in text
    assert "±" in text
    assert max(map(len, text.splitlines())) <= 80


def test_two_score_files_are_compared_pair_by_pair(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--scores", files["good"], "--against", files["weak"])["against"]
    assert found["average"]["f1"]["p"] < 0.05
    assert found["average"]["f1"]["interval"][0] > 0
    assert found["average"]["auroc"]["p"] is None
    assert found["average"]["f1"]["difference"] == pytest.approx(
        found["average"]["f1"]["first"] - found["average"]["f1"]["second"]
    )
    header, *rows = files["good"].read_text().splitlines()
    turned = files["good"].with_name("turned.csv")
    turned.write_text("\n".join([header, *reversed(rows)]) + "\n")
    same = told(capsys, "--scores", files["good"], "--against", turned)["against"]
    assert {one["difference"] for one in same["average"].values()} == {0.0}
    assert same["average"]["f1"]["p"] == 1.0


def test_several_files_are_seeds(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--scores", files["good"], files["other"])
    values = [table["rows"][0]["average"]["f1"] for table in found["tables"]]
    spread = found["seeds"]["rows"][0]["average"]["f1"]
    assert (spread["mean"], spread["deviation"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))


def test_files_and_figures(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, saved = tmp_path / "t.md", tmp_path / "again.csv"
    words = ("--out", out, "--plots", tmp_path / "plots", "--save-scores", saved)
    first = told(capsys, "--scores", files["good"], *words)
    assert "| good.csv |" in out.read_text()
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"reliability", "coverage_risk", "co_occurrence"}
    again = told(capsys, "--scores", saved)
    assert again["rows"][0]["average"] == first["rows"][0]["average"]


def test_what_does_not_go_together_is_one_line_and_exit_code_2(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, weak, valid = (str(files[name]) for name in ("good", "weak", "valid"))
    (tmp_path / "bad.csv").write_text("id,joy_true,joy_score\nu1,1,2\n")
    for words, expected in [
        ([], "name either runs, or --scores"),
        (["x", "--scores", good, "--data", "d"], "name either runs"),
        (["x"], "missing: 'data'"),
        (["x", "--data", "d", "--valid-scores", valid], "--valid-scores"),
        (["--scores", good, "--data", "d"], "--scores"),
        (["--scores", good, weak, "--against", valid], "--against"),
        (["--scores", good, weak, "--plots", str(tmp_path)], "--plots"),
        (["--scores", good, "--against", valid], "other ids"),
        (["--scores", good, valid], "other ids"),
        (["--scores", good, "--thresholds", "2"], "thresholds"),
        (["--scores", good, "--thresholds", "nan"], "thresholds"),
        (["--scores", good, "--thresholds", str(tmp_path / "no.json")], "does not exist"),
        (["--scores", good, "--thresholds", "0.5", "--valid-scores", valid], "one of the two"),
        (["--scores", good, "--out", str(tmp_path / "t.pdf")], "suffix"),
        (["--scores", good, "--resamples", "-1"], "resamples"),
        (["--scores", good, "--resamples", "9999999"], "resamples"),
        (["--scores", good, "--against", weak, "--resamples", "0"], "resamples"),
        (["--scores", str(tmp_path / "bad.csv")], "line 2, joy_score"),
        (["--scores", str(tmp_path)], "not a regular file"),
        (["--scores", str(tmp_path / "none.csv")], "does not exist"),
    ]:
        capsys.readouterr()
        assert main(["evaluate", *words]) == 2, words
        shown = capsys.readouterr()
        assert expected in shown.err, (words, shown.err)
        assert shown.err.count("\n") == 1
        assert not shown.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]
