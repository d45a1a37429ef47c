"""Someone audits what they prepared, before they believe a result: real files, the real commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesmer.cli.main import main
from mesmer.media.writer import write_video

FPS = 10


def clip(path: Path, seed: int, *, seconds: float = 1.0, sound: bool = True, silent: bool = False) -> None:
    generator = np.random.default_rng(seed)
    frames = [generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(round(seconds * FPS))]
    samples = generator.normal(0, 0 if silent else 0.1, round(seconds * 16_000)).astype(np.float32)
    write_video(path, frames, FPS, samples if sound else None)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own clips")
    for n in range(6):
        clip(root / f"clip{n}.mp4", n, seconds=0.3 if n == 4 else 1.0, sound=n != 2, silent=n == 3)
    shutil.copy(root / "clip0.mp4", root / "again.mp4")
    (root / "broken.mp4").write_bytes((root / "clip1.mp4").read_bytes()[:200])
    speakers = {f"clip{n}": who for n, who in enumerate(["ann", "ben", "ann", "cem", "cem", "dan"])}
    speakers |= {"again": "eve", "broken": "eve"}
    splits = {"clip2": "valid", "clip5": "test", "again": "test"}
    rows = [
        {"path": f"{name}.mp4", "id": name, "speaker": who, "dialogue": f"d-{name}", "text": "good morning",
         "labels": ["anger", "fear"], "split": splits.get(name, "train")}
        for name, who in speakers.items()
    ]  # fmt: skip
    rows[5]["text"] = ""
    (root / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["prepare", "folder", str(root / "manifest.jsonl"), str(root / "out"), "--workers", "0"]) == 0
    return root / "out"


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["audit", *words, "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def test_an_audit_tells_the_truth_about_real_files(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = told(capsys, str(prepared))
    found = {finding["kind"]: finding for finding in answer["findings"]}
    assert found["leak_speaker"]["sentence"].startswith("the one speaker of valid is also in train: 1 of its 1")
    assert found["same_content"]["groups"] == [["clip0", "again"]]
    assert "1 group across splits" in found["same_content"]["sentence"]
    assert found["no_sound"]["ids"] == ["clip2"]
    assert found["silent"]["ids"] == ["clip3"]
    assert found["too_short"]["ids"] == ["clip4"]
    assert found["no_text"]["ids"] == ["clip5"]
    assert found["no_face"]["count"] == 7
    assert found["quarantined"]["ids"] == ["broken"]
    assert "clock_drift" not in found
    assert (answer["made"]["rows_in"], answer["made"]["rows_out"]) == (8, 7)
    assert answer["counts"]["errors"] == 2
    assert answer["together"][0][0] == 7


def test_strict_fails_on_what_is_not_allowed(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(prepared)]) == 0
    assert main(["audit", str(prepared), "--strict"]) == 1
    answer = told(capsys, str(prepared))
    kinds = {finding["kind"] for finding in answer["findings"] if finding["severity"] != "note"}
    assert main(["audit", str(prepared), "--strict", "--allow", ",".join(kinds)]) == 0
    assert main(["audit", str(prepared), "--strict", "--allow", ",".join(kinds - {"same_content"})]) == 1
    capsys.readouterr()
    assert main(["audit", str(prepared), "--strict", "--allow", "same_contents"]) == 2
    assert "did you mean 'same_content'?" in capsys.readouterr().err


def test_the_page_is_written_beside_the_table(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["audit", str(prepared), "--html", str(tmp_path / "new" / "audit.html")]) == 0
    printed = capsys.readouterr().out
    assert "Counts by split" in printed
    page = (tmp_path / "new" / "audit.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "the one speaker of valid is also in train" in page
    assert str(prepared.parent) not in page  # it says nothing about this machine
    assert main(["audit", str(prepared), "--html", str(tmp_path)]) == 2


def test_damage_is_a_finding_not_an_end(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    (copy / "test-00000-of-00001.parquet").unlink()
    answer = told(capsys, str(copy), "--strict", code=1)
    (finding,) = [finding for finding in answer["findings"] if finding["kind"] == "damaged_file"]
    assert "2 rows are lost" in finding["sentence"]
    assert answer["splits"]["train"]["utterances"] == 4


def test_the_papers_own_lists(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["audit", "--splits", str(real_data / "mesm_splits" / "iemocap"), "--corpus", "iemocap", "--strict"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "all 10 speakers of test are also in train" in printed
    assert "all 151 dialogues of test are also in train" in printed
    answer = told(capsys, "--splits", str(real_data / "mesm_splits" / "cmu_mosei"), "--corpus", "cmu_mosei", "--strict")
    assert answer["splits"]["all"]["utterances"] == 20477
    assert {leak["sentence"] for leak in answer["leaks"] if leak["with"] == "train"} == {
        "no video of test is in train",
        "no video of valid is in train",
    }


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "either a prepared dataset or --splits"),
        (["here", "--splits", "there", "--corpus", "iemocap"], "either a prepared dataset or --splits"),
        (["--splits", "there"], "go together"),
        (["here", "--corpus", "iemocap"], "go together"),
        (["--splits", "there", "--corpus", "iemocop"], "did you mean 'iemocap'?"),
        (["--splits", "there", "--corpus", "iemocap"], "does not exist"),
        (["here"], "not a prepared dataset"),
    ],
)
def test_what_cannot_be_audited_is_one_line(
    words: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert error in told.err
    assert len(told.err.splitlines()) == 1
