"""The pixels of a synthetic face that an expression really changed: the frame drawn again with the face at rest.

Tighter than the parts of the face in ``truth.jsonl``, whose boxes are wide enough for their largest movement.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.synthetic.generator import VERSION
from mesmer.corpora.synthetic.plan import UtterancePlan, plan_corpus
from mesmer.corpora.synthetic.rendering import FRAMES_PER_DRAWING, perform
from mesmer.errors import DataError
from mesmer.records import FACE_PX, Clip
from mesmer.signals.crops import crop_face
from mesmer.storage.reading import read_json

LEAST_CHANGE = 12
"""A pixel of the crop has changed if one of its colours differs by more than this of 255."""
FAINT_CHANGE = 3
"""What differs by more than this can still be told from the face at rest: to take the evidence away, all of it must go."""

_MAX_RECORD_BYTES = 1024**2


class Redrawer:
    """Draws the clips of one synthetic corpus again.

    Args:
        data: a dataset that ``mesmer prepare synthetic`` made, or the corpus itself.

    Raises:
        DataError: it is no synthetic corpus, or one of another version.
    """

    def __init__(self, data: str | Path) -> None:
        folder = Path(data)
        file = folder / "raw" / "corpus.json"
        file = file if file.is_file() else folder / "corpus.json"
        record = read_json(file, max_bytes=_MAX_RECORD_BYTES, error=DataError)
        if not isinstance(record, dict) or record.get("version") != VERSION:
            raise DataError("not a synthetic corpus of this version", file=file, remedy="make the corpus again")
        size, seed = record.get("size"), record.get("seed")
        if not isinstance(size, str) or not isinstance(seed, int):
            raise DataError("size and seed of the corpus are missing", file=file, remedy="make the corpus again")
        self._seed = seed
        self._plans = {plan.id: plan for plan in plan_corpus(size=size, seed=seed)}

    def changed(self, clip: Clip, *, least: int = LEAST_CHANGE) -> NDArray[np.bool_]:
        """Return which pixels of each face the expression changed, bool (S, 48, 48); all False where it showed none.

        Raises:
            DataError: the clip is not of this corpus.
        """
        if clip.id not in self._plans:
            raise DataError("the corpus has no such utterance", file=clip.id)
        return changed_pixels(self._plans[clip.id], clip, seed=self._seed, least=least)


def changed_pixels(plan: UtterancePlan, clip: Clip, *, seed: int, least: int = LEAST_CHANGE) -> NDArray[np.bool_]:
    """Return which pixels of each face differ, by more than ``least`` of 255, from the same face at rest: (S, 48, 48)."""
    performance = perform(plan, seed=seed)
    backdrop = performance.scene.backdrop(performance.motion.poses[0])
    masks = np.zeros((len(clip.faces), FACE_PX, FACE_PX), dtype=bool)
    for step, (time_s, crop) in enumerate(zip(clip.face_times_s, clip.face_boxes_px, strict=True)):
        drawing = min(round(time_s * float(plan.fps)) // FRAMES_PER_DRAWING, len(performance.states) - 1)
        state, pose = performance.states[drawing], performance.motion.poses[drawing]
        shown, at_rest = (
            crop_face(performance.scene.frame(backdrop, pose=pose, state=face), crop).astype(np.int16)
            for face in (state, replace(state, units={}))
        )
        masks[step] = np.abs(shown - at_rest).max(axis=2) > least
    return masks
