"""The pointing game over a split of the synthetic corpus: what sparse blocks keep beside what was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.dataset.collate import collate
from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import DataError, ModelError
from mesmer.explain.pointing import MapScores, point, sound_truth
from mesmer.explain.truth import Truth, When, face_masks, sound_masks
from mesmer.models.base import EmotionModel
from mesmer.records import BlockTrace, Clip
from mesmer.signals.text import TextTokenizer

Changed = Callable[[BlockTrace], BlockTrace]
Evidence = Callable[[Clip], NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The scores of all maps of a split.

    Attributes:
        scores: of n maps, faces or chunks.
        speakers, ids: of each map, the speaker and the utterance.
    """

    scores: MapScores
    speakers: tuple[str | None, ...]
    ids: tuple[str, ...]


@torch.no_grad()
def score_split(
    model: EmotionModel,
    split: PreparedSplit,
    truths: Mapping[str, Truth],
    *,
    tokenizer: TextTokenizer,
    modality: Literal["visual", "audio"] = "visual",
    block: int = 0,
    when: When = "apex",
    evidence: Evidence | None = None,
    change: Changed | None = None,
    batch_size: int = 16,
) -> SplitScores:
    """Score what one sparse block keeps of every face, or chunk, of a split.

    Args:
        model: put into evaluation mode by the caller.
        split: of the synthetic corpus.
        truths: from :func:`mesmer.explain.truth.read_truths`.
        tokenizer: the model's.
        block: 0 is the first.
        when: whether onset and offset of an expression in the face count.
        evidence: gives other masks of a clip's faces, such as :meth:`mesmer.explain.redraw.Redrawer.changed`.
        change: what to do to each trace before it is scored, such as :func:`mesmer.explain.pointing.random_trace`.
        batch_size: utterances at a time.

    Raises:
        ModelError: the model has no such sparse block.
        DataError: an utterance has no truth, or a damaged one.
    """
    parts: list[MapScores] = []
    speakers: list[str | None] = []
    ids: list[str] = []
    settings = model.settings
    device = next(model.parameters()).device
    for first in range(0, len(split), batch_size):
        rows = range(first, min(first + batch_size, len(split)))
        clips = [split[row] for row in rows]
        batch = collate(clips, None, tokenizer=tokenizer, mel=settings.mel, max_tokens=settings.text.max_tokens)
        counts = (batch.num_faces if modality == "visual" else batch.num_chunks).tolist()
        counts = [count if modality not in clip.absent else 0 for count, clip in zip(counts, clips, strict=True)]
        if not sum(counts):
            continue
        trace = model(batch.to(device), traces=True).traces.get((modality, block))
        if trace is None:
            raise ModelError(f"the model has no sparse block {block + 1} for {modality}", remedy="use a MESM")
        masks = []
        for clip, count in zip(clips, counts, strict=True):
            if clip.id not in truths:
                raise DataError("the truth about this utterance is not known", file=clip.id)
            if modality == "visual":
                faces = face_masks(truths[clip.id], clip, when=when) if evidence is None else evidence(clip)
                masks.append(torch.from_numpy(faces[:count]))
            else:
                sound = sound_masks(truths[clip.id], chunks=count, mel=settings.mel)
                masks.append(sound_truth(sound, settings.mel.num_bands))
        parts.append(point(trace if change is None else change(trace), torch.cat(masks)))
        for row, clip, count in zip(rows, clips, counts, strict=True):
            speakers += [split.speakers[row]] * count
            ids += [clip.id] * count
    if not parts:
        raise DataError(f"the split has no {modality} modality", field="split")
    return SplitScores(scores=MapScores.joined(parts), speakers=tuple(speakers), ids=tuple(ids))
