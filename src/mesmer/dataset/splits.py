"""Which utterance is for training, for validation, for the test, where the corpus does not say.

Nobody is in two splits: the utterances of a speaker stay together, or the test would measure how well a face is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from mesmer.errors import DataError
from mesmer.records import SPLITS, Utterance

SHARES: dict[str, float] = {"train": 0.7, "valid": 0.1, "test": 0.2}
"""Share of the utterances that each split shall have."""

SplitRule = Literal["given", "speaker", "utterance"]


def assign_splits(utterances: Sequence[Utterance], *, seed: int = 0) -> tuple[tuple[Utterance, ...], SplitRule]:
    """Return the utterances, in their order, each with a split, and how it was chosen.

    Splits that the corpus gives stay. Else whole speakers are drawn from ``seed`` (``speaker``; someone unknown counts as
    a speaker of one utterance), or single utterances where no split could have a speaker of its own (``utterance``).
    The assignment does not depend on the order of the utterances.

    Raises:
        DataError: some utterances have a split and some have none.
    """
    without = [utterance.id for utterance in utterances if utterance.split is None]
    if not without:
        return tuple(utterances), "given"
    if len(without) < len(utterances):
        raise DataError(
            f"{len(without)} of {len(utterances)} utterances have no split, '{without[0]}' is the first",
            field="split",
            remedy="give every utterance a split, or none",
        )
    rule: SplitRule = "speaker" if any(utterance.speaker for utterance in utterances) else "utterance"
    groups = [_group(utterance, rule) for utterance in utterances]
    if rule == "speaker" and len(set(groups)) < len(SPLITS):
        rule = "utterance"
        groups = [_group(utterance, rule) for utterance in utterances]
    chosen = _deal(Counter(groups), seed)
    return tuple(replace(u, split=chosen[group]) for u, group in zip(utterances, groups, strict=True)), rule


def _group(utterance: Utterance, rule: SplitRule) -> tuple[str, str]:
    if rule == "speaker" and utterance.speaker:
        return "speaker", utterance.speaker
    return "utterance", utterance.id


def _deal(sizes: Counter[tuple[str, str]], seed: int) -> dict[tuple[str, str], str]:
    """Give each group to the split that lacks most, large groups first, so that the shares come out as near as can be."""
    names = sorted(sizes)
    order = np.random.default_rng(seed).permutation(len(names))
    groups = sorted((names[i] for i in order), key=lambda group: -sizes[group])  # stable: equals stay shuffled
    lacking = {split: share * sizes.total() for split, share in SHARES.items()}
    empty = set(SPLITS)
    chosen: dict[tuple[str, str], str] = {}
    for number, group in enumerate(groups):
        last_chance = len(groups) - number <= len(empty)  # no split stays empty while there are groups to fill it
        split = max((name for name in SPLITS if name in empty or not last_chance), key=lacking.__getitem__)
        chosen[group] = split
        lacking[split] -= sizes[group]
        empty.discard(split)
    return chosen
