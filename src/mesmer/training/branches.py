"""Branches that come from other runs: a face, a voice and a text model, each trained alone, become one model.

What a branch was trained to see in its maps stays as it is. Two things need care. The sparse blocks ask with the words, or
with a learned vector where the words are absent, and each run had a vector of its own, maybe of another width; the new
model has one. So the query weights of a branch are turned by a change of rank one, after which its attention answers the
new vector as it answered its own. And each head answered for its own label set: rows go over by the names of the emotions.
Where the emotions of a source excluded each other (softmax), a row less that of its neutral labels is the log-odds against
neutral, which a yes-or-no question starts well from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mesmer.config import PrepareSettings, RunSettings
from mesmer.config_dict import to_dict
from mesmer.dataset.composite.sources import SOURCE_OPTIONS
from mesmer.dataset.facts import DatasetFacts
from mesmer.errors import ConfigError, MesmerError
from mesmer.models.base import EmotionModel
from mesmer.models.end_to_end import EndToEndModel, SequenceBranch
from mesmer.models.loading import LoadedModel, load_model
from mesmer.models.saving import WEIGHTS_FILE
from mesmer.nn.cross_modal_attention import CrossModalAttention
from mesmer.storage.hashes import sha256_file
from mesmer.training.run_folder import model_source

SETTING_OF: Mapping[str, str] = {"text": "init_words", "audio": "init_voices", "visual": "init_faces"}
"""Modality -> the setting that names the run of its branch."""
QUERY_WEIGHT = "attention.query.weight"
NEUTRAL_LABELS: frozenset[str] = frozenset({"neutral", "calm"})


def hold_branches(model: EmotionModel, held: bool) -> None:
    """Hold all but heads and fusion of an end-to-end model in training, or let them learn.

    Raises:
        ConfigError: the model has no branches.
    """
    if isinstance(model, EndToEndModel):
        model.hold_branches(held)
    elif held:
        raise ConfigError(
            "this model has no branches to freeze", field="train.freeze_branches_epochs", remedy="set it to 0"
        )


def open_branches(settings: RunSettings) -> dict[str, LoadedModel]:
    """Return modality -> the model whose branch is asked for; those asked for only.

    Raises:
        ConfigError: a model is not there, is no end-to-end model, or is not given the modality.
    """
    found = {}
    for modality, setting in SETTING_OF.items():
        named = getattr(settings.train, setting)
        if not named:
            continue
        try:
            loaded = load_model(model_source(named))
        except MesmerError as error:
            raise ConfigError(str(error), field=f"train.{setting}") from error
        if not isinstance(loaded.model, EndToEndModel) or modality not in loaded.model.modalities:
            raise ConfigError(
                f"'{named}' has no {modality} branch",
                field=f"train.{setting}",
                remedy="name a run trained on that modality",
            )
        found[modality] = loaded
    return found


def origin_of(facts: DatasetFacts, branches: Mapping[str, LoadedModel]) -> dict[str, Any]:
    """Return what a model that is trained on these data, from these branches, says of its origin: plain types; empty where
    the data are of one corpus and there are no branches.
    """
    told: dict[str, Any] = {}
    corpora = [facts.options[key] for key in sorted(facts.options) if key in SOURCE_OPTIONS]
    if corpora:
        told["trained_on"] = corpora
    if facts.notes:
        told["notes"] = list(facts.notes)
    if branches:
        told["branches"] = {
            modality: {
                "run": loaded.extra.get("run"),
                "data": loaded.extra.get("data"),
                "weights_sha256": sha256_file(loaded.folder / WEIGHTS_FILE),
            }
            for modality, loaded in branches.items()
        }
    return told


@torch.no_grad()
def take_over(model: EmotionModel, branches: Mapping[str, LoadedModel], *, prepare: PrepareSettings) -> None:
    """Put the branches into a model that was built anew.

    Args:
        branches: modality -> model, as :func:`open_branches` returns them.
        prepare: how the data were prepared that the model will be trained on.

    Raises:
        ConfigError: the model has no branches, or one does not fit: names the weight or the setting.
    """
    if not branches:
        return
    if not isinstance(model, EndToEndModel):
        raise ConfigError(f"'{model.settings.name}' has no branches", field="train.init_*", remedy="use mesm or fe2e")
    for modality, loaded in branches.items():
        _check_settings(model, loaded, modality, prepare)
    for modality, loaded in branches.items():
        source = loaded.model
        assert isinstance(source, EndToEndModel)
        if modality == "text":
            _copy(model.text_encoder, source.text_encoder, modality)
            _copy_head(model.text_head, source.text_head, model, source)
        else:
            to, of = _branch(model, modality), _branch(source, modality)
            _copy(to.convolution, of.convolution, modality)
            _copy(to.sequence, of.sequence, modality)
            _copy_head(to.head, of.head, model, source)
            _turn_queries(to, of, own=source.absent_query, now=model.absent_query)


def _branch(model: EndToEndModel, modality: str) -> SequenceBranch:
    return model.audio if modality == "audio" else model.visual


def _check_settings(model: EndToEndModel, loaded: LoadedModel, modality: str, prepare: PrepareSettings) -> None:
    """Refuse a branch that learnt from media made in another way; its weights would fit and mean something else."""
    pairs = [("prepare", to_dict(loaded.prepare.beside_a_picture()), to_dict(prepare.beside_a_picture()))]
    if modality == "audio":
        pairs.append(("model.mel", to_dict(loaded.model.settings.mel), to_dict(model.settings.mel)))
    for where, old, new in pairs:
        for name in new:
            if old[name] != new[name]:
                raise ConfigError(
                    f"the branch was trained with {old[name]}, this is {new[name]}",
                    file=loaded.folder,
                    field=f"{where}.{name}",
                    remedy="use the same settings",
                )


def _copy(to: nn.Module, of: nn.Module, modality: str) -> None:
    """Copy all weights and running statistics of a part; query weights of another width stay as they were drawn.

    Raises:
        ConfigError: names or shapes differ.
    """
    ours, theirs = to.state_dict(), of.state_dict()
    for name in theirs:
        if name.endswith(QUERY_WEIGHT) and name in ours and ours[name].shape != theirs[name].shape:
            theirs[name] = ours[name]
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(name), theirs.get(name)
        if here is None or there is None or here.shape != there.shape:
            shapes = [tuple(tensor.shape) if tensor is not None else "nothing" for tensor in (there, here)]
            raise ConfigError(
                f"the {modality} branch does not fit: '{name}' is {shapes[0]} in its run and {shapes[1]} here",
                field=f"train.{SETTING_OF[modality]}",
                remedy=f"take model.{modality} (width, feature_width, layers), name and dim from that run's settings.yaml",
            )
    to.load_state_dict(theirs)


def _copy_head(to: nn.Linear, of: nn.Linear, model: EmotionModel, source: EmotionModel) -> None:
    """Copy the rows of the emotions that both heads know."""
    known = source.settings.emotions
    weight, bias = of.weight.detach(), of.bias.detach()
    neutral = [row for row, name in enumerate(known) if name in NEUTRAL_LABELS]
    if source.settings.exclusive and neutral:
        weight, bias = weight - weight[neutral].mean(0), bias - bias[neutral].mean(0)
    for row, name in enumerate(model.settings.emotions):
        if name in known:
            to.weight[row] = weight[known.index(name)]
            to.bias[row] = bias[known.index(name)]


def _turn_queries(to: SequenceBranch, of: SequenceBranch, *, own: Tensor | None, now: Tensor | None) -> None:
    """Change the query weights W of a branch by rank one so that ``W now`` is what its run had for its ``own`` vector."""
    if own is None or now is None:
        return
    here, there = (_attentions(branch.convolution) for branch in (to, of))
    for ours, theirs in zip(here, there, strict=True):
        weight = ours.query.weight
        weight += torch.outer(theirs.query.weight @ own - weight @ now, now) / now.dot(now)


def _attentions(module: nn.Module) -> list[CrossModalAttention]:
    return [part for part in module.modules() if isinstance(part, CrossModalAttention)]
