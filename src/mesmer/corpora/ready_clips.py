"""Clips of corpora that are delivered as cut-out faces or as sentences: one modality each, nothing to decode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesmer.records import FACE_PX, Clip, Utterance

NOT_IN_CORPUS = "not in the corpus"
"""Why the other modalities are absent."""

EKMAN_EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The six emotions of Ekman and none of them: the label set of corpora that have a neutral label."""


def still_clip(utterance: Utterance, grey: NDArray[np.uint8]) -> Clip:
    """Return the clip of one still face, uint8 (48, 48), grey; as red, green and blue it is the same picture to the bit."""
    faces = np.repeat(grey[None, :, :, None], 3, axis=3)
    return _clip(utterance, faces=faces, text="", absent={"text": NOT_IN_CORPUS, "audio": NOT_IN_CORPUS})


def words_clip(utterance: Utterance) -> Clip:
    """Return the clip of one sentence, ``utterance.text``."""
    nothing = np.zeros((0, FACE_PX, FACE_PX, 3), dtype=np.uint8)
    text = (utterance.text or "").strip()
    absent = {"audio": NOT_IN_CORPUS, "visual": NOT_IN_CORPUS} | ({} if text else {"text": "no text"})
    return _clip(utterance, faces=nothing, text=text, absent=absent)


def _clip(utterance: Utterance, *, faces: NDArray[np.uint8], text: str, absent: dict[str, str]) -> Clip:
    steps = len(faces)
    return Clip(
        id=utterance.id,
        faces=faces,
        face_times_s=np.zeros(steps, dtype=np.float64),
        face_boxes_px=np.tile(np.array([0, 0, FACE_PX, FACE_PX], dtype=np.float32), (steps, 1)),
        face_found=np.ones(steps, dtype=np.bool_),
        waveform=np.zeros(0, dtype=np.float32),
        text=text,
        absent=absent,
        duration_s=0.0,
        people=steps or None,
        stamps_replaced=0,
    )
