"""Branches from other runs: what they answer alone they answer in the new model; held, they stay as they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mesmer.config import (
    BranchSizes,
    MelSettings,
    PrepareSettings,
    RunSettings,
    SparseSettings,
    TextSettings,
    TrainSettings,
)
from mesmer.config_dict import settings_hash, to_dict
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError
from mesmer.evaluation.predictions import show_only
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel, load_model
from mesmer.models.registry import build_model
from mesmer.signals.text import NoTokens, train_tokenizer
from mesmer.training.branches import hold_branches, open_branches, take_over
from model_batches import ALL_SUBSETS, random_batch, small_model, small_settings

SEVEN = (*SIX_EMOTIONS[:4], "neutral", *SIX_EMOTIONS[4:])
LETTERS = {"text": "T", "audio": "A", "visual": "V"}


def loaded(model: EndToEndModel, **changes: object) -> LoadedModel:
    values = {"model": model, "tokenizer": NoTokens(), "prepare": PrepareSettings(), "extra": {}, "folder": Path("run")}
    return LoadedModel(**(values | changes))  # type: ignore[arg-type]


def source(name: str, modality: str, seed: int, **changes: object) -> EndToEndModel:
    model = small_model(name, seed=seed, modalities=LETTERS[modality], emotions=SEVEN, **changes)
    assert isinstance(model, EndToEndModel)
    return model


def whole(name: str, seed: int = 9, **changes: object) -> EndToEndModel:
    model = small_model(name, seed=seed, warm=False, **changes)
    assert isinstance(model, EndToEndModel)
    return model


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
@pytest.mark.parametrize("blocks", [1, 3])
def test_each_branch_answers_alone_as_it_did_in_its_run(name: str, blocks: int) -> None:
    sparse = SparseSettings(choosing_blocks=blocks, top_p=0.4)  # type: ignore[arg-type]
    sources = {modality: source(name, modality, seed, sparse=sparse) for seed, modality in enumerate(LETTERS)}
    model = whole(name, sparse=sparse)
    take_over(model, {m: loaded(one) for m, one in sources.items()}, prepare=PrepareSettings())
    batch = random_batch(ALL_SUBSETS, seed=3)
    rows = [SEVEN.index(emotion) for emotion in SIX_EMOTIONS]
    for number, (modality, one) in enumerate(sources.items()):
        seen = show_only(batch, LETTERS[modality])
        with torch.no_grad():
            ours, theirs = model.eval()(seen), one(seen)
        assert theirs.modality_logits[:, number].abs().max() > 0.01
        assert torch.allclose(ours.modality_logits[:, number], theirs.modality_logits[:, number, rows], atol=1e-5)
        assert torch.equal(ours.multiply_adds, theirs.multiply_adds)  # the same sites were chosen


def test_a_query_of_another_width_is_no_hindrance() -> None:
    narrow = TextSettings(max_tokens=16, vocabulary_size=60, width=8, layers=1, heads=2)
    sparse = SparseSettings(top_p=0.4)
    faces = source("mesm", "visual", 1, sparse=sparse, text=narrow)
    model = whole("mesm", sparse=sparse)
    take_over(model, {"visual": loaded(faces)}, prepare=PrepareSettings())
    seen = show_only(random_batch(ALL_SUBSETS, seed=3), "V")
    with torch.no_grad():
        ours, theirs = model.eval()(seen), faces(seen)
    rows = [SEVEN.index(emotion) for emotion in SIX_EMOTIONS]
    assert torch.allclose(ours.modality_logits[:, 2], theirs.modality_logits[:, 2][:, rows], atol=1e-5)
    longer = (16 - 8) * 8  # the products with the longer query, once for each face: the sites are the same
    assert torch.equal(ours.multiply_adds - theirs.multiply_adds, longer * seen.num_faces * seen.present[:, 2])


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
def test_branches_of_their_own_sizes_come_together(name: str, tmp_path: Path) -> None:
    sizes = {"audio": BranchSizes(width=4, feature_width=16), "visual": BranchSizes(layers=1)}
    plain = {"audio": {"width": 4, "feature_width": 16}, "visual": {"layers": 1}}
    sparse = SparseSettings(top_p=0.4)
    sources = {m: source(name, m, n, sparse=sparse, **plain[m]) for n, m in enumerate(sizes)}
    text = TextSettings(max_tokens=16, vocabulary_size=64, width=16, layers=1, heads=2)
    torch.manual_seed(3)
    built = build_model(small_settings(name, sparse=sparse, text=text, **sizes), tokenizer_size=64)
    take_over(built, {m: loaded(one) for m, one in sources.items()}, prepare=PrepareSettings())
    built.save_pretrained(tmp_path / "model", tokenizer=train_tokenizer(["a few words"], 64), prepare=PrepareSettings())
    model = load_model(tmp_path / "model").model
    batch, rows = random_batch(ALL_SUBSETS, seed=3), [SEVEN.index(emotion) for emotion in SIX_EMOTIONS]
    for number, modality in enumerate(sizes, start=1):
        seen = show_only(batch, LETTERS[modality])
        with torch.no_grad():
            ours, theirs = model(seen), sources[modality](seen)
        assert torch.allclose(ours.modality_logits[:, number], theirs.modality_logits[:, number][:, rows], atol=1e-5)
        assert torch.equal(ours.multiply_adds, theirs.multiply_adds)


def test_settings_that_came_later_leave_the_hash_of_settings_that_have_none() -> None:
    plain = small_settings("mesm")
    later = {"audio", "visual", "grey_faces"}
    assert later <= to_dict(plain).keys()
    older = {key: value for key, value in to_dict(plain).items() if key not in later}
    text = json.dumps(older, sort_keys=True, separators=(",", ":"))
    assert settings_hash(plain) == hashlib.sha256(text.encode()).hexdigest()[:16]
    hashes = {settings_hash(replace(plain, **{name: BranchSizes(width=n)})) for name in ("audio", "visual") for n in (0, 8)}
    hashes |= {settings_hash(plain), settings_hash(replace(plain, grey_faces=True))}
    assert len(hashes) == 6


def test_of_emotions_that_excluded_each_other_the_log_odds_against_neutral_go_over() -> None:
    faces = source("fe2e", "visual", 1, exclusive=True)
    model = whole("fe2e")
    take_over(model, {"visual": loaded(faces)}, prepare=PrepareSettings())
    seen = show_only(random_batch(ALL_SUBSETS, seed=3), "V")
    with torch.no_grad():
        ours, theirs = model.eval()(seen).modality_logits[:, 2], faces(seen).modality_logits[:, 2]
    here = seen.present[:, 2]
    shares = theirs.softmax(1)
    for row, emotion in enumerate(SIX_EMOTIONS):
        expected = torch.log(shares[:, SEVEN.index(emotion)] / shares[:, SEVEN.index("neutral")])
        assert torch.allclose(ours[here, row], expected[here], atol=1e-5)


def test_what_does_not_fit_is_named() -> None:
    model = whole("mesm")
    for changes, what in (
        ({"width": 4}, "project.0.weight"),
        ({"layers": 1}, "transformer"),
        ({"sparse": SparseSettings(choosing_blocks=3)}, "attention"),
    ):
        with pytest.raises(ConfigError, match="visual branch does not fit") as error:
            take_over(
                model,
                {"visual": loaded(source("mesm", "visual", 1, **changes))},  # type: ignore[arg-type]
                prepare=PrepareSettings(),
            )
        assert what in str(error.value)
        assert "train.init_faces" in str(error.value)
    other = loaded(source("mesm", "audio", 1, mel=MelSettings(normalise="none")))
    with pytest.raises(ConfigError, match=r"model\.mel\.normalise"):
        take_over(model, {"audio": other}, prepare=PrepareSettings())
    elsewhere = loaded(source("mesm", "visual", 1), prepare=PrepareSettings(face_margin=0.3))
    with pytest.raises(ConfigError, match=r"prepare\.face_margin"):
        take_over(model, {"visual": elsewhere}, prepare=PrepareSettings())
    cut = loaded(source("mesm", "audio", 1), prepare=PrepareSettings(trim_silence=True))
    take_over(model, {"audio": cut}, prepare=PrepareSettings())  # a matter of sound alone
    with pytest.raises(ConfigError, match="has no branches"):
        take_over(small_model("lf_lstm"), {"visual": loaded(model)}, prepare=PrepareSettings())
    with pytest.raises(ConfigError, match="has no branches"):
        hold_branches(small_model("lf_lstm"), True)


def test_a_run_that_is_not_there_or_lacks_the_modality_is_named(tmp_path: Path) -> None:
    settings = RunSettings(train=TrainSettings(init_faces=str(tmp_path / "no")))
    with pytest.raises(ConfigError, match=r"train\.init_faces"):
        open_branches(settings)
    tokenizer = train_tokenizer(["a few words"], 64)
    text = TextSettings(max_tokens=16, vocabulary_size=64, width=16, layers=1, heads=2)
    source("mesm", "audio", 0, warm=False, text=text).save_pretrained(
        tmp_path / "voices", tokenizer=tokenizer, prepare=PrepareSettings()
    )
    with pytest.raises(ConfigError, match="has no visual branch"):
        open_branches(replace(settings, train=TrainSettings(init_faces=str(tmp_path / "voices"))))
    found = open_branches(replace(settings, train=TrainSettings(init_voices=str(tmp_path / "voices"))))
    assert list(found) == ["audio"]


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
def test_held_branches_stay_as_they_are_and_heads_learn(name: str) -> None:
    model = small_model(name, dropout=0.5, modality_dropout=0.0)
    assert isinstance(model, EndToEndModel)
    heads = ("text_head.", "audio.head.", "visual.head.", "fusion.")
    batch = random_batch(ALL_SUBSETS, seed=5)
    assert batch.labels is not None

    def step() -> set[str]:
        """Train a step; return the names of what has changed."""
        before = {key: value.clone() for key, value in model.state_dict().items()}
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(batch).logits, batch.labels)
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)
        return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}

    hold_branches(model, True)
    model.train()
    changed = step()
    assert changed
    assert all(key.startswith(heads) for key in changed)
    assert {"text_head.weight", "audio.head.weight", "visual.head.weight"} <= changed
    held = model(batch).modality_logits
    assert torch.equal(held, model.eval()(batch).modality_logits)  # no dropout, and batch norm as in evaluation
    hold_branches(model, False)
    model.train()
    again = step()
    assert "visual.convolution.stem.first.0.weight" in again
    assert "audio.convolution.stem.first.1.running_mean" in again
    assert any(key.startswith("text_encoder.") for key in again)
