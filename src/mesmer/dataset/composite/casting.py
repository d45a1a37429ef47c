"""Who plays an utterance: the labels, and the rows of the sources that show them.

The rule. Draw ``none`` with probability 0.2, else one of the six emotions, all alike. Draw a sentence that carries it: the
labels of the utterance are all that this sentence carries. The voice shows one of them, each still face that is
informative one of them too, drawn anew. What is neutral, by its state in the form, comes from the rows that carry none of
the six; so do voice, faces and words of an utterance without labels. The labels are the sentence's also where the sentence
is hidden or gives way to a neutral one: whether anything is missing has no part in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mesmer.dataset.composite.form import CONTENT, Form, generator_of
from mesmer.dataset.composite.sources import NONE, Pools
from mesmer.emotions import SIX_EMOTIONS

NONE_SHARE = 0.2
"""Share of the utterances in which no emotion is expressed."""


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The parts of an utterance; what the form hides is None or empty.

    Attributes:
        labels: emotions expressed, in the order of the six.
        sentence, voice: rows of the sources.
        stills: a row for each still face.
        shows: emotion, or ``none``, of the voice and of each still face.
    """

    labels: tuple[str, ...]
    sentence: int | None
    voice: int | None
    stills: tuple[int, ...]
    shows: Mapping[str, Any]


def draw_cast(form: Form, pools: Mapping[str, Pools], *, seed: int, split: str, number: int) -> Cast:
    """Draw the parts of utterance ``number`` of a split."""
    rng = generator_of(seed=seed, split=split, number=number, stream=CONTENT)
    rows = {modality: of.rows[split] for modality, of in pools.items()}

    def pick(modality: str, emotion: str) -> int:
        pool = rows[modality][emotion]
        return int(pool[int(rng.integers(len(pool)))])

    def one_of(labels: tuple[str, ...]) -> str:
        return labels[int(rng.integers(len(labels)))] if labels else NONE

    wanted = NONE if rng.random() < NONE_SHARE else one_of(SIX_EMOTIONS)
    sentence = pick("text", wanted)
    labels = pools["text"].labels[split][sentence]
    if form.states["text"] == "neutral":
        sentence = pick("text", NONE)
    heard = one_of(labels) if form.states["audio"] == "shown" else NONE
    voice = pick("audio", heard)
    shown = form.states["visual"] == "shown"
    seen = [one_of(labels) if shown and carries else NONE for carries in form.informative]
    stills = [pick("visual", emotion) for emotion in seen]
    here = {modality: state != "absent" for modality, state in form.states.items()}
    return Cast(
        labels=labels,
        sentence=sentence if here["text"] else None,
        voice=voice if here["audio"] else None,
        stills=tuple(stills) if here["visual"] else (),
        shows={"audio": heard if here["audio"] else None, "visual": seen if here["visual"] else []},
    )


def sizes_of(size: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Return how many of ``size`` utterances each split has; train has what rounding leaves over."""
    sizes = {split: int(np.floor(size * share)) for split, share in shares.items()}
    sizes["train"] += size - sum(sizes.values())
    return sizes
