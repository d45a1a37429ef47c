"""A tokenizer's files, from a folder or from the Hugging Face hub: bounded in size, never run as code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from mesmer.errors import ModelError
from mesmer.storage.reading import read_bytes, read_json

TOKENIZER_FILE, CONFIG_FILE, SPECIAL_FILE = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
VOCABULARY_FILES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model")
"""What a folder without ``tokenizer.json`` may hold instead."""
MAX_VOCABULARY_BYTES = 64 * 2**20
MAX_CONFIG_BYTES = 4 * 2**20

# Names in use for a kind of token, for tokenizers that do not say which is theirs.
_USUAL_NAMES = {"cls": ("[CLS]", "<s>"), "sep": ("[SEP]", "</s>"), "pad": ("[PAD]", "<pad>"), "unk": ("[UNK]", "<unk>"),
                "mask": ("[MASK]", "<mask>")}  # fmt: skip
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def downloaded(source: str, *, offline: bool) -> Path:
    """Return the folder of a Hugging Face id's tokenizer, downloading it if need be.

    Raises:
        ModelError: this is no id, there is none of that name, or it is not here and the network cannot be used.
    """
    if not _HUB_ID.fullmatch(source):
        raise ModelError(
            f"there is no folder '{source}'", field="encoder", remedy="give a folder, 'minilm' or a Hugging Face id"
        )
    from huggingface_hub import snapshot_download

    wanted = [TOKENIZER_FILE, CONFIG_FILE, SPECIAL_FILE, "config.json", *VOCABULARY_FILES]
    # Looking among what is here first spares the network a question whenever the answer is known.
    for local in (True,) if offline else (True, False):
        try:
            folder = Path(snapshot_download(source, allow_patterns=wanted, local_files_only=local))
        except Exception as problem:  # the hub's client raises its own, its transport's and the system's errors
            reason = type(problem).__name__
        else:
            if any((folder / name).is_file() for name in (TOKENIZER_FILE, *VOCABULARY_FILES)):
                return folder
            reason = "no tokenizer among its files"
    raise ModelError(
        f"the tokenizer of '{source}' is neither a folder, nor downloaded, nor to be had from the network ({reason})",
        field="encoder",
        remedy="go online once, check the name, give a local folder, or use 'small' or 'minilm'",
    )


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder, from its ``tokenizer.json`` or, without one, from its vocabulary.

    Raises:
        ModelError: it holds neither, or they are damaged or too large.
    """
    path = folder / TOKENIZER_FILE
    if path.is_file():
        data = read_bytes(path, max_bytes=MAX_VOCABULARY_BYTES, error=ModelError)
        return _parsed(lambda: Tokenizer.from_buffer(data), path)
    held = [folder / name for name in VOCABULARY_FILES if (folder / name).is_file()]
    if not held:
        raise ModelError(f"this folder holds no tokenizer ({TOKENIZER_FILE})", file=folder, field="encoder")
    for vocabulary in held:
        if vocabulary.stat().st_size > MAX_VOCABULARY_BYTES:
            raise ModelError(f"the file is larger than {MAX_VOCABULARY_BYTES} bytes", file=vocabulary)
    for name in (CONFIG_FILE, SPECIAL_FILE, "config.json"):
        _read_object(folder / name)
    from transformers import AutoTokenizer

    return _parsed(
        lambda: (
            AutoTokenizer.from_pretrained(
                folder, use_fast=True, trust_remote_code=False, local_files_only=True
            ).backend_tokenizer
        ),
        folder,
    )


def read_special_names(folder: Path, backend: Tokenizer) -> dict[str, str]:
    """Return kind -> name of the special tokens: as the folder's files say, else the usual name that it knows.

    Raises:
        ModelError: the files are damaged or too large.
    """
    said = {**_read_object(folder / SPECIAL_FILE), **_read_object(folder / CONFIG_FILE)}
    names: dict[str, str] = {}
    for kind, usual in _USUAL_NAMES.items():
        value = said.get(f"{kind}_token")
        value = value.get("content") if isinstance(value, dict) else value
        for name in (value, *usual):
            if isinstance(name, str) and backend.token_to_id(name) is not None:
                names[kind] = name
                break
    return names


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, empty where there is no such file."""
    if not path.is_file():
        return {}
    value = read_json(path, max_bytes=MAX_CONFIG_BYTES, error=ModelError)
    if not isinstance(value, dict):
        raise ModelError("a JSON object is expected here", file=path)
    return value


def _parsed(make: Any, path: Path) -> Tokenizer:
    """Return what ``make`` returns; a damaged file is one clear error, whichever way the parser fails."""
    try:
        return make()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as problem:  # a panic of the tokenizers library is no Exception
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:160]
        raise ModelError(
            f"this is not a tokenizer that can be read: {reason}", file=path, remedy="copy or download it again"
        ) from None
