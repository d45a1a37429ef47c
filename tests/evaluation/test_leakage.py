"""Warnings above the table: what the split shares with those that made the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mesmer.dataset.prepared import PreparedDataset
from mesmer.evaluation.leakage import leakage_warnings


@dataclass
class Part:
    speakers: list[str | None]
    dialogues: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dialogues = self.dialogues or [None] * len(self.speakers)


@dataclass
class Dataset:
    """The three things that are asked of a dataset."""

    parts: dict[str, Part]
    fingerprint: str = "f"

    def split(self, name: str) -> Part:
        return self.parts[name]


def warned(split: str = "test", trained_on: str | None = "f", **parts: Any) -> tuple[str, ...]:
    given = {"train": Part(["ann", "bob"]), "valid": Part(["eve"]), "test": Part(["zoe", "zoe"]), **parts}
    return leakage_warnings(cast(PreparedDataset, Dataset(given)), split, trained_on=trained_on)


def test_strangers_need_no_warning() -> None:
    assert warned() == ()


def test_shared_speakers_are_counted() -> None:
    (told,) = warned(test=Part(["bob", "zoe", "zoe", "bob"]))
    assert told == "1 of the 2 speakers of test is also in train: 2 of its 4 utterances (50.0 %)"
    (told,) = warned(test=Part(["eve"]))
    assert "also in valid" in told
    (told,) = warned(train=Part(["ann"], ["d1"]), test=Part(["zoe"], ["d1"]))
    assert "dialogue" in told


def test_unknown_speakers_are_no_all_clear() -> None:
    told = warned(test=Part([None, None]))
    assert any("cannot be seen" in line for line in told)


@pytest.mark.parametrize("other", [None, "g"])
def test_another_dataset_is_no_all_clear(other: str | None) -> None:
    (told,) = warned(trained_on=other)
    assert "not known" in told


def test_the_splits_that_made_the_model_are_named() -> None:
    assert warned("train") == ("the model was trained on these very utterances",)
    assert warned("valid") == ("thresholds and calibration were fitted on these very utterances",)
