"""FER2013, the voices of RAVDESS and GoEmotions: every form says the same, the splits keep apart, damage is one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from public_trees import (
    FER_WORDS,
    fer_rows,
    grey_faces,
    png,
    write_fer_csv,
    write_fer_folders,
    write_fer_table,
    write_goemotions,
    write_voice_table,
)  # fmt: skip
from raw_trees import placeholder

from mesmer.corpora.base import Corpus
from mesmer.corpora.fer2013 import read_fer2013
from mesmer.corpora.goemotions import FINE, read_goemotions
from mesmer.corpora.ravdess_speech import FOLDS, HELD_BACK_RULE, actor_splits, read_ravdess_speech
from mesmer.corpora.ready_clips import EKMAN_EMOTIONS
from mesmer.corpora.sound_tables import unpack_sounds
from mesmer.errors import ConfigError, MesmerError

FACES = grey_faces(70)
PUBLISHED = {"angry": "anger", "sad": "sadness", "happy": "happiness"}


def shown(corpus: Corpus) -> Counter[tuple[bytes, str, str | None]]:
    """Every picture with its label and split, whatever it is called."""
    assert corpus.ready is not None
    return Counter(
        (corpus.ready(u).faces[0, :, :, 1].tobytes(), next(iter(u.labels or ())), u.split) for u in corpus.utterances
    )


@pytest.mark.parametrize(
    "write",
    [
        write_fer_table,
        write_fer_csv,
        lambda root, faces: write_fer_csv(root, faces, icml=True),
        write_fer_folders,
        lambda root, faces: write_fer_folders(root / "fer2013", faces).parent,
    ],
    ids=["table", "csv", "icml", "folders", "folder around"],
)
def test_every_form_of_fer2013_says_the_same(tmp_path: Path, write: Callable[..., Path]) -> None:
    corpus = read_fer2013(write(tmp_path / "raw", FACES))
    truth = Counter(
        (face.tobytes(), PUBLISHED.get(word, word), split)
        for face, (_, word, split) in zip(FACES, fer_rows(len(FACES)), strict=True)
    )
    assert shown(corpus) == truth
    assert corpus.emotions == EKMAN_EMOTIONS
    assert corpus.ready is not None
    clip = corpus.ready(corpus.utterances[0])
    assert clip.faces.shape == (1, 48, 48, 3)
    assert (clip.faces == clip.faces[..., :1]).all()
    assert clip.present == (False, False, True)


def test_a_picture_published_twice_is_two_utterances(tmp_path: Path) -> None:
    names = ["Training_1.png", "Training_1.png"]
    table = {"file": names, "emotion": ["sad", "fear"], "split": ["train"] * 2, "image": [png(FACES[0])] * 2}
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    assert [u.id for u in read_fer2013(tmp_path).utterances] == ["Training_1", "Training_1-2"]


def test_folders_whose_names_tell_nothing_give_a_tenth_to_validation(tmp_path: Path) -> None:
    faces = grey_faces(400, seed=1)
    corpus = read_fer2013(write_fer_folders(tmp_path, faces, named=False))
    sizes = corpus.split_sizes()
    trained = sum(split == "train" for _, _, split in fer_rows(400))
    assert sizes["train"] + sizes["valid"] == trained
    assert sizes["test"] == 400 - trained
    assert 0.04 < sizes["valid"] / trained < 0.18
    assert read_fer2013(tmp_path).utterances == corpus.utterances


def _table(root: Path, **changes: object) -> Path:
    columns = {"file": ["a.png"], "emotion": ["sad"], "split": ["train"], "image": [png(FACES[0])]} | changes
    pq.write_table(pa.table({name: value for name, value in columns.items() if value is not None}), root / "x.parquet")
    return root


FER_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no column": (lambda root: _table(root, image=None), "the column 'image' is missing"),
    "numbers for names": (lambda root: _table(root, file=[3]), "file: the column holds int64, not string"),
    "an empty cell": (lambda root: _table(root, emotion=pa.array([None], pa.string())), "emotion: a cell is empty"),
    "no rows": (lambda root: _table(root, **{n: pa.array([], pa.string()) for n in ("file", "emotion", "split")},
                                    image=pa.array([], pa.binary())), "has no rows"),
    "no picture": (lambda root: _table(root, image=[b"\x00" * 90]), "line 1, image: this is no JPEG or PNG"),
    "half a picture": (lambda root: _table(root, image=[png(FACES[0])[:500]]), "line 1, image: the picture is damaged"),
    "a large picture": (lambda root: _table(root, image=[png(np.zeros((96, 48), np.uint8))]), "48 x 96 pixels instead"),
    "many bytes": (lambda root: _table(root, image=[b"x" * 70_000]), "more than 65536 bytes"),
    "no such emotion": (lambda root: _table(root, emotion=["bored"]), "line 1, emotion: 'bored' is unknown"),
    "no such split": (lambda root: _table(root, split=["later"]), "line 1, split: 'later' is unknown"),
    "a path": (lambda root: _table(root, file=["../a.png"]), "would lead to another folder"),
    "no Parquet": (lambda root: (root / "x.parquet").write_bytes(b"PAR1 no PAR1"), "the table is damaged"),
    "csv header": (lambda root: (root / "fer2013.csv").write_text("emotion,pixel,Usage\n"), "'pixels' is missing"),
    "csv empty": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n"), "has no rows"),
    "few pixels": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2,Training\n"),
                   "line 2, pixels: 2 pixels instead of 2304"),
    "bright pixels": (lambda root: (root / "fer2013.csv").write_text(
        "emotion,pixels,Usage\n0," + "256 " * 2304 + ",Training\n"), "a pixel is above 255"),
    "no numbers": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 -2 x,Training\n"),
                   "a pixel is not a number"),
    "no such code": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n7,1 2,Training\n"),
                     "line 2, emotion: '7' is outside"),
    "no such usage": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2,Never\n"),
                      "line 2, Usage: 'Never' is unknown"),
    "a long line": (lambda root: (root / "fer2013.csv").write_text("emotion,pixels,Usage\n0," + "1 " * 99_999),
                    "line 2, length: the line is longer"),
    "nothing": (lambda root: None, "fer2013.csv, a Parquet table, or folders"),
    "two tables": (lambda root: (_table(root), (root / "y.parquet").write_bytes(b"")), "2 Parquet tables lie here"),
}  # fmt: skip


@pytest.mark.parametrize("damage", FER_DAMAGE)
def test_damaged_faces_are_one_line(tmp_path: Path, damage: str) -> None:
    plant, told = FER_DAMAGE[damage]
    plant(tmp_path)
    with pytest.raises(MesmerError) as caught:
        read_fer2013(tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


EKMAN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SENTENCES = [
    ("train", "So very glad!", "3", "t1"),
    ("train", "I fear and\u2028hate it", "0,2", "t2"),
    ("valid", "It is a table.", "4", "v1"),
    ("test", "What \"now\"?", "6", "x1"),
]  # fmt: skip


def test_goemotions_with_ekman_labels(tmp_path: Path) -> None:
    corpus = read_goemotions(write_goemotions(tmp_path, SENTENCES, EKMAN, fine=False))
    assert [(u.id, u.split, u.labels) for u in corpus.utterances] == [
        ("t1", "train", {"happiness": 1.0}),
        ("t2", "train", {"anger": 1.0, "fear": 1.0}),
        ("v1", "valid", {"neutral": 1.0}),
        ("x1", "test", {"surprise": 1.0}),
    ]
    assert corpus.ready is not None
    clip = corpus.ready(corpus.utterances[3])
    assert (clip.text, clip.present) == ('What "now"?', (True, False, False))


def test_fine_labels_are_brought_to_the_six(tmp_path: Path) -> None:
    fine = [*sorted(name for several in FINE.values() for name in several if name != "neutral"), "neutral"]
    assert len(fine) == 28
    rows = [(split, "words", str(n), f"{split}{n}") for split in ("train", "valid", "test") for n in range(28)]
    rows.append(("train", "both", f"{fine.index('love')},{fine.index('grief')}", "both"))
    corpus = read_goemotions(write_goemotions(tmp_path, rows, fine, fine=True))
    found = {u.id: set(u.labels or ()) for u in corpus.utterances}
    assert found["both"] == {"happiness", "sadness"}
    # The mapping as published, a few of each.
    for name, emotion in [
        ("disapproval", "anger"), ("nervousness", "fear"), ("caring", "happiness"), ("remorse", "sadness"),
        ("realization", "surprise"), ("curiosity", "surprise"), ("neutral", "neutral"), ("disgust", "disgust"),
    ]:  # fmt: skip
        assert found[f"test{fine.index(name)}"] == {emotion}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("train", "a", "7", "z"), "line 2, labels: '7' is outside 0 to 6"),
        (("train", "a", "x", "z"), "line 2, labels: 'x' is not a number"),
        (("train", "a", "", "z"), "line 2, labels: there is none"),
        (("train", "a", "1", "a"), "line 2, id: 'a' stands twice; see train.tsv, line 1"),
        (("train", "a", "1\tb", "z"), "line 2, cells: 4 cells where 3 are expected"),
        (("train", "a" * 20_001, "1", "z"), "line 2, text: the transcript is longer"),
    ],
)
def test_damaged_sentences_are_one_line(tmp_path: Path, row: tuple[str, str, str, str], told: str) -> None:
    rows = [("train", "a", "1", "a"), row, ("valid", "a", "1", "b"), ("test", "a", "1", "c")]
    with pytest.raises(MesmerError, match=r"train\.tsv") as caught:
        read_goemotions(write_goemotions(tmp_path, rows, EKMAN, fine=False))
    assert told in str(caught.value)


def test_goemotions_needs_labels_it_knows(tmp_path: Path) -> None:
    with pytest.raises(MesmerError, match=r"labels\.txt: line 2, label: 'boredom' is none of the emotions"):
        read_goemotions(write_goemotions(tmp_path, SENTENCES, ("anger", "boredom"), fine=False))
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(MesmerError, match=r"beside emotions\.txt or labels\.txt"):
        read_goemotions(tmp_path)


def test_no_actor_is_in_two_splits_and_each_is_a_test_once() -> None:
    tested: Counter[int] = Counter()
    for fold in range(1, FOLDS + 1):
        homes = actor_splits(fold)
        assert set(homes) == set(range(1, 25))
        assert homes[1] is None
        test, valid = ([a for a, home in homes.items() if home == name] for name in ("test", "valid"))
        tested.update(test)
        assert len(test) in (4, 5)
        assert {a % 2 for a in test} == {0, 1} == {a % 2 for a in valid}
        assert len(valid) == 2
    assert tested == Counter(range(2, 25))
    held = actor_splits(3, held_back=True)
    assert [a for a, home in held.items() if home == "test"] == [1]
    assert sum(home == "valid" for home in held.values()) == 2


def test_voices_alone(tmp_path: Path) -> None:
    for actor in range(1, 25):
        for name in (f"03-01-05-01-01-01-{actor:02d}.wav", f"01-01-05-01-01-01-{actor:02d}.mp4"):
            placeholder(tmp_path / f"Actor_{actor:02d}" / name)
    placeholder(tmp_path / "Actor_02" / "03-02-05-01-01-01-02.wav")
    corpus = read_ravdess_speech(tmp_path, fold=2)
    assert len(corpus) == 23
    assert {u.text for u in corpus.utterances} == {None}
    assert {Path(u.media).suffix for u in corpus.utterances} == {".wav"}
    assert {int(u.id[-2:]): u.split for u in corpus.utterances} == {
        actor: home for actor, home in actor_splits(2).items() if home
    }
    assert sorted(row.rule for row in corpus.left_out) == [HELD_BACK_RULE, "sung, not spoken"]
    held = read_ravdess_speech(tmp_path, held_back=True)
    assert [u.speaker for u in held.utterances if u.split == "test"] == ["actor_01"]
    with pytest.raises(ConfigError, match="--fold: there is no fold 6"):
        read_ravdess_speech(tmp_path, fold=6)


def test_a_table_of_sounds_is_unpacked_once_and_only_to_plain_names(tmp_path: Path) -> None:
    names = ["03-01-05-01-01-01-02.flac", "03-01-05-01-01-01-03.flac"]
    table = write_voice_table(tmp_path / "raw", names, [b"one", b"two"]) / "voices.parquet"
    folder = unpack_sounds(table, cache=tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict(zip(names, [b"one", b"two"], strict=True))
    (folder / names[0]).write_bytes(b"kept")
    assert unpack_sounds(table, cache=tmp_path / "cache") == folder
    assert (folder / names[0]).read_bytes() == b"kept"
    for bad, told in [("../x.flac", "another folder"), ("x.exe", "is no sound file"), (names[0], "stands twice")]:
        other = write_voice_table(tmp_path / "bad" / told[:4], [names[0], bad], [b"1", b"2"]) / "voices.parquet"
        with pytest.raises(MesmerError, match="line 2, file") as caught:
            unpack_sounds(other, cache=tmp_path / "cache2")
        assert told in str(caught.value)
    assert not list((tmp_path / "cache2").rglob("*.flac"))


def test_real_tables(real_data: Path) -> None:
    if not (real_data / "fer2013" / "fer2013.parquet").is_file() or not (real_data / "goemotions").is_dir():
        pytest.skip("the public tables are not in the folder of real recordings")
    sentences = read_goemotions(real_data / "goemotions")
    assert sentences.split_sizes() == {"train": 43_410, "valid": 5_426, "test": 5_427}
    faces = read_fer2013(real_data / "fer2013")
    assert faces.split_sizes() == {"train": 28_709, "valid": 3_589, "test": 3_589}
    counts = Counter(next(iter(u.labels or ())) for u in faces.utterances)
    assert (counts["disgust"], counts["happiness"], set(counts)) == (547, 8_989, set(EKMAN_EMOTIONS))
    assert len(FER_WORDS) == 7


def test_small_clips_are_kept_once_read_and_cannot_be_changed(tmp_path: Path) -> None:
    import pickle

    from mesmer.config import PrepareSettings
    from mesmer.dataset.prepare import prepare
    from mesmer.dataset.prepared import PreparedDataset

    prepare(read_fer2013(write_fer_csv(tmp_path / "raw", FACES)), tmp_path / "out", settings=PrepareSettings(), workers=0)
    split = PreparedDataset.open(tmp_path / "out", verify=True).split("train")
    assert split[3] is split[3] is split[3 - len(split)]
    with pytest.raises(ValueError, match="read-only"):
        split[3].faces[:] = 0
    fresh = pickle.loads(pickle.dumps(split))
    assert fresh[3] is not split[3]
    assert np.array_equal(fresh[3].faces, split[3].faces)
    truth = [face for face, (_, _, home) in zip(FACES, fer_rows(len(FACES)), strict=True) if home == "train"]
    for row, face in enumerate(truth):
        assert np.array_equal(split[row].faces[0], np.repeat(face[:, :, None], 3, axis=2))
    assert (split.present == [False, False, True]).all()
