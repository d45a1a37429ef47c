"""Splits as lists of ids: sizes as published, and what either side does not have is reported by id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from damage import Damage, damages
from hypothesis import HealthCheck, given, settings
from raw_trees import write_iemocap

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.id_lists import IN_NO_LIST, NOT_IN_CORPUS, apply_id_lists, read_id_lists
from mesmer.corpora.iemocap import read_iemocap
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import DataError, MesmerError
from mesmer.records import Utterance

LISTS = {"train": ["-3g_0", "a_1"], "valid": ["b_2"], "test": ["c_3", "c_4"]}


def write_lists(folder: Path, ending: str = "_split.txt", **lists: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, ids in (LISTS | lists).items():
        (folder / f"{split}{ending}").write_text("".join(f"{name}\n" for name in ids))
    return folder


@pytest.mark.parametrize("ending", ["_split.txt", ".txt"])
def test_lists_come_back_as_they_were_written(tmp_path: Path, ending: str) -> None:
    lists = read_id_lists(write_lists(tmp_path, ending))
    assert {split: list(ids) for split, ids in lists.ids.items()} == LISTS
    assert lists.sizes() == {"train": 2, "valid": 1, "test": 2}


def test_other_words_blank_lines_and_line_ends(tmp_path: Path) -> None:
    write_lists(tmp_path)
    (tmp_path / "valid_split.txt").unlink()
    (tmp_path / "dev.txt").write_bytes(b"\xef\xbb\xbfb_2 \r\n\r\n")
    assert read_id_lists(tmp_path).ids["valid"] == ("b_2",)


@pytest.mark.parametrize(
    ("lists", "field", "problem"),
    [
        ({"train": ["a", "b", "a"]}, "line 3, id", "'a' stands in line 1 of train_split.txt already"),
        ({"train": ["a"], "test": ["b", "a"]}, "line 2, id", "'a' stands in line 1 of train_split.txt already"),
        ({"test": []}, "line 1, id", "the list is empty"),
        ({"test": ["../x"]}, "line 1, id", "another folder"),
        ({"test": ["a\x1bb"]}, "line 1, id", "is not a name"),
        ({"test": ["x" * 300]}, "line 1, id", "is not a name"),
    ],
)
def test_a_bad_list_is_one_error(tmp_path: Path, lists: dict[str, list[str]], field: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read_id_lists(write_lists(tmp_path, **lists))
    assert caught.value.field == field
    assert problem in str(caught.value)


def test_lists_that_are_missing_or_twice_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_id_lists(tmp_path / "none")
    write_lists(tmp_path)
    (tmp_path / "val.txt").write_text("z\n")
    with pytest.raises(DataError, match="2 lists of the split 'valid'"):
        read_id_lists(tmp_path)
    (tmp_path / "val.txt").unlink()
    (tmp_path / "test_split.txt").unlink()
    with pytest.raises(DataError, match=r"no list of the split 'test'; name one list test_split.txt"):
        read_id_lists(tmp_path)


def corpus(*ids: str, left_out: tuple[LeftOut, ...] = ()) -> Corpus:
    utterances = tuple(Utterance(id=name, corpus="c", media="m") for name in ids)
    return Corpus(name="c", emotions=SIX_EMOTIONS, utterances=utterances, root=Path("r"), left_out=left_out)


def test_missing_and_unlisted_ids_are_reported(tmp_path: Path) -> None:
    lists = read_id_lists(write_lists(tmp_path))
    removed = LeftOut(id="c_4", file="f", rule="the transcript is empty")
    listed = apply_id_lists(corpus("c_3", "new_0", "-3g_0", "b_2", left_out=(removed,)), lists)
    assert [(u.id, u.split) for u in listed.corpus.utterances] == [("c_3", "test"), ("-3g_0", "train"), ("b_2", "valid")]
    assert listed.unlisted == ("new_0",)
    train, test = str(tmp_path / "train_split.txt"), str(tmp_path / "test_split.txt")
    nowhere = LeftOut(id="a_1", file=train, rule=NOT_IN_CORPUS, listed="train")
    new = LeftOut(id="new_0", file=str(tmp_path), rule=IN_NO_LIST)
    assert listed.corpus.left_out == (replace(removed, listed="test"), nowhere, new)
    assert listed.missing == (
        nowhere,
        LeftOut(id="c_4", file=test, rule="left out: the transcript is empty", listed="test"),
    )
    assert len(listed.corpus) + len(listed.missing) == sum(lists.sizes().values())


def test_lists_of_another_corpus(tmp_path: Path) -> None:
    lists = read_id_lists(write_lists(tmp_path))
    with pytest.raises(DataError, match="no listed id, such as '-3g_0', is in the corpus 'c'"):
        apply_id_lists(corpus("x"), lists)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_lists_or_one_error(tmp_path: Path, damage: Damage) -> None:
    write_lists(tmp_path)
    path = tmp_path / "train_split.txt"
    path.write_bytes(damage(b"-3g_0\na_1\nsome_other_7\n"))
    try:
        found = read_id_lists(tmp_path)
    except MesmerError as error:
        place = (error.file, (error.field or "")[:5])
    else:
        place = (str(path), "line ")
        assert all(name for name in found.ids["train"])
    assert place[0] in (str(path), str(tmp_path / "valid_split.txt"), str(tmp_path / "test_split.txt"))
    assert place[1] == "line "


@pytest.fixture
def published(real_data: Path) -> Path:
    if not (real_data / "mesm_splits").is_dir():
        pytest.skip("the published id lists are not here")
    return real_data / "mesm_splits"


def test_the_published_lists(published: Path) -> None:
    iemocap, mosei = read_id_lists(published / "iemocap"), read_id_lists(published / "cmu_mosei")
    assert iemocap.sizes() == {"train": 5162, "valid": 737, "test": 1481}
    assert mosei.sizes() == {"train": 14524, "valid": 1765, "test": 4188}
    videos = {split: {name.rpartition("_")[0] for name in ids} for split, ids in mosei.ids.items()}
    assert {split: len(found) for split, found in videos.items()} == {"train": 2086, "valid": 285, "test": 630}
    assert not videos["train"] & videos["test"]
    assert all(clip.isdigit() for ids in mosei.ids.values() for clip in (name.rpartition("_")[2] for name in ids))


def test_the_published_lists_on_a_tree(published: Path, tmp_path: Path) -> None:
    """Turns of the test tree carry names of real turns, so that some are in the published lists."""
    lists = read_id_lists(published / "iemocap")
    listed = apply_id_lists(read_iemocap(write_iemocap(tmp_path)), lists)
    found = {u.id: u.split for u in listed.corpus.utterances}
    assert found
    assert all(name in lists.ids[split] for name, split in found.items() if split)
    assert len(listed.missing) + len(found) == 7380
    assert set(listed.unlisted).isdisjoint(found)
