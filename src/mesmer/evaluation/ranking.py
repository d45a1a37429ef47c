"""How well scores rank: AUROC and average precision, for one emotion and for many weightings of the utterances at once.

No threshold takes part. Utterances of equal score are one step of the curve, in no order among themselves. Shape letters:
N utterances, R weightings (resamples; one weighting of ones is the plain value).

Undefined cases: AUROC without a positive or without a negative label is 0.5, average precision without a positive label
is 0. Constant scores need no rule: AUROC is 0.5 and average precision the share of positives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesmer.evaluation.metrics import share

_CELLS_AT_ONCE = 2**20
"""Weights are worked on in blocks of about so many numbers, which stay in the processor's cache."""


def rank_metrics(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUROC (R,) and average precision (R,).

    AUROC is the chance that a positive scores higher than a negative, a tie counting half. Average precision is the sum of
    precision times gain in recall over the distinct scores, from the highest down; nothing is interpolated.

    Args:
        truth: (N,).
        scores: (N,), finite.
        weights: (R, N), at least 0.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    auroc, precision = np.empty(len(weights)), np.empty(len(weights))
    block = max(1, _CELLS_AT_ONCE // max(1, scores.size))
    for first in range(0, len(weights), block):
        rows = slice(first, first + block)
        auroc[rows], precision[rows] = _of_sorted(truth[order], weights[rows][:, order], starts)
    return auroc, precision


def _of_sorted(
    truth: NDArray[np.bool_], weights: NDArray[np.float64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both metrics; columns go from the highest score down, ``starts`` says where each distinct score begins."""
    hits = np.add.reduceat(weights * truth, starts, axis=1)
    misses = np.add.reduceat(weights * ~truth, starts, axis=1)
    positive, negative = hits.sum(1), misses.sum(1)
    hits_so_far, misses_so_far = hits.cumsum(1), misses.cumsum(1)
    lower = negative[:, None] - misses_so_far + 0.5 * misses  # negatives below this score, ties by half
    auroc = share((hits * lower).sum(1), positive * negative, otherwise=0.5)
    precision = share(hits_so_far, hits_so_far + misses_so_far)
    return auroc, share((precision * hits).sum(1), positive)
