"""The audit of a prepared dataset: every planted flaw is found, with its utterances, and nothing else is reported."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_parts import made_corpus, made_parts

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus, LeftOut
from mesmer.dataset.audit import audit_dataset
from mesmer.dataset.audit_counts import MAX_EMOTIONS, Counts
from mesmer.dataset.audit_flaws import drift_s
from mesmer.dataset.audit_record import DRIFT_S, KINDS, TOO_SHORT_S, Audit, Finding
from mesmer.dataset.audit_rows import ROWS_AT_ONCE, RowFacts
from mesmer.dataset.facts import DatasetFacts, read_facts, write_facts
from mesmer.dataset.prepare import prepare
from mesmer.dataset.rows import _checksum, make_table
from mesmer.dataset.shards import write_shard
from mesmer.emotions import IEMOCAP_EMOTIONS, SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError
from mesmer.records import SPLITS
from mesmer.storage.hashes import sha256_file

TRAIN = "train-00000-of-00001.parquet"
EVERY = dict.fromkeys(SIX_EMOTIONS, 1.0)


def made_dataset(folder: Path, made: list[dict[str, Any]], change: Callable[[Corpus], Corpus] = lambda c: c) -> Path:
    corpus = change(made_corpus(folder / "raw", made))
    prepare(corpus, folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return folder / "out"


def alone(corpus: Corpus) -> Corpus:
    """Each utterance has a speaker and a dialogue of its own: nothing leaks."""
    changed = (replace(u, speaker=f"s-{u.id}", dialogue=f"d-{u.id}") for u in corpus.utterances)
    return replace(corpus, utterances=tuple(changed))


def found(audit: Audit) -> dict[str, list[str]]:
    """Kind -> ids of what was found, groups joined."""
    told: dict[str, list[str]] = {}
    for finding in audit.findings:
        told.setdefault(finding.kind, []).extend([*finding.ids, *("=".join(group) for group in finding.groups)])
    return told


def one(audit: Audit, kind: str) -> Finding:
    (finding,) = (finding for finding in audit.findings if finding.kind == kind)
    return finding


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The made detector sees a face in both frames of each of these clips.
    seeds = [seed for seed in range(200) if _faces_seen(seed) == 2][:9]
    splits = ("train", "valid", "test")
    made = [{"seed": seed, "split": splits[n % 3], "labels": EVERY} for n, seed in enumerate(seeds)]
    return made_dataset(tmp_path_factory.mktemp("clean"), made, alone)


def _faces_seen(seed: int, frames: int = 2) -> int:
    """In how many frames of a made clip the made detector sees a face."""
    generator = np.random.default_rng(seed)
    return sum(int(generator.integers(0, 256, (60, 80, 3), dtype=np.uint8)[0, 0, 0] >= 64) for _ in range(frames))


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Path:
    return shutil.copytree(clean, tmp_path / "copy")


def test_of_a_clean_dataset_nothing_is_said(clean: Path) -> None:
    audit = audit_dataset(clean)
    assert audit.findings == ()
    assert audit.wrong() == ()
    assert audit.name == "out"
    assert audit.removed == ()
    assert {leak.shared for leak in audit.leaks} == {0}
    assert len(audit.leaks) == 9  # speaker, dialogue, video; three pairs of splits each


def test_every_planted_flaw_is_found_and_nothing_else(tmp_path: Path) -> None:
    dark = next(seed for seed in range(500) if _faces_seen(seed) == 0)
    good = [seed for seed in range(1000, 2000) if _faces_seen(seed) == 2]
    rare = next(seed for seed in range(5000) if _faces_seen(seed, 5) == 2)
    splits = ["train", "train", "valid", "test"]
    planted: dict[str, dict[str, Any]] = {
        "no_text": {"text": " \n"},
        "no_sound": {"sound": False},
        "silent": {"silent": True},
        "no_picture": {"picture": False},
        "no_face": {"seed": dark},
        "few_faces": {"seed": rare, "seconds": 2.5},
        "too_short": {"seconds": 0.39},
        "unlabelled": {"labels": None},
        "told": {"warn": True},
        "damaged": {"fail": "corrupt"},
        "gone": {"no_file": True},
    }
    made = [
        {"seed": good[n], "labels": EVERY, "split": splits[n % 4], **planted[name]}
        for n, name in enumerate(sorted(planted))
    ]
    made += [{"seed": good[50 + n], "labels": EVERY, "split": split} for n, split in enumerate(SPLITS)]
    names = {name: f"u{n:03d}" for n, name in enumerate(sorted(planted))}

    def change(corpus: Corpus) -> Corpus:
        out = [LeftOut(id=f"x{n}", file="t", rule="no words" if n < 2 else "no labels of it") for n in range(3)]
        return replace(alone(corpus), left_out=tuple(out))

    audit = audit_dataset(made_dataset(tmp_path, made, change))
    told = found(audit)
    assert told.pop("quarantined") == [names.pop("damaged"), names.pop("gone")]
    assert told.pop("left_out") == ["x0", "x1", "x2"]
    assert told == {name: [utterance] for name, utterance in names.items()}
    assert (audit.removed[0].rule, audit.removed[0].count, audit.removed[0].ids) == ("no words", 2, ("x0", "x1"))
    assert {(rule.kind, rule.rule) for rule in audit.removed} == {
        ("left_out", "no words"),
        ("left_out", "no labels of it"),
        ("corrupt", "the media file is damaged"),
        ("missing", "the media file does not exist"),
    }
    assert one(audit, "no_sound").sentence == "1 of 12 utterances: there is no sound (no stream: 1)"
    assert one(audit, "told").sentence.endswith("(made for a test: 1)")
    kinds = [finding.kind for finding in audit.findings]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    severities = {finding.kind for finding in audit.wrong()}
    assert "told" not in severities
    assert "few_faces" not in severities
    assert "silent" in severities
    assert {finding.kind for finding in audit.wrong(allow=severities - {"silent"})} == {"silent"}
    with pytest.raises(ConfigError, match="did you mean 'silent'"):
        audit.wrong(allow=["silnet"])


def test_duplicates_are_found_by_id_stretch_and_content(tmp_path: Path) -> None:
    good = [seed for seed in range(1000, 2000) if _faces_seen(seed) == 2]
    splits = ["train", "valid", "test", "train", "train", "train", "test"]
    made = [{"seed": good[n], "labels": EVERY, "split": split} for n, split in enumerate(splits)]
    made[2]["seed"] = made[0]["seed"]  # another file, the same content, in another split
    made[4] |= {"seed": made[3]["seed"], "labels": {"anger": 1.0}}  # the same in one split, with other labels

    def change(corpus: Corpus) -> Corpus:
        utterances = list(alone(corpus).utterances)
        # The same file and speaker twice; u006 shows that the same file at other times is no duplicate of the stretch.
        twin = {"media": utterances[1].media, "speaker": utterances[1].speaker}
        utterances[5] = replace(utterances[5], split="valid", **twin)  # type: ignore[arg-type]
        return replace(corpus, utterances=tuple(utterances))

    audit = audit_dataset(made_dataset(tmp_path, made, change))
    told = found(audit)
    assert set(told) == {"same_content", "same_stretch"}
    assert sorted(told["same_content"]) == ["u000=u002", "u001=u005", "u003=u004"]
    assert told["same_stretch"] == ["u001=u005"]
    sentence = one(audit, "same_content").sentence
    assert sentence.startswith("6 of 7 utterances, in 3 groups")
    assert "1 group across splits" in sentence
    assert "1 group with labels that differ" in sentence
    assert one(audit, "same_content").splits == {"train": 3, "valid": 2, "test": 1}


def test_the_same_sound_under_another_picture_is_told_apart_from_the_same_content(clean: Path, copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["waveform"] = rows[0]["waveform"]
        rows[2]["faces"] = rows[0]["faces"]

    rewrite(copy, change)
    told = found(audit_dataset(copy))
    first, second, third = _ids(copy)
    assert told == {"same_sound": [f"{first}={second}"], "same_picture": [f"{first}={third}"]}


def test_repeated_ids_and_labels_out_of_range_are_errors(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["id"] = rows[0]["id"]
        rows[2]["labels"] = [2.0, 0, 0, 0, 0, 0]

    rewrite(copy, change)
    audit = audit_dataset(copy)
    first, _, third = _ids(copy)
    assert found(audit) == {"same_id": [f"{first}={first}"], "wrong_labels": [third]}
    assert {finding.severity for finding in audit.findings} == {"error"}
    assert [row.utterances["train"] for row in audit.labels] == [2] * 6  # a row of wrong labels counts for none


def test_time_stamps_that_had_to_be_replaced_are_drift_and_are_told_once(copy: Path) -> None:
    rewrite(copy, lambda rows: rows[1].update(warnings=["whatever the words are"], stamps_replaced=3))
    assert found(audit_dataset(copy)) == {"clock_drift": [_ids(copy)[1]]}
    rewrite(copy, lambda rows: rows[1].update(warnings=["whatever", "and more"], stamps_replaced=3))
    assert found(audit_dataset(copy)) == {"clock_drift": [_ids(copy)[1]], "told": [_ids(copy)[1]]}


def test_several_people_and_an_end_that_comes_early_are_read_from_their_columns(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0].update(people=3, warnings=["three were seen"])
        rows[1].update(picture_end_s=0.7)
        rows[2].update(picture_end_s=0.8, people=1)

    rewrite(copy, change)
    first, second, _ = _ids(copy)
    audit = audit_dataset(copy)
    assert found(audit) == {"several_people": [first], "clock_drift": [second]}
    assert one(audit, "clock_drift").sentence.endswith("the most is 0.30 s")
    assert one(audit, "several_people").severity == "note"


def test_two_actors_of_one_stretch_are_not_the_same(tmp_path: Path) -> None:
    good = [seed for seed in range(1000, 2000) if _faces_seen(seed) == 2]

    def change(corpus: Corpus) -> Corpus:
        left, right, again, *others = alone(corpus).utterances
        twins = {"media": left.media, "start_s": None}
        right = replace(right, region="right", channel="right", **twins)  # type: ignore[arg-type]
        again = replace(again, region="right", channel="right", **twins)  # type: ignore[arg-type]
        return replace(corpus, utterances=(left, right, again, *others))

    made = [{"seed": good[n], "labels": EVERY, "split": split} for n, split in enumerate(["train"] * 3 + ["valid", "test"])]
    assert found(audit_dataset(made_dataset(tmp_path, made, change)))["same_stretch"] == ["u001=u002"]


@pytest.mark.parametrize(
    ("sound_s", "frames", "least_s"),
    [
        (4.0, 8, 0.0),
        (4.2, 8, 0.2),
        (3.5, 8, 0.5),
        (None, 8, 0.0),
        (4.0, 7, 0.5),  # seven frames: the picture ended at 3.5 s at the latest
        (4.0, 9, 0.0),  # the ninth was shown at 4.0 s at the earliest
        (4.0, 10, 0.5),
        (3.8, 10, 0.7),
        (None, 0, 0.0),
    ],
)
def test_drift_is_the_least_by_which_lengths_must_differ(sound_s: float | None, frames: int, least_s: float) -> None:
    row = facts_of(duration_s=4.0, sound_s=sound_s or 0.0, sound=b"x" if sound_s else None, frames=frames)
    assert drift_s(row, frame_interval_s=0.5) == pytest.approx(least_s)


def facts_of(**changes: Any) -> RowFacts:
    values: dict[str, Any] = {
        "id": "u",
        "split": "train",
        "units": {},
        "stretch": b"x" * 16,
        "sound": None,
        "picture": None,
        "words": 3,
        "duration_s": 1.0,
        "sound_s": 0.0,
        "frames": 0,
        "frames_with_face": 0,
        "scores": None,
        "labels_fit": True,
        "absent": {},
        "warnings": (),
    }
    return RowFacts(**(values | changes))


def test_counts_and_means_are_those_of_the_corpus(tmp_path: Path) -> None:
    lengths = [0.5, 1.0, 2.5, 4.0, 1.5, 3.0, 0.7, 2.0]
    labels = [{"anger": 1.0}, {"anger": 0.25, "fear": 1.0}, {}, {"fear": 0.5}, None, {"anger": 1.0}, {"sadness": 1.0}, {}]
    made = [
        {"seconds": seconds, "labels": labels[n], "text": " ".join(["word"] * n), "split": SPLITS[n % 3]}
        for n, seconds in enumerate(lengths)
    ]
    audit = audit_dataset(made_dataset(tmp_path, made, alone))
    for split in (*SPLITS, "all"):
        mine = [n for n in range(8) if split in ("all", SPLITS[n % 3])]
        counts = audit.splits[split]
        assert counts.utterances == len(mine) == counts.names["speaker"] == counts.names["video"]
        assert counts.hours * 3600 == pytest.approx(sum(lengths[n] for n in mine))
        assert counts.words_mean == pytest.approx(statistics.mean(mine))  # utterance n has n words
        assert counts.seconds_mean == pytest.approx(statistics.mean(lengths[n] for n in mine))
        assert counts.seconds_median == pytest.approx(statistics.median(lengths[n] for n in mine))
        assert (counts.seconds_least, counts.seconds_most) == pytest.approx(
            (min(lengths[n] for n in mine), max(lengths[n] for n in mine))
        )
        assert counts.unlabelled == (4 in mine)
        assert counts.present == {"text": len(mine) - (0 in mine), "audio": len(mine), "visual": len(mine)}
    rows = {row.emotion: row for row in audit.labels}
    assert rows["anger"].utterances == {"train": 1, "valid": 1, "test": 1}  # utterances 0, 1 and 5; any score counts
    assert rows["anger"].words_mean == pytest.approx((0 + 1 + 5) / 3)
    assert rows["fear"].seconds_mean == pytest.approx((1.0 + 4.0) / 2)
    assert rows["disgust"].words_mean is None
    place = {emotion: n for n, emotion in enumerate(audit.emotions)}
    together = np.array(audit.together)
    assert together[place["anger"], place["fear"]] == together[place["fear"], place["anger"]] == 1
    assert together.diagonal().tolist() == [sum(row.utterances.values()) for row in audit.labels]
    assert audit.labels_each == {0: 2, 1: 4, 2: 1}
    for histogram in audit.lengths:
        assert {split: sum(histogram.counts[split]) for split in SPLITS} == {"train": 3, "valid": 3, "test": 2}
        assert all(len(histogram.counts[split]) == len(histogram.bins) for split in SPLITS)
    words, seconds = audit.lengths
    assert words.counts["train"][words.bins.index("3-5")] == 1  # utterances 0, 3, 6 have as many words
    assert seconds.counts["train"][seconds.bins.index("3-4")] == 1  # they last 0.5, 4.0 and 0.7 s; bins hold their end
    assert seconds.counts["train"][seconds.bins.index("0.4-1")] == 2
    assert {finding.sentence for finding in audit.findings if finding.kind == "missing_emotion"} == {
        "no utterance of train carries disgust or happiness or surprise",
        "no utterance of valid carries disgust or happiness or sadness or surprise",  # one of its three is unlabelled
        "no utterance of test carries disgust or fear or happiness or sadness or surprise",
    }


def test_an_empty_split_is_told(tmp_path: Path) -> None:
    audit = audit_dataset(made_dataset(tmp_path, [{"split": "train", "labels": EVERY}] * 2, alone))
    assert {f.sentence for f in audit.findings if f.kind == "empty_split"} == {
        "the valid split is empty",
        "the test split is empty",
    }
    assert audit.leaks == ()
    json.dumps(audit.to_json(), allow_nan=False)


# --- damage ----------------------------------------------------------------------------------------------------------


def _ids(folder: Path) -> list[str]:
    return pq.read_table(folder / TRAIN, columns=["id"]).column("id").to_pylist()


def rewrite(folder: Path, change: Callable[[list[dict[str, Any]]], object], *, seal: bool = True) -> None:
    """Change rows of the train split, with hashes that fit again, and checksums too unless ``seal`` is False."""
    rows = []
    for row in pq.read_table(folder / TRAIN).to_pylist():
        types = {"labels": np.float32, "face_times_s": np.float64, "face_boxes_px": np.float32, "waveform": np.int16}
        rows.append(row | {name: np.array(row[name], dtype=kind) for name, kind in types.items()})
        rows[-1]["face_found"] = np.array(row["face_found"], dtype=bool)
    change(rows)
    for row in rows:
        row["labels"] = np.array(row["labels"], dtype=np.float32)
        row["checksum"] = _checksum(row) if seal else row["checksum"]
    write_shard(folder / TRAIN, [make_table(rows)])
    facts, _ = read_facts(folder)
    write_facts(folder, _with_shard(facts, folder / TRAIN))


def _with_shard(facts: DatasetFacts, path: Path) -> DatasetFacts:
    (old,) = facts.shards["train"]
    shard = replace(old, bytes=path.stat().st_size, sha256=sha256_file(path))
    return replace(facts, shards={**facts.shards, "train": (shard,)})


def test_a_row_whose_checksum_does_not_fit_is_told_and_the_others_are_read(copy: Path) -> None:
    rewrite(copy, lambda rows: rows[1].update(text="other words"), seal=False)
    audit = audit_dataset(copy)
    (finding,) = audit.findings
    assert finding.kind == "damaged_row"
    assert finding.ids == (f"utterance {_ids(copy)[1]!r}",)
    assert finding.splits == {"train": 1, "valid": 0, "test": 0}
    assert audit.splits["train"].utterances == 2


def test_a_duration_beyond_reason_is_damage(copy: Path) -> None:
    rewrite(copy, lambda rows: rows[0].update(duration_s=1e300))
    audit = audit_dataset(copy)
    assert list(found(audit)) == ["damaged_row"]
    json.dumps(audit.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda path: path.unlink(), 3),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), 3),
        (lambda path: path.write_bytes(b"\0" * path.stat().st_size), 3),
    ],
    ids=["missing", "cut", "zeros"],
)
def test_a_shard_that_cannot_be_opened_is_told_and_the_others_are_read(
    damage: Callable[[Path], object], lost: int, copy: Path
) -> None:
    damage(copy / TRAIN)
    audit = audit_dataset(copy)
    finding = one(audit, "damaged_file")
    assert f"{lost} rows are lost" in finding.sentence
    assert finding.ids == (TRAIN,)
    assert audit.splits["valid"].utterances == 3
    assert audit.splits["train"].utterances == 0


def test_a_changed_byte_is_told_wherever_it_is(copy: Path) -> None:
    path = copy / TRAIN
    good = path.read_bytes()
    for place in range(0, len(good), len(good) // 12):
        bad = bytearray(good)
        bad[place] ^= 0x40
        path.write_bytes(bad)
        kinds = {finding.kind for finding in audit_dataset(copy).wrong()}
        assert kinds & {"damaged_file", "damaged_row"}, place


def test_stray_files_and_a_quarantine_list_that_does_not_fit_are_told(copy: Path) -> None:
    shutil.copy(copy / TRAIN, copy / "train-00001-of-00002.parquet")
    line = {"id": "x", "media": "m", "kind": "corrupt", "reason": "broken"}
    (copy / "quarantine.jsonl").write_text(json.dumps(line) + "\n")
    audit = audit_dataset(copy)
    assert found(audit)["stray_file"] == ["train-00001-of-00002.parquet"]
    assert one(audit, "damaged_file").sentence == "quarantine.jsonl: it has 1 rows instead of 0"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[1]\n", "line 1"),
        ('{"id": "x", "kind": 3, "reason": "r"}\n', "line 1"),
        ('{"id": "' + "x" * (2**20) + '"}\n', "too long"),
    ],
)
def test_a_damaged_quarantine_list_is_a_finding(content: str | None, told: str, copy: Path) -> None:
    (copy / "quarantine.jsonl").unlink()
    if content is not None:
        (copy / "quarantine.jsonl").write_text(content)
    assert told in one(audit_dataset(copy), "damaged_file").sentence


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared dataset"):
        audit_dataset(tmp_path)


def test_no_table_of_every_two_emotions_is_made_for_a_hundred_thousand() -> None:
    with pytest.raises(DataError, match="emotions"):
        Counts([f"e{n}" for n in range(MAX_EMOTIONS + 1)])


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_what_was_read_is_let_go_after_some_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of a shard caches row groups; the audit, which asks for none twice, must not keep them."""
    from mesmer.dataset.shards import Shards

    rows = 2 * ROWS_AT_ONCE + 10
    folder = made_dataset(tmp_path, [{"seconds": 0.5, "split": "train", "labels": EVERY}] * rows, alone)
    asked: dict[int, list[int]] = {}
    kept: list[Shards] = []  # so that no two readers have one identity
    plain = Shards.group_of

    def watched(self: Shards, row: int) -> Any:
        kept.append(self)
        asked.setdefault(id(self), []).append(row)
        return plain(self, row)

    monkeypatch.setattr(Shards, "group_of", watched)
    seen: list[tuple[int, int]] = []
    audit = audit_dataset(folder, progress=lambda done, of: seen.append((done, of)))
    assert audit.splits["train"].utterances == rows
    assert sorted(row for each in asked.values() for row in each) == list(range(rows))
    assert max(len(each) for each in asked.values()) == ROWS_AT_ONCE
    assert seen[-1] == (rows, rows)


def test_the_words_of_the_kinds_name_the_limits() -> None:
    assert f"{TOO_SHORT_S:g} s" in KINDS["too_short"].words
    assert f"{DRIFT_S:g} s" in KINDS["clock_drift"].words


def test_the_papers_figures_stand_beside_those_of_its_corpora(tmp_path: Path) -> None:
    def change(corpus: Corpus) -> Corpus:
        named = (replace(u, corpus="iemocap", labels={"neutral": 1.0}) for u in alone(corpus).utterances)
        return replace(corpus, name="iemocap", emotions=IEMOCAP_EMOTIONS, utterances=tuple(named))

    audit = audit_dataset(made_dataset(tmp_path, [{}, {}, {}, {}], change))
    assert audit.paper is not None
    neutral = next(row for row in audit.labels if row.emotion == "neutral")
    assert neutral.paper is not None
    assert (neutral.paper.words_mean, neutral.paper.seconds_mean) == (13.08, 3.90)
    assert neutral.paper.utterances == {"train": 1214, "valid": 173, "test": 321}
    assert one(audit, "differs_from_paper").sentence.startswith("train has 2 utterances, published are 5,162")
    assert audit.to_json()["labels"][0]["paper"]["utterances"]["train"] == 757
