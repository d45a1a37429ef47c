"""Heads on cached states say what the whole model says: any subset of modalities, dense and sparse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mesmer.evaluation.predictions import show_only
from mesmer.models.branch_heads import BranchHeads, branch_states, with_label_set
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.registry import build_model
from mesmer.records import MODALITIES
from mesmer.training.state_cache import SplitStates, StateBatches
from model_batches import ALL_SUBSETS, VOCABULARY, random_batch, small_model, small_settings


def states_of(model: EndToEndModel, seed: int = 3) -> tuple[SplitStates, object]:
    batch = random_batch(ALL_SUBSETS, seed=seed)
    asked, unasked = branch_states(model, batch), branch_states(model, show_only(batch, "AV"))
    two = {name: torch.stack([asked[name], unasked[name]], dim=1) for name in ("audio", "visual")}
    given = torch.tensor([name in model.modalities for name in MODALITIES])
    assert batch.labels is not None
    states = SplitStates(
        ids=batch.ids, labels=batch.labels.numpy(), present=batch.present & given,
        states={"text": asked["text"][:, None], **two},
    )  # fmt: skip
    return states, batch


@pytest.mark.parametrize("subset", ["TAV", "TA", "TV", "AV", "T", "A", "V"])
@pytest.mark.parametrize(("name", "modalities"), [("mesm", "TAV"), ("fe2e", "TAV"), ("mesm", "AV")])
def test_what_the_whole_model_says(name: str, modalities: str, subset: str) -> None:
    model = small_model(name, modalities=modalities)
    assert isinstance(model, EndToEndModel)
    states, batch = states_of(model)
    heads = BranchHeads(model).eval()
    with torch.no_grad():
        whole = model(show_only(batch, subset))  # type: ignore[arg-type]
        said = heads(show_only(states.batch(torch.arange(len(states.ids))), subset))
    for field in ("logits", "modality_logits", "modality_weights"):
        assert torch.allclose(getattr(said, field), getattr(whole, field), atol=1e-5), field
    assert whole.logits.abs().max() > 0 or not set(subset) & set(modalities)


def test_what_the_heads_learn_the_model_has_learnt() -> None:
    model = small_model("mesm")
    assert isinstance(model, EndToEndModel)
    states, batch = states_of(model)
    heads = BranchHeads(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(heads.parameters(), lr=1.0)
    heads(states.batch(torch.arange(7))).logits.pow(2).sum().backward()
    optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all("head" in key or key.startswith("fusion") for key in changed)
    with torch.no_grad():
        rows = torch.arange(len(states.ids))
        assert torch.allclose(heads.eval()(states.batch(rows)).logits, model.eval()(batch).logits, atol=1e-4)  # type: ignore[arg-type]


def test_another_label_set_keeps_the_branches() -> None:
    model = small_model("mesm")
    fresh = build_model(small_settings("mesm", emotions=("calm", "tense")), tokenizer_size=VOCABULARY).eval()
    assert isinstance(model, EndToEndModel)
    assert isinstance(fresh, EndToEndModel)
    with_label_set(model, fresh)
    batch = random_batch(ALL_SUBSETS, seed=4)
    ours, theirs = branch_states(fresh, replace(batch, labels=None)), branch_states(model, batch)
    assert all(torch.equal(ours[name], theirs[name]) for name in MODALITIES)
    assert fresh(batch).logits.shape == (7, 2)


def test_batches_of_states_hold_each_utterance_once() -> None:
    model = small_model("fe2e")
    assert isinstance(model, EndToEndModel)
    states, _ = states_of(model)
    batches = StateBatches(states, batch_size=3, shuffle=True, seed=1)
    epochs = [[name for batch in batches.epoch(number) for name in batch.ids] for number in (0, 0, 1)]
    assert epochs[0] == epochs[1] != epochs[2]
    assert all(sorted(ids) == sorted(states.ids) for ids in epochs)
    assert [step.utterances for step in batches.steps(0, first=1)] == [3, 1]
    assert len(batches) == 3
