"""One planned utterance made real: its sentence, its sound, its pictures, and the truth about all three."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.synthetic.expression import (
    ACTION_UNIT_REGIONS,
    ACTION_UNITS,
    EMOTION_ACTION_UNITS,
    Expression,
    draw_expression,
    emotion_regions,
)
from mesmer.corpora.synthetic.face_shape import FaceState
from mesmer.corpora.synthetic.plan import UtterancePlan
from mesmer.corpora.synthetic.prosody import Delivery, deliver, draw_prosody
from mesmer.corpora.synthetic.scene import Motion, Scene, draw_motion
from mesmer.corpora.synthetic.seeds import named_rng
from mesmer.corpora.synthetic.sentences import Sentence, draw_sentence
from mesmer.corpora.synthetic.speakers import Speaker, make_speaker
from mesmer.corpora.synthetic.voice import STEP_S, Speech, speak

FRAMES_PER_DRAWING = 2
"""Each drawing is shown for two frames, as in hand-drawn film: 12.5 to 15 drawings a second."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Everything that is decided about one utterance before its pictures are drawn.

    Attributes:
        plan: what was to be made.
        speaker: who speaks.
        sentence, delivery, speech: what is said, how, and the sound of it.
        expression, motion: what the face does, and what the head does beside it.
        scene: the person before a background.
        times_s: float64 (drawings,), when each drawing appears.
        frames: number of frames of the video.
    """

    plan: UtterancePlan
    speaker: Speaker
    sentence: Sentence
    delivery: Delivery
    speech: Speech
    expression: Expression
    motion: Motion
    scene: Scene
    times_s: NDArray[np.float64]
    frames: int

    @cached_property
    def states(self) -> tuple[FaceState, ...]:
        """The face at each drawing."""
        units = self.expression.action_units(self.times_s)
        step = np.clip((self.times_s / STEP_S).astype(int), 0, len(self.speech.mouth_open) - 1)
        motion = self.motion
        return tuple(
            FaceState(
                units={unit: float(course[at]) for unit, course in units.items() if course[at] > 0},
                blink=float(motion.blinks[at]),
                speech_open=float(self.speech.mouth_open[step[at]]),
                speech_round=float(self.speech.mouth_round[step[at]]),
                gaze=(float(motion.gaze_x[at]), float(motion.gaze_y[at])),
            )
            for at in range(len(self.times_s))
        )

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """The frames of the video, uint8 (H, W, 3) RGB, in order."""
        backdrop = self.scene.backdrop(self.motion.poses[0])
        shown = 0
        for pose, state in zip(self.motion.poses, self.states, strict=True):
            picture = self.scene.frame(backdrop, pose=pose, state=state)
            for _ in range(min(FRAMES_PER_DRAWING, self.frames - shown)):
                yield picture
                shown += 1


def perform(plan: UtterancePlan, *, seed: int) -> Performance:
    """Decide everything about a planned utterance of the corpus of ``seed``; draws nothing yet."""

    def rng(part: str) -> np.random.Generator:
        return named_rng(seed, "utterance", plan.id, part)

    speaker = make_speaker(seed, plan.speaker)
    sentence = draw_sentence(rng("words"), emotions=tuple(plan.carried_by("text")), split=plan.split)
    voice = rng("voice")
    delivery = deliver(speaker.voice, draw_prosody(voice, plan.carried_by("audio")))
    speech = speak(
        voice,
        text=sentence.text,
        delivery=delivery,
        lead_s=float(voice.uniform(0.06, 0.16)),
        tail_s=float(voice.uniform(0.10, 0.25)),
        noise_dbfs=float(voice.uniform(-68.0, -56.0)),
    )
    frames = int(np.ceil(speech.duration_s * plan.fps))
    drawings = -(-frames // FRAMES_PER_DRAWING)
    times_s = np.array([float(FRAMES_PER_DRAWING * number / plan.fps) for number in range(drawings)])
    expression = draw_expression(
        rng("face"),
        emotions=plan.carried_by("visual"),
        duration_s=speech.duration_s,
        expressiveness=speaker.expressiveness,
    )
    return Performance(
        plan=plan,
        speaker=speaker,
        sentence=sentence,
        delivery=delivery,
        speech=speech,
        expression=expression,
        motion=draw_motion(rng("motion"), times_s=times_s, size_px=plan.size_px),
        scene=Scene(face=speaker.face, size_px=plan.size_px, rng=rng("scene")),
        times_s=times_s,
        frames=frames,
    )


def truth_of(performance: Performance) -> dict[str, Any]:
    """What was shown where and when, as plain types; ``docs/synthetic_corpus.md`` explains every entry."""
    plan = performance.plan
    return {
        "id": plan.id,
        "speaker": plan.speaker,
        "split": plan.split,
        "labels": dict(plan.labels),
        "carriers": {emotion: list(names) for emotion, names in plan.carriers.items()},
        "duration_s": round(performance.speech.duration_s, 4),
        "text": _text_truth(performance),
        "audio": _audio_truth(performance),
        "visual": _visual_truth(performance),
    }


def _text_truth(performance: Performance) -> dict[str, Any]:
    text = performance.sentence.text
    words = [
        {"span": list(word.span), "start_s": round(word.start_s, 3), "end_s": round(word.end_s, 3)}
        for word in performance.speech.words
    ]
    carriers = [
        {"emotion": carrier.emotion, "span": list(carrier.span), "words": text[slice(*carrier.span)]}
        for carrier in performance.sentence.carriers
    ]
    return {"sentence": text, "carriers": carriers, "words": words}


def _audio_truth(performance: Performance) -> dict[str, Any]:
    speech = performance.speech
    spoken_s = [round(speech.start_s, 3), round(speech.end_s, 3)]
    return {
        "spoken_s": spoken_s,
        "shown": dict.fromkeys(performance.plan.carried_by("audio"), spoken_s),
        "voice": {name: round(value, 4) for name, value in vars(performance.delivery).items()},
        "voice_at_rest": {name: round(value, 4) for name, value in vars(performance.speaker.voice).items()},
    }


def _visual_truth(performance: Performance) -> dict[str, Any]:
    units = performance.expression.action_units(performance.times_s)
    moved = [unit for unit in ACTION_UNITS if units[unit].max() > 0]
    poses, states, scene = performance.motion.poses, performance.states, performance.scene
    boxes = [scene.region_boxes_px(pose) for pose in poses]
    duration_s = performance.speech.duration_s
    shown = {
        envelope.emotion: {
            "from_s": round(max(0.0, envelope.onset_s), 3),
            "apex_s": [round(max(0.0, envelope.apex_s), 3), round(min(duration_s, envelope.offset_s), 3)],
            "to_s": round(min(duration_s, envelope.end_s), 3),
            "action_units": list(EMOTION_ACTION_UNITS[envelope.emotion]),
            "regions": list(emotion_regions(envelope.emotion)),
        }
        for envelope in performance.expression.envelopes
    }
    return {
        "width_px": performance.plan.size_px[0],
        "height_px": performance.plan.size_px[1],
        "fps": str(performance.plan.fps),
        "frames": performance.frames,
        "shown": shown,
        "times_s": [round(float(time), 4) for time in performance.times_s],
        "action_units": {unit: np.round(units[unit], 3).tolist() for unit in moved},
        "action_unit_regions": {unit: list(ACTION_UNIT_REGIONS[unit]) for unit in moved},
        "face_box_px": [
            np.round(scene.face_box_px(pose, state), 1).tolist() for pose, state in zip(poses, states, strict=True)
        ],
        "regions_px": {name: [np.round(at[name], 1).tolist() for at in boxes] for name in boxes[0]},
    }
