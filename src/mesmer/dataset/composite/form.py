"""The form of a composite utterance: how long, how many faces, what is missing, how it is changed. It knows no label.

Everything here is drawn from the seed, the split and the number of the utterance, by a generator that draws nothing else:
nothing in the form can tell what is expressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mesmer.records import MODALITIES, SPLITS

State = Literal["shown", "neutral", "absent"]
STATES: Mapping[State, float] = {"shown": 0.65, "neutral": 0.2, "absent": 0.15}
"""State of a modality -> probability, before utterances in which nothing is shown are drawn again."""

DURATION_S = (1.5, 4.0)
MOST_STILLS = 3
"""A sequence of faces passes through one, two or three still faces."""
INFORMATIVE_SHARE = 0.7
"""Probability that a still face of a visual modality that is shown carries a label; at least one does."""

FORM, CONTENT, NOISE = 0, 1, 2
"""Streams of random numbers of an utterance."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How a sequence of faces moves: each measure is ``mean + swing * sin(2 pi hz t + phase)`` at second t.

    Attributes:
        mirrored: whether all faces are mirrored.
        waves: measure (``right_px``, ``down_px``, ``turn_deg``, ``scale``, ``brightness``, ``contrast``) -> mean, swing,
            frequency in hertz, phase in radians; ``scale`` and ``contrast`` are logarithms.
    """

    mirrored: bool
    waves: Mapping[str, tuple[float, float, float, float]]

    def at(self, measure: str, time_s: float) -> float:
        """Return one measure at one time."""
        mean, swing, hz, phase = self.waves[measure]
        return mean + swing * float(np.sin(2 * np.pi * hz * time_s + phase))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """How a voice is recorded.

    Attributes:
        speed: above 1 is faster and higher.
        level_db: of the voice, root mean square, below full scale.
        snr_db: how far the noise is below the voice.
        noise_slope: power of the noise falls with frequency to this power; 0 is white.
        lowest_hz, highest_hz: the band that comes through; None does not limit it.
        place: where in the utterance the voice lies, from 0, at its start, to 1, at its end.
    """

    speed: float
    level_db: float
    snr_db: float
    noise_slope: float
    lowest_hz: float | None
    highest_hz: float | None
    place: float


@dataclass(frozen=True, kw_only=True)
class Form:
    """All that is drawn without looking at a label.

    Attributes:
        states: modality -> its state; at least one is ``shown``.
        duration_s: of the utterance, whatever the voice's length was.
        still_of_step: int64 (S,), which still face is seen at each step; 0, 1, ... in order.
        informative: for each still face, whether it carries a label where the faces are shown.
        motion, recording: of the faces and of the voice.
    """

    states: Mapping[str, State]
    duration_s: float
    still_of_step: NDArray[np.int64]
    informative: tuple[bool, ...]
    motion: Motion
    recording: Recording

    def measures(self) -> dict[str, float]:
        """Return everything that could be told from the form as numbers, for a test of independence."""
        return {
            "duration": self.duration_s,
            "steps": float(len(self.still_of_step)),
            "stills": float(len(self.informative)),
            "informative stills": float(sum(self.informative)),
            "mirrored": float(self.motion.mirrored),
            **{f"{name} state": float(tuple(STATES).index(state)) for name, state in self.states.items()},
            **{f"{name} mean": wave[0] for name, wave in self.motion.waves.items()},
            **{f"{name} swing": wave[1] for name, wave in self.motion.waves.items()},
            **{name: -1.0 if value is None else value for name, value in vars(self.recording).items()},
        }


_SPANS: Mapping[str, tuple[float, float]] = {
    "right_px": (2.0, 2.0),
    "down_px": (2.0, 2.0),
    "turn_deg": (6.0, 6.0),
    "scale": (0.06, 0.05),
    "brightness": (15.0, 8.0),
    "contrast": (0.12, 0.05),
}
"""Measure -> largest mean either way, and largest swing."""


def generator_of(*, seed: int, split: str, number: int, stream: int) -> np.random.Generator:
    """Return the generator of one stream of one utterance."""
    return np.random.default_rng([seed, SPLITS.index(split), number, stream])


def draw_form(*, seed: int, split: str, number: int, frame_interval_s: float) -> Form:
    """Draw the form of utterance ``number`` of a split."""
    rng = generator_of(seed=seed, split=split, number=number, stream=FORM)
    states = _draw_states(rng)
    duration_s = float(rng.uniform(*DURATION_S))
    steps = max(1, ceil(duration_s / frame_interval_s))
    stills = int(rng.integers(1, min(MOST_STILLS, steps) + 1))
    cuts = np.sort(rng.permutation(np.arange(1, steps))[: stills - 1])
    informative = rng.random(stills) < INFORMATIVE_SHARE
    informative[int(rng.integers(stills))] = True
    return Form(
        states=states,
        duration_s=duration_s,
        still_of_step=np.searchsorted(cuts, np.arange(steps), side="right").astype(np.int64),
        informative=tuple(bool(one) for one in informative),
        motion=Motion(
            mirrored=bool(rng.random() < 0.5), waves={name: _draw_wave(rng, *span) for name, span in _SPANS.items()}
        ),
        recording=_draw_recording(rng),
    )


def _draw_states(rng: np.random.Generator) -> dict[str, State]:
    names: list[State] = list(STATES)
    while True:
        drawn = rng.choice(len(names), size=len(MODALITIES), p=list(STATES.values()))
        states = {modality: names[place] for modality, place in zip(MODALITIES, drawn, strict=True)}
        if "shown" in states.values():
            return states


def _draw_wave(rng: np.random.Generator, mean: float, swing: float) -> tuple[float, float, float, float]:
    values: Any = (rng.uniform(-mean, mean), rng.uniform(0, swing), rng.uniform(0.08, 0.35), rng.uniform(0, 2 * np.pi))
    return tuple(float(value) for value in values)  # type: ignore[return-value]


def _draw_recording(rng: np.random.Generator) -> Recording:
    low, high = rng.random(2) < 0.4
    lowest_hz, highest_hz = rng.uniform(60, 300), rng.uniform(3400, 7500)
    return Recording(
        speed=float(rng.uniform(0.9, 1.1)),
        level_db=float(rng.uniform(-34, -18)),
        snr_db=float(rng.uniform(12, 40)),
        noise_slope=float(rng.uniform(0, 2)),
        lowest_hz=float(lowest_hz) if low else None,
        highest_hz=float(highest_hz) if high else None,
        place=float(rng.random()),
    )
