"""Modality dropout: in training, some modalities of some utterances are hidden, so that one model serves all subsets."""

from __future__ import annotations

import torch
from torch import Tensor


def drop_modalities(present: Tensor, probability: float) -> Tensor:
    """Hide each present modality with this probability; where all of an utterance's were hidden, one comes back.

    Draws from torch's global CPU generator on every device, so ``torch.manual_seed`` decides.

    Args:
        present: bool (B, M).
        probability: in [0, 1].

    Returns:
        bool (B, M), a subset of ``present``; a row is empty only where it was.
    """
    draws = torch.rand(present.shape).to(present.device)
    kept = present & (draws >= probability)
    # The one with the largest draw comes back: given that all were hidden, each is as likely as any other.
    luckiest = torch.where(present, draws, draws.new_full((), -1.0)).argmax(dim=1, keepdim=True)
    rescue = torch.zeros_like(present).scatter(1, luckiest, True) & present
    return torch.where(kept.any(dim=1, keepdim=True), kept, rescue)
