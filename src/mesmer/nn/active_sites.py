"""Sparse feature maps, and the tables that say where their active sites are.

Shape letters: C channels, H height, W width, N active sites of all maps together, P pooled sites.
A *row* holds the C features of one active site. Rows stand in (map, y, x) order, so the rows of a map lie together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""Taps of a 3x3 kernel in the order of the neighbour table and of ``weight.flatten(2)``; the mirror of tap t is 8 - t."""


@dataclass(frozen=True)
class TapGroup:
    """Active sites that lack the same side of their neighbourhood, and the taps that are left.

    Attributes:
        columns: whether the taps are read column by column; else row by row.
        first, last: the taps in that order, ``first`` up to but not ``last``; whole rows or columns of the kernel.
        table: int32 (m, last - first), the row at each tap of each of the m sites.
    """

    columns: bool
    first: int
    last: int
    table: Tensor


@dataclass(frozen=True)
class SparseMaps:
    """Feature maps that hold features at active sites only; everywhere else they are zero.

    Attributes:
        rows: (N, C), in (map, y, x) order.
        kept: bool (maps, H, W), True at the active sites; its True entries are as many as the rows.
    """

    rows: Tensor
    kept: Tensor

    @classmethod
    def from_dense(cls, x: Tensor) -> SparseMaps:
        """Return dense feature maps (maps, C, H, W) with every site active."""
        maps, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
        return cls(rows, torch.ones(maps, height, width, dtype=torch.bool, device=x.device))

    @property
    def is_full(self) -> bool:
        """Whether every site is active."""
        return self.rows.shape[0] == self.kept.numel()

    def to_dense(self) -> Tensor:
        """Return (maps, C, H, W) in channels-last memory, zero where no site is active."""
        return dense_from_rows(self.rows, None if self.is_full else flat_sites(self.kept), tuple(self.kept.shape))


def flat_sites(kept: Tensor) -> Tensor:
    """Return int64 (N,), the places of True in the flattened ``kept``, in order."""
    return kept.flatten().nonzero().squeeze(1)


def dense_from_rows(rows: Tensor, flat: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """Return rows (N, C) as dense maps (maps, C, H, W); ``flat`` says where each row goes, None is everywhere in order."""
    maps, height, width = shape
    if flat is not None:
        rows = rows.new_zeros(maps * height * width, rows.shape[1]).index_copy(0, flat, rows)
    return rows.reshape(maps, height, width, rows.shape[1]).permute(0, 3, 1, 2)


class ActiveSites:
    """The active sites of one block. Tables are made when first asked for and shared by all that needs them.

    The 3x3 site graph is symmetric: if site j is seen by site i at tap t, then i is seen by j at tap 8 - t. So one table
    serves both convolutions of a block, forward and backward.
    """

    def __init__(self, kept: Tensor) -> None:
        """Take the sites to compute at: bool (maps, H, W)."""
        self.kept = kept
        self.maps, self.height, self.width = kept.shape
        self.flat = flat_sites(kept)
        self.count = self.flat.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of maps, height and width."""
        return self.maps, self.height, self.width

    @property
    def is_full(self) -> bool:
        """Whether every site is active."""
        return self.count == self.kept.numel()

    @cached_property
    def count_per_map(self) -> Tensor:
        """int64 (maps,), active sites of each map."""
        return self.kept.flatten(1).sum(1)

    @cached_property
    def map_of_site(self) -> Tensor:
        """int64 (N,), the map each site belongs to."""
        return self.flat // (self.height * self.width)

    @cached_property
    def taps_per_map(self) -> Tensor:
        """int64 (maps,), taps of a 3x3 kernel that meet an active site, over all active sites of each map.

        This is what a submanifold convolution executes, times input and output channels. A pair of neighbours is counted
        from both its ends, so four of the eight directions are looked at and doubled.
        """
        k = self.kept
        pairs = (k[:, :, 1:] & k[:, :, :-1]).flatten(1).sum(1)
        pairs = pairs + (k[:, 1:] & k[:, :-1]).flatten(1).sum(1)
        pairs = pairs + (k[:, 1:, 1:] & k[:, :-1, :-1]).flatten(1).sum(1)
        pairs = pairs + (k[:, 1:, :-1] & k[:, :-1, 1:]).flatten(1).sum(1)
        return self.count_per_map + 2 * pairs

    @cached_property
    def row_grid(self) -> Tensor:
        """int32 (maps, H + 2, W + 2), the row at each site; ``count`` where no site is active and on the border."""
        inner = torch.full((self.kept.numel(),), self.count, dtype=torch.int32, device=self.kept.device)
        inner[self.flat] = torch.arange(self.count, dtype=torch.int32, device=self.kept.device)
        return F.pad(inner.view(self.shape), (1, 1, 1, 1), value=self.count)

    @cached_property
    def neighbours(self) -> Tensor:
        """int32 (N, 9), the row at each tap around each site in the order of ``TAPS``; ``count`` where there is none."""
        wide = self.width + 2
        y = self.flat // self.width  # over all maps; each map above adds two border lines
        centre = (y + 2 * self.map_of_site + 1) * wide + self.flat - y * self.width + 1
        steps = torch.tensor([dy * wide + dx for dy, dx in TAPS], device=centre.device)
        return self.row_grid.flatten()[centre[:, None] + steps]

    @cached_property
    def tap_groups(self) -> tuple[tuple[TapGroup, ...], Tensor]:
        """The sites in groups, and int64 (N,), where each site stands when the groups follow one another.

        A site without any neighbour above (or below, or on a side) needs no products for those three taps. Sites are
        grouped by what they lack above and below, and those that lack nothing there by what they lack left and right.
        """
        near = (self.neighbours < self.count).view(-1, 3, 3)
        above, below = near[:, 0].any(1).long(), near[:, 2].any(1).long()
        left, right = near[:, :, 0].any(1).long(), near[:, :, 2].any(1).long()
        rows, columns = 3 - 2 * above - below, 3 - 2 * left - right  # 2: nothing before, 1: nothing behind, 3: neither
        kind = torch.where(rows > 0, rows, torch.where(columns > 0, 4 + columns, 0))
        order = kind.argsort(stable=True)
        place = torch.empty_like(order).scatter_(0, order, torch.arange(self.count, device=order.device))
        groups = []
        for number, members in enumerate(order.split(torch.bincount(kind, minlength=8).tolist())):
            if len(members):
                lacking = number % 4
                first, last = (3 if lacking & 2 else 0), (6 if lacking & 1 else 9)
                table = self.neighbours.index_select(0, members).view(-1, 3, 3)
                table = table.transpose(1, 2) if number >= 4 else table
                groups.append(TapGroup(number >= 4, first, last, table.reshape(-1, 9)[:, first:last].contiguous()))
        return tuple(groups), place

    @cached_property
    def pooled_kept(self) -> Tensor:
        """Pooled sites, bool (maps, ceil(H / 2), ceil(W / 2)): active where any site of the 2x2 window is.

        Where a side is odd the last window is cut off by the border, so no active site is ever lost to the pooling.
        """
        return self._windows(self.kept, False).any(-1)

    @cached_property
    def children(self) -> Tensor:
        """int32 (P, 4), the rows in the 2x2 window of each pooled site; ``count`` where there is none."""
        return self._windows(self.row_grid[:, 1:-1, 1:-1], self.count)[self.pooled_kept]

    @cached_property
    def parents(self) -> tuple[Tensor, Tensor]:
        """int64 (N,), the pooled site of each row; int8 (N,), its place 0..3 in that window."""
        tall, wide = self.pooled_kept.shape[1:]
        line = self.flat // self.width - self.map_of_site * self.height
        column = self.flat % self.width
        number = torch.cumsum(self.pooled_kept.flatten(), 0) - 1
        parent = number[(self.map_of_site * tall + line // 2) * wide + column // 2]
        return parent, (line % 2 * 2 + column % 2).to(torch.int8)

    @property
    def density(self) -> float:
        """Share of the sites that are active; 0 where there are no maps."""
        return self.count / max(self.kept.numel(), 1)

    def _windows(self, grid: Tensor, fill: int) -> Tensor:
        """Return (maps, ceil(H / 2), ceil(W / 2), 4), the four entries of each 2x2 window, row by row."""
        tall, wide = -(-self.height // 2), -(-self.width // 2)
        padded = F.pad(grid, (0, 2 * wide - self.width, 0, 2 * tall - self.height), value=fill)
        return padded.view(self.maps, tall, 2, wide, 2).permute(0, 1, 3, 2, 4).reshape(self.maps, tall, wide, 4)
