"""The plan of the synthetic corpus: balance, splits by speaker, and the law of evidence."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from mesmer.corpora.synthetic.plan import (
    EVIDENCE,
    INTENSITY_RANGE,
    SIZES,
    UtterancePlan,
    carried_probability,
    plan_corpus,
    plan_unseen,
)
from mesmer.corpora.synthetic.speakers import make_speaker
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError
from mesmer.records import MODALITIES, SPLITS


@pytest.fixture(scope="module", params=["tiny", "small", "medium"])
def plans(request: pytest.FixtureRequest) -> tuple[UtterancePlan, ...]:
    return plan_corpus(size=request.param, seed=11)


def test_splits_are_by_speaker(plans: tuple[UtterancePlan, ...]) -> None:
    speakers = {split: {plan.speaker for plan in plans if plan.split == split} for split in SPLITS}
    assert all(speakers.values())
    for one, other in combinations(SPLITS, 2):
        assert not speakers[one] & speakers[other]
    assert len({plan.id for plan in plans}) == len(plans)


def test_labels(plans: tuple[UtterancePlan, ...]) -> None:
    for plan in plans:
        assert len(plan.labels) <= 2
        assert set(plan.labels) == set(plan.carriers)
        for emotion, intensity in plan.labels.items():
            assert emotion in SIX_EMOTIONS
            assert INTENSITY_RANGE[0] <= intensity <= INTENSITY_RANGE[1]
            assert plan.carriers[emotion]
            assert set(plan.carriers[emotion]) <= set(MODALITIES)


def test_every_split_is_balanced(plans: tuple[UtterancePlan, ...]) -> None:
    for split in SPLITS:
        counts = Counter(emotion for plan in plans if plan.split == split for emotion in plan.labels)
        assert set(counts) == set(SIX_EMOTIONS)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_small_is_large_enough() -> None:
    plans = plan_corpus(size="small", seed=0)
    assert len({plan.speaker for plan in plans}) >= 40
    for split, least in zip(SPLITS, (40, 10, 10), strict=True):
        chosen = [plan for plan in plans if plan.split == split]
        counts = Counter(emotion for plan in chosen for emotion in plan.labels)
        assert min(counts[emotion] for emotion in SIX_EMOTIONS) >= least
        assert 0.15 <= sum(not plan.labels for plan in chosen) / len(chosen) <= 0.20
        assert sum(len(plan.labels) == 2 for plan in chosen) / len(chosen) > 0.2


def _four_deviations(probability: float, trials: int) -> float:
    return 4 * float(np.sqrt(probability * (1 - probability) / trials))


def test_evidence_follows_its_stated_probabilities() -> None:
    draws = [
        names for seed in range(2) for plan in plan_corpus(size="medium", seed=seed) for names in plan.carriers.values()
    ]
    trials = len(draws)
    assert trials > 6000
    # The oracle: the eight outcomes of three independent draws, that of none left out.
    outcomes = {}
    for chosen in range(1, 8):
        names = tuple(name for bit, name in enumerate(MODALITIES) if chosen >> bit & 1)
        chances = [EVIDENCE[name] if name in names else 1 - EVIDENCE[name] for name in MODALITIES]
        outcomes[names] = float(np.prod(chances))
    total = sum(outcomes.values())
    counted = Counter(draws)
    assert set(counted) == set(outcomes)
    for names, chance in outcomes.items():
        expected = chance / total
        assert abs(counted[names] / trials - expected) < _four_deviations(expected, trials), names
    for name in MODALITIES:
        expected = carried_probability(name)
        assert expected == pytest.approx(sum(chance for names, chance in outcomes.items() if name in names) / total)
        assert abs(sum(name in names for names in draws) / trials - expected) < _four_deviations(expected, trials)


def test_two_labels_of_one_utterance_have_their_own_evidence() -> None:
    pairs = [plan.carriers for seed in range(2) for plan in plan_corpus(size="medium", seed=seed) if len(plan.labels) == 2]
    shown = np.array([["visual" in names for names in carriers.values()] for carriers in pairs], dtype=float)
    assert abs(np.corrcoef(shown.T)[0, 1]) < 4 / np.sqrt(len(shown))


def test_a_plan_depends_on_its_seed_only() -> None:
    assert plan_corpus(size="tiny", seed=5) == plan_corpus(size="tiny", seed=5)
    assert plan_corpus(size="tiny", seed=5) != plan_corpus(size="tiny", seed=6)


def test_speakers_differ_and_are_stable() -> None:
    speakers = [make_speaker(0, f"s{number:03d}") for number in range(40)]
    assert speakers[7] == make_speaker(0, "s007")
    assert speakers[7] != make_speaker(1, "s007")
    for of in (
        lambda s: s.face.mouth_width,
        lambda s: s.voice.pitch_hz,
        lambda s: s.face.skin,
        lambda s: s.voice.formant_scale,
    ):
        assert len({of(speaker) for speaker in speakers}) > 35
    assert len({speaker.face.hair_style for speaker in speakers}) >= 5


def test_unseen_clip_is_of_nobody_in_the_corpus() -> None:
    plan = plan_unseen(seed=0)
    assert plan.speaker not in {other.speaker for other in plan_corpus(size="small", seed=0)}
    assert plan.carriers == {"happiness": MODALITIES}


@pytest.mark.parametrize(("size", "seed", "problem"), [("smalll", 0, "did you mean 'small'"), ("small", -1, "negative")])
def test_bad_settings(size: str, seed: int, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        plan_corpus(size=size, seed=seed)


def test_sizes_add_up() -> None:
    for name, spec in SIZES.items():
        assert len(plan_corpus(size=name, seed=1)) == spec.utterances
