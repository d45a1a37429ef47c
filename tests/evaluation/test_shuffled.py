"""Shuffled splits: who gives to whom, what of a clip is exchanged, and that exchanges which cannot be are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.dataset.composite.build import Composite
from mesmer.dataset.loading import PreparedDataset
from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import DataError
from mesmer.evaluation.shuffled import ShuffledSplit, donors_by_chance, donors_of_other_labels
from mesmer.records import MODALITIES
from one_modality import make_sources


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> PreparedSplit:
    made = make_sources(tmp_path_factory.mktemp("sources"), each=2)
    folders = {"text": made["words"], "audio": made["voices"], "visual": made["faces"]}
    out = tmp_path_factory.mktemp("composite") / "data"
    Composite(folders, size=60).prepare(out, workers=0)
    return PreparedDataset.open(out).split("train")


@pytest.mark.parametrize("modality", MODALITIES)
def test_donors_share_no_emotion_and_each_gives_once(split: PreparedSplit, modality: str) -> None:
    donors = donors_of_other_labels(split, modality, seed=0)
    labels, here = split.labels > 0, split.present[:, MODALITIES.index(modality)]
    assert sorted(donors.tolist()) == list(range(len(split)))
    assert np.array_equal(donors[~here], np.flatnonzero(~here))
    assert here[donors[here]].all()
    assert not (labels[here] & labels[donors[here]]).any()
    assert (labels[here].any(axis=1) | labels[donors[here]].any(axis=1)).all()
    assert not np.array_equal(donors, donors_of_other_labels(split, modality, seed=1))
    chance = donors_by_chance(split, modality, seed=0)
    assert sorted(chance.tolist()) == list(range(len(split)))
    assert here[chance[here]].all()


def test_only_what_is_exchanged_changes(split: PreparedSplit) -> None:
    donors = donors_of_other_labels(split, "visual", seed=0)
    shuffled = ShuffledSplit(split, {"visual": donors})
    assert len(shuffled) == len(split)
    assert np.array_equal(shuffled.labels, split.labels)
    for row in range(0, len(split), 5):
        clip, own, given_by = shuffled[row], split[row], split[int(donors[row])]
        assert np.array_equal(clip.faces, given_by.faces)
        assert np.array_equal(clip.waveform, own.waveform)
        assert (clip.id, clip.text, clip.absent) == (own.id, own.text, own.absent)
    words = ShuffledSplit(split, {"text": donors_by_chance(split, "text", seed=0)})
    assert words.texts == tuple(clip.text for clip in words)


class Labelled(PreparedSplit):
    """A split of which only labels and presence are known."""

    def __init__(self, labels: np.ndarray, present: np.ndarray) -> None:
        self.name, self.folder = "test", Path("data")
        self.emotions = tuple(f"e{n}" for n in range(labels.shape[1]))
        self.ids = tuple(map(str, range(len(labels))))
        self._labels, self.present = labels.astype(np.float32), present

    def __len__(self) -> int:
        return len(self.ids)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_an_exchange_is_found_where_there_surely_is_one(data: st.DataObject) -> None:
    """With one label each and none above 40 % there is one."""
    size = data.draw(st.integers(20, 60))
    kinds = data.draw(st.integers(4, 7))
    of = np.arange(size) % kinds
    labels = np.eye(kinds)[np.random.default_rng(data.draw(st.integers(0, 100))).permutation(of)]
    present = np.ones((size, 3), dtype=bool)
    donors = donors_of_other_labels(Labelled(labels, present), "text", seed=0)
    assert not (labels[donors] * labels).any()


def test_an_exchange_that_cannot_be_is_refused() -> None:
    labels = np.zeros((20, 2))
    labels[:15, 0] = 1
    with pytest.raises(DataError, match="too many carry the same"):
        donors_of_other_labels(Labelled(labels, np.ones((20, 3), dtype=bool)), "audio", seed=0)
