"""The masks that are compared, and how they are brought to the same density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mesmer.config import ModelSettings, SparseSettings, TextSettings
from mesmer.models import EmotionModel, build_model
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.records import ModelOutput

MASKS: Mapping[str, SparseSettings] = {
    "dense": SparseSettings(mask="dense"),
    "learnt": SparseSettings(),
    "learnt-sites": SparseSettings(attention_tile=1),
    "learnt-pulling": SparseSettings(detach_features=False),
    "learnt-thrice": SparseSettings(choosing_blocks=3),
    "salient": SparseSettings(attention_gradient="none"),
    "untrained": SparseSettings(attention_gradient="none", salient_start=False),
    "random": SparseSettings(mask="random", attention_gradient="none", salient_start=False),
}
"""Name -> settings. ``learnt`` is the default of the ``mesmer`` preset; ``learnt-sites`` chooses single sites instead of
squares; ``learnt-pulling`` lets the attention's gradient reach the features; in ``learnt-thrice`` every block chooses;
``salient`` is the start of ``learnt`` and
stays there; ``untrained`` is a random function of the features under the same standardised logits; ``random`` keeps as
many squares as that one, drawn by chance."""

CONTROLS = ("dense", "learnt", "salient", "untrained", "random")
ABLATIONS = ("learnt-sites", "learnt-pulling", "learnt-thrice")

VOCABULARY = 8
_ATTENTION = ".attention."


def text_settings() -> TextSettings:
    """Of a text encoder that has nothing to read: the words are absent throughout."""
    return TextSettings(vocabulary_size=VOCABULARY, width=32, layers=1, heads=2, max_tokens=4)


def study_model(classes: tuple[str, ...], sparse: SparseSettings, *, width: int, modality: str, seed: int) -> EmotionModel:
    """Return MESM with fresh weights; its logits are read as those of one choice among ``classes``."""
    torch.manual_seed(seed)
    settings = ModelSettings(
        name="mesm", emotions=classes, width=width, feature_width=16 * width, dim=64,
        layers=2 if modality == "audio" else 1, dropout=0.3, modality_dropout=0.0, text=text_settings(), sparse=sparse,
    )  # fmt: skip
    return build_model(settings, tokenizer_size=VOCABULARY)


def another_of(start: EmotionModel, sparse: SparseSettings, *, seed: int) -> EmotionModel:
    """Return a model like ``start`` with fresh weights and another mask."""
    torch.manual_seed(seed)
    return build_model(replace(start.settings, sparse=sparse), tokenizer_size=start.text_encoder.vocabulary_size)


def take_over(model: EmotionModel, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a dense start; the attention keeps its own, as its settings drew them."""
    own = model.state_dict()
    model.load_state_dict(own | {name: value for name, value in weights.items() if _ATTENTION not in name})


def trunk_of(model: EmotionModel, modality: str) -> SparseTrunk:
    trunk = getattr(model, modality).convolution.trunk
    assert isinstance(trunk, SparseTrunk)
    return trunk


def densities(output: ModelOutput, modality: str) -> list[float]:
    """Return the share of sites that each of the three blocks kept; where no attention was computed, all."""
    kept = [output.traces[modality, block].kept.float().mean() for block in range(3) if (modality, block) in output.traces]
    return [float(share) for share in kept] or [1.0, 1.0, 1.0]


def mean(values: list[float]) -> float:
    """The density of a trunk is the mean over its blocks: at published widths each costs the same when dense."""
    return sum(values) / len(values)
