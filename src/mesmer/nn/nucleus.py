"""Which positions of an attention map are kept: the nucleus (paper section 4.3.1, eq. 3).

Shape letters: N positions of one map (H * W, row by row). All maps of a batch are treated at once, and what is kept of one
map never depends on another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mesmer.errors import ConfigError, ModelError

_GOLDEN = -7046029254386353131  # 2**64 / golden ratio, odd, as a signed 64-bit number: steps of the splitmix64 sequence
_MIX_A = -4658895280553007687
_MIX_B = -7723592293110705685


def check_top_p(top_p: float) -> float:
    """Return ``top_p`` as a float.

    Raises:
        ConfigError: it is not above 0 and at most 1.
    """
    if not 0.0 < float(top_p) <= 1.0:
        raise ConfigError(f"top_p is {top_p}", field="top_p", remedy="use a number above 0 and at most 1")
    return float(top_p)


def nucleus(attention: Tensor, top_p: float, *, active: Tensor | None = None) -> Tensor:
    """Return the smallest set of positions of each map whose attention adds up to at least ``top_p`` (eq. 3).

    Positions are taken by falling attention until the mass is reached; of equal ones the first in the map comes first.
    The first is always taken, and ``top_p`` = 1 takes every active position whatever rounding does to the sum.

    Args:
        attention: (maps, N), not negative, each map adding up to 1 (eq. 2); 0 at positions that are not active.
        top_p: share of the mass, above 0 and at most 1.
        active: bool (maps, N), the positions to choose from; None is all.

    Returns:
        bool (maps, N).

    Raises:
        ConfigError: ``top_p`` is out of range.
        ModelError: the attention holds NaN, so the weights or the input do.
    """
    check_top_p(top_p)
    attention = attention.detach()
    if bool(torch.isnan(attention).any()):
        raise ModelError("the attention holds NaN", remedy="look for NaN in the weights or in the input features")
    if top_p >= 1.0:
        return torch.ones_like(attention, dtype=torch.bool) if active is None else active.clone()
    values, order = attention.sort(dim=1, descending=True, stable=True)
    mass = values.cumsum(1, dtype=torch.float64)
    # A position is taken while the mass *before* it falls short; shifting the sums (not subtracting) keeps them monotone.
    short = torch.ones_like(values, dtype=torch.bool)
    short[:, 1:] = mass[:, :-1] < top_p
    kept = torch.empty_like(short).scatter_(1, order, short)
    return kept if active is None else kept & active


def random_sites(kept: Tensor, *, active: Tensor | None = None, seed: int = 0) -> Tensor:
    """Return as many positions of each map as ``kept`` has, drawn at random: the control for what the attention chose.

    The draw is a function of ``seed`` and of the map's own nucleus (its fingerprint), not of a running generator: the same
    map gives the same sites alone, in any batch and in any order, and different maps give different sites.

    Args:
        kept: bool (maps, N), the nucleus.
        active: bool (maps, N), the positions to draw from; None is all. ``kept`` must lie within.
        seed: of the draw.

    Returns:
        bool (maps, N), within ``active``.
    """
    position = torch.arange(1, kept.shape[1] + 1, device=kept.device, dtype=torch.int64)
    fingerprint = (kept.to(torch.int64) * _mixed(position * _GOLDEN)).sum(1, keepdim=True)
    start = (seed + 1) * _GOLDEN + 2**63
    key = _mixed(fingerprint + (start % 2**64 - 2**63))
    score = _mixed(key + position * _GOLDEN)
    if active is not None:
        score = score.masked_fill(~active, torch.iinfo(torch.int64).min)
    order = score.argsort(dim=1, descending=True, stable=True)
    first = torch.arange(kept.shape[1], device=kept.device) < kept.sum(1, keepdim=True)
    drawn = torch.empty_like(kept).scatter_(1, order, first)
    return drawn if active is None else drawn & active


def _mixed(state: Tensor) -> Tensor:
    """Scramble 64-bit numbers (the output step of splitmix64; integer overflow wraps, which is what it wants)."""
    state = (state ^ _shifted(state, 30)) * _MIX_A
    state = (state ^ _shifted(state, 27)) * _MIX_B
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Shift right without the sign: torch has only signed 64-bit numbers."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
