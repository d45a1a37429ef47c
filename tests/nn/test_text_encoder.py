from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from mesmer.config import TextSettings
from mesmer.errors import ConfigError, ModelError
from mesmer.nn.text_architecture import architecture_of
from mesmer.nn.text_encoder import PretrainedTextEncoder, SmallTextEncoder, build_text_encoder

SMALL = TextSettings(max_tokens=10, vocabulary_size=30, width=16, layers=2, heads=2)
SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    BertModel(BertConfig(**SIZES)).save_pretrained(folder)
    return folder


def pretrained(folder: Path, **changes: object) -> TextSettings:
    return replace(TextSettings(encoder=str(folder), max_tokens=12), **changes)  # type: ignore[arg-type]


def tokens_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([3, 8, 1])
    mask = torch.arange(8)[None] < lengths[:, None]
    return torch.randint(1, 30, (3, 8), generator=torch.Generator().manual_seed(0)) * mask, mask


@pytest.fixture(params=["small", "bert", "albert"])
def encoder(request: pytest.FixtureRequest, bert_folder: Path, tmp_path: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    if request.param == "small":
        return build_text_encoder(SMALL).eval()
    folder = bert_folder
    if request.param == "albert":
        AlbertModel(AlbertConfig(**SIZES, embedding_size=8)).save_pretrained(tmp_path)
        folder = tmp_path
    return build_text_encoder(pretrained(folder)).eval()


def test_padding_changes_nothing(encoder: torch.nn.Module) -> None:
    tokens, mask = tokens_and_mask()
    with torch.no_grad():
        together = encoder(tokens, mask)
        assert together.shape == (3, encoder.width)
        for k, length in enumerate(mask.sum(1).tolist()):
            alone = encoder(tokens[k : k + 1, :length], mask[k : k + 1, :length])
            assert torch.allclose(together[k], alone[0], atol=1e-5)
            assert torch.allclose(together[k], encoder(torch.where(mask, tokens, 7), mask)[k], atol=1e-5)


def test_order_of_words_matters(encoder: torch.nn.Module) -> None:
    tokens, mask = torch.tensor([[2, 5, 9, 11]]), torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        assert not torch.allclose(encoder(tokens, mask), encoder(tokens[:, [0, 2, 1, 3]], mask), atol=1e-5)


def test_every_parameter_gets_a_gradient(encoder: torch.nn.Module) -> None:
    tokens, mask = tokens_and_mask()
    (encoder(tokens, mask) * torch.randn(3, encoder.width)).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("token", [-1, 30, 10**9])
def test_tokens_of_another_vocabulary_are_refused(token: int) -> None:
    tokens, mask = tokens_and_mask()
    tokens[1, 2] = token
    with pytest.raises(ModelError, match="outside the vocabulary of 30"):
        build_text_encoder(SMALL)(tokens, mask)


def test_too_many_tokens_are_refused() -> None:
    with pytest.raises(ModelError, match="11 tokens are more than the text encoder's 10"):
        build_text_encoder(SMALL)(torch.ones(1, 11, dtype=torch.int64), torch.ones(1, 11, dtype=torch.bool))


@pytest.mark.parametrize("kind", ["small", "bert"])
def test_frozen_stays_as_it_is(kind: str, bert_folder: Path) -> None:
    given = SMALL if kind == "small" else pretrained(bert_folder)
    frozen = build_text_encoder(replace(given, frozen=True)).train()
    assert not any(p.requires_grad for p in frozen.parameters())
    assert not any(module.training for module in frozen.modules())  # dropout stays off
    state = frozen(*tokens_and_mask())
    assert not state.requires_grad
    assert torch.equal(state, frozen(*tokens_and_mask()))


def test_tokenizer_decides_the_vocabulary() -> None:
    made = build_text_encoder(SMALL, tokenizer_size=17)
    assert isinstance(made, SmallTextEncoder)
    assert made.vocabulary_size == made.token_embedding.num_embeddings == 17
    assert made.architecture is None


def test_pretrained_weights_are_loaded(bert_folder: Path) -> None:
    original = BertModel.from_pretrained(bert_folder).eval()
    ours = build_text_encoder(pretrained(bert_folder)).eval()
    tokens, mask = tokens_and_mask()
    with torch.no_grad():
        expected = original(input_ids=tokens, attention_mask=mask.long()).last_hidden_state[:, 0]
        assert torch.allclose(ours(tokens, mask), expected, atol=1e-6)
    assert not [name for name in ours.state_dict() if "pooler" in name]


def test_architecture_builds_the_same_network(bert_folder: Path) -> None:
    first = build_text_encoder(pretrained(bert_folder)).eval()
    assert isinstance(first, PretrainedTextEncoder)
    architecture = json.loads(json.dumps(first.architecture))
    assert not [key for key in architecture if "path" in key or "auto" in key or "version" in key]
    second = build_text_encoder(replace(pretrained(bert_folder), encoder="somewhere/else"), architecture=architecture)
    second.load_state_dict(first.state_dict())
    tokens, mask = tokens_and_mask()
    with torch.no_grad():
        assert torch.equal(first(tokens, mask), second.eval()(tokens, mask))


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"model_type": "no-such"},
        {"model_type": 3},
        {"model_type": "bert", "hidden_size": "wide"},
        {"model_type": "vit"},
    ],
)
def test_bad_architectures_are_one_error(architecture: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build_text_encoder(TextSettings(encoder="x/y"), architecture=architecture)


def test_no_code_of_a_model_is_run(bert_folder: Path, tmp_path: Path) -> None:
    config = json.loads((bert_folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    config["model_type"] = "evil"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("import sys; sys.mesmer_evil = True\nclass Config: pass\nclass Model: pass\n")
    (tmp_path / "model.safetensors").write_bytes((bert_folder / "model.safetensors").read_bytes())
    with pytest.raises(ConfigError):
        build_text_encoder(pretrained(tmp_path))
    assert not hasattr(sys, "mesmer_evil")


def test_no_attention_kernel_is_fetched(bert_folder: Path, tmp_path: Path) -> None:
    """transformers would download and run a kernel that a configuration names; ours is always the built-in attention."""
    for file in bert_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    for key in ("attn_implementation", "_attn_implementation"):
        (tmp_path / "config.json").write_text(json.dumps(config | {key: "evil/kernel"}))
        made = build_text_encoder(pretrained(tmp_path))
        assert isinstance(made, PretrainedTextEncoder)
        assert made.network.config._attn_implementation == "eager"
        assert "evil" not in json.dumps(made.architecture)


def test_pickled_weights_are_not_read(bert_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((bert_folder / "config.json").read_text())
    torch.save(BertModel(BertConfig(**SIZES)).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build_text_encoder(pretrained(tmp_path))


def test_unknown_encoders_are_one_line(tmp_path: Path) -> None:
    for name in ("no-such-owner/no-such-model", str(tmp_path), "albert-no-such"):
        with pytest.raises(ConfigError, match="cannot be loaded") as caught:
            build_text_encoder(TextSettings(encoder=name))
        assert "\n" not in str(caught.value)


def test_what_does_not_fit_the_encoder_is_refused(bert_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_tokens 21 is more than the encoder's 20"):
        build_text_encoder(pretrained(bert_folder, max_tokens=21))
    with pytest.raises(ConfigError, match="tokenizer has 41 tokens"):
        build_text_encoder(pretrained(bert_folder), tokenizer_size=41)
    RobertaModel(RobertaConfig(**SIZES)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="more than the encoder's 18"):
        build_text_encoder(pretrained(tmp_path, max_tokens=19))
    fits = build_text_encoder(pretrained(tmp_path, max_tokens=18))
    assert fits(torch.full((1, 18), 5), torch.ones(1, 18, dtype=torch.bool)).shape == (1, 16)


def test_encoders_without_a_pooler_work() -> None:
    config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=24)
    architecture = architecture_of(DistilBertModel(config))
    made = build_text_encoder(TextSettings(encoder="any/id", max_tokens=12), architecture=architecture)
    assert made(*tokens_and_mask()).shape == (3, 16)
