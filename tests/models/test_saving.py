"""Saved models: what comes back, and every kind of damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from mesmer.config import MelSettings, PrepareSettings, TextSettings
from mesmer.errors import MesmerError, ModelError
from mesmer.models import MODELS, EmotionModel, build_model, load_model
from mesmer.signals.text import TextTokenizer, train_tokenizer
from mesmer.storage.hashes import sha256_file
from model_batches import ALL_SUBSETS, MAX_TOKENS, random_batch, small_settings

SENTENCES = [
    f"{who} {what} {how} today" for who in ("I", "you", "they") for what in ("feel", "am") for how in ("sad", "glad")
]
PREPARE = PrepareSettings(face_margin=0.3)
EXTRA = {"corpus": "made here", "f1": 0.5, "nested": {"list": [1, None, "ä"]}}


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(SENTENCES, 64)


def made(name: str, tokenizer: TextTokenizer, **changes: Any) -> EmotionModel:
    torch.manual_seed(1)
    model = build_model(small_settings(name, **changes), tokenizer_size=tokenizer.size)
    model.train()
    with torch.no_grad():
        model(batch_for(tokenizer))
    return model.eval()


def batch_for(tokenizer: TextTokenizer) -> Any:
    batch = random_batch(ALL_SUBSETS, seed=21)
    batch.tokens.remainder_(tokenizer.size)
    return batch


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tokenizer: TextTokenizer) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    made("mesm", tokenizer).save_pretrained(folder, tokenizer=tokenizer, prepare=PREPARE, extra=EXTRA)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


# --- what comes back


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_same_logits_bit_for_bit(name: str, tokenizer: TextTokenizer, tmp_path: Path) -> None:
    model = made(name, tokenizer)
    model.top_p = 0.37
    model.thresholds = {emotion: 0.1 * k for k, emotion in enumerate(model.settings.emotions)}
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE, extra=EXTRA)
    before = torch.random.get_rng_state()
    loaded = load_model(tmp_path / "m")
    assert torch.equal(before, torch.random.get_rng_state())  # loading draws nothing from the caller's generator
    batch = batch_for(tokenizer)
    with torch.no_grad():
        assert torch.equal(loaded.model(batch).logits, model(batch).logits)
    assert not loaded.model.training
    assert loaded.model.top_p == 0.37
    assert loaded.model.thresholds == model.thresholds
    assert loaded.prepare == PREPARE
    assert loaded.extra == EXTRA
    ids, mask = loaded.tokenizer.encode(SENTENCES, MAX_TOKENS)
    if model.text_encoder is None:  # reads no tokens: no tokenizer is saved with it
        assert ids.shape == mask.shape == (len(SENTENCES), 0)
        assert not (tmp_path / "m" / "tokenizer.json").exists()
        return
    expected_ids, expected_mask = tokenizer.encode(SENTENCES, MAX_TOKENS)
    assert torch.equal(ids, expected_ids)
    assert torch.equal(mask, expected_mask)


def test_a_pretrained_text_encoder_travels_inside(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    sizes = {"vocab_size": 70, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20}
    BertModel(BertConfig(**sizes)).save_pretrained(tmp_path / "bert")
    model = made("mesm", tokenizer, text=TextSettings(encoder=str(tmp_path / "bert"), max_tokens=MAX_TOKENS))
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE, extra={})
    shutil.rmtree(tmp_path / "bert")  # neither folder, package nor network is there when it is loaded
    loaded = load_model(str(tmp_path / "m"))
    batch = batch_for(tokenizer)
    with torch.no_grad():
        assert torch.equal(loaded.model(batch).logits, model(batch).logits)


def test_saving_is_whole_or_not_at_all(saved: Path, tokenizer: TextTokenizer, tmp_path: Path) -> None:
    model = made("fe2e", tokenizer)
    with pytest.raises(ValueError, match="JSON compliant"):
        model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE, extra={"f1": float("nan")})
    assert list(tmp_path.iterdir()) == []
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE)
    first = sha256_file(tmp_path / "m" / "hashes.json")
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE)  # a better one takes its place
    assert sha256_file(tmp_path / "m" / "hashes.json") != first
    load_model(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="not a finite number"):
        model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE)
    load_model(tmp_path / "m")


def test_what_is_no_model_is_not_overwritten(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("x")
    with pytest.raises(MesmerError, match="not empty"):
        made("fe2e", tokenizer).save_pretrained(tmp_path / "letters", tokenizer=tokenizer, prepare=PREPARE)
    assert (tmp_path / "letters" / "love.txt").read_text() == "x"


def test_saving_twice_gives_the_same_bytes(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    model = made("fe2e", tokenizer)
    for name in ("a", "b"):
        model.save_pretrained(tmp_path / name, tokenizer=tokenizer, prepare=PREPARE, extra=EXTRA)
    assert (tmp_path / "a" / "hashes.json").read_bytes() == (tmp_path / "b" / "hashes.json").read_bytes()


def test_from_pretrained(saved: Path) -> None:
    assert isinstance(EmotionModel.from_pretrained(saved), MODELS["mesm"])


def test_other_files_beside_it_do_no_harm(copy: Path) -> None:
    (copy / "README.md").write_text("a model card")
    load_model(copy)


# --- damage


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object], *, name: str = "config.json") -> None:
    """Change the description and set its hash right, as a stranger would."""
    config = json.loads((folder / name).read_text())
    change(config)
    (folder / name).write_text(json.dumps(config))
    right_hash(folder, name)


def right_hash(folder: Path, name: str) -> None:
    hashes = json.loads((folder / "hashes.json").read_text())
    hashes[name] = sha256_file(folder / name)
    (folder / "hashes.json").write_text(json.dumps(hashes))


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.file
    assert caught.value.remedy
    for word in words:
        assert word in text
    return text


FILES = ("config.json", "model.safetensors", "tokenizer.json", "hashes.json")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refused(copy, name, "missing")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "text", "folder"])
def test_a_damaged_file(copy: Path, name: str, damage: str) -> None:
    path = copy / name
    data = bytearray(path.read_bytes())
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "bit":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes({"empty": b"", "cut": bytes(data[: len(data) // 2]), "text": b"hello"}[damage])
    refused(copy)


@pytest.mark.parametrize("name", FILES[:3])
@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"[1]", b"\x80\x04K\x01.", b"[" * 100_000, b"\xff\xfe\x00"])
def test_wrong_content_under_a_right_hash(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    right_hash(copy, name)
    refused(copy, name)


def nested(depth: int) -> dict[str, Any]:
    return {"deeper": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("format"), "format"),
        (lambda c: c.update(format="other"), "format"),
        (lambda c: c.update(format_version=2), "format_version"),
        (lambda c: c.update(format_version=True), "format_version"),
        (lambda c: c.update(format_version=None), "format_version"),
        (lambda c: c.pop("model"), "model"),
        (lambda c: c["model"].update(name="resnet"), "resnet"),
        (lambda c: c["model"].update(surprise=1), "surprise"),
        (lambda c: c["model"].update(width=10**9), "model.width"),
        (lambda c: c["model"].update(width=2**17), "model.safetensors"),
        (lambda c: c["model"].update(width="wide"), "model.width"),
        (lambda c: c["model"].update(width=16), "model.safetensors"),
        (lambda c: c["model"].update(layers=10**9), "model.layers"),
        (lambda c: c["model"].update(layers=3), "missing"),
        (lambda c: c["model"].update(layers=1), "does not have"),
        (lambda c: c["model"].update(dim=10**9, heads=1), "model.dim"),
        (lambda c: c["model"].update(feature_width=10**12), "model.feature_width"),
        (lambda c: c["model"].update(emotions=["joy"] * 2), "twice"),
        (lambda c: c["model"].update(emotions=[]), "emotions"),
        (lambda c: c["model"].update(emotions=[str(k) for k in range(2000)]), "emotions"),
        (lambda c: c["model"]["text"].update(vocabulary_size=10**12), "vocabulary_size"),
        (lambda c: c["model"]["text"].update(layers=10**6), "text.layers"),
        (lambda c: c["model"]["text"].update(max_tokens=10**9), "text.max_tokens"),
        (lambda c: c["model"]["text"].update(encoder="evil/encoder"), "architecture"),
        (lambda c: c["model"]["mel"].update(num_bands=10**9), "mel.num_bands"),
        (lambda c: c["model"]["mel"].update(num_bands=100), "multiples of 16"),
        (lambda c: c["model"]["mel"].update(num_bands=256), "model.safetensors"),
        (lambda c: c["model"]["sparse"].update(top_p=1.5), "top_p"),
        (lambda c: c["model"]["sparse"].update(backend="rm -rf"), "backend"),
        (lambda c: c.update(vocabulary_size=-1), "vocabulary_size"),
        (lambda c: c.update(vocabulary_size=10**12), "vocabulary_size"),
        (lambda c: c.update(vocabulary_size=65), "model.safetensors"),
        (lambda c: c.update(vocabulary_size="many"), "vocabulary_size"),
        (lambda c: c["prepare"].update(face_margin=-1), "face_margin"),
        (lambda c: c.update(prepare=[]), "prepare"),
        (lambda c: c["thresholds"].update(anger=2), "anger"),
        (lambda c: c["thresholds"].update(anger="high"), "anger"),
        (lambda c: c["thresholds"].pop("anger"), "anger"),
        (lambda c: c["thresholds"].update(angst=0.5), "angst"),
        (lambda c: c.update(calibration=[]), "calibration"),
        (lambda c: c["calibration"].pop("anger"), "anger"),
        (lambda c: c["calibration"].update(angst={"temperature": 1, "offset": 0}), "angst"),
        (lambda c: c["calibration"]["anger"].update(temperature=0), "calibration.anger"),
        (lambda c: c["calibration"]["anger"].update(temperature="1"), "calibration.anger"),
        (lambda c: c["calibration"]["anger"].update(offset=1e300), "calibration.anger"),
        (lambda c: c["calibration"]["anger"].update(slope=1), "anger"),
        (lambda c: c["unsure_margins"].update(anger=-1), "unsure_margins.anger"),
        (lambda c: c["unsure_margins"].update(anger=10**400), "anger"),
        (lambda c: c.update(extra=None), "extra"),
        (lambda c: c.update(extra=nested(60)), "nested"),
    ],
)
def test_a_description_that_cannot_be(copy: Path, change: Callable[[dict[str, Any]], object], words: str) -> None:
    edit_config(copy, change)
    refused(copy, words)


BERT = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "vocab_size": 64, "intermediate_size": 16}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"hidden_size": 2**40}, "hidden_size"),
        ({"max_position_embeddings": 10**12}, "max_position_embeddings"),
        ({"vocab_size": 10**10}, "vocab_size"),
        ({"rope": {"layers": [1, 10**9]}}, "rope.layers"),
        ({"nested": nested(12)}, "nested"),
        ({"sizes": [[{"num_layers": 10**9}]]}, "num_layers"),
        ({"attn_implementation": "evil/kernel"}, "not a plain word"),
        ({"_attn_implementation": "evil/kernel"}, "not a plain word"),
        ({"text_config": {"_attn_implementation": "evil/kernel"}}, "not a plain word"),
        ({"evil/key": 1}, "not a plain word"),
        ({"hidden_act": "__import__('os').system('true')"}, "not a plain word"),
        ({"model_type": "no-such"}, "cannot be built"),
        ({"num_hidden_layers": 1}, "model.safetensors"),
        ({"num_hidden_layers": 200, "hidden_size": 2**17, "intermediate_size": 2**17}, "model.safetensors"),
    ],
)
def test_an_architecture_that_cannot_be(copy: Path, change: dict[str, Any], words: str) -> None:
    def put(config: dict[str, Any]) -> None:
        config["model"]["text"]["encoder"] = "some/encoder"
        config["text_architecture"] = BERT | change

    edit_config(copy, put)
    refused(copy, words)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "", ".hidden", "a" * 200])
def test_hashes_name_files_of_this_folder_only(copy: Path, name: str) -> None:
    edit_config(copy, lambda hashes: hashes.update({name: "0" * 64}), name="hashes.json")
    refused(copy, "hashes.json")


@pytest.mark.parametrize("content", [{}, {"config.json": "0"}, ["config.json"], {f"f{k}": "" for k in range(1000)}])
def test_hashes_that_cannot_be(copy: Path, content: Any) -> None:
    (copy / "hashes.json").write_text(json.dumps(content))
    refused(copy, "hashes.json")


def _drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["text_head.bias"]


def _add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["back.door"] = torch.zeros(1)


def _reshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"] = tensors["text_head.weight"].T.contiguous()


def _retype(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.bias"] = tensors["text_head.bias"].half()


def _spoil(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.bias"][0] = float("nan")


@pytest.mark.parametrize("change", [_drop, _add, _reshape, _retype, _spoil])
def test_weights_that_do_not_fit(copy: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(copy / "model.safetensors")
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    right_hash(copy, "model.safetensors")
    refused(copy, "model.safetensors", "back.door" if change is _add else "text_head")


def test_a_tokenizer_of_another_model(copy: Path, tmp_path: Path) -> None:
    larger = train_tokenizer([" ".join(SENTENCES), "quite a number of other words to be pieced together here"], 200)
    larger.save(copy)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        right_hash(copy, name)
    refused(copy, "tokenizer.json", "tokens")


@pytest.mark.parametrize("source", ["no/such", "nowhere", "/no/where", "a/b/c", "../x", ""])
def test_no_such_model(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        load_model(source)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_file_is_no_model(saved: Path) -> None:
    with pytest.raises(ModelError, match="folder"):
        load_model(saved / "config.json")


def test_mel_settings_travel(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    model = made("fe2e", tokenizer, mel=MelSettings(scale="power", normalise="none"))
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PREPARE)
    assert load_model(tmp_path / "m").model.settings == model.settings
