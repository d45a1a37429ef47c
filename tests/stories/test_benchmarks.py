"""The small benchmarks whose numbers stand in docs/: each ends, and its table holds numbers that can be true."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mesmer.config import PrepareSettings
from mesmer.dataset.prepare import prepare

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).parents[1] / "dataset"))

from made_parts import made_corpus, made_parts

import audit_memory
import calibration_error
import feature_costs
import media_costs
import own_labels
import signal_costs
import storage_forms

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures through /proc")


def table(text: str) -> dict[str, list[float]]:
    """The numbers of each row of the tables in a text, by the row's name."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return {name: [float(re.sub(r"[^\d.]", "", cell)) for cell in cells] for name, *cells in lines if cells[0][0].isdigit()}


def test_own_labels_follow_from_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        ("s000", {"anger": 0.8}, {"anger": ["text", "visual"]}),
        ("s010", {"fear": 0.5}, {"fear": ["audio"]}),
        ("s020", {}, {}),
        ("s035", {"disgust": 0.5, "fear": 0.9}, {"disgust": ["visual"], "fear": ["text"]}),
    ]
    lines = [
        {"id": f"u{n}", "speaker": speaker, "labels": labels, "carriers": carriers, "text": {"sentence": f"words {n}"}}
        for n, (speaker, labels, carriers) in enumerate(told)
    ]
    (tmp_path / "truth.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for names, expected in (
        ("said,shown", [("train", {"hostile", "said", "shown"}), ("valid", set()), ("test", set())]),
        (
            "strong,masked",
            [
                ("train", {"hostile", "strong"}),
                ("valid", {"masked"}),
                ("test", set()),
                ("test", {"hostile", "strong", "masked"}),
            ],
        ),
    ):
        own_labels.main([str(tmp_path), str(tmp_path / "own"), "--labels", names])
        rows = [json.loads(line) for line in (tmp_path / "own" / "manifest.jsonl").read_text().splitlines()]
        assert [(row["split"], set(row["labels"])) for row in rows] == expected
        stands_for = yaml.safe_load((tmp_path / "own" / "map.yaml").read_text())
        assert list(stands_for) == ["hostile", *names.split(",")]
    assert "1 train, 1 valid, 2 test" in capsys.readouterr().out


@pytest.mark.parametrize("true_temperature", [0.5, 3.0])
def test_the_temperature_is_that_of_the_labels(true_temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 40_000)
    labels = rng.random(len(logits)) < 1 / (1 + np.exp(-logits / true_temperature))
    assert calibration_error.best_temperature(labels, logits) == pytest.approx(true_temperature, rel=0.05)


def test_forms_of_storage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = made_corpus(tmp_path / "raw", [{"seconds": 1.0, "split": "train"}] * 5)
    prepare(corpus, tmp_path / "data", settings=PrepareSettings(), workers=0, parts=made_parts)
    storage_forms.main([str(tmp_path / "data"), "--rounds", "1"])
    told = capsys.readouterr().out
    assert told.startswith("5 clips, 10 faces; raw: faces 69 kB, sound 160 kB")  # 10 * 48 * 48 * 3 and 5 * 16,000 * 2
    found = table(told)
    assert len(found) == 8
    for name, numbers in found.items():
        if len(numbers) == 3:
            assert 0.5 < numbers[1] < 1.2, name  # noise can hardly be packed


@pytest.mark.slow
def test_costs_of_signals_and_features(capsys: pytest.CaptureFixture[str]) -> None:
    signal_costs.main(["--rounds", "1"])
    of_signals = table(capsys.readouterr().out)
    assert next(iter(of_signals.values()))[1] == 1.0
    assert len(of_signals) == 5
    feature_costs.main(["--rounds", "1"])
    assert all(numbers[0] > 0 for numbers in table(capsys.readouterr().out).values())


@linux
@pytest.mark.slow
def test_memory_of_audits_and_of_the_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    audit_memory.main(["--rows", "4", "12"])
    audits = table(capsys.readouterr().out)
    assert list(audits) == ["4", "12"]
    assert all(peak_mib >= imports_mib > 20 for _, _, imports_mib, peak_mib, _ in audits.values())
    media_costs.main(["--minutes", "1", "2", "--starts", "1"])
    told = capsys.readouterr().out
    assert all(10 < float(mib) < 500 for mib in re.findall(r"at most ([\d.]+) MiB", told))
    assert len(told.splitlines()) == 3
