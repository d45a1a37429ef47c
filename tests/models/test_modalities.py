"""A model of a subset of modalities never sees the others: not in training, not in prediction, not after loading."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mesmer.config import ModelSettings, PrepareSettings, RunSettings
from mesmer.config_dict import from_dict, to_dict
from mesmer.errors import ConfigError
from mesmer.models import MODELS
from mesmer.models.loading import load_model
from mesmer.models.registry import build_model
from mesmer.records import MODALITIES, Batch
from mesmer.signals.text import train_tokenizer
from mesmer.training.loss import utterance_losses
from model_batches import ALL_SUBSETS, VOCABULARY, random_batch, small_model, small_settings


def changed(batch: Batch, letters: str) -> Batch:
    """The batch with other content in these modalities."""
    draw = torch.Generator().manual_seed(9)
    new: dict[str, torch.Tensor] = {}
    if "T" in letters:
        new["tokens"] = torch.randint(4, VOCABULARY, batch.tokens.shape, generator=draw) * batch.token_mask
    if "A" in letters:
        new["chunks"] = torch.randn(batch.chunks.shape, generator=draw)
    if "V" in letters:
        new["faces"] = 255 - batch.faces
    assert batch.features is not None
    features = {
        name: replace(one, values=-one.values) if name[0].upper() in letters else one
        for name, one in batch.features.items()
    }
    return replace(batch, **new, features=features)  # type: ignore[arg-type]


@pytest.mark.parametrize("shown", ["TA", "TV", "AV", "T", "A", "V"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_what_is_not_named_is_never_seen(name: str, shown: str) -> None:
    hidden = "".join(letter for letter in "TAV" if letter not in shown)
    model = small_model(name, modalities=shown)
    assert model.modalities == tuple(one for one in MODALITIES if one[0].upper() in shown)
    batch = random_batch(ALL_SUBSETS, seed=3)
    with torch.no_grad():
        output = model(batch)
        assert torch.equal(output.logits, model(changed(batch, hidden)).logits)
        assert not torch.equal(output.logits, model(changed(batch, shown)).logits)
    for column, letter in enumerate("TAV"):
        assert letter in shown or not output.modality_weights[:, column].any()
    gradients = []
    for seen in (batch, changed(batch, hidden)):
        torch.manual_seed(0)
        model.train().zero_grad()
        assert seen.labels is not None
        utterance_losses(model(seen), seen.labels, positive_weight=None, branch_loss=1.0).sum().backward()
        gradients.append({key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(value, gradients[1][key]) for key, value in gradients[0].items())


def test_a_branch_that_is_not_shown_does_not_learn() -> None:
    model = build_model(small_settings("fe2e", modalities="TA"), tokenizer_size=VOCABULARY).train()
    batch = random_batch(ALL_SUBSETS)
    assert batch.labels is not None
    utterance_losses(model(batch), batch.labels, positive_weight=None, branch_loss=1.0).sum().backward()
    learns = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert learns == {"text_encoder", "text_head", "audio", "fusion"}


def test_the_subset_is_saved_with_the_model(tmp_path: Path) -> None:
    tokenizer = train_tokenizer([f"words number {n} of many" for n in range(80)], 64)
    torch.manual_seed(0)
    model = build_model(small_settings("mesm", modalities="VT"), tokenizer_size=VOCABULARY + tokenizer.size).eval()
    model.save_pretrained(tmp_path / "model", tokenizer=tokenizer, prepare=PrepareSettings())
    loaded = load_model(tmp_path / "model").model
    batch = random_batch(ALL_SUBSETS)
    assert loaded.modalities == ("text", "visual")
    with torch.no_grad():
        assert torch.equal(loaded(batch).logits, model(batch).logits)
        assert torch.equal(loaded(batch).logits, loaded(changed(batch, "A")).logits)


def test_letters_are_checked_and_put_in_order() -> None:
    assert ModelSettings(modalities="VT").modalities == "TV"
    assert from_dict(RunSettings, to_dict(RunSettings(model=ModelSettings(modalities="A")))).model.modalities == "A"
    for wrong in ("", "TT", "X", "text", "tav"):
        with pytest.raises(ConfigError, match="no subset of the modalities; use letters of TAV"):
            ModelSettings(modalities=wrong)
