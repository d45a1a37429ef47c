"""How much each word moves the answer: the clip is read again without it.

In MESM words act twice: through their own share, and by deciding where the other branches look. Both are in the influence,
unless the recording is so long that reading all of it again for every word would take minutes; then only the first is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.explain.seeing import factors_of, repeated, shares_of
from mesmer.models.loading import LoadedModel
from mesmer.records import Batch, Clip, ModelOutput

MOST_MAPS = 6000
"""Faces and chunks that are looked at again at most, for all words together."""

_MAPS_AT_ONCE = 128


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of a transcript and what leaving each out takes from the log-odds of each emotion.

    Attributes:
        spans: begin and end of each of W words in the transcript.
        influence: float64 (W, L); positive where the word speaks for the emotion. Words behind the model's longest text
            have none.
        steered: whether the effect on where the model looks is in it.
    """

    spans: tuple[tuple[int, int], ...]
    influence: NDArray[np.float64]
    steered: bool


@torch.no_grad()
def word_influence(loaded: LoadedModel, clip: Clip, batch: Batch, output: ModelOutput) -> Words:
    """Return the influence of every word of a clip.

    Args:
        loaded: the model, in evaluation mode.
        clip: with words.
        batch: that clip alone.
        output: the model's answer to it.
    """
    model = loaded.model
    spans = tuple((match.start(), match.end()) for match in re.finditer(r"\S+", clip.text))
    texts = [clip.text[:begin] + clip.text[end:] for begin, end in spans]
    maps = len(batch.faces) + len(batch.chunks)
    if maps * len(texts) <= MOST_MAPS:
        whole = shares_of(model, output).sum(1)
        lacking = [shares_of(model, model(said)).sum(1) for said in _said(loaded, batch, texts)]
        return Words(spans=spans, influence=(whole - torch.cat(lacking)).numpy(), steered=True)
    mute = replace(
        batch,
        faces=batch.faces[:0],
        num_faces=torch.zeros_like(batch.num_faces),
        chunks=batch.chunks[:0],
        num_chunks=torch.zeros_like(batch.num_chunks),
    )
    read = torch.cat([model(said).modality_logits[:, 0].double().cpu() for said in _said(loaded, mute, texts)])
    own = factors_of(model, output, "text") * (output.modality_logits[:, 0].double().cpu() - read)
    return Words(spans=spans, influence=own.numpy(), steered=False)


def _said(loaded: LoadedModel, batch: Batch, texts: Sequence[str]) -> Iterator[Batch]:
    """Yield the one clip of ``batch`` with other words, several texts at a time."""
    size = max(1, _MAPS_AT_ONCE // max(1, len(batch.faces) + len(batch.chunks)))
    for first in range(0, len(texts), size):
        group = texts[first : first + size]
        tokens, mask = loaded.tokenizer.encode(group, loaded.model.settings.text.max_tokens)
        device = batch.tokens.device
        yield replace(repeated(batch, len(group)), tokens=tokens.to(device), token_mask=mask.to(device))
