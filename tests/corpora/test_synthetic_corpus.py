"""The synthetic corpus on disk: the same bytes every time, whole or not at all, and a truth that holds."""

from __future__ import annotations

import hashlib
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.corpora.synthetic import generator, make_synthetic, make_utterance, read_truth
from mesmer.corpora.synthetic.expression import ACTION_UNIT_REGIONS, EMOTION_ACTION_UNITS, REGIONS
from mesmer.corpora.synthetic.phrases import FEELINGS
from mesmer.corpora.synthetic.plan import EVIDENCE, plan_corpus, plan_unseen
from mesmer.corpora.synthetic.rendering import perform
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError, MesmerError
from mesmer.records import MODALITIES
from mesmer.signals.mtcnn import FaceDetector

TINY_SEED = 3
Truth = dict[str, Any]


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def sound_of(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_two_workers_make_the_same_bytes_as_one(tiny_root: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_synthetic(
        tmp_path / "again", size="tiny", seed=TINY_SEED, workers=2, progress=lambda done, total: told.append((done, total))
    )
    assert digests(tmp_path / "again") == digests(tiny_root)
    assert told == [(done, 40) for done in range(1, 41)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again"]


def test_an_utterance_made_alone_is_the_same(tiny_root: Path, tiny_truth: list[Truth], tmp_path: Path) -> None:
    for number in (29, 4):
        plan = plan_corpus(size="tiny", seed=TINY_SEED)[number]
        truth = make_utterance(plan, path=tmp_path / "alone.mp4", seed=TINY_SEED)
        assert truth == tiny_truth[number]
        assert (tmp_path / "alone.mp4").read_bytes() == (tiny_root / "media" / f"{plan.id}.mp4").read_bytes()


def test_the_manifest_is_an_ordinary_one(tiny: Corpus, tiny_root: Path, tiny_truth: list[Truth]) -> None:
    corpus = read_folder(tiny_root / "manifest.jsonl", name="synthetic")
    assert corpus == tiny
    assert tiny.emotions == SIX_EMOTIONS
    assert tiny.split_sizes() == {"train": 20, "valid": 10, "test": 10}
    for utterance, truth in zip(tiny.utterances, tiny_truth, strict=True):
        assert (utterance.id, utterance.speaker, utterance.split) == (truth["id"], truth["speaker"], truth["split"])
        assert utterance.labels == truth["labels"]
        assert utterance.text == truth["text"]["sentence"]


def test_videos_hold_what_the_truth_says(tiny_root: Path, tiny_truth: list[Truth]) -> None:
    for truth in tiny_truth[::4]:
        visual = truth["visual"]
        path = tiny_root / "media" / f"{truth['id']}.mp4"
        with av.open(str(path)) as container:
            assert container.streams.video[0].average_rate == Fraction(visual["fps"])
        frames = frames_of(path)
        assert len(frames) == visual["frames"]
        assert frames[0].shape == (visual["height_px"], visual["width_px"], 3)
        assert len(frames) / float(Fraction(visual["fps"])) == pytest.approx(truth["duration_s"], abs=0.05)
        sound = sound_of(path)
        assert len(sound) / 16_000 == pytest.approx(truth["duration_s"], abs=0.15)
        first, last = (int(time * 16_000) for time in truth["audio"]["spoken_s"])
        level = 10 * np.log10(np.mean(sound[first:last].astype(np.float64) ** 2))
        assert level == pytest.approx(truth["audio"]["voice"]["level_dbfs"], abs=1.5)


def test_the_pictures_are_the_drawn_ones(tiny_root: Path) -> None:
    plan = plan_corpus(size="tiny", seed=TINY_SEED)[8]
    drawn = list(perform(plan, seed=TINY_SEED).pictures())
    shown = frames_of(tiny_root / "media" / f"{plan.id}.mp4")
    assert len(drawn) == len(shown)
    difference = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in zip(drawn, shown, strict=True)]
    assert max(difference) < 4


def test_the_truth_of_each_modality(tiny_truth: list[Truth]) -> None:
    for truth in tiny_truth:
        carried = {m: {e for e, names in truth["carriers"].items() if m in names} for m in MODALITIES}
        assert set(truth["labels"]) == set().union(*carried.values())
        assert {carrier["emotion"] for carrier in truth["text"]["carriers"]} == carried["text"]
        assert set(truth["audio"]["shown"]) == carried["audio"]
        assert set(truth["visual"]["shown"]) == carried["visual"]
        visual, drawings = truth["visual"], len(truth["visual"]["times_s"])
        assert set(visual["action_units"]) == {unit for e in carried["visual"] for unit in EMOTION_ACTION_UNITS[e]}
        assert all(len(course) == drawings and max(course) <= 1 for course in visual["action_units"].values())
        assert list(visual["regions_px"]) == list(REGIONS)
        assert all(len(boxes) == drawings for boxes in (visual["face_box_px"], *visual["regions_px"].values()))
        for shown in visual["shown"].values():
            first, last = shown["apex_s"]
            assert 0 <= shown["from_s"] <= first < last <= shown["to_s"] <= truth["duration_s"]
            assert last - first > 0.4 * truth["duration_s"]
            assert set(shown["regions"]) == {
                region for unit in shown["action_units"] for region in ACTION_UNIT_REGIONS[unit]
            }
        if "audio" not in {m for names in truth["carriers"].values() for m in names}:
            assert truth["audio"]["voice"]["breathiness"] == truth["audio"]["voice_at_rest"]["breathiness"]


def test_text_carriers_and_times(tiny_truth: list[Truth]) -> None:
    feelings = {feeling: emotion for emotion, words in FEELINGS.items() for feeling in words}
    for truth in tiny_truth:
        sentence = truth["text"]["sentence"]
        for carrier in truth["text"]["carriers"]:
            assert sentence[slice(*carrier["span"])] == carrier["words"]
            assert feelings.get(carrier["words"], carrier["emotion"]) == carrier["emotion"]
        assert [sentence[slice(*word["span"])] for word in truth["text"]["words"]] == sentence.split()
        assert truth["text"]["words"][-1]["end_s"] <= truth["audio"]["spoken_s"][1] <= truth["duration_s"]


def test_faces_are_found_where_the_truth_says(tiny_root: Path, tiny_truth: list[Truth]) -> None:
    detector = FaceDetector(min_face_px=40)
    looked_at, found, overlaps = 0, 0, []
    for truth in tiny_truth:
        visual = truth["visual"]
        frames = frames_of(tiny_root / "media" / f"{truth['id']}.mp4")
        chosen = range(0, len(frames), 15)
        for number, detections in zip(chosen, detector.detect([frames[n] for n in chosen]), strict=True):
            looked_at += 1
            if len(detections.boxes_px):
                found += 1
                best = detections.boxes_px[int(np.argmax(detections.scores))]
                overlaps.append(_overlap(best, np.array(visual["face_box_px"][number // 2])))
    assert looked_at > 100
    assert found / looked_at >= 0.95
    assert np.median(overlaps) > 0.7


def _overlap(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes."""
    inside = np.prod(np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None))
    return float(inside / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - inside))


def test_the_unseen_clip(tiny: Corpus, tiny_root: Path) -> None:
    assert plan_unseen(seed=TINY_SEED).speaker not in {utterance.speaker for utterance in tiny.utterances}
    assert len(frames_of(tiny_root / "unseen.mp4")) > 20
    assert (tiny_root / "unseen.txt").read_text().strip().endswith(".")


def test_the_record(tiny_root: Path) -> None:
    record = json.loads((tiny_root / "corpus.json").read_text())
    assert (record["size"], record["seed"]) == ("tiny", TINY_SEED)
    assert record["counts"]["train"]["utterances"] == 20
    assert {name: shown["drawn"] for name, shown in record["evidence"].items()} == dict(EVIDENCE)


def test_an_existing_corpus_is_returned_as_it_is(tiny: Corpus, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "make_utterance", None)
    before = {path: path.stat().st_mtime_ns for path in tiny_root.rglob("*")}
    assert make_synthetic(tiny_root, size="tiny", seed=TINY_SEED, workers=2) == tiny
    assert {path: path.stat().st_mtime_ns for path in tiny_root.rglob("*")} == before


@pytest.fixture
def copy(tiny_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_root, tmp_path / "copy")
    return tmp_path / "copy"


def _append(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


DAMAGE = {
    "other seed": (lambda root: None, {"seed": 4}, "made with seed 3, not 4"),
    "other size": (lambda root: None, {"size": "small"}, "made with size 'tiny'"),
    "other version": (lambda root: _edit(root, version=0), {}, "made with version 0"),
    "true is not 1": (lambda root: _edit(root, version=True), {}, "made with version True"),
    "other format": (lambda root: _edit(root, format="x"), {}, "not a synthetic corpus"),
    "record is no JSON": (lambda root: (root / "corpus.json").write_text("{"), {}, "corpus.json"),
    "record is a list": (lambda root: (root / "corpus.json").write_text("[]"), {}, "not a synthetic corpus"),
    "record is gone": (lambda root: (root / "corpus.json").unlink(), {}, "something else stands here"),
    "no hashes": (lambda root: _edit(root, sha256=None), {}, "was changed"),
    "manifest changed": (lambda root: _append(root / "manifest.jsonl"), {}, "manifest.jsonl: the file was changed"),
    "truth changed": (lambda root: _append(root / "truth.jsonl"), {}, "truth.jsonl: the file was changed"),
    "truth is gone": (lambda root: (root / "truth.jsonl").unlink(), {}, "truth.jsonl"),
    "a video is gone": (lambda root: (root / "media" / "s000_u00.mp4").unlink(), {}, "media files are missing"),
}


def _edit(root: Path, **changes: object) -> None:
    path = root / "corpus.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("damage", DAMAGE)
def test_anything_else_is_refused_and_left_alone(copy: Path, damage: str) -> None:
    harm, settings, problem = DAMAGE[damage]
    harm(copy)
    before = digests(copy)
    with pytest.raises(DataError, match=problem):
        make_synthetic(copy, **{"size": "tiny", "seed": TINY_SEED, **settings})
    assert digests(copy) == before


def test_other_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "holiday.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(DataError, match="something else stands here"):
            make_synthetic(tmp_path / name, size="tiny", seed=0)


@pytest.mark.parametrize(
    ("settings", "problem"), [({"workers": 0}, "0 workers"), ({"size": "big"}, "no size 'big'"), ({"seed": -1}, "negative")]
)
def test_bad_settings_make_nothing(tmp_path: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make_synthetic(tmp_path / "out", **{"size": "tiny", **settings})
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise MesmerError("stopped")

    with pytest.raises(MesmerError, match="stopped"):
        make_synthetic(tmp_path / "out", size="tiny", seed=0, progress=stop)
    assert not list(tmp_path.iterdir())


def test_truth_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"truth\.jsonl"):
        list(read_truth(tmp_path))
    (tmp_path / "truth.jsonl").write_text('{"id": "a"}\n{\n')
    with pytest.raises(DataError, match="line 2"):
        list(read_truth(tmp_path))
