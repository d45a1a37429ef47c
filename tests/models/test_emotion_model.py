from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mesmer.config import FeatureSettings, TextSettings, preset
from mesmer.emotions import IEMOCAP_EMOTIONS
from mesmer.errors import ConfigError, ModelError
from mesmer.models import MODELS, EmotionModel, build_model
from mesmer.models.registry import END_TO_END, ON_FEATURES
from mesmer.records import Batch
from model_batches import ALL_SUBSETS, random_batch, small_model, small_settings


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    return small_model("mesm", warm=False)


def test_unknown_models_get_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mesm'"):
        build_model(small_settings("mesn"))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_label_set_decides_the_logits(name: str) -> None:
    made = build_model(small_settings(name, emotions=(*IEMOCAP_EMOTIONS, "boredom")), tokenizer_size=60)
    out = made.eval()(random_batch(ALL_SUBSETS))
    assert out.logits.shape == (7, 7)
    assert list(made.thresholds) == [*IEMOCAP_EMOTIONS, "boredom"]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_both_presets_build_and_answer(name: str) -> None:
    """At full size, with the small text encoder in the place of the downloaded one."""
    for which in ("mesmer", "paper"):
        features = FeatureSettings(text_width=10) if name in ON_FEATURES else None
        settings = replace(preset(which).model, name=name, text=TextSettings(), features=features)
        made = build_model(settings, tokenizer_size=60).eval()
        with torch.no_grad():
            out = made(random_batch([(True, True, True)], faces=[1], chunks=[1]))
        assert torch.isfinite(out.logits).all()
        if name in END_TO_END:
            assert 1300e6 < int(out.dense_multiply_adds) < 1350e6  # 483.0 M a face and 845.5 M a chunk


def test_thresholds(model: EmotionModel) -> None:
    assert model.thresholds == dict.fromkeys(model.settings.emotions, 0.5)
    model.thresholds["anger"] = 0.9  # what is given out is a copy
    assert model.thresholds["anger"] == 0.5
    chosen = dict.fromkeys(reversed(model.settings.emotions), 0.2)
    model.thresholds = chosen
    assert list(model.thresholds) == list(model.settings.emotions)
    for bad in (
        {},
        chosen | {"joy": 0.5},
        chosen | {"fear": 1.1},
        chosen | {"fear": float("nan")},
        chosen | {"fear": True},
    ):
        with pytest.raises(ModelError, match="thresholds"):
            model.thresholds = bad
    assert model.thresholds == chosen


def test_parameter_groups_hold_each_parameter_once(model: EmotionModel) -> None:
    groups = {group["name"]: group for group in model.parameter_groups(1e-3, 0.1, 3.0)}
    assert groups["rest"]["lr"] == 1e-3
    assert groups["text_encoder"]["lr"] == pytest.approx(1e-4)
    assert model.text_encoder is not None
    assert {id(p) for p in groups["text_encoder"]["params"]} == {id(p) for p in model.text_encoder.parameters()}
    attention = {id(p) for name, p in model.named_parameters() if ".attention." in name and ".blocks." in name}
    assert {id(p) for group in groups.values() if group["name"] == "attention" for p in group["params"]} == attention
    assert bool(attention) == (model.settings.name == "mesm")
    assert all(group["lr"] == pytest.approx(3e-3) for group in groups.values() if group["name"] == "attention")
    grouped = [id(p) for group in groups.values() for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters()}


def test_frozen_text_is_in_no_group() -> None:
    settings = small_settings("fe2e")
    frozen = build_model(replace(settings, text=replace(settings.text, frozen=True)))
    assert [group["name"] for group in frozen.parameter_groups(1e-3, 0.1)] == ["rest"]


def test_modality_dropout_hides_in_training_only() -> None:
    made = small_model("fe2e", modality_dropout=0.9)
    batch = random_batch([(True, True, True)] * 8, seed=1)
    assert (made(batch).modality_weights != 0).all()
    made.train()
    torch.manual_seed(0)
    seen = made(batch).modality_weights != 0
    assert not seen.all()
    assert seen.any(dim=1).all()
    torch.manual_seed(0)
    assert torch.equal(seen, made(batch).modality_weights != 0)


BATCH = random_batch([(True, True, True)] * 2, faces=[2, 1], chunks=[1, 3])


@pytest.mark.parametrize(
    ("field", "batch"),
    [
        ("num_faces", replace(BATCH, num_faces=torch.tensor([2, 2]))),
        ("num_faces", replace(BATCH, num_faces=torch.tensor([4, -1]))),
        ("num_chunks", replace(BATCH, num_chunks=torch.tensor([4]))),
        ("faces", replace(BATCH, faces=BATCH.faces[:, :1])),
        ("faces", replace(BATCH, faces=BATCH.faces[..., :32])),
        ("chunks", replace(BATCH, chunks=BATCH.chunks[:, 0])),
        ("chunks", replace(BATCH, chunks=BATCH.chunks.mT)),
        ("tokens", replace(BATCH, token_mask=BATCH.token_mask[:, :-1])),
        ("tokens", replace(BATCH, tokens=BATCH.tokens[:1], token_mask=BATCH.token_mask[:1])),
        ("tokens", replace(BATCH, tokens=BATCH.tokens + 60)),
        ("present", replace(BATCH, present=BATCH.present[:, :2])),
        ("present", replace(BATCH, present=BATCH.present.float())),
        ("present", replace(BATCH, present=BATCH.present[:0])),
    ],
)
def test_batches_that_do_not_fit_are_refused(model: EmotionModel, field: str, batch: Batch) -> None:
    with pytest.raises(ModelError) as caught:
        model(batch)
    assert caught.value.field == field


def test_words_said_to_be_there_but_empty_are_absent(model: EmotionModel) -> None:
    empty = replace(BATCH, token_mask=torch.zeros_like(BATCH.token_mask))
    none = replace(BATCH, tokens=BATCH.tokens[:, :0], token_mask=BATCH.token_mask[:, :0])
    absent = replace(BATCH, present=BATCH.present & torch.tensor([False, True, True]))
    with torch.no_grad():
        expected = model(absent).logits
        assert torch.equal(model(empty).logits, expected)
        assert torch.equal(model(none).logits, expected)
