"""The last layers of an end-to-end model by themselves: what heads and fusion say of branch states that are at hand.

A branch's state is what its head is given: one vector per utterance. While the branches stay as they are, states need to be
computed once, and heads and fusion learn from them in seconds. In a model whose sparse blocks ask with the words, voice and
face have two states each: one where the words are there, one where they are hidden.

Shape letters: B utterances, M modalities, L emotions, D width of a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from mesmer.errors import ModelError
from mesmer.models.base import EmotionModel
from mesmer.models.end_to_end import EndToEndModel
from mesmer.nn.modality_dropout import drop_modalities
from mesmer.records import MODALITIES, Batch, ModelOutput


class BranchHeads(EmotionModel):
    """Heads and fusion of an end-to-end model; the modules are the model's own, so what they learn it has learnt.

    It reads ``Batch.features``: for each utterance one step of the words' state, and two each of voice and face, with and
    without words; none where the modality is absent. What it says is what the whole model says of the same utterances. It
    has the model's calibration, thresholds and margins as they were when it was made.
    """

    def __init__(self, model: EndToEndModel) -> None:
        super().__init__(model.settings, text_encoder=None)
        self.heads = nn.ModuleDict(heads_of(model))
        self.fusion = model.fusion
        self.calibration, self.thresholds, self.unsure_margins = model.calibration, model.thresholds, model.unsure_margins

    def forward(self, batch: Batch, *, traces: bool = False) -> ModelOutput:
        if batch.features is None:
            raise ModelError("the batch carries no states", field="features")
        holds = torch.stack([batch.features[name].lengths > 0 for name in MODALITIES], dim=1)
        present = batch.present & holds
        if self.training and self.settings.modality_dropout > 0:
            present = drop_modalities(present, self.settings.modality_dropout)
        asked = present[:, 0].long()
        logits = [self._said(name, batch, present[:, place], asked) for place, name in enumerate(MODALITIES)]
        modality_logits = torch.stack(logits, dim=1)
        fused, weights = self.fusion(modality_logits, present)
        nothing = torch.zeros(len(batch), dtype=torch.int64, device=fused.device)
        return ModelOutput(
            logits=fused,
            modality_logits=modality_logits,
            modality_weights=weights,
            multiply_adds=nothing,
            dense_multiply_adds=nothing,
        )

    def _said(self, name: str, batch: Batch, present: Tensor, asked: Tensor) -> Tensor:
        """Return the logits (B, L) of one modality, 0 where absent."""
        assert batch.features is not None
        sequence, head = batch.features[name], self.heads[name]
        answer = sequence.values.new_zeros(len(batch), len(self.settings.emotions))
        rows = present.nonzero().squeeze(1)
        if not len(rows):
            return answer
        first = sequence.lengths.cumsum(0) - sequence.lengths
        step = torch.zeros_like(asked) if name == "text" else 1 - asked
        return answer.index_put((rows,), head(sequence.values[(first + step)[rows]]))


def heads_of(model: EndToEndModel) -> dict[str, nn.Linear]:
    """Return modality -> its head."""
    return {"text": model.text_head, "audio": model.audio.head, "visual": model.visual.head}


@torch.no_grad()
def branch_states(model: EndToEndModel, batch: Batch) -> Mapping[str, Tensor]:
    """Return modality -> what its head is given, float32 (B, D), zeros where the modality is absent.

    Args:
        model: in evaluation mode.
    """
    heads = heads_of(model)
    states = {name: torch.zeros(len(batch), head.in_features) for name, head in heads.items()}

    def keep(name: str) -> Any:
        def hook(head: nn.Module, given: tuple[Tensor, ...]) -> None:
            states[name] = given[0].detach().float().cpu()

        return hook

    with ExitStack() as hooks:
        for name, head in heads.items():
            hooks.callback(head.register_forward_pre_hook(keep(name)).remove)
        model(batch)
    return states


def with_label_set(model: EndToEndModel, fresh: EndToEndModel) -> None:
    """Put all of ``model`` but its heads into ``fresh``, the same network for another label set."""
    ours, given = fresh.state_dict(), model.state_dict()
    heads = ("text_head.", "audio.head.", "visual.head.")
    fresh.load_state_dict({name: ours[name] if name.startswith(heads) else given[name] for name in ours})
