"""A video of two drawn people with its truth, one of a single person, and a small model with random weights."""

from __future__ import annotations

import pytest
import torch
from two_people import LEAVES, LOOKS_AWAY, Away, Video, make_two_people, plan_turns

from mesmer.analysis import Analysis, Analyzer
from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.models import LoadedModel, load_model
from mesmer.models.registry import build_model
from mesmer.signals.text import train_tokenizer

SEED = 5
ORDER = (
    *((0, 0.0), (1, 1.2), (0, 0.9), (1, 1.5), (0, 1.3), (1, -0.25), (1, 1.8)),
    *((0, 2.6), (1, 1.4), (0, 1.6), (1, 0.8), (0, 1.1)),
)
"""Who speaks how long after the one before: a change of speaker each time but once, and once both speak."""


@pytest.fixture(scope="session")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Two people who take turns, overlap, look away and leave the picture."""
    turns = plan_turns(ORDER, seed=SEED)
    away = [
        Away(person=0, start_s=turns[n].start_s - 0.5, end_s=turns[n].end_s + 0.5, gone=n == LEAVES)
        for n in (LEAVES, LOOKS_AWAY)
    ]
    path = tmp_path_factory.mktemp("two") / "two people.mp4"
    return Video(path, turns, away, make_two_people(path, turns=turns, away=away, seed=SEED))


@pytest.fixture(scope="session")
def one_person(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """One person who speaks three times."""
    turns = plan_turns([(0, 0.0), (0, 1.0), (0, 1.0)], seed=SEED)
    away = [Away(person=1, start_s=0.0, end_s=60.0, gone=True)]
    path = tmp_path_factory.mktemp("one") / "one.mp4"
    return Video(path, turns, away, make_two_people(path, turns=turns, away=away, seed=SEED))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model with random weights, saved and loaded."""
    tokenizer = train_tokenizer(["i am glad", "leave me alone", "we lost the letter last night"], 80)
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80)
    settings = ModelSettings(width=2, feature_width=8, dim=8, heads=2, layers=1, text=text)
    model = build_model(settings, tokenizer_size=tokenizer.size)
    model.thresholds = {name: 0.45 + 0.02 * i for i, name in enumerate(settings.emotions)}
    folder = tmp_path_factory.mktemp("model") / "m"
    model.save_pretrained(folder, tokenizer=tokenizer, prepare=PrepareSettings())
    return load_model(folder)


@pytest.fixture(scope="session")
def analyzer(tiny_model: LoadedModel) -> Analyzer:
    """Analyses with the small model."""
    return Analyzer(tiny_model)


@pytest.fixture(scope="session")
def analyzed(two_people: Video, analyzer: Analyzer) -> Analysis:
    """The two people, analysed without words."""
    return analyzer.analyze(two_people.path)
