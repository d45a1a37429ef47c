"""A split whose utterances have the words, the voice or the faces of others: what a model loses tells what it used.

Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import DataError
from mesmer.records import MODALITIES, Clip

_ROUNDS = 200
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "audio": ("waveform", "sound_end_s"),
    "visual": ("faces", "face_times_s", "face_boxes_px", "face_found", "picture_end_s", "people"),
}
"""Modality -> what of a clip belongs to it."""


class ShuffledSplit(PreparedSplit):
    """A split in which some modalities come from other utterances; labels, ids and what is missing stay.

    Args:
        split: the split.
        donors: modality -> int64 (N,), the row whose content each utterance gets.
    """

    def __init__(self, split: PreparedSplit, donors: Mapping[str, NDArray[np.int64]]) -> None:
        self.__dict__.update(vars(split))
        self._split, self._donors = split, dict(donors)
        if "text" in donors:
            self.texts = tuple(split.texts[row] for row in donors["text"])

    def __getitem__(self, row: int) -> Clip:  # type: ignore[override]
        clip = self._split[row]
        taken: dict[str, Any] = {}
        for modality, donors in self._donors.items():
            giver = self._split[int(donors[row])]
            taken |= {name: getattr(giver, name) for name in _FIELDS[modality]}
        return replace(clip, **taken)


def donors_of_other_labels(split: PreparedSplit, modality: str, *, seed: int) -> NDArray[np.int64]:
    """Return for each utterance the row of another that shares no emotion with it, int64 (N,); every row gives once.

    An utterance without labels gets one with labels. Who has not got the modality keeps having nothing of it.

    Raises:
        DataError: there is no such exchange: more than half of the utterances carry the same.
    """
    labels = split.labels > 0
    takers, givers, rng = _permuted(split, modality, seed)

    def alike(taker: NDArray[np.int64], giver: NDArray[np.int64]) -> NDArray[np.bool_]:
        both, none = (labels[taker] & labels[giver]).any(axis=1), ~labels[taker].any(axis=1) & ~labels[giver].any(axis=1)
        return np.asarray(both | none)

    for _ in range(_ROUNDS):
        wrong = np.flatnonzero(alike(takers, givers))
        if not len(wrong):
            return _placed(len(split), takers, givers)
        for place in wrong:
            others = rng.integers(len(takers), size=32)
            here, there = np.full(len(others), takers[place]), np.full(len(others), givers[place])
            good = others[~alike(here, givers[others]) & ~alike(takers[others], there)]
            if len(good):
                givers[[place, good[0]]] = givers[[good[0], place]]
    raise DataError(
        f"the {modality} cannot be exchanged between utterances of other labels: too many carry the same",
        file=split.folder,
        field=split.name,
    )


def donors_by_chance(split: PreparedSplit, modality: str, *, seed: int) -> NDArray[np.int64]:
    """Return a random exchange, int64 (N,), between the utterances that have the modality, whatever their labels."""
    takers, givers, _ = _permuted(split, modality, seed)
    return _placed(len(split), takers, givers)


def _permuted(
    split: PreparedSplit, modality: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], np.random.Generator]:
    rng = np.random.default_rng([seed, MODALITIES.index(modality)])
    takers = np.flatnonzero(split.present[:, MODALITIES.index(modality)]).astype(np.int64)
    return takers, rng.permutation(takers), rng


def _placed(size: int, takers: NDArray[np.int64], givers: NDArray[np.int64]) -> NDArray[np.int64]:
    donors = np.arange(size, dtype=np.int64)
    donors[takers] = givers
    return donors
