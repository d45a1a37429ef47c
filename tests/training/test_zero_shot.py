"""The zero-shot mapping: names that mean the same, what is stated, and what follows for probabilities and decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesmer.errors import ConfigError
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.models.base import EmotionModel
from mesmer.training.zero_shot import map_labels, read_map, zero_shot_answers

EMOTIONS = ("anger", "fear", "happiness")


def test_names_that_mean_the_same_stand_for_each_other() -> None:
    assert map_labels(("angry", "joy", "Fear", "boredom"), EMOTIONS) == {
        "angry": ("anger",), "joy": ("happiness",), "Fear": ("fear",), "boredom": (),
    }  # fmt: skip


def test_what_is_stated_goes_first() -> None:
    stated = {"tense": ["angry", "fear", "anger"], "fear": [], "glad": "joy"}
    assert map_labels(("tense", "fear", "glad", "anger"), EMOTIONS, stated=stated) == {
        "tense": ("anger", "fear"), "fear": (), "glad": ("happiness",), "anger": ("anger",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "told"),
    [({"tens": "fear"}, "no such label; did you mean 'tense'"),
     ({"tense": "feer"}, "does not know 'feer'; did you mean 'fear'"),
     ({"tense": 3}, "list of emotions"), ({"tense": [3]}, "list of emotions")],
)  # fmt: skip
def test_unknown_names_are_refused(stated: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        map_labels(("tense",), EMOTIONS, stated=stated)


@pytest.mark.parametrize("content", ["[1]", "3", "a: [", "1: x", "\udcff"])
def test_files_that_state_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.yaml").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"m\.yaml"):
        read_map(tmp_path / "m.yaml")


def test_a_map_is_read_as_yaml_and_json(tmp_path: Path) -> None:
    for name, text in (
        ("m.yaml", "tense: [anger, fear]\nglad: joy\n"),
        ("m.json", '{"tense": ["anger", "fear"], "glad": "joy"}'),
    ):
        (tmp_path / name).write_text(text)
        assert read_map(tmp_path / name) == {"tense": ["anger", "fear"], "glad": "joy"}


def answers(probabilities: list[list[float]], labels: list[list[int]]) -> SplitAnswers:
    size = len(probabilities)
    values, read = np.array(probabilities), np.ones(size, dtype=bool)
    none = np.zeros(size, dtype=np.int64)
    return SplitAnswers(
        ids=tuple(map(str, range(size))), labels=np.array(labels, dtype=np.float32), logits={"TAV": values},
        read={"TAV": read}, probabilities={"TAV": values}, multiply_adds=none, dense_multiply_adds=none,
    )  # fmt: skip


def test_any_of_its_emotions_makes_a_label(toy_model: EmotionModel) -> None:
    """By hand: two emotions, anger and joy, of which joy is decided from 0.8 on."""
    toy_model.thresholds = {"anger": 0.5, "joy": 0.8}
    test = answers([[0.6, 0.5], [0.4, 0.7], [0.1, 0.9]], [[1, 0], [0, 1], [0, 0]])
    valid = answers([[0.9, 0.9], [0.1, 0.2]], [[1, 0], [0, 1]])
    own, fitted = zero_shot_answers(toy_model, {"either": ("anger", "joy"), "neither": ()}, test, valid)
    assert np.allclose(own.probabilities, [[1 - 0.4 * 0.5, 0], [1 - 0.6 * 0.3, 0], [1 - 0.9 * 0.1, 0]])
    assert own.decisions.tolist() == [[True, False], [False, False], [True, False]]
    assert fitted.thresholds is not None
    assert 0.28 < fitted.thresholds["either"] < 0.99  # between what validation says of the two
    assert zero_shot_answers(toy_model, {"neither": ()}, test, valid) == ()
