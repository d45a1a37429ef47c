"""CMU-MOSEI damaged: a line, a label or a csd file that cannot be is one error with its place, whatever the damage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import Damage, damages, records_or_one_error
from hypothesis import HealthCheck, given, settings
from raw_trees import (
    csd_rows,
    placeholder,
    replace_once,
    write_cmu_mosei,
    write_csd,
    write_text,
)

from mesmer.corpora.cmu_mosei import read_cmu_mosei
from mesmer.corpora.cmu_mosei_labels import read_csd
from mesmer.errors import DataError, DependencyError


def transcript(root: Path) -> Path:
    return root / "Transcript" / "Segmented" / "Combined" / "-3g5yACwYnA.txt"


TRANSCRIPT_FAULTS = [
    ("-3g5yACwYnA___10___82.753___", "-3g5yACwYnA___10___82.753__", "line 1, fields", "4 fields instead of 5"),
    ("-3g5yACwYnA___10___", "3g5yACwYnA___10___", "line 1, video", "'3g5yACwYnA' is not the video of this file"),
    ("-3g5yACwYnA___10___", "-3g5yACwYnA___1o___", "line 1, clip", "'1o' is not a number"),
    ("-3g5yACwYnA___10___", "-3g5yACwYnA___1.5___", "line 1, clip", "not a whole number"),
    ("___82.753___", "___82,753___", "line 1, start", "'82,753' is not a number"),
    ("___82.753___", "___-82.753___", "line 1, start", "is outside 0 to"),
    ("___100.555___", "___inf___", "line 1, end", "is outside 0 to"),
    ("___100.555___", "______", "line 1, end", "'' is not a number"),
]
FIRST = '0","W0","-3g5yACwYnA","10","1","2"'
LABEL_FAULTS = [
    ('"Answer.fear"', '"Answer.faer"', "line 1, header", "did you mean 'Answer.faer'?"),
    ('"Answer.fear"', '"Answer.disgust"', "line 1, header", "'Answer.disgust' stands twice"),
    ('0","W0","-3g5yACwYnA","10"', '0","W0","../../etc","10"', "line 2, Input.VIDEO_ID", "another folder"),
    ('0","W0","-3g5yACwYnA","10"', '0","W0","-3g5yACwYnA","ten"', "line 2, Input.CLIP", "'ten' is not a number"),
    (FIRST, FIRST.replace('"2"', '"4"'), "line 2, Answer.happiness", "outside 0 to 3"),
    (FIRST, FIRST.replace(',"2"', ""), "line 2, cells", "11 cells where the header has 12"),
    (FIRST, FIRST.replace('"2"', '"2'), "line 2, cells", "malformed CSV"),
]


def batch(root: Path) -> Path:
    return root / "Labels" / "Batch_1.csv"


FAULTS: list[tuple[Callable[[Path], Path], str, str, str, str]] = [
    *((transcript, *fault) for fault in TRANSCRIPT_FAULTS),
    *((batch, *fault) for fault in LABEL_FAULTS),
]


@pytest.mark.parametrize(("place", "old", "new", "field", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_damaged_line_is_one_error_with_file_line_and_field(
    tmp_path: Path, place: Callable[[Path], Path], old: str, new: str, field: str, problem: str
) -> None:
    root = write_cmu_mosei(tmp_path)
    replace_once(place(root), old, new)
    with pytest.raises(DataError) as caught:
        read_cmu_mosei(root)
    assert (caught.value.file, caught.value.field) == (str(place(root)), field)
    assert problem in str(caught.value)


def test_without_h5py_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placeholder(tmp_path / "x.csd")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"pip install 'mesmer-emotion\[features\]'"):
        read_csd(tmp_path / "x.csd")


def _broken_csd(path: Path, kind: str) -> None:
    import h5py

    write_csd(path, csd_rows())
    with h5py.File(path, "r+") as file:
        data = file["All Labels/data"]
        if kind == "no group":
            file.move("All Labels", "Labels")
            file.create_group("other")
        elif kind == "no data":
            del file["All Labels/data"]
        elif kind == "columns":
            del data["208416/features"]
            data["208416/features"] = np.zeros((1, 6))
        elif kind == "rows":
            del data["208416/intervals"]
            data["208416/intervals"] = np.zeros((2, 2))
        elif kind == "words":
            del data["208416/features"]
            data["208416/features"] = np.array([[b"x"] * 7])
        elif kind == "score":
            data["208416/features"][0, 3] = 3.5
        elif kind == "nan":
            data["208416/features"][0, 3] = np.nan
        elif kind == "time":
            data["208416/intervals"][0, 0] = -1
        elif kind == "name":
            data.move("208416", "evil\\name")
        elif kind == "outside":
            del data["208416/features"]
            data["208416/features"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/x")
        elif kind == "soft":
            del data["208416"]
            data["208416"] = h5py.SoftLink("/All Labels/data/-3g5yACwYnA")
        elif kind == "huge":
            del data["208416/features"]
            data.create_dataset("208416/features", shape=(10**9, 7), dtype="f4", chunks=(1000, 7))
        elif kind == "block":
            del data["208416/features"]
            data.create_dataset("208416/features", shape=(1, 7), maxshape=(None, 7), dtype="f4", chunks=(2**23, 7))


CSD_FAULTS = [
    ("no group", "All Labels", "no group 'All Labels'"),
    ("no data", "All Labels/data", "no 'data'"),
    ("columns", "data/208416/features", "the shape is (1, 6)"),
    ("rows", "data/208416", "1 rows of features and 2 intervals"),
    ("words", "data/208416/features", "not numbers"),
    ("score", "data/208416/features row 0", "outside 0 to 3"),
    ("nan", "data/208416/features row 0", "outside 0 to 3"),
    ("time", "data/208416/intervals row 0", "negative"),
    ("name", "data", "not the name of a video"),
    ("outside", "data/208416/features", "link to somewhere else"),
    ("soft", "data/208416", "link to somewhere else"),
    ("huge", "data/208416/features", "the shape is (1000000000, 7)"),
    ("block", "data/208416/features", "too large blocks"),
]


@pytest.mark.parametrize(("kind", "field", "problem"), CSD_FAULTS)
def test_a_damaged_csd_file_is_one_error(tmp_path: Path, h5py: None, kind: str, field: str, problem: str) -> None:
    path = tmp_path / "CMU_MOSEI_Labels.csd"
    _broken_csd(path, kind)
    with pytest.raises(DataError) as caught:
        read_csd(path)
    assert (caught.value.file, caught.value.field) == (str(path), field)
    assert problem in str(caught.value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_to_a_csd_file_gives_rows_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, h5py: None, damage: Damage
) -> None:
    root = tmp_path_factory.getbasetemp() / "mosei-csd"
    if not root.exists():
        write_cmu_mosei(root, labels=("csd",))
        (root / "CMU_MOSEI_Labels.csd").rename(root / "valid")
    path = root / "CMU_MOSEI_Labels.csd"
    path.write_bytes(damage((root / "valid").read_bytes()))
    records_or_one_error(lambda: read_cmu_mosei(root), path, place="")


@pytest.mark.parametrize("place", [transcript, batch])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_records_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, place: Callable[[Path], Path], damage: Damage
) -> None:
    root = tmp_path_factory.getbasetemp() / f"mosei-{place.__name__}"
    valid = root.with_suffix(".valid")
    if not valid.exists():
        write_cmu_mosei(root)
        valid.write_bytes(place(root).read_bytes())
    place(root).write_bytes(damage(valid.read_bytes()))
    records_or_one_error(lambda: read_cmu_mosei(root), place(root))


@pytest.mark.parametrize("filler", ["_", "___", '"', '","', ",", "x", "1"])
@pytest.mark.parametrize("place", [transcript, batch])
def test_time_is_linear_in_a_line_of_two_megabytes(tmp_path: Path, place: Callable[[Path], Path], filler: str) -> None:
    root = write_cmu_mosei(tmp_path)
    line = filler * (2**21 // len(filler))
    started = time.process_time()
    for text in (line, line[: 2**20]):
        write_text(place(root), text)
        with pytest.raises(DataError, match="line 1, "):
            read_cmu_mosei(root)
    assert time.process_time() - started < 2
