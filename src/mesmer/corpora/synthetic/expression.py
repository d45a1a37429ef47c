"""Emotions as facial action units, after FACS and paper section 6.2, with an onset, an apex and an offset over time.

The paper names, per emotion: happiness - lip ends raised; sadness - lip ends lowered, eyelids down; anger - narrowed gap
between the eyes, thinned lips; surprise - open mouth, raised brows and lids; fear - raised brows and upper lids, open mouth
with the lip ends toward the cheeks; disgust - wrinkles near the nose, moved upper lip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ACTION_UNITS: Mapping[str, str] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU43": "eyes closed (drooping lids)",
}
"""The action units that a drawn face can show, each from 0 (relaxed) to 1 (maximal)."""

EMOTION_ACTION_UNITS: Mapping[str, Mapping[str, float]] = {
    "anger": {"AU4": 1.0, "AU5": 0.2, "AU7": 1.0, "AU23": 1.0},
    "disgust": {"AU9": 1.0, "AU10": 1.0, "AU4": 0.35, "AU7": 0.35},
    "fear": {"AU1": 0.95, "AU2": 0.45, "AU4": 0.4, "AU5": 1.0, "AU20": 1.0, "AU25": 1.0},
    "happiness": {"AU6": 1.0, "AU12": 1.0, "AU25": 0.7},
    "sadness": {"AU1": 1.0, "AU4": 0.3, "AU15": 1.0, "AU43": 0.75},
    "surprise": {"AU1": 0.9, "AU2": 1.0, "AU5": 0.8, "AU26": 1.0},
}
"""Emotion -> action unit -> its strength at full intensity."""

REGIONS: tuple[str, ...] = ("forehead", "brows", "eyes", "nose", "cheeks", "mouth", "jaw")
"""Named parts of the face. ``brows`` takes in the gap between them; ``cheeks`` the folds from the nose to the mouth."""

ACTION_UNIT_REGIONS: Mapping[str, tuple[str, ...]] = {
    "AU1": ("brows", "forehead"),
    "AU2": ("brows", "forehead"),
    "AU4": ("brows",),
    "AU5": ("eyes",),
    "AU6": ("eyes", "cheeks"),
    "AU7": ("eyes",),
    "AU9": ("nose",),
    "AU10": ("mouth", "cheeks"),
    "AU12": ("mouth", "cheeks"),
    "AU15": ("mouth",),
    "AU20": ("mouth",),
    "AU23": ("mouth",),
    "AU25": ("mouth",),
    "AU26": ("mouth", "jaw"),
    "AU43": ("eyes",),
}
"""Action unit -> the parts of the face whose pixels it changes; no other pixel of the face changes (a law in the tests)."""


def emotion_regions(emotion: str) -> tuple[str, ...]:
    """The parts of the face in which an emotion shows, in the order of ``REGIONS``."""
    shown = {region for unit in EMOTION_ACTION_UNITS[emotion] for region in ACTION_UNIT_REGIONS[unit]}
    return tuple(region for region in REGIONS if region in shown)


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One emotion's course in a face: rises from ``onset_s`` to ``apex_s``, holds to ``offset_s``, is gone at ``end_s``."""

    emotion: str
    amplitude: float
    onset_s: float
    apex_s: float
    offset_s: float
    end_s: float

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Strength at each time, in [0, amplitude]."""
        knots = [self.onset_s, self.apex_s, self.offset_s, self.end_s]
        linear = np.interp(times_s, knots, [0.0, 1.0, 1.0, 0.0], left=0.0, right=0.0)
        return self.amplitude * linear * linear * (3 - 2 * linear)  # smooth start and stop


def draw_envelope(rng: np.random.Generator, *, emotion: str, intensity: float, duration_s: float) -> Envelope:
    """Draw when and how strongly an emotion shows in a face; it is at its apex for at least half of the time."""
    onset_s = float(rng.uniform(-0.15, 0.12)) * duration_s
    apex_s = onset_s + float(rng.uniform(0.15, 0.30))
    offset_s = float(rng.uniform(0.82, 0.98)) * duration_s
    end_s = offset_s + float(rng.uniform(0.15, 0.30))  # some faces still show it when the clip ends
    # A faint emotion still moves a face visibly: towards intensity 0 it keeps half of the full movement.
    amplitude = 0.5 + 0.5 * intensity
    return Envelope(emotion=emotion, amplitude=amplitude, onset_s=onset_s, apex_s=apex_s, offset_s=offset_s, end_s=end_s)


@dataclass(frozen=True, kw_only=True)
class Expression:
    """What a face does over one utterance: one envelope per emotion it carries, and the person's own way of showing it.

    Attributes:
        envelopes: one per carried emotion.
        habits: (emotion, action unit) -> factor near 1, drawn per utterance: no two smiles are the same.
        expressiveness: the speaker's factor.
    """

    envelopes: tuple[Envelope, ...]
    habits: Mapping[tuple[str, str], float] = field(default_factory=dict)
    expressiveness: float = 1.0

    def action_units(self, times_s: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Strength in [0, 1] of every action unit at each time. Emotions add up like probabilities: 1 - (1-a)(1-b)."""
        relaxed = {unit: np.ones_like(times_s) for unit in ACTION_UNITS}
        for envelope in self.envelopes:
            course = envelope.at(times_s)
            for unit, strength in EMOTION_ACTION_UNITS[envelope.emotion].items():
                factor = strength * self.habits.get((envelope.emotion, unit), 1.0) * self.expressiveness
                relaxed[unit] = relaxed[unit] * (1 - np.clip(factor * course, 0.0, 1.0))
        return {unit: 1 - left for unit, left in relaxed.items()}


def draw_expression(
    rng: np.random.Generator, *, emotions: Mapping[str, float], duration_s: float, expressiveness: float
) -> Expression:
    """Draw the expression of a face that carries ``emotions`` (emotion -> intensity) for ``duration_s``."""
    envelopes = tuple(
        draw_envelope(rng, emotion=emotion, intensity=intensity, duration_s=duration_s)
        for emotion, intensity in sorted(emotions.items())
    )
    habits = {
        (envelope.emotion, unit): float(rng.uniform(0.85, 1.1))
        for envelope in envelopes
        for unit in EMOTION_ACTION_UNITS[envelope.emotion]
    }
    return Expression(envelopes=envelopes, habits=habits, expressiveness=expressiveness)
