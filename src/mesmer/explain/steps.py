"""How much of a modality's share in each emotion comes from each of its time steps, by one of two stated methods.

``occlusion``: what the share loses when the step is left out, as if its frame had never been sampled. Effects overlap: they
need not add up. ``integrated_gradients`` (Sundararajan et al. 2017, computed by captum): the path from a clip whose every
face is grey, or every chunk flat, to the clip; the parts of the steps and the share of that empty clip add up to the share.
Shape letters: S steps, D width, L emotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mesmer.errors import ConfigError, DependencyError, suggest
from mesmer.explain.seeing import Seen, branch_of, factors_of, features_of, maps_of
from mesmer.models.end_to_end import EndToEndModel, SequenceBranch
from mesmer.nn.vgg import FACE_CENTRE
from mesmer.records import Batch, ModelOutput

Method = Literal["occlusion", "integrated_gradients"]

PATH_POINTS = (64, 256, 1024)
"""Points on the path of integrated gradients: more are taken until the sum is right to :data:`CLOSE_ENOUGH`."""
CLOSE_ENOUGH = 1e-3
"""In logits; what is missing in the end stands in :attr:`StepShares.missing`."""

_EMPTY = {"visual": round(FACE_CENTRE), "audio": 0}
_VARIANTS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class StepShares:
    """Parts of one modality's share, in log-odds.

    Attributes:
        method: how they were computed.
        steps: float64 (S, L).
        empty: float64 (L,), the share of a clip with nothing in it; with ``integrated_gradients`` it and the steps add up
            to the modality's share. Zero with ``occlusion``.
        missing: float64 (L,), what the numerical integration left over of that sum. Zero with ``occlusion``.
    """

    method: Method
    steps: NDArray[np.float64]
    empty: NDArray[np.float64]
    missing: NDArray[np.float64]


def check_method(method: str) -> Method:
    """Return the method.

    Raises:
        ConfigError: there is none of that name.
        DependencyError: captum is needed and not installed.
    """
    if method not in get_args(Method):
        raise ConfigError(f"there is no method '{method}'", field="steps", remedy=suggest(method, get_args(Method)))
    if method == "integrated_gradients":
        _captum()
    return method  # type: ignore[return-value]


def step_shares(model: EndToEndModel, batch: Batch, output: ModelOutput, modality: Seen, method: Method) -> StepShares:
    """Return the parts of the steps of one clip.

    Args:
        model: in evaluation mode.
        batch: one clip in which the modality is present.
        output: the model's answer to it.
        method: see the head of this module.
    """
    branch = branch_of(model, modality)
    features = features_of(model, batch, modality)
    factor = factors_of(model, output, modality)
    if method == "occlusion":
        whole = _answers(branch, [features])[0]
        lacking = [torch.cat([features[:step], features[step + 1 :]]) for step in range(len(features))]
        steps = factor * (whole - _answers(branch, lacking))
        none = np.zeros(len(factor))
        return StepShares(method=method, steps=steps.numpy(), empty=none, missing=none)
    empty = features_of(model, batch, modality, torch.full_like(maps_of(batch, modality), _EMPTY[modality]))
    ends = _answers(branch, [empty, features])
    parts, missing = _integrated(branch, features, empty, ends[1] - ends[0])
    return StepShares(
        method=method,
        steps=(factor * parts).numpy(),
        empty=(factor * ends[0]).numpy(),
        missing=(factor * missing).numpy(),
    )


@torch.no_grad()
def _answers(branch: SequenceBranch, variants: list[Tensor]) -> Tensor:
    """Return the branch's logits, float64 (V, L), from the features of each variant; zeros for one without steps."""
    parts = []
    for first in range(0, len(variants), _VARIANTS_AT_ONCE):
        group = variants[first : first + _VARIANTS_AT_ONCE]
        counts = torch.tensor([len(steps) for steps in group], device=group[0].device)
        logits = branch.head(branch.sequence(torch.cat(group), counts))
        parts.append((logits * (counts > 0)[:, None]).double().cpu())
    return torch.cat(parts)


def _integrated(branch: SequenceBranch, features: Tensor, empty: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of the steps, float64 (S, L), and what is missing of their sum ``whole`` (L,)."""

    def answer(x: Tensor) -> Tensor:
        counts = torch.full((len(x),), x.shape[1], device=x.device)
        logits: Tensor = branch.head(branch.sequence(x.flatten(0, 1).to(features.dtype), counts))
        return logits

    gradients = _captum()(answer)

    def part(emotion: int) -> Tensor:
        found = whole.new_zeros(len(features))
        for points in PATH_POINTS:
            made = gradients.attribute(
                features[None],
                baselines=empty[None],
                target=emotion,
                n_steps=points,
                internal_batch_size=_VARIANTS_AT_ONCE,
            )
            found = made[0].sum(-1).detach().double().cpu()
            if abs(float(found.sum() - whole[emotion])) <= CLOSE_ENOUGH:
                break
        return found

    parts = torch.stack([part(emotion) for emotion in range(len(whole))], dim=1)
    return parts, whole - parts.sum(0)


def _captum() -> Any:
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise DependencyError(
            "integrated gradients need captum", field="steps", remedy="pip install 'mesmer-emotion[explain]'"
        ) from None
    return IntegratedGradients
