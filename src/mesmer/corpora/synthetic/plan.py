"""Who says what with which emotion, and which modality carries it: the whole corpus on paper, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mesmer.corpora.synthetic.scene import SIZES_PX
from mesmer.corpora.synthetic.seeds import named_rng
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, suggest
from mesmer.records import MODALITIES, SPLITS

EVIDENCE: Mapping[str, float] = {"text": 0.50, "audio": 0.65, "visual": 0.75}
"""Modality -> probability that it carries a label, drawn for each label and modality on its own; a draw in which no
modality carries the label is repeated. See :func:`carried_probability` for what that comes to."""

NEUTRAL_SHARE = 0.17
TWO_EMOTIONS_SHARE = 0.28
INTENSITY_RANGE = (0.35, 1.0)
FRAME_RATES: tuple[Fraction, ...] = (Fraction(25), Fraction(30), Fraction(30000, 1001))


@dataclass(frozen=True, kw_only=True)
class SizeOfCorpus:
    """Speakers per split (train, valid, test) and utterances per speaker."""

    speakers: tuple[int, int, int]
    utterances_per_speaker: int

    @property
    def utterances(self) -> int:
        """Number of utterances in all splits."""
        return sum(self.speakers) * self.utterances_per_speaker


SIZES: Mapping[str, SizeOfCorpus] = {
    "tiny": SizeOfCorpus(speakers=(4, 2, 2), utterances_per_speaker=5),
    "small": SizeOfCorpus(speakers=(26, 6, 8), utterances_per_speaker=24),
    "medium": SizeOfCorpus(speakers=(56, 12, 16), utterances_per_speaker=45),
}
"""The sizes on offer: tiny for tests, small for the demonstration, medium for experiments."""


@dataclass(frozen=True, kw_only=True)
class UtterancePlan:
    """One utterance to be made.

    Attributes:
        id, speaker, split: of the utterance.
        labels: emotion -> intensity in (0, 1], none to two of them.
        carriers: emotion -> the modalities that carry it, at least one, in the order of ``MODALITIES``.
        fps: frames per second of the video.
        size_px: its width and height.
    """

    id: str
    speaker: str
    split: str
    labels: Mapping[str, float]
    carriers: Mapping[str, tuple[str, ...]]
    fps: Fraction
    size_px: tuple[int, int]

    def carried_by(self, modality: str) -> dict[str, float]:
        """The labels that ``modality`` carries: emotion -> intensity."""
        return {emotion: score for emotion, score in self.labels.items() if modality in self.carriers[emotion]}


def size_named(name: str) -> SizeOfCorpus:
    """Return a size by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in SIZES:
        raise ConfigError(f"there is no size '{name}'", field="size", remedy=suggest(name, SIZES))
    return SIZES[name]


def carried_probability(modality: str) -> float:
    """Probability that ``modality`` carries a label, given that at least one does."""
    none = float(np.prod([1 - share for share in EVIDENCE.values()]))
    return EVIDENCE[modality] / (1 - none)


def plan_corpus(*, size: str, seed: int) -> tuple[UtterancePlan, ...]:
    """Plan every utterance of the corpus of this size and seed.

    Emotions are balanced within each split and dealt out at random, so that no speaker gives a label away.

    Raises:
        ConfigError: there is no such size, or the seed is negative.
    """
    spec = size_named(size)
    if seed < 0:
        raise ConfigError(f"the seed {seed} is negative", field="seed", remedy="use 0 or more")
    plans: list[UtterancePlan] = []
    first = 0
    for split, count in zip(SPLITS, spec.speakers, strict=True):
        speakers = [f"s{number:03d}" for number in range(first, first + count)]
        first += count
        deck = deal_emotions(named_rng(seed, "labels", split), count * spec.utterances_per_speaker)
        for number, emotions in enumerate(deck):
            speaker = speakers[number // spec.utterances_per_speaker]
            name = f"{speaker}_u{number % spec.utterances_per_speaker:02d}"
            plans.append(plan_utterance(seed=seed, name=name, speaker=speaker, split=split, emotions=emotions))
    return tuple(plans)


def plan_unseen(*, seed: int) -> UtterancePlan:
    """One more utterance, by a speaker of no split, for showing a prediction: every modality carries its one emotion."""
    plan = plan_utterance(seed=seed, name="unseen", speaker="unseen", split="test", emotions=("happiness",))
    return UtterancePlan(
        id=plan.id,
        speaker=plan.speaker,
        split=plan.split,
        labels={"happiness": 0.9},
        carriers={"happiness": MODALITIES},
        fps=plan.fps,
        size_px=plan.size_px,
    )


def deal_emotions(rng: np.random.Generator, count: int) -> list[tuple[str, ...]]:
    """The emotions of ``count`` utterances: none, one or two, every emotion as often as any other, in random order."""
    neutral = round(NEUTRAL_SHARE * count)
    double = round(TWO_EMOTIONS_SHARE * count)
    endless = _emotions_in_rounds(rng)
    # Pairs come first: six is even, so both of a pair are from one round and differ.
    dealt: list[tuple[str, ...]] = [tuple(sorted((next(endless), next(endless)))) for _ in range(double)]
    dealt += [(next(endless),) for _ in range(count - neutral - double)]
    dealt += [()] * neutral
    return [dealt[index] for index in rng.permutation(count)]


def _emotions_in_rounds(rng: np.random.Generator) -> Iterator[str]:
    """Emotions without end: all six in random order, then all six again."""
    while True:
        for index in rng.permutation(len(SIX_EMOTIONS)):
            yield SIX_EMOTIONS[index]


def plan_utterance(*, seed: int, name: str, speaker: str, split: str, emotions: tuple[str, ...]) -> UtterancePlan:
    """Draw intensities, evidence, frame rate and size of the utterance called ``name``."""
    rng = named_rng(seed, "utterance", name, "plan")
    carriers: dict[str, tuple[str, ...]] = {}
    for emotion in emotions:
        shown: tuple[str, ...] = ()
        while not shown:
            draws = rng.random(len(MODALITIES))
            shown = tuple(m for m, draw in zip(MODALITIES, draws, strict=True) if draw < EVIDENCE[m])
        carriers[emotion] = shown
    return UtterancePlan(
        id=name,
        speaker=speaker,
        split=split,
        labels={emotion: round(float(rng.uniform(*INTENSITY_RANGE)), 2) for emotion in emotions},
        carriers=carriers,
        fps=FRAME_RATES[int(rng.integers(len(FRAME_RATES)))],
        size_px=SIZES_PX[int(rng.integers(len(SIZES_PX)))],
    )
