"""A video of two drawn people side by side who take turns, overlap, look away and leave the picture, with its truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.synthetic.face_shape import FaceState
from mesmer.corpora.synthetic.plan import plan_utterance
from mesmer.corpora.synthetic.rendering import Performance, perform
from mesmer.corpora.synthetic.scene import Scene, draw_motion
from mesmer.corpora.synthetic.seeds import named_rng
from mesmer.corpora.synthetic.speakers import make_speaker
from mesmer.corpora.synthetic.voice import STEP_S
from mesmer.media.writer import write_video

FPS = 25
DRAWINGS_PER_S = 12.5
HALF_PX = (320, 360)
SAMPLE_RATE_HZ = 16_000
SPEAKERS = ("s004", "s007")
LEAVES, LOOKS_AWAY = 6, 8
"""Turns of the right one, during which the left one is out of the picture, or shows the back of the head."""
EMOTIONS = ("happiness", "anger", "sadness", "surprise", "fear", "disgust")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Who (0 left, 1 right) speaks: from when to when, and what; ``at_s`` is where the sound of it begins in the video."""

    person: int
    at_s: float
    start_s: float
    end_s: float
    text: str
    performance: Performance


@dataclass(frozen=True, kw_only=True)
class Away:
    """From when to when a person is out of the picture (``gone``) or shows the back of the head."""

    person: int
    start_s: float
    end_s: float
    gone: bool


@dataclass(frozen=True)
class Video:
    """A video, and its truth."""

    path: Path
    turns: list[Turn]
    away: list[Away]
    duration_s: float


def plan_turns(order: Sequence[tuple[int, float]], *, seed: int, first_s: float = 1.0) -> list[Turn]:
    """Return turns from (person, seconds after the end of the turn before; below 0 they overlap)."""
    turns: list[Turn] = []
    for number, (person, gap_s) in enumerate(order):
        emotion = EMOTIONS[number % len(EMOTIONS)]
        plan = plan_utterance(seed=seed, name=f"turn{number}", speaker=SPEAKERS[person], split="train", emotions=(emotion,))
        one = perform(replace(plan, size_px=HALF_PX, fps=Fraction(FPS)), seed=seed)
        at_s = max(0.0, (turns[-1].end_s if turns else first_s) + gap_s - one.speech.start_s)
        start_s, end_s = at_s + one.speech.start_s, at_s + one.speech.end_s
        turns.append(Turn(person=person, at_s=at_s, start_s=start_s, end_s=end_s, text=one.sentence.text, performance=one))
    return turns


def long_plan(count: int, *, seed: int) -> tuple[list[Turn], list[Away]]:
    """Return turns drawn at random, most with a pause before, some overlapping; and who is away while the other speaks."""
    rng = named_rng(seed, "two people", "order")
    order, person = [], 0
    for _ in range(count):
        overlaps = rng.random() < 0.15 and bool(order)
        person = 1 - person if overlaps or rng.random() < 0.8 else person
        order.append((person, -0.4 if overlaps else float(rng.uniform(0.5, 2.0))))
    turns = plan_turns(order, seed=seed)
    away = []
    for before, turn, after in zip(turns, turns[1:], turns[2:], strict=False):
        alone = before.end_s + 0.3 < turn.start_s and turn.end_s + 0.3 < after.start_s
        if alone and rng.random() < 0.25:
            away.append(
                Away(
                    person=1 - turn.person,
                    start_s=before.end_s + 0.2,
                    end_s=turn.end_s + 0.2,
                    gone=bool(rng.random() < 0.5),
                )
            )
    return turns, away


def make_two_people(
    path: Path, *, turns: Sequence[Turn], away: Sequence[Away], duration_s: float | None = None, seed: int
) -> float:
    """Write the video and return its length in seconds."""
    duration_s = duration_s or float(np.ceil(turns[-1].end_s + 1.0))
    rng = named_rng(seed, "two people", "noise")
    sound = rng.standard_normal(round(duration_s * SAMPLE_RATE_HZ)) * 10 ** (-64 / 20)
    for turn in turns:
        first = round(turn.at_s * SAMPLE_RATE_HZ)
        piece = turn.performance.speech.waveform[: len(sound) - first]
        sound[first : first + len(piece)] += piece
    halves = [_half(person, turns, away, duration_s, seed) for person in (0, 1)]
    frames = (np.concatenate(pair, axis=1) for pair in zip(*halves, strict=True))
    write_video(path, frames, Fraction(FPS), np.clip(sound, -0.98, 0.98).astype(np.float32), SAMPLE_RATE_HZ)
    return duration_s


def _half(
    person: int, turns: Sequence[Turn], away: Sequence[Away], duration_s: float, seed: int
) -> Iterator[NDArray[np.uint8]]:
    times_s = np.arange(0, duration_s, 1 / DRAWINGS_PER_S)
    mine = [(turn, turn.performance) for turn in turns if turn.person == person]
    face = make_speaker(seed, SPEAKERS[person]).face
    scene = Scene(face=face, size_px=HALF_PX, rng=named_rng(seed, "two people", f"scene {person}"))
    motion = draw_motion(named_rng(seed, "two people", f"motion {person}"), times_s=times_s, size_px=HALF_PX)
    middle = HALF_PX[0] / 2 - motion.poses[0].x_px  # both sit in the middle of their half
    poses = [replace(pose, x_px=pose.x_px + middle) for pose in motion.poses]
    backdrop = scene.backdrop(poses[0])
    empty = np.asarray(backdrop).copy()
    empty[:] = empty[:4, :4].mean(axis=(0, 1))
    shown = 0
    for at, time_s in enumerate(times_s):
        state = FaceState(blink=float(motion.blinks[at]), gaze=(float(motion.gaze_x[at]), float(motion.gaze_y[at])))
        for turn, one in mine:
            within_s = time_s - turn.at_s
            if 0 <= within_s < one.speech.duration_s:
                step = min(int(within_s / STEP_S), len(one.speech.mouth_open) - 1)
                units = one.expression.action_units(np.array([within_s]))
                state = replace(
                    state,
                    units={unit: float(course[0]) for unit, course in units.items() if course[0] > 0},
                    speech_open=float(one.speech.mouth_open[step]),
                    speech_round=float(one.speech.mouth_round[step]),
                )
        gone = next((one for one in away if one.person == person and one.start_s <= time_s < one.end_s), None)
        if gone is not None and gone.gone:
            picture = empty
        else:
            picture = scene.frame(backdrop, pose=poses[at], state=state)
            if gone is not None:  # the back of the head
                picture = picture.copy()
                y, x = np.mgrid[: HALF_PX[1], : HALF_PX[0]]
                head = ((x - poses[at].x_px) / 46) ** 2 + ((y - poses[at].y_px - 6) / 66) ** 2 < 1
                picture[head] = face.hair
        until = min(round((at + 1) * FPS / DRAWINGS_PER_S), round(duration_s * FPS))
        for _ in range(until - shown):
            yield picture
        shown = until
