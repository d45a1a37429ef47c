"""Features beside a prepared dataset: the same in any number of processes and through kills, joined to their own clips,
refused when stale or damaged, and standardised from the training split alone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_parts import contents, made_corpus, made_parts, same_clip

from mesmer.config import FeatureSettings, MelSettings, PrepareSettings
from mesmer.dataset import feature_pieces
from mesmer.dataset import features as features_module
from mesmer.dataset.feature_files import FACTS_FILE, PIECE_ROWS, features_folder
from mesmer.dataset.features import feature_statistics, make_features
from mesmer.dataset.loading import BatchLoader, PreparedDataset, collate
from mesmer.dataset.prepare import prepare
from mesmer.errors import ConfigError, DataError, MesmerError, StaleDatasetError
from mesmer.records import MODALITIES
from mesmer.signals.handcrafted import clip_features as clip_features_module
from mesmer.signals.handcrafted.clip_features import clip_features
from mesmer.signals.handcrafted.resources import FeatureResources, load_resources
from mesmer.signals.text import train_tokenizer
from mesmer.storage.locking import locked_folder

SETTINGS = FeatureSettings(text="corpus", text_width=6)
ROWS = PIECE_ROWS + 5


def made(folder: Path, **changes: Any) -> PreparedDataset:
    """A prepared dataset of which the training split fills more than one piece; some utterances lack a modality."""
    clips: list[dict[str, Any]] = [{"split": "train", "seconds": 0.2 + 0.05 * (n % 5)} for n in range(ROWS)]
    clips += [{"split": "valid", "seconds": 0.3}, {"split": "test", "seconds": 0.9}]
    clips[1] |= {"text": None}
    clips[2] |= {"sound": False}
    clips[3] |= {"picture": False}
    clips[4] |= {"silent": True, "text": None}
    clips[0] |= changes
    prepare(made_corpus(folder / "raw", clips), folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return PreparedDataset.open(folder / "out")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    prepared = made(tmp_path_factory.mktemp("features"))
    make_features(prepared, SETTINGS)
    return prepared


def test_clips_carry_what_clip_features_says_of_them(dataset: PreparedDataset) -> None:
    joined = dataset.with_features(SETTINGS)
    assert joined.features is not None
    resources = joined.features.resources()
    for name in ("train", "valid", "test"):
        for bare, carrying in zip(dataset.split(name), joined.split(name), strict=True):
            assert bare.features is None
            assert carrying.features is not None
            assert same_clip(bare, carrying)
            expected = clip_features(bare, SETTINGS, resources)
            for modality, width in SETTINGS.widths.items():
                assert carrying.features[modality].dtype == np.float32
                assert carrying.features[modality].shape[1] == width
                assert np.array_equal(carrying.features[modality], expected[modality])
                assert (len(carrying.features[modality]) == 0) == (modality in bare.absent)


def test_steps_are_words_400_ms_and_faces(dataset: PreparedDataset) -> None:
    clip = dataset.with_features(SETTINGS).split("test")[0]
    assert clip.features is not None
    assert len(clip.features["text"]) == len(clip.text.split())
    assert len(clip.features["audio"]) == int(np.ceil(len(clip.waveform) / 6400)) == 3
    assert len(clip.features["visual"]) == len(clip.faces) == 2


def test_the_facts_say_what_was_made(dataset: PreparedDataset) -> None:
    facts = dataset.with_features(SETTINGS).features.facts  # type: ignore[union-attr]
    splits = [dataset.with_features(SETTINGS).split(name) for name in ("train", "valid", "test")]
    for modality in MODALITIES:
        counted = sum(len(split.features_of(row)[modality]) for split in splits for row in range(len(split)))
        assert facts.steps[modality] == counted > 0
    assert facts.unknown_words["train"] == 0.0
    assert facts.unknown_words["test"] == pytest.approx(1 / 3, abs=1e-3)  # its number is in no training sentence


def test_any_number_of_processes_makes_the_same_bytes(dataset: PreparedDataset, tmp_path: Path) -> None:
    expected = contents(features_folder(dataset.folder, SETTINGS))
    other = made(tmp_path)
    told: list[tuple[int, int]] = []
    make_features(other, SETTINGS, workers=2, progress=lambda done, total: told.append((done, total)))
    assert contents(features_folder(other.folder, SETTINGS)) == expected
    assert told[0] == (0, ROWS + 2)
    assert told[-1] == (ROWS + 2, ROWS + 2)


SCRIPT = """
import sys
from mesmer.config import FeatureSettings
from mesmer.dataset.features import make_features
if __name__ == "__main__":
    make_features(sys.argv[1], FeatureSettings(text="corpus", text_width=6), workers=int(sys.argv[2]),
                  progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_goes_on(dataset: PreparedDataset, tmp_path: Path, workers: int) -> None:
    expected = contents(features_folder(dataset.folder, SETTINGS))
    other = made(tmp_path)
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(other.folder), str(workers)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert running.stdout is not None
    while running.stdout.readline().strip() == "0":
        pass
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    folder = features_folder(other.folder, SETTINGS)
    if not (folder / FACTS_FILE).is_file():
        with pytest.raises(DataError, match="not made yet"):
            other.with_features(SETTINGS)
    for _ in range(100):  # its worker is told by the broken connection
        if not _alive_in(running.pid):
            break
        time.sleep(0.1)
    assert not _alive_in(running.pid)
    stood = {path.name: path.stat().st_mtime_ns for path in folder.glob("*-000000.safetensors")}
    assert stood
    make_features(other, SETTINGS)
    assert contents(folder) == expected
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*-000000.safetensors")}.items() >= stood.items()


def _alive_in(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_finished_features_are_not_made_again(dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_pieces, "clip_features", lambda *_, **__: pytest.fail("made again"))
    before = contents(dataset.folder)
    make_features(dataset, SETTINGS)
    make_features(dataset, replace(SETTINGS, glove="elsewhere.txt"))  # where files lie makes no difference
    assert contents(dataset.folder) == before


def test_other_settings_stand_beside(dataset: PreparedDataset) -> None:
    wider = replace(SETTINGS, text_width=7)
    assert features_folder(dataset.folder, wider) != features_folder(dataset.folder, SETTINGS)
    with pytest.raises(DataError, match=r"mesmer features .* --text corpus --text-width 7"):
        dataset.with_features(wider)


def test_another_dataset_or_version_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other", seconds=1.1)
    make_features(one, SETTINGS)
    ours, theirs = (features_folder(prepared.folder, SETTINGS) for prepared in (one, other))
    theirs.parent.mkdir()
    os.rename(ours, theirs)
    for ask in (lambda: other.with_features(SETTINGS), lambda: make_features(other, SETTINGS)):
        with pytest.raises(StaleDatasetError, match=r"another dataset; delete .* and run `mesmer features"):
            ask()
    os.rename(theirs, ours)
    for module in ("feature_files", "features"):
        monkeypatch.setattr(f"mesmer.dataset.{module}.VERSION", clip_features_module.VERSION + 1)
    with pytest.raises(StaleDatasetError, match="another version: version 1 instead of 2"):
        one.with_features(SETTINGS)


def test_what_was_begun_with_something_else_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = made(tmp_path)
    monkeypatch.setattr(features_module, "_make_all", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make_features(prepared, SETTINGS)
    monkeypatch.undo()
    monkeypatch.setattr(features_module, "VERSION", 7)
    with pytest.raises(StaleDatasetError, match="another version"):
        make_features(prepared, SETTINGS)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "swap", "facts", "name"])
def test_damage_is_told_and_names_the_file(dataset: PreparedDataset, tmp_path: Path, damage: str) -> None:
    shutil.copytree(dataset.folder, tmp_path / "out")
    other = PreparedDataset.open(tmp_path / "out")
    folder = features_folder(other.folder, SETTINGS)
    piece, second, facts = (folder / name for name in ("train-000000.safetensors", "train-000001.safetensors", FACTS_FILE))
    data = piece.read_bytes()
    if damage == "flip":
        piece.write_bytes(data[:-50] + bytes([data[-50] ^ 1]) + data[-49:])
    elif damage == "cut":
        piece.write_bytes(data[:-50])
    elif damage == "gone":
        piece.unlink()
    elif damage == "swap":  # whole pieces, in each other's place, with hashes to match
        piece.write_bytes(second.read_bytes())
        values = json.loads(facts.read_text())
        values["pieces"][piece.name] = values["pieces"][second.name]
        facts.write_text(json.dumps(values))
    elif damage == "facts":
        facts.write_text(facts.read_text()[:-20])
    else:
        facts.write_text(facts.read_text().replace("train-000000", "../train-00"))
    with pytest.raises(DataError) as refused:
        _ = [clip.features for clip in other.with_features(SETTINGS).split("train")]
    assert str(folder) in str(refused.value)


def test_only_one_process_makes_features_of_a_dataset(tmp_path: Path) -> None:
    prepared = made(tmp_path)
    folder = features_folder(prepared.folder, SETTINGS)
    with locked_folder(folder, busy=MesmerError("held twice")), pytest.raises(MesmerError, match="already"):
        make_features(prepared, SETTINGS)


def test_a_number_of_processes_below_0_is_refused(dataset: PreparedDataset) -> None:
    with pytest.raises(ConfigError, match="workers is -1"):
        make_features(dataset, SETTINGS, workers=-1)


def test_batches_carry_unaligned_sequences(dataset: PreparedDataset) -> None:
    train = dataset.with_features(SETTINGS).split("train")
    clips = [train[row] for row in (0, 2, 3, 4)]
    tokenizer = train_tokenizer(train.texts, 100)
    batch = collate(clips, None, tokenizer=tokenizer, mel=MelSettings(), max_tokens=12)
    assert batch.features is not None
    for place, name in enumerate(MODALITIES):
        sequence = batch.features[name]
        assert sequence.lengths.tolist() == [len(clip.features[name]) for clip in clips]  # type: ignore[index]
        assert torch.equal(sequence.lengths > 0, batch.present[:, place])
        parts = sequence.values.split(sequence.lengths.tolist())
        for part, clip in zip(parts, clips, strict=True):
            assert np.array_equal(part.numpy(), clip.features[name])  # type: ignore[index]
    moved = batch.to("cpu").features
    assert moved is not None
    assert all(torch.equal(moved[name].values, batch.features[name].values) for name in MODALITIES)
    hidden = replace(clips[0], absent={"audio": "hidden"})
    bare = replace(clips[1], features=None)
    again = collate([hidden], None, tokenizer=tokenizer, mel=MelSettings(), max_tokens=12)
    assert again.features is not None
    assert again.features["audio"].lengths.tolist() == [0]
    assert collate([hidden, bare], None, tokenizer=tokenizer, mel=MelSettings(), max_tokens=12).features is None


@pytest.mark.parametrize("workers", [0, 1])
def test_loaded_batches_hold_the_features_of_their_utterances(dataset: PreparedDataset, workers: int) -> None:
    train = dataset.with_features(SETTINGS).split("train")
    loader = BatchLoader(
        train,
        tokenizer=train_tokenizer(train.texts, 100),
        mel=MelSettings(),
        max_tokens=12,
        batch_size=16,
        shuffle=True,
        seed=1,
        augment_faces=True,
        augment_sound=True,
        workers=workers,
    )
    rows = {utterance_id: row for row, utterance_id in enumerate(train.ids)}
    seen = 0
    for batch in loader.epoch(0):
        assert batch.features is not None
        for name in MODALITIES:
            parts = batch.features[name].values.split(batch.features[name].lengths.tolist())
            for part, utterance_id in zip(parts, batch.ids, strict=True):
                assert np.array_equal(part.numpy(), train.features_of(rows[utterance_id])[name])
        seen += len(batch)
    assert seen == ROWS


def test_statistics_are_those_of_all_training_steps(dataset: PreparedDataset) -> None:
    joined = dataset.with_features(SETTINGS)
    train = joined.split("train")
    found = feature_statistics(train)
    for name in MODALITIES:
        steps = np.concatenate([train.features_of(row)[name] for row in range(len(train))]).astype(np.float64)
        mean, deviation = found[name]
        np.testing.assert_allclose(mean, steps.mean(axis=0), atol=1e-5)
        spread = steps.std(axis=0)
        moving = spread > 1e-4
        np.testing.assert_allclose(deviation[moving], spread[moving], rtol=1e-3)
        assert (deviation > 0).all()
    with pytest.raises(DataError, match="without features"):
        feature_statistics(dataset.split("train"))


def test_resources_come_back_as_they_were_saved(dataset: PreparedDataset, tmp_path: Path) -> None:
    files = dataset.with_features(SETTINGS).features
    assert files is not None
    resources = files.resources()
    resources.save(tmp_path)
    again = load_resources(SETTINGS, tmp_path)
    assert again.words.identity == resources.words.identity
    assert np.array_equal(again.words.vectors, resources.words.vectors)
    assert list(again.words.words) == list(resources.words.words)
    with pytest.raises(DataError, match="not those of the settings"):
        load_resources(replace(SETTINGS, text_width=7), tmp_path)
    (tmp_path / "words.json").write_text(json.dumps({"kind": "corpus", "width": 6, "identity": "x", "words": ["a"]}))
    with pytest.raises(DataError, match="do not fit"):
        load_resources(SETTINGS, tmp_path)


def test_gloves_file_stays_with_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESMER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "glove.txt"
    file.write_text("words 1 2\nnumber 3 4\n")
    settings = FeatureSettings(glove=str(file), text_width=2)
    prepared = made(tmp_path / "data")
    make_features(prepared, settings)
    joined = prepared.with_features(settings)
    assert joined.split("train").features_of(0)["text"].tolist() == [[1, 2], [3, 4], [0, 0]]
    resources: FeatureResources = joined.features.resources()  # type: ignore[union-attr]
    resources.save(tmp_path)
    assert not (tmp_path / "words.safetensors").exists()
    assert "number" not in (tmp_path / "words.json").read_text()
    file.write_text("words 1 2\nnumber 3 5\n")
    with pytest.raises(StaleDatasetError, match="other word vectors"):
        load_resources(settings, tmp_path)
    with pytest.raises(StaleDatasetError, match="another file of word vectors"):
        make_features(prepared, settings)
    file.unlink()
    with pytest.raises(ConfigError, match="no such file of word vectors"):
        load_resources(settings, tmp_path)


def test_openface_files_are_read_by_id(tmp_path: Path) -> None:
    from mesmer.signals.handcrafted.openface import COLUMNS

    prepared = made(tmp_path / "data")
    settings = replace(SETTINGS, visual="openface", openface=str(tmp_path / "units"))
    (tmp_path / "units").mkdir()
    for split in ("train", "valid", "test"):
        for number, utterance_id in enumerate(prepared.split(split).ids):
            values = ", ".join(f"{number + place}" for place in range(35))
            head = ", ".join(("timestamp", *COLUMNS))
            (tmp_path / "units" / f"{utterance_id}.csv").write_text(f"{head}\n0.0, {values}\n")
    make_features(prepared, settings)
    train = prepared.with_features(settings).split("train")
    assert train.features_of(5)["visual"].tolist() == [[5 + place for place in range(35)]]
    (tmp_path / "units" / "u006.csv").unlink()
    with pytest.raises(DataError, match=r"u006\.csv.*run FeatureExtraction"):
        make_features(prepared, replace(settings, text_width=5))
    with pytest.raises(ConfigError, match="where the media lie is not known"):
        make_features(prepared, replace(settings, text_width=4, openface=""))
