"""Packed steps: the steps of all utterances one after another, with a count per utterance.

Shape letters: B utterances, n = sum of the counts, S largest count.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def step_owners(counts: Tensor) -> Tensor:
    """Return int64 (n,), the utterance each packed step belongs to. ``counts``: int64 (B,)."""
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)


def select_steps(steps: Tensor, counts: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the steps of some utterances: packed (n', ...) and counts (B,), 0 where ``keep`` bool (B,) is False."""
    kept_counts = torch.where(keep, counts, torch.zeros_like(counts))
    if bool((kept_counts == counts).all()):
        return steps, counts
    return steps[keep[step_owners(counts)]], kept_counts


def pad_steps(steps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return padded (B, S, D), zeros behind each utterance's steps, and mask bool (B, S), True at real steps."""
    longest = int(counts.max()) if len(counts) else 0
    mask = torch.arange(longest, device=counts.device)[None, :] < counts[:, None]
    padded = steps.new_zeros((len(counts), longest, *steps.shape[1:]))
    return padded.masked_scatter(mask[..., None].expand_as(padded), steps), mask


def sum_steps(values: Tensor, counts: Tensor) -> Tensor:
    """Return (B,), the sum of ``values`` (n,) over each utterance's steps."""
    return values.new_zeros(len(counts)).index_add(0, step_owners(counts), values)


def apply_to_rows(function: Callable[[Tensor], Tensor], x: Tensor, keep: Tensor, *, width: int) -> Tensor:
    """Return (B, width): ``function`` of the rows of x (B, D) where ``keep`` bool (B,) is True, zeros elsewhere.

    The other rows are not computed.
    """
    answer = x.new_zeros(len(x), width)
    rows = keep.nonzero().squeeze(1)
    return answer.index_put((rows,), function(x[rows])) if len(rows) else answer
