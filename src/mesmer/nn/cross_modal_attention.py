"""Cross-modal attention over the sites of feature maps (paper section 4.3.1, eqs. 1 and 2).

Shape letters: N active sites of all maps, C channels, K attention width, D query width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mesmer.nn.active_sites import SparseMaps, flat_sites
from mesmer.nn.native import Kernels

_SPREAD_EPSILON = 1e-6  # added to the variance of a map's logits: a map of equal logits attends to all sites alike


class CrossModalAttention(nn.Module):
    """A query attends to the active sites of each map: ``softmax(w_i . tanh(W_m m + b_m + W_q q))`` over the map's sites.

    The bias b_i of eq. 2 is left out: it moves all logits of a map alike, which no softmax can see.

    Args:
        in_channels: C of the maps.
        attention_width: K.
        query_width: D.
        logit_scale: None leaves the logits as they are; a number standardises them over the active sites of each map and
            multiplies them by it, so that the density follows p instead of the size of the weights.
        salient_start: start with non-negative weights on the features and on the units, so that sites of large features
            (features follow a ReLU: they are not negative) are preferred before anything is learnt.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        attention_width: int,
        query_width: int,
        logit_scale: float | None = None,
        salient_start: bool = False,
    ) -> None:
        super().__init__()
        self.logit_scale = logit_scale
        self.feature = nn.Linear(in_channels, attention_width)
        self.query = nn.Linear(query_width, attention_width, bias=False)
        self.unit = nn.Linear(attention_width, 1, bias=False)
        if salient_start:
            self._start_salient()

    @torch.no_grad()
    def _start_salient(self) -> None:
        # Each unit is a weighted mean of the features: rows that add up to 1 keep tanh out of saturation at any width,
        # and the weights' long tail keeps the units different from one another.
        weight = self.feature.weight
        weight.copy_(torch.empty_like(weight).exponential_().square_())
        weight /= weight.sum(1, keepdim=True)
        self.feature.bias.zero_()
        self.query.weight *= 0.1  # the words can turn the attention from the first step on, but do not drown it
        self.unit.weight.abs_()

    def forward(self, maps: SparseMaps, query: Tensor, *, kernels: Kernels | None = None) -> Tensor:
        """Return the attention, float32 or wider, (maps, H * W); each map adds up to 1 over its active sites, 0 elsewhere.

        Args:
            maps: features at the active sites; every map has at least one.
            query: (maps, D), the query of each map.
            kernels: computes the logits where no gradient is needed.
        """
        active = None if maps.is_full else maps.kept.flatten(1)
        return self.normalised(self.logits(maps, query, kernels=kernels), active)

    def logits(self, maps: SparseMaps, query: Tensor, *, kernels: Kernels | None = None) -> Tensor:
        """Return eq. 2 before the softmax, float32 or wider, (maps, H * W), 0 where not active; arguments as above."""
        num_maps, height, width = maps.kept.shape
        sites = height * width
        if maps.is_full:
            return self._logits(maps.rows, query, None, sites, kernels).view(num_maps, sites)
        flat = flat_sites(maps.kept)
        logits = self._logits(maps.rows, query, flat // sites, sites, kernels)
        return logits.new_zeros(num_maps * sites).index_copy(0, flat, logits).view(num_maps, sites)

    def _logits(
        self, rows: Tensor, query: Tensor, map_of_row: Tensor | None, sites: int, kernels: Kernels | None
    ) -> Tensor:
        """Eq. 2 before the softmax, (N,); ``map_of_row`` None: all sites of all maps, in order."""
        asked = self.query(query)
        if kernels is not None and not torch.is_grad_enabled() and self.unit.weight.dtype == torch.float32:
            if map_of_row is None:
                map_of_row = torch.arange(len(query), device=rows.device).repeat_interleave(sites)
            asked = asked + self.feature.bias
            return kernels.attend(rows.float(), map_of_row, self.feature.weight, asked, self.unit.weight)
        rows = rows.to(self.unit.weight.dtype)
        if map_of_row is None:
            width = self.feature.out_features
            units = self.feature(rows).view(len(query), sites, width).add_(asked[:, None]).view(-1, width)
        else:
            units = self.feature(rows).add_(asked.index_select(0, map_of_row))
        logits = self.unit(units.tanh_()).squeeze(-1)
        return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()

    def normalised(self, logits: Tensor, active: Tensor | None) -> Tensor:
        """Standardise if asked to, then softmax, over the ``active`` places (None: all) of each map.

        Args:
            logits: (maps, places), zero where not active.
            active: bool (maps, places); at least one place of every map.
        """
        if self.logit_scale is not None:
            if active is None:
                centred = logits - logits.mean(1, keepdim=True)
                variance = centred.square().mean(1, keepdim=True)
            else:
                count = active.sum(1, keepdim=True)
                centred = (logits - logits.sum(1, keepdim=True) / count).masked_fill(~active, 0.0)
                variance = centred.square().sum(1, keepdim=True) / count
            logits = self.logit_scale * centred * (variance + _SPREAD_EPSILON).rsqrt()
        if active is not None:
            logits = logits.masked_fill(~active, float("-inf"))
        return logits.softmax(1)

    def multiply_adds(self, sites_per_map: Tensor) -> Tensor:
        """int64 (maps,), multiply-adds executed for maps of so many active sites: the products with W_m, W_q and w_i."""
        per_site = self.feature.in_features * self.feature.out_features + self.unit.in_features
        return sites_per_map * per_site + self.query.in_features * self.query.out_features
