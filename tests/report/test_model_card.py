"""Model cards: what every card says, what is refused, and what follows from the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mesmer.config import ModelSettings, TextSettings
from mesmer.errors import ConfigError
from mesmer.models import EmotionModel, build_model
from mesmer.models.provenance import Provenance
from mesmer.report.data_facts import data_facts, licence_of, use_of
from mesmer.report.model_card import SECTIONS, check_card, make_card, numbers_tables, with_numbers
from mesmer.report.model_numbers import read_numbers

REAL = ("ravdess", "fer2013", "goemotions")


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80)
    torch.manual_seed(0)
    return build_model(ModelSettings(width=2, feature_width=8, dim=8, heads=2, layers=1, text=text), tokenizer_size=80)


def card_of(model: EmotionModel, **changes: Any) -> str:
    told = {"name": "default", "license": licence_of(REAL), "use": use_of(REAL), "trained_on": REAL} | changes
    return make_card(Provenance(**told), model)


def test_a_made_card_passes_its_own_check_and_says_what_it_must(model: EmotionModel) -> None:
    card = card_of(model)
    check_card(card, file="README.md")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "cc-by-nc-sa-4.0"
    assert head["datasets"] == list(REAL)
    assert "f1" in head["metrics"]
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")][: len(SECTIONS)] == list(SECTIONS)
    for words in (
        "2024/1689",
        "workplace",
        "educational",
        "CC BY-NC-SA 4.0",
        "Non-commercial",
        "Research use",
        "24 professional",
    ):
        assert words in card, words
    assert all(f"| {name} | 0.500 |" in card for name in model.settings.emotions)


@pytest.mark.parametrize(
    ("names", "licence", "use"),
    [
        (REAL, "cc-by-nc-sa-4.0", "non-commercial research; never to infer emotions at work or in education"),
        (("ravdess_speech",), "cc-by-nc-sa-4.0", "non-commercial use; never to infer emotions at work or in education"),
        (("fer2013",), "other", "research; never to infer emotions at work or in education"),
        (("synthetic",), "apache-2.0", "demonstration and tests; it says nothing about people"),
        (("synthetic", "somebodys"), "other", "what the licences of its data allow; never to infer emotions at work or in "
                                              "education"),
    ],
)  # fmt: skip
def test_what_follows_from_the_data(names: tuple[str, ...], licence: str, use: str) -> None:
    assert (licence_of(names), use_of(names)) == (licence, use)


def test_data_nobody_here_knows_are_said_to_be_so() -> None:
    assert "has to say" in data_facts("somebodys").licence
    assert "SAIL" in data_facts("iemocap").licence


@pytest.mark.parametrize("gone", [*SECTIONS, "license", "datasets", "metrics", "front matter"])
def test_a_card_that_leaves_something_out_is_refused(model: EmotionModel, gone: str) -> None:
    card = card_of(model)
    if gone == "front matter":
        card = card.split("---\n", 2)[2]
    elif gone in SECTIONS:
        card = card.replace(f"## {gone}\n", "## Something else\n")
    else:
        card = card.replace(f"{gone}:", f"{gone}x:", 1)
    with pytest.raises(ConfigError, match=gone):
        check_card(card, file="mine.md")


def test_a_persons_card_gets_the_numbers_where_it_wants_them() -> None:
    numbers = [
        {"title": "FER2013 test", "rows": [{"name": "face", "metric": "accuracy", "value": 0.71, "low": 0.7, "high": 0.72}]}
    ]
    card = with_numbers("before\n<!-- numbers -->\nafter", numbers)
    assert "| face | accuracy | 0.710 | 0.700 to 0.720 |" in card
    assert card.startswith("before\nFER2013 test\n")
    assert numbers_tables([]) == "None were measured.\n"


def test_numbers_by_hand_and_of_an_evaluation(tmp_path: Path) -> None:
    file = tmp_path / "n.json"
    file.write_text(json.dumps({"title": "t", "rows": [{"name": "a", "metric": "UAR", "value": 0.6}]}))
    assert read_numbers(file)["rows"] == [{"name": "a", "metric": "UAR", "value": 0.6, "low": None, "high": None}]
    average = {"weighted_accuracy": 0.7, "f1": 0.6, "auroc": 0.8, "calibration_error": 0.05}
    row = {"title": "answer none", "average": average, "intervals": {"average": {"f1": [0.5, 0.7]}}}
    file.write_text(json.dumps({"split": "test", "utterances": 9, "speakers": 2, "rows": [row]}))
    read = read_numbers(file)
    assert read["title"] == "test split: 9 utterances, 2 speakers"
    assert {"name": "answer none", "metric": "macro F1", "value": 0.6, "low": 0.5, "high": 0.7} in read["rows"]


@pytest.mark.parametrize(
    "content",
    [[], {}, {"rows": []}, {"title": "t", "rows": [{}]},
     {"title": "t", "rows": [{"name": "a", "metric": "b", "value": "1"}]},
     {"split": "test", "rows": [{"average": {}, "intervals": {"average": {"f1": 3}}}]},
     {"title": "t", "rows": [{"name": "a", "metric": "b", "value": 1, "low": 0}]}, {"title": 3, "rows": [3]},
     {"split": "test", "rows": [{"average": 3}]}],
)  # fmt: skip
def test_what_are_no_numbers(tmp_path: Path, content: Any) -> None:
    (tmp_path / "n.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="these are no results"):
        read_numbers(tmp_path / "n.json")
