"""CMU-MOSEI: segments joined to labels by clip or by time, and each misaligned one removed by the rule that says why."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from raw_trees import (
    MOSEI_DURATIONS,
    MOSEI_VIDEOS,
    csd_rows,
    placeholder,
    replace_once,
    write_annotations,
    write_cmu_mosei,
    write_csd,
    write_text,
)

from mesmer.corpora import cmu_mosei
from mesmer.corpora.cmu_mosei import read_cmu_mosei
from mesmer.corpora.cmu_mosei_labels import read_annotations
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError, MediaError
from mesmer.media.reader import MediaReader
from mesmer.media.writer import write_video

EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
IDS = [f"{video}_{segment.clip}" for video, found in MOSEI_VIDEOS.items() for segment in found]


def transcript(root: Path, video: str = "-3g5yACwYnA") -> Path:
    return root / "Transcript" / "Segmented" / "Combined" / f"{video}.txt"


def video_file(root: Path, video: str) -> Path:
    return root / "Videos" / "Full" / "Combined" / f"{video}.mp4"


def test_segments_come_back_as_they_were_written(tmp_path: Path) -> None:
    corpus = read_cmu_mosei(write_cmu_mosei(tmp_path), scores="soft")
    assert corpus.emotions == SIX_EMOTIONS
    assert corpus.left_out == ()
    by_id = {u.id: u for u in corpus.utterances}
    assert sorted(by_id) == sorted(IDS)
    for video, found in MOSEI_VIDEOS.items():
        for segment in found:
            u = by_id[f"{video}_{segment.clip}"]
            assert (u.start_s, u.end_s, u.text) == (segment.start_s, segment.end_s, segment.text)
            assert (u.dialogue, u.media) == (video, str(video_file(tmp_path, video)))
            expected = {e: score / 3 for e, score in zip(EMOTIONS, segment.scores, strict=True) if score}
            assert u.labels == pytest.approx(expected)
    binary = {u.id: u.labels for u in read_cmu_mosei(tmp_path).utterances}
    assert binary == {name: dict.fromkeys(u.labels or (), 1.0) for name, u in by_id.items()}
    assert binary["-3g5yACwYnA_13"] == {}


def test_the_csd_file_agrees_with_the_annotators(tmp_path: Path, h5py: None) -> None:
    root = write_cmu_mosei(tmp_path / "Raw", labels=("csv", "csd"))
    (root / "CMU_MOSEI_Labels.csd").rename(tmp_path / "CMU_MOSEI_Labels.csd")
    for source in (tmp_path, root):
        from_csd = read_cmu_mosei(source, scores="soft")
        from_csv = read_cmu_mosei(source, labels="csv", scores="soft")
        assert from_csd.left_out == from_csv.left_out == ()
        for one, other in zip(from_csd.utterances, from_csv.utterances, strict=True):
            assert one.labels == pytest.approx(other.labels)
            assert one.id == other.id


def test_a_repeated_assignment_counts_once(tmp_path: Path) -> None:
    write_annotations(tmp_path)
    scores = {
        f"{video}_{clip}": scores for (video, clip), (_, scores) in read_annotations(sorted(tmp_path.iterdir())).items()
    }
    for video, found in MOSEI_VIDEOS.items():
        for segment in found:
            assert scores[f"{video}_{segment.clip}"] == pytest.approx(dict(zip(EMOTIONS, segment.scores, strict=True)))


def test_an_empty_answer_is_no_answer(tmp_path: Path) -> None:
    write_annotations(tmp_path)
    rows = list(csv.reader((tmp_path / "Batch_1.csv").open()))
    at = rows[0].index("Answer.happiness")
    assert [row[at] for row in rows[1:4]] == ["2", "0", "0"]
    rows[2][at] = rows[3][at] = ""
    with (tmp_path / "Batch_1.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    _, scores = read_annotations([tmp_path / "Batch_1.csv"])["-3g5yACwYnA", 10]
    assert scores["happiness"] == 2.0


@dataclass(frozen=True)
class Facts:
    duration_s: float | None
    has_video: bool = True
    has_audio: bool = True


def test_misaligned_segments_are_removed_by_rule_and_nothing_else(tmp_path: Path) -> None:
    """One fault for each cleaning rule, all at once."""
    root = write_cmu_mosei(tmp_path)
    clean = read_cmu_mosei(root)
    replace_once(transcript(root), "___They've been able, you know.", "___  ")
    replace_once(transcript(root), "___2___4.84___14.052___", "___2___14.84___14.052___")
    with transcript(root).open("a") as file:
        file.write("-3g5yACwYnA___10___82.753___100.555___Key is part of the people.\n")  # stands twice
        file.write("-3g5yACwYnA___99___1.0___2.0___Nobody scored this.\n")
    with (root / "Labels" / "Batch_2.csv").open("a") as file:
        file.write('"H","new","W","208416","7","1","0","0","0","0","0","0"\n')
    for number, name in enumerate(("gone", "torn", "blind", "mute", "heard", "empty")):
        write_text(transcript(root, name), f"{name}___0___0___1___Words.\n")
        placeholder(video_file(root, name))
        with (root / "Labels" / "Batch_2.csv").open("a") as file:
            file.write(f'"H","n{number}","W","{name}","0","1","3","0","0","0","0","0"\n')
    video_file(root, "gone").unlink()
    video_file(root, "empty").write_bytes(b"")
    placeholder(root / "Audio" / "Full" / "WAV_16000" / "heard.wav")
    facts = {name: Facts(duration) for name, duration in MOSEI_DURATIONS.items()}
    facts |= {"a_b__c_": Facts(19.5), "blind": Facts(9, has_video=False)}
    facts |= {"mute": Facts(9, has_audio=False), "heard": Facts(None, has_audio=False)}
    asked: list[str] = []

    def probe(path: Path) -> Facts:
        asked.append(path.stem)
        if path.stem == "torn":
            raise MediaError("damaged", kind="corrupt", file=path)
        return facts[path.stem]

    corpus = read_cmu_mosei(root, probe=probe)
    assert len(asked) == len(set(asked))
    labels = root / "Labels"
    assert sorted((row.id, row.rule, Path(row.file)) for row in corpus.left_out) == sorted(
        [
            ("-3g5yACwYnA_13", cmu_mosei.EMPTY_TEXT, transcript(root)),
            ("-3g5yACwYnA_2", cmu_mosei.END_BEFORE_START, transcript(root)),
            ("-3g5yACwYnA_10", cmu_mosei.SAME_SEGMENT, transcript(root)),
            ("-3g5yACwYnA_99", cmu_mosei.NO_LABELS, labels),
            ("208416_7", cmu_mosei.NO_TRANSCRIPT, labels / "Batch_2.csv"),
            ("a_b__c__1", cmu_mosei.OUTSIDE, transcript(root, "a_b__c_")),
            ("gone_0", cmu_mosei.NO_VIDEO, video_file(root, "gone")),
            ("empty_0", "the media file is empty", video_file(root, "empty")),
            ("torn_0", cmu_mosei.UNREADABLE, video_file(root, "torn")),
            ("blind_0", cmu_mosei.NO_PICTURE, video_file(root, "blind")),
            ("mute_0", cmu_mosei.NO_SOUND, video_file(root, "mute")),
        ]
    )
    assert {row.rule for row in corpus.left_out} >= set(cmu_mosei.RULES)
    kept = {u.id: u for u in corpus.utterances}
    assert kept["heard_0"].sound == str(root / "Audio" / "Full" / "WAV_16000" / "heard.wav")
    planted = {row.id for row in corpus.left_out} - {"-3g5yACwYnA_10"}
    assert [u for u in corpus.utterances if u.id != "heard_0"] == [u for u in clean.utterances if u.id not in planted]


def test_real_videos_are_asked_for_their_length_and_streams(tmp_path: Path) -> None:
    def video(path: Path, duration_s: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = np.full((32, 32, 3), 99, np.uint8)
        shorter_s = 19.0 if path.stem == "a_b__c_" else duration_s
        sound = None if path.stem == "208416" else np.zeros(round(16_000 * shorter_s), np.float32)
        write_video(path, (frame for _ in range(round(4 * shorter_s))), 4, sound)

    root = write_cmu_mosei(tmp_path, media=video)
    video_file(root, "-3g5yACwYnA").write_bytes(b"no video at all")
    with MediaReader() as reader:
        corpus = read_cmu_mosei(root, probe=reader.probe)
    assert {row.id: row.rule for row in corpus.left_out} == {
        "-3g5yACwYnA_10": cmu_mosei.UNREADABLE,
        "-3g5yACwYnA_13": cmu_mosei.UNREADABLE,
        "-3g5yACwYnA_2": cmu_mosei.UNREADABLE,
        "a_b__c__1": cmu_mosei.OUTSIDE,
    }
    assert {u.id: Path(u.sound or "").name for u in corpus.utterances} == {"a_b__c__0": "", "208416_0": "208416.wav"}


@pytest.mark.parametrize(
    ("duration_s", "outside"), [(20.098, False), (19.6, False), (19.59, True), (9.2, True), (9.0, True)]
)
def test_the_end_may_hang_over_by_half_a_second(tmp_path: Path, duration_s: float, outside: bool) -> None:
    corpus = read_cmu_mosei(write_cmu_mosei(tmp_path), durations={"a_b__c_": duration_s})
    assert ("a_b__c__1" in {row.id for row in corpus.left_out}) == outside


def test_rows_of_the_csd_file_without_a_segment(tmp_path: Path, h5py: None) -> None:
    root = write_cmu_mosei(tmp_path, labels=("csd",))
    rows = csd_rows()
    first = rows["-3g5yACwYnA"][0]
    rows["-3g5yACwYnA"].append(first)  # the same stretch again
    rows["-3g5yACwYnA"][1] = (first[0] + 1, first[1] + 1, *first[2:])  # a stretch of no segment
    rows["208416"][0] = (1.04, 1.96, *rows["208416"][0][2:])  # within the tolerance
    rows["new"] = [(0.0, 1.0, 0.0, *[1.0] * 6)]
    csd = root / "CMU_MOSEI_Labels.csd"
    write_csd(csd, rows)
    corpus = read_cmu_mosei(root)
    assert sorted((row.id, row.rule, Path(row.file)) for row in corpus.left_out) == sorted(
        [
            ("-3g5yACwYnA[1]", cmu_mosei.NO_TRANSCRIPT, csd),
            ("-3g5yACwYnA[3]", cmu_mosei.NO_TRANSCRIPT, csd),
            ("new[0]", cmu_mosei.NO_TRANSCRIPT, csd),
            ("-3g5yACwYnA_13", cmu_mosei.NO_LABELS, csd),
        ]
    )
    assert {u.id for u in corpus.utterances} == set(IDS) - {"-3g5yACwYnA_13"}


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    root = write_cmu_mosei(tmp_path, labels=())
    for wanted, words in (("auto", "no labels"), ("csd", "no csd file"), ("csv", "no annotators' tables")):
        with pytest.raises(DataError, match=words):
            read_cmu_mosei(root, labels=wanted)  # type: ignore[arg-type]
    for name in ("a_Labels.csd", "b_Labels.csd"):
        placeholder(root / name)
    with pytest.raises(DataError, match="2 csd files"):
        read_cmu_mosei(root)
    with pytest.raises(DataError, match="a folder Transcript/Segmented/Combined: not found here"):
        read_cmu_mosei(root / "Audio")


def test_unknown_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scores: scores is 'hard'"):
        read_cmu_mosei(tmp_path, scores="hard")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="labels: labels is 'pickle'"):
        read_cmu_mosei(tmp_path, labels="pickle")  # type: ignore[arg-type]
