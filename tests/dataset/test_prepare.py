"""Preparation: every row arrives or is in quarantine; workers and kills change nothing; stale work is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_parts import MadeDetector, MadeReader, contents, made_corpus, made_parts, same_clip

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus, LeftOut
from mesmer.dataset.clip import make_clip
from mesmer.dataset.loading import PreparedDataset
from mesmer.dataset.prepare import PrepareReport, prepare
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.records import SPLITS

SETTINGS = PrepareSettings()
MIXED: list[dict[str, Any]] = [
    {},
    {"seconds": 3.3, "warn": True},
    {"picture": False},
    {"sound": False},
    {"silent": True, "text": ""},
    {"text": " "},
    {"fail": "corrupt"},
    {"picture": False, "silent": True, "text": None},
    {"no_file": True},
    {"labels": {}},
    {"labels": None, "split": "test"},
    {"seconds": 0.01},
]


def run(corpus: Corpus, out: Path, **changes: Any) -> PrepareReport:
    return prepare(corpus, out, **{"settings": SETTINGS, "workers": 0, "parts": made_parts} | changes)


def test_rows_arrive_bit_for_bit_or_are_in_quarantine(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", MIXED)
    report = run(corpus, tmp_path / "out")
    assert (report.rows_in, report.rows_out, report.quarantined) == (12, 9, 3)
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["id"], line["media"], line["kind"]) for line in lines] == [
        ("u006", "clip006.json", "corrupt"),
        ("u007", "clip007.json", "nothing"),
        ("u008", "clip008.json", "missing"),
    ]
    assert lines[0]["reason"] == "the file is broken"
    assert lines[1]["reason"] == "nothing to learn from (text: no text; audio: silent; visual: no stream)"

    dataset = PreparedDataset.open(tmp_path / "out", settings=SETTINGS, verify=True)
    assert dataset.emotions == corpus.emotions
    seen: list[str] = []
    for split in SPLITS:
        wanted = [u for u in corpus.utterances if u.split == split and u.id not in ("u006", "u007", "u008")]
        found = dataset.split(split)
        assert list(found.ids) == [u.id for u in wanted]
        assert list(found.speakers) == [u.speaker for u in wanted]
        assert list(found.dialogues) == [u.dialogue for u in wanted]
        for row, utterance in enumerate(wanted):
            clip = make_clip(utterance, reader=MadeReader(), detector=MadeDetector(), settings=SETTINGS)  # type: ignore[arg-type]
            assert same_clip(found[row], clip)
            assert tuple(found.present[row]) == clip.present
            assert found.texts[row] == clip.text
            assert found.durations_s[row] == clip.duration_s
            labels = found.labels_of([row])
            if utterance.labels is None:
                assert labels is None
            else:
                assert labels is not None
                assert labels.tolist() == [[utterance.labels.get(name, 0.0) for name in corpus.emotions]]
        seen += found.ids
    assert len(seen) == report.rows_out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "dataset.json",
        "quarantine.jsonl",
        "test-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
        "validation-00000-of-00001.parquet",
    ]
    with pytest.raises(DataError, match="'u010' is the first"):
        _ = dataset.split("test").labels


def test_rows_left_out_by_the_corpus_are_accounted_for(tmp_path: Path) -> None:
    left_out = (LeftOut(id="odd", file="labels.csv", rule="ends before it starts"),)
    report = run(made_corpus(tmp_path / "raw", [{}] * 4, left_out=left_out), tmp_path / "out")
    assert (report.rows_in, report.rows_out, report.quarantined) == (5, 4, 1)
    line = json.loads((tmp_path / "out" / "quarantine.jsonl").read_text())
    assert line == {"id": "odd", "media": "labels.csv", "kind": "left_out", "reason": "ends before it starts"}


def test_workers_and_repetition_change_no_byte(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", MIXED * 2)
    said: list[tuple[int, int]] = []
    run(corpus, tmp_path / "here", progress=lambda done, total: said.append((done, total)))
    assert said[0] == (0, 24)
    assert said[-1] == (24, 24)
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    first = contents(tmp_path / "here")
    run(corpus, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == first
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "here").iterdir()}
    assert run(corpus, tmp_path / "here").rows_out == 18  # finished already: nothing is touched
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "here").iterdir()} == times


def test_a_corpus_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    run(made_corpus(tmp_path / "raw", MIXED), tmp_path / "one")
    run(made_corpus(tmp_path / "deep" / "er" / "raw", MIXED), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert str(tmp_path).encode() not in b"".join(contents(tmp_path / "one").values())


def test_a_stopped_preparation_keeps_its_pieces(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 40)
    run(corpus, tmp_path / "whole")

    class Stop(Exception): ...

    def stop(done: int, total: int) -> None:
        if done >= 16:
            raise Stop

    with pytest.raises(Stop):
        run(corpus, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / "dataset.json").exists()
    with pytest.raises(DataError, match="not a prepared dataset"):
        PreparedDataset.open(tmp_path / "out")
    pieces = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".preparing").glob("*.parquet")}
    assert len(pieces) == 16
    damaged = min(pieces)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    said: list[int] = []

    def see(done: int, total: int) -> None:
        if not said:
            assert {path: path.stat().st_mtime_ns for path in pieces if path != damaged} == {
                path: time_ns for path, time_ns in pieces.items() if path != damaged
            }
        said.append(done)

    run(corpus, tmp_path / "out", progress=see)
    assert said[0] == 15  # the others were still good
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_piece_damaged_within_is_found_when_joined(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 8)
    run(corpus, tmp_path / "whole")
    work = tmp_path / "out" / ".preparing"

    def damage(done: int, total: int) -> None:
        if done == total:
            piece = work / "source-000000.parquet"
            data = bytearray(piece.read_bytes())
            data[len(data) // 2] ^= 1
            piece.write_bytes(data)

    with pytest.raises(DataError, match="prepared source is damaged"):
        run(corpus, tmp_path / "out", progress=damage)
    run(corpus, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_worker_that_dies_costs_only_its_clip(tmp_path: Path) -> None:
    made = [{}] * 12
    made[3] = {"die": True}
    made[6] = {"die_once": str(tmp_path / "died")}
    report = run(made_corpus(tmp_path / "raw", made), tmp_path / "out", workers=1)
    assert (report.rows_out, report.quarantined) == (11, 1)
    assert (tmp_path / "died").exists()
    line = json.loads((tmp_path / "out" / "quarantine.jsonl").read_text())
    assert (line["id"], line["kind"]) == ("u003", "worker")
    assert "died, twice" in line["reason"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_defect_is_not_hidden_in_the_quarantine(tmp_path: Path, workers: int) -> None:
    with pytest.raises((ZeroDivisionError, RuntimeError), match="a mistake of ours"):
        run(made_corpus(tmp_path / "raw", [{}, {"defect": True}]), tmp_path / "out", workers=workers)


def test_other_settings_and_other_corpora_are_refused(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 8)
    run(corpus, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(StaleDatasetError, match=r"frame_interval_s 0.5 instead of 0.25") as caught:
        run(corpus, tmp_path / "out", settings=replace(SETTINGS, frame_interval_s=0.25))
    assert caught.value.field == "settings.frame_interval_s"
    with pytest.raises(StaleDatasetError, match="face_margin"):
        PreparedDataset.open(tmp_path / "out", settings=replace(SETTINGS, face_margin=0.3))
    relabelled = replace(corpus.utterances[0], labels={"fear": 0.5})
    for other in (
        replace(corpus, utterances=corpus.utterances[:-1]),
        replace(corpus, utterances=(relabelled, *corpus.utterances[1:])),
        replace(corpus, emotions=corpus.emotions[::-1]),
    ):
        with pytest.raises(StaleDatasetError, match="another corpus"):
            run(other, tmp_path / "out")
    Path(corpus.utterances[0].media).write_text('{"seed": 123456}')
    with pytest.raises(StaleDatasetError, match="changed since"):
        run(corpus, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_work_begun_with_other_settings_is_refused(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}, {}, {"defect": True}, {}])
    with pytest.raises(ZeroDivisionError):
        run(corpus, tmp_path / "out")
    with pytest.raises(StaleDatasetError, match="silence_peak") as caught:
        run(corpus, tmp_path / "out", settings=replace(SETTINGS, silence_peak=0.5))
    assert ".preparing" in str(caught.value)
    with pytest.raises(StaleDatasetError, match="another corpus"):
        run(replace(corpus, utterances=corpus.utterances[:2]), tmp_path / "out")
    plan = tmp_path / "out" / ".preparing" / "plan.json"
    for damage in (b"[]", b"{", b"\xff"):
        plan.write_bytes(damage)
        with pytest.raises(DataError):
            run(corpus, tmp_path / "out")


def test_a_folder_in_use_or_of_others_is_refused(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 4)
    (tmp_path / "file").write_text("x")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "README.md").write_text("mine")
    for place in ("file", "theirs"):
        with pytest.raises(MesmerError, match=r"not a folder|already holds"):
            run(corpus, tmp_path / place)
    assert contents(tmp_path / "theirs") == {"README.md": b"mine"}

    def second(done: int, total: int) -> None:
        with pytest.raises(MesmerError, match="another preparation is running"):
            run(corpus, tmp_path / "out")

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("may stay")
    run(corpus, tmp_path / "out", progress=second)
    assert (tmp_path / "out" / "notes.txt").read_text() == "may stay"


def test_impossible_corpora_are_one_line(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 4)
    with pytest.raises(DataError, match="no utterances"):
        run(replace(corpus, utterances=()), tmp_path / "out")
    with pytest.raises(ConfigError):
        run(corpus, tmp_path / "out", workers=-1)
    half = (replace(corpus.utterances[0], split=None), *corpus.utterances[1:])
    with pytest.raises(DataError, match="1 of 4 utterances have no split"):
        run(replace(corpus, utterances=half), tmp_path / "out")
    for name in ("", "\ud800"):
        with pytest.raises(DataError, match="id"):
            run(replace(corpus, utterances=(replace(corpus.utterances[0], id=name),)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="not one of the 4 utterances") as caught:
        run(made_corpus(tmp_path / "bad", [{"fail": "container"}] * 4), tmp_path / "out")
    assert "the first, 'u000': the file is broken" in str(caught.value)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_hugging_face_datasets_opens_it_memory_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    run(made_corpus(tmp_path / "raw", MIXED), tmp_path / "out")
    opened = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    ours = PreparedDataset.open(tmp_path / "out")
    assert set(opened) == {"train", "validation", "test"}
    for theirs, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        assert opened[theirs].cache_files  # an Arrow file on disk, which it maps into memory
        rows, split = opened[theirs], ours.split(name)
        assert rows["id"] == list(split.ids)
        for row, clip in zip(rows, split, strict=True):
            faces = np.frombuffer(row["faces"], np.uint8).reshape(-1, 48, 48, 3)
            assert np.array_equal(faces, clip.faces)
            assert np.array_equal(np.array(row["waveform"], np.int16) / np.float32(32768), clip.waveform)


def test_the_columns_are_stored_small(tmp_path: Path) -> None:
    """Sound as list<int16> must not cost the four bytes a sample that Parquet's plain encoding takes."""
    run(made_corpus(tmp_path / "raw", [{"seconds": 8, "picture": False, "split": "train"}] * 4), tmp_path / "out")
    group = pq.ParquetFile(tmp_path / "out" / "train-00000-of-00001.parquet").metadata.row_group(0)
    sound = next(column for column in map(group.column, range(group.num_columns)) if "waveform" in column.path_in_schema)
    assert sound.total_compressed_size < 2.2 * 4 * 8 * 16_000  # white noise: 16 bits each and little more
