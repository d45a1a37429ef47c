"""The cross-modal sparse block: attention, nucleus, two submanifold convolutions, pooling (paper section 4.3, Figure 2).

Shape letters: N active sites that come in, C channels, H height, W width, D query width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mesmer.config import SparseSettings
from mesmer.nn.active_sites import ActiveSites, SparseMaps, flat_sites
from mesmer.nn.convolution_paths import choose_path, kernels_for
from mesmer.nn.cross_modal_attention import CrossModalAttention
from mesmer.nn.nucleus import check_top_p, nucleus, random_sites
from mesmer.nn.submanifold import SubmanifoldLayer, max_pool
from mesmer.nn.tiles import shared_among_sites, sites_of_tiles, tile_means
from mesmer.records import BlockTrace


class CrossModalSparseBlock(nn.Module):
    """One cross-modal sparse block.

    A map's result never depends on the other maps of the batch, except through the statistics of batch norm in training.

    Args:
        in_channels, out_channels: C before and after; both convolutions give ``out_channels``.
        attention_width: K of eq. 1.
        query_width: D.
        settings: see :class:`mesmer.config.SparseSettings`.
        random_seed: of the draw where ``settings.mask`` is ``random``.
        tile: the attention chooses squares of so many sites a side (:mod:`mesmer.nn.tiles`); 1 chooses sites, as eq. 3.
        chooses: False makes a block without attention, which keeps the sites that come in active.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        attention_width: int,
        query_width: int,
        settings: SparseSettings,
        random_seed: int = 0,
        tile: int = 1,
        chooses: bool = True,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.tile = tile
        self.random_seed = random_seed
        self.top_p = settings.top_p
        self.attention: CrossModalAttention | None = None
        if chooses:
            self.attention = CrossModalAttention(
                in_channels=in_channels,
                attention_width=attention_width,
                query_width=query_width,
                logit_scale=settings.logit_scale,
                salient_start=settings.salient_start,
            )
        self.choose: Callable[..., Tensor] = nucleus  # eq. 3; a benchmark or an ablation may choose otherwise
        self.first = SubmanifoldLayer(in_channels, out_channels)
        self.second = SubmanifoldLayer(out_channels, out_channels)

    @property
    def top_p(self) -> float:
        """The attention mass that is kept; may be changed at any time."""
        return self._top_p

    @top_p.setter
    def top_p(self, value: float) -> None:
        self._top_p = check_top_p(value)

    def forward(
        self, maps: SparseMaps, query: Tensor, *, trace: bool = True
    ) -> tuple[SparseMaps, BlockTrace | None, Tensor, Tensor]:
        """Return the pooled maps, the trace, and the multiply-adds of each map.

        Args:
            maps: features (N, C); every map has at least one active site. In the first block all sites are active
                (``SparseMaps.from_dense``), in the others attention and softmax run over those still active.
            query: (maps, D).
            trace: False saves keeping the attention where nobody asks for it.

        Returns:
            ``SparseMaps`` of (maps, ceil(H / 2), ceil(W / 2)); the trace, None if not asked for or if the mask is ``dense``
            and there is no attention (of a block that does not choose it is even over the active sites); int64 (maps,)
            multiply-adds executed (attention, and convolutions over the taps that meet an active site); int64 (maps,)
            multiply-adds of the two convolutions at all sites and taps, without attention, as a dense network executes
            them.
        """
        learning = self.training or torch.is_grad_enabled()
        attention, kept = None, maps.kept
        attends = self.attention is not None and self.settings.mask != "dense"
        if attends and (self.top_p < 1.0 or trace or learning):  # else nobody asks for it
            attention, kept = self._attend(maps, query)
        sites = ActiveSites(kept)
        path = choose_path(self.settings.backend, sites.density, maps.rows)
        if path == "masked" and not learning:
            pooled = self._masked_pair(maps, sites)
        else:
            rows = self._select(maps, sites, attention)
            rows = self.second(self.first(rows, sites, path), sites, path)
            pooled = SparseMaps(max_pool(rows, sites), sites.pooled_kept)
        executed, dense = self._multiply_adds(maps, sites, attended=attention is not None)
        traced = None
        if trace and self.settings.mask != "dense":
            even = kept / kept.sum((1, 2), keepdim=True)
            traced = BlockTrace(
                attention=even if attention is None else attention.detach().float().view(kept.shape), kept=kept
            )
        return pooled, traced, executed, dense

    def _attend(self, maps: SparseMaps, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attention (maps, H * W) and the kept sites, bool (maps, H, W)."""
        assert self.attention is not None
        learns = self.settings.attention_gradient == "straight_through" and self.settings.mask == "nucleus"
        kernels = kernels_for(self.settings.backend, maps.rows)
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
            seen = SparseMaps(maps.rows.detach(), maps.kept) if self.settings.detach_features else maps
            logits = self.attention.logits(seen, query, kernels=kernels)
            if self.tile > 1:
                return self._attend_tiles(maps, logits)
            active = None if maps.is_full else maps.kept.flatten(1)
            attention = self.attention.normalised(logits, active)
        return attention, self._choose(attention, active).view(maps.kept.shape)

    def _attend_tiles(self, maps: SparseMaps, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same where whole tiles are chosen; within a tile all active sites have the same attention."""
        assert self.attention is not None
        shape = num_maps, height, width = maps.kept.shape
        active = None if maps.is_full else maps.kept
        means, tiles = tile_means(logits.view(shape), active, self.tile)
        places = None if tiles is None else tiles.flatten(1)
        attention = self.attention.normalised(means.flatten(1), places)
        kept = sites_of_tiles(self._choose(attention, places).view(means.shape), height, width, self.tile)
        shared = shared_among_sites(attention.view(means.shape), active, (num_maps, height, width), self.tile)
        return shared.flatten(1), kept if active is None else kept & active

    def _choose(self, attention: Tensor, active: Tensor | None) -> Tensor:
        """Return the nucleus, or as many places drawn by chance, bool like ``attention`` (maps, places)."""
        kept = self.choose(attention.detach(), self.top_p, active=active)
        return random_sites(kept, active=active, seed=self.random_seed) if self.settings.mask == "random" else kept

    def _select(self, maps: SparseMaps, sites: ActiveSites, attention: Tensor | None) -> Tensor:
        """Return the rows at ``sites`` (eq. 4), with the straight-through gradient where the attention has one."""
        source = sites.flat if maps.is_full else sites.kept[maps.kept].nonzero().squeeze(1)
        share = None
        if attention is not None and attention.requires_grad:
            weight = attention.flatten().index_select(0, sites.flat)
            total = (attention * sites.kept.flatten(1)).sum(1)
            share = weight * (sites.count_per_map / total).index_select(0, sites.map_of_site)
        return _SelectRows.apply(maps.rows, source, share)

    def _masked_pair(self, maps: SparseMaps, sites: ActiveSites) -> SparseMaps:
        """Both convolutions and the pooling on dense maps, without gradient: fastest where nearly all sites are kept."""
        if sites.is_full:
            features = self.second.dense(self.first.dense(maps.to_dense()))
        else:
            mask = sites.kept[:, None].to(maps.rows.dtype)
            features = self.first.dense(maps.to_dense() * mask)
            features = self.second.dense(features.mul_(mask)).mul_(mask)
        rows = F.max_pool2d(features, 2, ceil_mode=True).permute(0, 2, 3, 1).flatten(0, 2)
        if int(sites.pooled_kept.sum()) < rows.shape[0]:
            rows = rows.index_select(0, flat_sites(sites.pooled_kept))
        return SparseMaps(rows, sites.pooled_kept)

    def _multiply_adds(self, maps: SparseMaps, sites: ActiveSites, *, attended: bool) -> tuple[Tensor, Tensor]:
        layers = (self.first, self.second)
        executed = sum((layer.multiply_adds(sites.taps_per_map) for layer in layers), torch.zeros_like(sites.taps_per_map))
        if attended and self.attention is not None:
            executed = executed + self.attention.multiply_adds(maps.kept.flatten(1).sum(1))
        all_taps = torch.full_like(executed, 9 * sites.height * sites.width)
        return executed, sum((layer.multiply_adds(all_taps) for layer in layers), torch.zeros_like(executed))


class _SelectRows(torch.autograd.Function):
    """Rows of the kept sites, with a straight-through gradient.

    Forward: exactly eq. 4, with its mask of ones and zeros. Backward: the features get the mask's own gradient; the shares
    (the renormalised attention, 1 on average over the kept sites of a map) get what they would if each kept row had been
    multiplied by its share, at a share of 1.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, source: Tensor, share: Tensor | None) -> Tensor:  # type: ignore[no-untyped-def]
        selected = rows.index_select(0, source)
        ctx.save_for_backward(source, selected if share is not None else None)
        ctx.num_rows = rows.shape[0]
        return selected

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        source, selected = ctx.saved_tensors
        to_rows = to_share = None
        if ctx.needs_input_grad[0]:  # sources are distinct: copying does, nothing needs adding up
            to_rows = gradient.new_zeros(ctx.num_rows, gradient.shape[1]).index_copy_(0, source, gradient)
        if ctx.needs_input_grad[2]:
            to_share = torch.linalg.vecdot(gradient, selected)
        return to_rows, None, to_share
