"""Where and when a clip of the synthetic corpus truly showed an emotion, in the coordinates that a model sees.

The corpus writes ``truth.jsonl`` beside its clips (see ``docs/synthetic_corpus.md``); here its boxes in the frame and its
times become masks over face crops and spectrogram chunks. Shape letters: S faces, C chunks, T frames of a chunk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mesmer.config import MelSettings
from mesmer.corpora.synthetic import read_truth
from mesmer.errors import DataError
from mesmer.records import FACE_PX, Clip

When = Literal["apex", "shown"]
"""``shown``: from the first to the last moment of an emotion; ``apex``: only while it is at its strongest."""

Truth = Mapping[str, Any]
"""One line of ``truth.jsonl``."""


def read_truths(data: str | Path) -> dict[str, Truth]:
    """Return the truth about every utterance of a synthetic corpus: utterance id -> truth.

    Args:
        data: a dataset that ``mesmer prepare synthetic`` made, or the corpus itself.

    Raises:
        DataError: there is no truth here, or it is damaged.
    """
    folder = Path(data)
    root = folder / "raw" if (folder / "raw" / "truth.jsonl").is_file() else folder
    if not (root / "truth.jsonl").is_file():
        raise DataError(
            "what was truly shown is not known here",
            file=folder,
            remedy="use a dataset of `mesmer prepare synthetic`, with its folder raw",
        )
    with readable(root / "truth.jsonl"):
        return {str(truth["id"]): truth for truth in read_truth(root)}


def face_masks(
    truth: Truth, clip: Clip, *, emotions: Collection[str] | None = None, when: When = "apex"
) -> NDArray[np.bool_]:
    """Return where each sampled face showed an emotion, bool (S, 48, 48); all False where it showed none at that time.

    A pixel belongs to the truth if its centre lies in a part of the face that the emotion's action units move.

    Args:
        truth: of this clip.
        clip: says when each face was sampled and where its crop lay in the frame.
        emotions: only these; None is all that the face showed.
        when: whether onset and offset count.

    Raises:
        DataError: the truth is damaged.
    """
    with readable(clip.id):
        shown = truth["visual"]["shown"]
        parts = region_masks(truth, clip)
        masks = np.zeros((len(clip.faces), FACE_PX, FACE_PX), dtype=bool)
        for emotion, course in shown.items():
            if emotions is not None and emotion not in emotions:
                continue
            begin, end = course["apex_s"] if when == "apex" else (course["from_s"], course["to_s"])
            now = (clip.face_times_s >= begin) & (clip.face_times_s <= end)
            for part in course["regions"]:
                masks |= parts[part] & now[:, None, None]
        return masks


def region_masks(truth: Truth, clip: Clip) -> dict[str, NDArray[np.bool_]]:
    """Return where each part of the face lies, whatever it shows: part -> bool (S, 48, 48). Parts may overlap.

    Raises:
        DataError: the truth is damaged.
    """
    with readable(clip.id):
        visual = truth["visual"]
        drawing = _drawing_at(visual["times_s"], clip.face_times_s)
        return {
            part: np.stack([_inside(boxes[k], crop) for k, crop in zip(drawing, clip.face_boxes_px, strict=True)])
            if len(drawing)
            else np.zeros((0, FACE_PX, FACE_PX), dtype=bool)
            for part, boxes in visual["regions_px"].items()
        }


def sound_masks(
    truth: Truth, *, chunks: int, mel: MelSettings, emotions: Collection[str] | None = None
) -> NDArray[np.bool_]:
    """Return when the voice showed an emotion, bool (C, T): True at spectrogram frames whose middle lies in such a time.

    Args:
        truth: of the clip.
        chunks: C, the chunks of its spectrogram.
        mel: how sound becomes spectrogram chunks.
        emotions: only these; None is all that the voice showed.

    Raises:
        DataError: the truth is damaged.
    """
    with readable(str(truth.get("id"))):
        middle_s = (np.arange(chunks * mel.chunk_frames) + 0.5) * mel.stride_ms / 1000
        masks = np.zeros(len(middle_s), dtype=bool)
        for emotion, (begin, end) in truth["audio"]["shown"].items():
            if emotions is None or emotion in emotions:
                masks |= (middle_s >= begin) & (middle_s < end)
        return masks.reshape(chunks, mel.chunk_frames)


def chunk_mask(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bool (C,), the chunks of which at least half shows an emotion; ``masks`` are :func:`sound_masks`."""
    answer: NDArray[np.bool_] = masks.mean(axis=1) >= 0.5 if masks.size else np.zeros(len(masks), dtype=bool)
    return answer


def _drawing_at(times_s: Sequence[float], at_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which drawing is on the screen at each time; frames are stamped to the millisecond at best."""
    return np.clip(np.searchsorted(np.asarray(times_s), at_s + 1e-3, side="right") - 1, 0, len(times_s) - 1)


def _inside(boxes: Sequence[Sequence[float]], crop: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return bool (48, 48), True at the pixels of a crop whose centres lie in one of the boxes of the frame."""
    x0, y0, x1, y1 = (float(edge) for edge in crop)
    steps = (np.arange(FACE_PX) + 0.5) / FACE_PX
    x, y = x0 + steps * (x1 - x0), y0 + steps * (y1 - y0)
    mask = np.zeros((FACE_PX, FACE_PX), dtype=bool)
    for left, top, right, bottom in boxes:
        mask |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None, :]
    return mask


@contextmanager
def readable(name: str | Path) -> Iterator[None]:
    """Say in one line that the truth is damaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        problem = f"the truth about this utterance is damaged ({type(error).__name__}: {error})"
        raise DataError(problem, file=name, remedy="make the corpus again") from error
