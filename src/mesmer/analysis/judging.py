"""From what was seen and heard of a turn to a row of the result: its clip, its words, what is expressed in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.heard import Heard
from mesmer.analysis.people import Sighting
from mesmer.analysis.predict import Predictor
from mesmer.analysis.result import AnalyzedUtterance
from mesmer.analysis.speaking import STILL, UNCLEAR
from mesmer.config import PrepareSettings
from mesmer.dataset.clip import clip_from_pieces
from mesmer.errors import MesmerError
from mesmer.media.facts import MediaFacts, SoundBlock, StretchEnd
from mesmer.records import Clip, Prediction, Utterance
from mesmer.signals.boxes import overlap
from mesmer.signals.mtcnn import FaceDetector
from mesmer.signals.tracking import Track, main_track

NO_FACE = "the speaker is not in the picture"
LOST_FACE = "the face of this person was not found in the frames that are read"
"""Why the picture is absent, where faces are seen but none of them speaks; and where the one who does has no crop."""


def make_turn_clip(
    heard: Heard, *, facts: MediaFacts, path: Path, detector: FaceDetector, prepare: PrepareSettings
) -> Clip:
    """Return the clip of a turn, with the face of the one who speaks and without words.

    Where one face is seen in the whole turn, or none, it is to the bit the clip that :func:`make_clip` makes of it.
    """
    turn = heard.turn
    choose: Callable[[Sequence[Track]], Track | None] = main_track
    if turn.person is not None and len(heard.seen) > 1:
        choose = _likest(heard.seen[turn.person], turn.start_s, prepare.frame_interval_s)
    utterance = Utterance(id="", corpus="", media=str(path), start_s=turn.start_s, end_s=turn.end_s)
    end = StretchEnd(audio_absent=heard.sound_absent, video_absent=heard.picture_absent)
    clip = clip_from_pieces(
        utterance,
        [*heard.frames, SoundBlock(start_s=0.0, samples=heard.waveform)],
        end=end,
        facts=facts,
        detector=detector,
        settings=prepare,
        choose=choose,
    )
    if heard.kind == "gap":
        clip = replace(clip, waveform=clip.waveform[:0], absent={**clip.absent, "audio": "no speech"})
    nobody_speaks = turn.person is None and bool(heard.seen)
    lost = choose is not main_track and not clip.face_found.any()
    if not (nobody_speaks or lost) or "visual" in clip.absent:
        return clip
    return _without_picture(clip, NO_FACE if nobody_speaks else LOST_FACE)


def with_words(clip: Clip, text: str | None) -> Clip:
    """Return the clip with what is said in it, cleaned as :func:`~mesmer.dataset.clip.make_clip` does."""
    cleaned = (text or "").encode("utf-8", "replace").decode("utf-8").strip()
    absent = {name: reason for name, reason in clip.absent.items() if name != "text"}
    return replace(clip, text=cleaned, absent=absent if cleaned else {"text": "no text", **absent})


def judge(clip: Clip, heard: Heard, *, number: int, predictor: Predictor, path: Path) -> AnalyzedUtterance:
    """Return the row of one turn: what the model says of its clip, and what a user should know about it.

    Args:
        clip: with its words.
        heard: what it was made from.
        number: of the row, from 1.
        predictor: the model.
        path: the file.
    """
    turn = heard.turn
    id = f"u{number:04d}"
    prediction: Prediction | None = None
    warnings = [*clip.warnings, *_doubts(heard, clip)]
    try:
        prediction = predictor.predict_clip(replace(clip, id=id), media=path)
    except MesmerError as error:
        warnings.append(f"no answer: {error.message}")
    return AnalyzedUtterance(
        id=id,
        start_s=turn.start_s,
        end_s=turn.end_s,
        kind="gap" if heard.kind == "gap" else "speech",
        person=turn.person,
        speaker_share=turn.share,
        text=clip.text or None,
        prediction=prediction,
        absent=dict(clip.absent),
        warnings=warnings,
    )


def _doubts(heard: Heard, clip: Clip) -> list[str]:
    turn = heard.turn
    if heard.kind == "gap" or heard.picture_absent is not None:
        return []
    doubts = []
    if turn.person is None:
        doubts.append("nobody in the picture is seen to speak: the voice comes from outside, or its face was not found")
    elif turn.share is not None and turn.share < UNCLEAR:
        doubts.append(f"hard to tell who speaks: this mouth has {100 * turn.share:.0f} % of all mouth movement")
    elif turn.movement is not None and turn.movement < STILL and heard.known <= 1:
        doubts.append("the mouth hardly moves: the voice may come from outside of the picture")
    if turn.together:
        doubts.append("two people speak at once: the sound is that of both")
    return doubts


def _likest(seen: Sequence[Sighting], start_s: float, interval_s: float) -> Callable[[Sequence[Track]], Track | None]:
    """Return a function that picks the track lying most on a person's sightings; None if none lies on them."""

    def choose(tracks: Sequence[Track]) -> Track | None:
        def agreement(track: Track) -> float:
            return sum(
                _overlap(box, _nearest(seen, start_s + step * interval_s))
                for step, box in zip(track.steps, track.boxes, strict=True)
            )

        best = max(tracks, key=agreement, default=None)
        return best if best is not None and agreement(best) > 0.3 else None

    return choose


def _nearest(seen: Sequence[Sighting], time_s: float) -> NDArray[np.float32] | None:
    best = min(seen, key=lambda one: abs(one.time_s - time_s))
    return best.box_px if abs(best.time_s - time_s) < 0.3 else None


def _overlap(one: NDArray[np.float32], other: NDArray[np.float32] | None) -> float:
    return 0.0 if other is None else float(overlap(one[None], other[None])[0, 0])


def _without_picture(clip: Clip, reason: str) -> Clip:
    warnings = tuple(warning for warning in clip.warnings if "face" not in warning)
    return replace(
        clip,
        faces=clip.faces[:0],
        face_times_s=clip.face_times_s[:0],
        face_boxes_px=clip.face_boxes_px[:0],
        face_found=clip.face_found[:0],
        absent={**clip.absent, "visual": reason},
        warnings=warnings,
    )
