"""Loading a saved model. The folder may come from a stranger or a broken disk: every fault ends in one ModelError.

The order is the defence: hashes, then the description with its bounds, then the network *on paper* (torch's meta device:
shapes without memory) against the tensors of the file, and only then the network itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from mesmer.config import ModelSettings, PrepareSettings
from mesmer.config_dict import from_dict
from mesmer.emotions import check_label_set
from mesmer.errors import MesmerError, ModelError
from mesmer.models.base import EmotionModel
from mesmer.models.half import Precision, widened
from mesmer.models.registry import build_model, reads_tokens
from mesmer.models.saving import CONFIG_FILE, FORMAT, FORMAT_VERSION, HASHES_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from mesmer.models.size_check import check_sizes
from mesmer.nn.text_architecture import MOST_TOKENS, check_architecture
from mesmer.signals.handcrafted.resources import WORDS_FILE, FeatureResources, load_resources
from mesmer.signals.text import NoTokens, TextTokenizer, load_tokenizer
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json
from mesmer.storage.weights import load_tensors

MOST_CONFIG_BYTES = 4 * 2**20
MOST_FILES = 64
REMEDY = "save the model again, or fetch it again"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FETCHED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.md")


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model, in evaluation mode, with all that prediction needs.

    Attributes:
        model: the network, with its thresholds.
        tokenizer: makes its tokens; :class:`~mesmer.signals.text.NoTokens` where it reads none.
        prepare: how media must be prepared for it.
        extra: what else was saved with it.
        folder: where it was loaded from.
    """

    model: EmotionModel
    tokenizer: TextTokenizer
    prepare: PrepareSettings
    extra: Mapping[str, Any]
    folder: Path

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Names of the corpora that the model says it was trained on; none where it says nothing."""
        told = self.extra.get("trained_on")
        return tuple(map(str, told)) if isinstance(told, list) else ()

    def feature_resources(self) -> FeatureResources:
        """Return what the model's hand-crafted features of a raw clip are made with.

        Raises:
            ModelError: it reads no such features, or was saved without what makes them, or GloVe's file is not at hand.
        """
        settings = self.model.settings.features
        if settings is None:
            raise ModelError("the model reads no hand-crafted features", file=self.folder)
        if not (self.folder / WORDS_FILE).is_file():
            raise ModelError(
                "the word vectors were not saved with the model", file=self.folder / WORDS_FILE, remedy="train it again"
            )
        with _blamed_on(self.folder):
            return load_resources(settings, self.folder)


def load_model(source: str | Path) -> LoadedModel:
    """Load a model that :func:`mesmer.models.saving.save_model` wrote.

    Args:
        source: a folder, or the id of a model on the Hugging Face hub (``owner/name``).

    Raises:
        ModelError: no such model; or a file is missing, damaged, of another version, or asks for what cannot be; the
            message names the file and the remedy.
    """
    folder = _folder(source)
    hashed = _check_hashes(folder)
    config_file = folder / CONFIG_FILE
    with _blamed_on(config_file):
        config = _read_config(config_file)
        settings, prepare = _settings(config)
        precision = config.get("precision", "fp32")  # models saved before there was a choice have full precision
        if precision not in get_args(Precision):
            raise ModelError(f"{precision!r} is no precision of weights", field="precision")
        vocabulary_size, architecture = _text_facts(config) if reads_tokens(settings) else (None, None)
    with _blamed_on(folder / WEIGHTS_FILE):
        tensors = load_tensors(folder / WEIGHTS_FILE)
    with _blamed_on(config_file), torch.device("meta"):
        on_paper = build_model(settings, tokenizer_size=vocabulary_size, text_architecture=architecture)
    _check_tensors(folder / WEIGHTS_FILE, tensors, on_paper.state_dict(), halves=precision == "fp16")
    with torch.random.fork_rng(devices=[]):  # the fresh weights are overwritten; the caller's draws shall not notice
        model = build_model(settings, tokenizer_size=vocabulary_size, text_architecture=architecture)
    model.load_state_dict(widened(tensors))
    with _blamed_on(config_file):
        model.thresholds = _mapping(config, "thresholds")
        if "calibration" in config:  # models saved before there was one are taken as they are
            model.calibration = _mapping(config, "calibration")
        if "unsure_margins" in config:
            model.unsure_margins = _mapping(config, "unsure_margins")
        extra = _mapping(config, "extra")
    if not reads_tokens(settings):
        return LoadedModel(model=model.eval(), tokenizer=NoTokens(), prepare=prepare, extra=extra, folder=folder)
    with _blamed_on(folder / TOKENIZER_FILE):
        if TOKENIZER_FILE not in hashed:
            raise ModelError("the hash of this file is missing", field=HASHES_FILE)
        tokenizer = load_tokenizer(str(folder))
        if vocabulary_size is not None and tokenizer.size > vocabulary_size:
            raise ModelError(f"the tokenizer has {tokenizer.size} tokens, the model {vocabulary_size}")
    return LoadedModel(model=model.eval(), tokenizer=tokenizer, prepare=prepare, extra=extra, folder=folder)


@contextmanager
def _blamed_on(file: Path) -> Iterator[None]:
    """Turn what is wrong into a ModelError that names this file."""
    try:
        yield
    except MesmerError as error:
        remedy = error.remedy or REMEDY
        raise ModelError(error.message, file=error.file or file, field=error.field, remedy=remedy) from error


def _folder(source: str | Path) -> Path:
    folder = Path(source)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelError("this is a file; a saved model is a folder", file=folder, remedy="give the folder")
    if not isinstance(source, str) or not _HUB_ID.fullmatch(source):
        raise ModelError(
            "there is no such folder",
            file=folder,
            remedy="give a model's folder, a name that `mesmer models` lists, or a hub id",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=list(_FETCHED)))
    except Exception as error:  # offline, unknown, private, cut off: each library version has its own kinds
        raise ModelError(
            f"neither a folder nor a model that can be fetched from the Hugging Face hub ({type(error).__name__})",
            file=source,
            remedy="check the path, or the id and the network",
        ) from error


def _check_hashes(folder: Path) -> frozenset[str]:
    """Return the names of the files whose hashes were found right."""
    file = folder / HASHES_FILE
    with _blamed_on(file):
        if not file.is_file():
            raise ModelError("the file is missing: this is not a saved model, or not all of one")
        hashes = read_json(file, max_bytes=MOST_CONFIG_BYTES, error=ModelError)
        if not isinstance(hashes, dict) or len(hashes) > MOST_FILES:
            raise ModelError("a mapping of file names to hashes is expected")
        for name in (CONFIG_FILE, WEIGHTS_FILE, *hashes):
            if not _PLAIN_NAME.fullmatch(name) or name not in hashes:
                raise ModelError("the hash of this file is missing" if name not in hashes else "no plain name", field=name)
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise ModelError("the file is missing", file=folder / name, remedy=REMEDY)
        if sha256_file(folder / name, error=ModelError) != expected:
            raise ModelError(f"not the file that was saved: {HASHES_FILE} differs", file=folder / name, remedy=REMEDY)
    return frozenset(hashes)


def _read_config(file: Path) -> dict[str, Any]:
    config = read_json(file, max_bytes=MOST_CONFIG_BYTES, error=ModelError)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelError(f"not a description of a MESMER model: format is not '{FORMAT}'", field="format")
    version = config.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ModelError(
            f"format version {version!r} is not {FORMAT_VERSION}; saved by MESMER {config.get('library_version')!r}",
            field="format_version",
            remedy="install the MESMER that saved it, or a newer one",
        )
    return config


def _settings(config: dict[str, Any]) -> tuple[ModelSettings, PrepareSettings]:
    settings: ModelSettings = from_dict(ModelSettings, _mapping(config, "model"), path="model")
    check_label_set(settings.emotions)
    check_sizes(settings)
    return settings, from_dict(PrepareSettings, _mapping(config, "prepare"), path="prepare")


def _text_facts(config: dict[str, Any]) -> tuple[int | None, dict[str, Any] | None]:
    size = config.get("vocabulary_size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MOST_TOKENS):
        raise ModelError(f"{size!r} is not a number of tokens from 1 to {MOST_TOKENS}", field="vocabulary_size")
    encoder = config["model"].get("text", {}).get("encoder", "small")
    if config.get("text_architecture") is None:
        if encoder != "small":  # without it the encoder would be fetched by name, from wherever that leads
            raise ModelError("the text encoder's architecture is missing", field="text_architecture")
        return size, None
    architecture = _mapping(config, "text_architecture")
    check_architecture(architecture)
    return size, architecture


def _mapping(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    if not isinstance(value, dict):
        raise ModelError("a mapping is expected here", field=key)
    return value


def _check_tensors(file: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, halves: bool) -> None:
    """Refuse tensors that are not the model's. With ``halves`` float16 may stand where it has float32."""
    for name in sorted(found.keys() ^ expected.keys()):
        message = "a weight is missing" if name in expected else "a weight that the model does not have"
        raise ModelError(message, file=file, field=name, remedy=REMEDY)
    for name, tensor in expected.items():
        here = found[name]
        halved = halves and here.dtype == torch.float16 and tensor.dtype == torch.float32
        if here.shape != tensor.shape or not (halved or here.dtype == tensor.dtype):
            message = f"{here.dtype} {tuple(here.shape)} where the model has {tensor.dtype} {tuple(tensor.shape)}"
            raise ModelError(message, file=file, field=name, remedy=REMEDY)
        if not bool(torch.isfinite(here).all()):
            raise ModelError("a weight is not a finite number", file=file, field=name, remedy=REMEDY)
