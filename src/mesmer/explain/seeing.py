"""Asking a model about a clip with a part of it taken away: the tools that every explanation here is made with.

Shape letters: n maps (faces or chunks), S maps of one clip, D width, L emotions, H W sites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from mesmer.dataset.collate import collate
from mesmer.errors import ModelError
from mesmer.models.base import EmotionModel
from mesmer.models.end_to_end import EndToEndModel, SequenceBranch
from mesmer.models.loading import LoadedModel
from mesmer.nn.vgg import BranchOutput
from mesmer.records import MODALITIES, Batch, Clip, ModelOutput

Seen = Literal["visual", "audio"]
"""The modalities that a model looks at map by map."""

SEEN: tuple[Seen, Seen] = ("visual", "audio")

BLUR_SITES = 6.0
"""Deviation, in pixels or bands and frames, of the blur that takes the detail of a map away and leaves its light."""

MAPS_AT_ONCE = 256


def end_to_end(model: EmotionModel) -> EndToEndModel:
    """Return the model if it reads faces and sound itself.

    Raises:
        ModelError: it reads hand-crafted features, so there is no picture to point at.
    """
    if not isinstance(model, EndToEndModel):
        raise ModelError(
            f"'{model.settings.name}' reads hand-crafted features: there is no picture to point at",
            remedy="explain a MESM or an FE2E",
        )
    return model


def batch_of(loaded: LoadedModel, clips: Sequence[Clip]) -> Batch:
    """Return clips as the model's batch, unlabelled, on the model's device."""
    settings = loaded.model.settings
    batch = collate(list(clips), None, tokenizer=loaded.tokenizer, mel=settings.mel, max_tokens=settings.text.max_tokens)
    return batch.to(next(loaded.model.parameters()).device)


def branch_of(model: EndToEndModel, modality: Seen) -> SequenceBranch:
    """Return the branch that sees faces or hears chunks."""
    return model.visual if modality == "visual" else model.audio


def maps_of(batch: Batch, modality: Seen) -> Tensor:
    """Return the maps of a batch: faces (n, 3, 48, 48) or chunks (n, 1, bands, frames)."""
    return batch.faces if modality == "visual" else batch.chunks


def with_maps(batch: Batch, modality: Seen, maps: Tensor) -> Batch:
    """Return the batch with other maps, as many."""
    return replace(batch, faces=maps) if modality == "visual" else replace(batch, chunks=maps)


def repeated(batch: Batch, times: int) -> Batch:
    """Return a batch of one clip ``times`` over."""
    return replace(
        batch,
        ids=batch.ids * times,
        faces=batch.faces.repeat(times, 1, 1, 1),
        num_faces=batch.num_faces.repeat(times),
        chunks=batch.chunks.repeat(times, 1, 1, 1),
        num_chunks=batch.num_chunks.repeat(times),
        tokens=batch.tokens.repeat(times, 1),
        token_mask=batch.token_mask.repeat(times, 1),
        present=batch.present.repeat(times, 1),
    )


def shares_of(model: EmotionModel, output: ModelOutput) -> Tensor:
    """Return float64 (B, M, L): what each modality adds to the log-odds of each emotion.

    With the offsets of the calibration they add up to the log-odds of the probability; before calibration these are the
    logits, and the offsets are 0.
    """
    temperature = torch.tensor([one.temperature for one in model.calibration.values()], dtype=torch.float64)
    weighted = output.modality_weights.double()[..., None] * output.modality_logits.double()
    return weighted.cpu() / temperature


def factors_of(model: EmotionModel, output: ModelOutput, modality: str) -> Tensor:
    """Return float64 (L,), what the logits of one modality are multiplied by to become its shares, for a batch of one."""
    weight = output.modality_weights[0, MODALITIES.index(modality)].double().cpu()
    return weight / torch.tensor([one.temperature for one in model.calibration.values()], dtype=torch.float64)


@torch.no_grad()
def features_of(model: EndToEndModel, batch: Batch, modality: Seen, maps: Tensor | None = None) -> Tensor:
    """Return what the branch makes of each map before time comes in, (n, D); of other ``maps``, as many, if given."""
    seen: list[BranchOutput] = []
    watch = branch_of(model, modality).convolution.register_forward_hook(lambda _, __, made: seen.append(made))
    try:
        model(batch if maps is None else with_maps(batch, modality, maps))
    finally:
        watch.remove()
    return torch.cat([made.features for made in seen])


@torch.no_grad()
def shares_with(
    model: EndToEndModel, batch: Batch, output: ModelOutput, modality: Seen, variants: Sequence[Tensor]
) -> Tensor:
    """Return float64 (V, L): one modality's shares where its maps are replaced by each of V variants of them.

    Args:
        batch: one clip.
        output: the model's answer to it.
        variants: each like :func:`maps_of` of it.
    """
    size = max(1, MAPS_AT_ONCE // max(1, len(maps_of(batch, modality))))
    other: Seen = "audio" if modality == "visual" else "visual"
    place = MODALITIES.index(modality)
    # The other branch has no part in these shares: it is hidden, and the weight is that of the whole clip.
    alone = batch.present.clone()
    alone[:, MODALITIES.index(other)] = False
    factors = factors_of(model, output, modality)
    answers = []
    for first in range(0, len(variants), size):
        group = variants[first : first + size]
        many = repeated(replace(batch, present=alone), len(group))
        heard = model(with_maps(many, modality, torch.cat(list(group)))).modality_logits[:, place]
        answers.append(factors * heard.double().cpu())
    return torch.cat(answers)


def blurred(maps: Tensor) -> Tensor:
    """Return maps (n, C, h, w) without detail, of the same type."""
    plain = maps.cpu().numpy()
    smooth = gaussian_filter(plain.astype(np.float64), sigma=(0, 0, BLUR_SITES, BLUR_SITES), mode="nearest")
    smooth = np.rint(smooth) if plain.dtype == np.uint8 else smooth
    return torch.from_numpy(smooth.astype(plain.dtype)).to(maps.device)


def without(maps: Tensor, blank: Tensor, sites: Tensor) -> Tensor:
    """Return the maps with ``blank`` in the place of ``sites``, bool (n, H, W); h and w are multiples of H and W."""
    grown = sites.to(maps.device).repeat_interleave(maps.shape[2] // sites.shape[1], 1)
    grown = grown.repeat_interleave(maps.shape[3] // sites.shape[2], 2)
    return torch.where(grown[:, None], blank, maps)
