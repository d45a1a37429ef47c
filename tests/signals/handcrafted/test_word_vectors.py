"""Word vectors: how a transcript is cut, what a table says, tables from files of any published size, and counted ones."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import ConfigError, DataError
from mesmer.signals.handcrafted.corpus_words import corpus_words
from mesmer.signals.handcrafted.glove import glove_file, glove_words
from mesmer.signals.handcrafted.words import WordTable, split_words, unknown_share, word_features

LINES = b"the 0.1 -0.2 0.3\n, 1 2 3\nhappy 0.5 0.5 0.25\n. . . -1 -2 -3\nUS 9 9 9\nn't 4 5 6\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MESMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MESMER_GLOVE", raising=False)
    return tmp_path / "cache"


def table(**words: list[float]) -> WordTable:
    vectors = np.array(list(words.values()), dtype=np.float32)
    return WordTable(kind="glove", words=list(words), vectors=vectors, identity="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know, it's 3.5!", ["I", "do", "n't", "know", ",", "it", "'s", "3.5", "!"]),
        ("He’d say “we’ll see”…", ["He", "'d", "say", '"', "we", "'ll", "see", '"', "…"]),
        ("CAN'T won't 'em", ["CA", "N'T", "wo", "n't", "'", "em"]),
        ("e-mail at 10:30 -- wait...", ["e-mail", "at", "10:30", "--", "wait", "..."]),
        ("schön 東京 привет", ["schön", "東京", "привет"]),
        ("  \n", []),
    ],
)
def test_a_text_is_cut_as_gloves_corpora_were(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_is_no_space_is_in_some_word(text: str) -> None:
    words = split_words(text)
    assert all(word and not any(mark.isspace() for mark in word) for word in words)
    marks = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"'})
    assert "".join(words) == "".join(text.translate(marks).split())
    assert bool(words) == bool(text.strip())


def test_an_unknown_word_is_zeros_in_its_place() -> None:
    known = table(happy=[1, 2], Us=[3, 4])
    found = word_features("Happy zebras happy us", known)
    assert found.tolist() == [[1, 2], [0, 0], [1, 2], [0, 0]]
    assert found.dtype == np.float32
    assert unknown_share(["Happy zebras", "", "happy happy"], known) == 0.25
    assert unknown_share(["", " "], known) == 0.0
    assert word_features("", known).shape == (0, 2)


def test_a_word_is_looked_up_as_written_before_in_small_letters() -> None:
    known = table(us=[1.0], US=[2.0])
    assert word_features("US Us us", known).ravel().tolist() == [2, 1, 1]


@pytest.mark.parametrize("packed", [False, True])
def test_a_published_file_is_read_once_and_mapped(tmp_path: Path, cache: Path, packed: bool) -> None:
    file = tmp_path / ("glove.zip" if packed else "glove.txt")
    if packed:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("glove.6B.50d.txt", b"the" + b" 1" * 50)
            archive.writestr("glove.6B.3d.txt", LINES)
    else:
        file.write_bytes(LINES)
    read = glove_words(file, width=3)
    assert list(read.words) == ["the", ",", "happy", ". . .", "US", "n't"]
    assert isinstance(read.vectors, np.memmap)
    found = word_features("Happy, the US isn't", read)
    expected = [[0.5, 0.5, 0.25], [1, 2, 3], [0.1, -0.2, 0.3], [9, 9, 9], [0, 0, 0], [4, 5, 6]]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))
    made = sorted(cache.rglob("*"))
    times = [path.stat().st_mtime_ns for path in made]
    again = glove_words(file, width=3)
    assert again.identity == read.identity
    assert [path.stat().st_mtime_ns for path in sorted(cache.rglob("*"))] == times


def test_another_file_of_the_same_name_is_another_table(tmp_path: Path) -> None:
    file = tmp_path / "glove.txt"
    file.write_bytes(LINES)
    first = glove_words(file, width=3)
    file.write_bytes(LINES.replace(b"0.25", b"0.75"))
    os.utime(file, ns=(1, 1))
    second = glove_words(file, width=3)
    assert first.identity != second.identity
    assert second.vectors_of(["happy"])[0][0, 2] == 0.75


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"the 0.1 -0.2\n", "line 1: a word and 3 numbers are expected, there are 2; set features.text_width: 2"),
        (LINES + b"bad 1 two 3\n", "line 7: a word and its numbers"),
        (LINES + b"bad 1 nan 3\n", "line 7: a number is not finite"),
        (LINES + b"bad 1 inf 3\n", "line 7: a number is not finite"),
        (LINES + b"long 1 2 3 4\n", "line 7: more than 3 numbers"),
        (b"\x00" * 1000, "line 1"),
        (b"a" * 300_000, "line 1"),
        (b"PK\x05\x06" + b"\x00" * 18, "none is clearly"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, cache: Path, content: bytes, told: str) -> None:
    file = tmp_path / "glove.txt"
    file.write_bytes(content)
    with pytest.raises(DataError) as refused:
        glove_words(file, width=3)
    assert told in str(refused.value)
    assert str(file) in str(refused.value)
    assert not list(cache.glob("glove-*"))  # nothing half read stays


def test_a_damaged_zip_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "glove.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.3d.txt", LINES * 2000)
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(bytes(data))
    with pytest.raises(DataError):
        glove_words(file, width=3)


def test_which_file_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no file of word vectors is named"):
        glove_file("")
    with pytest.raises(ConfigError, match="no such file"):
        glove_file(str(tmp_path / "nowhere.txt"))
    here, there = tmp_path / "here.txt", tmp_path / "there.txt"
    here.write_bytes(LINES)
    there.write_bytes(LINES)
    monkeypatch.setenv("MESMER_GLOVE", str(there))
    assert glove_file("") == there
    assert glove_file(str(tmp_path / "nowhere.txt")) == there  # of a model that was trained elsewhere
    assert glove_file(str(here)) == here


SENTENCES = [
    "The cat sat on the mat.",
    "The dog sat on the rug.",
    "A cat ate the fish, happily.",
    "A dog ate the bone, happily.",
    "I am furious!",
]


def test_counted_vectors_do_not_depend_on_the_order_of_the_texts() -> None:
    one, other = corpus_words(SENTENCES, width=20), corpus_words(SENTENCES[::-1], width=20)
    assert one.kind == "corpus"
    assert one.words == other.words
    assert np.array_equal(one.vectors, other.vectors)
    assert one.identity == other.identity
    assert corpus_words(SENTENCES[:4], width=20).identity != one.identity


def test_counted_vectors_bring_words_of_the_same_places_together() -> None:
    found = corpus_words(SENTENCES * 3, width=12)
    cat, dog, furious = found.vectors_of(["cat", "dog", "furious"])[0]

    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

    assert alike(cat, dog) > 0.5
    assert alike(cat, furious) < 0.2


def test_counted_vectors_give_back_the_matrix_they_stand_for() -> None:
    """The eigenvectors of all directions rebuild positive pointwise mutual information, written out here by its
    definition."""
    found = corpus_words(["a b a", "b c"], width=3)
    near = {("a", "b"): 2.0, ("a", "a"): 1.0, ("b", "c"): 1.0}  # a-a at distance 2, counted from both sides
    both = {(x, y): near.get((x, y), 0) or near.get((y, x), 0) for x in "abc" for y in "abc"}
    total = sum(both.values())
    each = {x: sum(both[x, y] for y in "abc") for x in "abc"}
    expected = np.array(
        [
            [max(0.0, np.log(both[x, y] * total / (each[x] * each[y]))) if both[x, y] else 0.0 for y in found.words]
            for x in found.words
        ]
    )
    values, vectors = np.linalg.eigh(expected)
    sizes = np.linalg.norm(vectors * np.sqrt(np.abs(values)), axis=1)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), sizes / sizes.mean(), atol=1e-5)
    signs = np.sign(values[np.argsort(-np.abs(values), kind="stable")])
    np.testing.assert_allclose(found.vectors * signs @ found.vectors.T * sizes.mean() ** 2, expected, atol=1e-5)


def test_texts_without_a_word_are_refused_and_few_words_leave_zeros() -> None:
    with pytest.raises(DataError, match="no word"):
        corpus_words(["", "  "], width=5)
    alone = corpus_words(["Hello"], width=5)
    assert alone.vectors.shape == (1, 5)
    assert np.isfinite(alone.vectors).all()
    assert np.linalg.norm(alone.vectors) == pytest.approx(1.0)
