"""OpenFace's files and program, and openSMILE: read strictly, run carefully, asked for plainly where they are missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mesmer.errors import DataError, DependencyError
from mesmer.signals.handcrafted import openface
from mesmer.signals.handcrafted.egemaps import egemaps_features
from mesmer.signals.handcrafted.openface import COLUMNS, INTENSITIES, PRESENCES, find_units, read_units, run_openface

HEAD = "frame, face_id, timestamp, confidence, success, " + ", ".join(COLUMNS)


def row(frame: int, time_s: float, level: float, *, face: int = 0, success: int = 1) -> str:
    units = [f"{level + place / 100:.2f}" for place in range(len(COLUMNS))]
    return f"{frame}, {face}, {time_s:.3f}, 0.98, {success}, " + ", ".join(units)


def write(file: Path, *rows: str, head: str = HEAD) -> Path:
    file.write_text("\n".join([head, *rows, ""]))
    return file


def test_there_are_17_intensities_and_18_presences() -> None:
    assert (len(INTENSITIES), len(PRESENCES), len(COLUMNS)) == (17, 18, 35)
    assert "AU28_c" in COLUMNS
    assert "AU28_r" not in COLUMNS


def test_units_are_those_of_the_nearest_tracked_frame(tmp_path: Path) -> None:
    rows = [row(1, 0.0, 1), row(2, 0.04, 9, success=0), row(3, 0.5, 2), row(4, 1.0, 3), row(5, 0.0, 7, face=1)]
    found = read_units(write(tmp_path / "u.csv", *rows)).at(np.array([0.05, 0.45, 0.6, 1.2, 1.3]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], [1, 2, 2, 3, 0])  # 0.3 s from the last frame there is nothing
    np.testing.assert_allclose(found[0], 1 + np.arange(35) / 100, rtol=1e-6)


def test_a_face_never_tracked_is_zeros(tmp_path: Path) -> None:
    track = read_units(write(tmp_path / "u.csv", row(1, 0.0, 5, success=0)))
    assert np.array_equal(track.at(np.array([0.0])), np.zeros((1, 35), dtype=np.float32))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text.replace(" AU45_c", " AU99_c"), "AU45_c: the column is missing"),
        (lambda text: text.replace("0.500", "soon"), "not a number"),
        (lambda text: text.replace("0.500", "inf"), "is not finite"),
        (lambda text: text + "1, 2\n", "values are expected"),
        (lambda text: "", "column is missing"),
        (lambda text: text + '"' + "a" * 200_000 + "\n", "not a number"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, damage, told: str) -> None:
    file = write(tmp_path / "u.csv", row(1, 0.0, 1), row(2, 0.5, 1))
    file.write_text(damage(file.read_text()))
    with pytest.raises(DataError, match=told) as refused:
        read_units(file)
    assert str(file) in str(refused.value)


def test_a_missing_file_says_what_to_do_and_no_id_leads_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run FeatureExtraction"):
        find_units(tmp_path, "one")
    with pytest.raises(DataError, match="leads out"):
        find_units(tmp_path, "../one")
    write(tmp_path / "one.csv", row(1, 0.0, 1))
    assert len(find_units(tmp_path, "one").times_s) == 1


def program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the path in the place of OpenFace's: the tests are about how it is run."""
    folder.mkdir()
    file = folder / "FeatureExtraction"
    file.write_text("#!/bin/sh\n" + script)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_users_program_is_run_and_what_it_writes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write(tmp_path / "made.csv", row(1, 0.0, 4))
    program(tmp_path / "bin", f'test "$1" = -f && test -f "$2" && cp "{made}" "$5/$7.csv"\n', monkeypatch)
    media = tmp_path / "-a clip; with marks.mp4"
    media.write_bytes(b"x")
    assert run_openface(media).units[0, 0] == 4


@pytest.mark.parametrize(
    ("script", "told"),
    [("echo no licence >&2; exit 3\n", "exit code 3: no licence"), ("exit 0\n", "failed"), ("sleep 20\n", "longer than")],
)
def test_a_program_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str) -> None:
    program(tmp_path / "bin", script, monkeypatch)
    monkeypatch.setattr(openface, "LONGEST_RUN_S", 0.5)
    with pytest.raises(DataError, match=told):
        run_openface(tmp_path / "clip.mp4")


def test_without_the_program_the_user_is_told_what_else_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="use landmarks"):
        run_openface(tmp_path / "clip.mp4")


@pytest.mark.skipif(importlib.util.find_spec("opensmile") is not None, reason="openSMILE is installed")
def test_without_opensmile_the_user_is_told_of_its_licence() -> None:
    with pytest.raises(DependencyError, match=r"research and private use.*pip install opensmile"):
        egemaps_features(np.zeros(6400, dtype=np.float32))


@pytest.mark.skipif(importlib.util.find_spec("opensmile") is None, reason="openSMILE is not installed")
def test_opensmile_gives_a_row_of_numbers_per_400_ms() -> None:
    t = np.arange(9000) / 16000
    found = egemaps_features((0.3 * np.sin(2 * np.pi * 200 * t)).astype(np.float32))
    assert found.shape == (2, 88)
    assert np.isfinite(found).all()
