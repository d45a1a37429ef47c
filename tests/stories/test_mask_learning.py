"""On drawn faces a learnt mask keeps what a random one of the same density loses: a minute of the study of masks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).resolve().parents[2] / "benchmarks" / "mask_learning.py"


@pytest.mark.timeout(900)
def test_learnt_mask_beats_a_random_one_at_equal_density(tmp_path: Path) -> None:
    command = [sys.executable, str(STUDY), "drawn", "--smoke", "--work", str(tmp_path / "work")]
    subprocess.run([*command, "--table", "--json", str(tmp_path / "table.json")], check=True, capture_output=True)
    rows = {row["mask"]: row for row in json.loads((tmp_path / "table.json").read_text())["rows"]}
    learnt, random = rows["learnt"], rows["random"]
    for mine, theirs in zip(learnt["densities"], random["densities"], strict=True):
        assert mine == pytest.approx(theirs, abs=0.05)
    difference, low, _ = random["learnt_against_it"]
    assert difference > 10
    assert low > 0
    hits, chance = learnt["pointing"]
    assert hits > 1.1 * chance
    assert abs(random["pointing"][0] - chance) < 0.05

    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "epoch" not in again.stdout  # finished runs are not trained again
