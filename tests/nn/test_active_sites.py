"""The tables of active sites against plain loops."""

from __future__ import annotations

import pytest
import torch

from mesmer.nn.active_sites import TAPS, ActiveSites, SparseMaps

SHAPES = [(1, 1, 1), (2, 1, 5), (1, 6, 6), (3, 5, 7), (2, 4, 3), (4, 8, 2)]


def sites_of(shape: tuple[int, int, int], density: float, seed: int = 0) -> ActiveSites:
    torch.manual_seed(seed)
    return ActiveSites(torch.rand(shape) < density)


@pytest.mark.parametrize("density", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_tables_equal_loops(shape: tuple[int, int, int], density: float) -> None:
    sites = sites_of(shape, density)
    maps, height, width = shape
    places = [(m, y, x) for m in range(maps) for y in range(height) for x in range(width) if sites.kept[m, y, x]]
    row_of = {place: row for row, place in enumerate(places)}
    missing = len(places)
    assert sites.count == len(places)
    assert sites.map_of_site.tolist() == [m for m, _, _ in places]
    neighbours = [[row_of.get((m, y + dy, x + dx), missing) for dy, dx in TAPS] for m, y, x in places]
    assert sites.neighbours.tolist() == neighbours
    for m in range(maps):
        mine = [row for row, place in zip(neighbours, places, strict=True) if place[0] == m]
        assert sites.taps_per_map[m] == sum(j != missing for row in mine for j in row)
    pooled = sorted({(m, y // 2, x // 2) for m, y, x in places})
    assert [tuple(place) for place in sites.pooled_kept.nonzero().tolist()] == pooled
    windows = [[row_of.get((m, 2 * y + a, 2 * x + b), missing) for a in (0, 1) for b in (0, 1)] for m, y, x in pooled]
    assert sites.children.tolist() == windows
    parent, place_in = sites.parents
    for row, (m, y, x) in enumerate(places):
        assert pooled[int(parent[row])] == (m, y // 2, x // 2)
        assert int(place_in[row]) == 2 * (y % 2) + x % 2


def test_site_graph_is_symmetric() -> None:
    sites = sites_of((3, 7, 6), 0.5)
    table = sites.neighbours
    for tap in range(9):
        for row in range(sites.count):
            other = int(table[row, tap])
            assert other == sites.count or int(table[other, 8 - tap]) == row


@pytest.mark.parametrize("density", [0.1, 0.4, 0.8, 1.0])
def test_tap_groups_leave_out_only_absent_neighbours(density: float) -> None:
    sites = sites_of((3, 9, 8), density)
    groups, place = sites.tap_groups
    found: list[dict[int, int]] = []
    for group in groups:
        taps = range(group.first, group.last)
        numbers = [3 * (t % 3) + t // 3 if group.columns else t for t in taps]
        found += [dict(zip(numbers, row, strict=True)) for row in group.table.tolist()]
    assert len(found) == sites.count
    for row in range(sites.count):
        table, mine = sites.neighbours[row].tolist(), found[int(place[row])]
        assert all(mine.get(tap, sites.count) == table[tap] for tap in range(9))
        sides = ([0, 1, 2], [6, 7, 8]), ([0, 3, 6], [2, 5, 8])
        lacking = [sum(all(table[t] == sites.count for t in side) for side in pair) for pair in sides]
        assert len(mine) == 9 - 3 * (lacking[0] or lacking[1])


def test_dense_maps_come_back() -> None:
    x = torch.randn(3, 4, 5, 6)
    maps = SparseMaps.from_dense(x)
    assert maps.is_full
    assert torch.equal(maps.to_dense(), x)


def test_sparse_maps_to_dense_and_their_gradient() -> None:
    kept = sites_of((3, 5, 4), 0.4).kept
    rows = torch.randn(int(kept.sum()), 2, requires_grad=True)
    dense = SparseMaps(rows, kept).to_dense()
    assert torch.equal(dense.permute(0, 2, 3, 1)[kept], rows)
    assert not dense.permute(0, 2, 3, 1)[~kept].any()
    weight = torch.randn_like(dense)
    (dense * weight).sum().backward()
    assert torch.equal(rows.grad, weight.permute(0, 2, 3, 1)[kept])


def test_no_maps_at_all() -> None:
    sites = ActiveSites(torch.zeros(0, 4, 4, dtype=torch.bool))
    assert sites.neighbours.shape == (0, 9)
    assert sites.children.shape == (0, 4)
    assert sites.density == 0.0
    assert SparseMaps.from_dense(torch.zeros(0, 3, 4, 4)).to_dense().shape == (0, 3, 4, 4)
