"""The architecture of a pre-trained text encoder: the plain values transformers builds the network from.

It is saved with a model, so it may come from a stranger. transformers takes a configuration at its word: it would build a
billion layers, and fetch and run code that a value names (an attention kernel by its id on the hub, for one). So only
plain words and bounded numbers pass, and the attention is always the built-in one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from mesmer.errors import ConfigError

MOST_PARTS = 256
"""Layers, groups, heads and other numbers of parts."""

MOST_WIDTH = 2**17
"""Widths and lengths."""

MOST_TOKENS = 2**21
"""Tokens of a vocabulary."""

_PARTS = re.compile(r"^num_|^n_|layer|group|head|expert|block|depth")
_LENGTHS = re.compile(r"size|dim|width|position|length|ctx")
_TOKENS = re.compile(r"vocab|token_id|num_tokens")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_ -]{0,64}")
_MOST_NESTED = 8

_CODE = ("attn_implementation", "auto_map")
_LABELS = ("finetuning_task", "id2label", "label2id", "problem_type", "task_specific_params")
_ORIGIN = ("architectures", "dtype", "torch_dtype", "transformers_version")
_LEFT_OUT = frozenset((*_CODE, *_LABELS, *_ORIGIN))
_BUILT_IN_ATTENTION = "eager"


def architecture_of(network: nn.Module) -> dict[str, Any]:
    """Return what :func:`build_architecture` needs to build this network of transformers again, without its weights."""
    return _without_names(cast(Any, network).config)


def build_architecture(architecture: Mapping[str, Any]) -> nn.Module:
    """Build a network of transformers with random weights.

    Raises:
        ConfigError: the architecture is beyond the bounds, or transformers cannot build it.
    """
    from transformers import AutoConfig, AutoModel

    check_architecture(architecture)
    values = {key: value for key, value in architecture.items() if key not in _LEFT_OUT and key != "model_type"}
    try:
        config = AutoConfig.for_model(architecture.get("model_type"), **values)
        return AutoModel.from_config(
            config, trust_remote_code=False, attn_implementation=_BUILT_IN_ATTENTION, dtype=torch.float32
        )
    except Exception as error:  # transformers raises whatever its hundreds of configurations happen to raise
        message = f"the text encoder's architecture cannot be built ({type(error).__name__})"
        raise ConfigError(message, field="text_architecture") from error


def load_network(source: str | Path) -> nn.Module:
    """Load a network of transformers, weights in safetensors, from a folder or the Hugging Face hub.

    Raises:
        ConfigError: no such folder or id, no safetensors, or an architecture that could not be saved and built again.
    """
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        check_architecture(_without_names(config))
        return AutoModel.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=_BUILT_IN_ATTENTION,
            dtype=torch.float32,
        )
    except ConfigError:
        raise
    except Exception as error:  # no network, no such id, pickled weights, code asked for: one answer for the user
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ConfigError(
            f"text encoder '{source}' cannot be loaded: {reason}",
            field="text.encoder",
            remedy="give a Hugging Face id whose weights are safetensors, a local folder, 'minilm' or 'small'",
        ) from error


def check_architecture(values: Any, *, path: str = "text_architecture", depth: int = 0) -> None:
    """Refuse words that are not plain and numbers beyond the bounds, at any depth.

    Raises:
        ConfigError: which value.
    """
    if depth > _MOST_NESTED:
        raise ConfigError("the architecture is nested too deep", field=path)
    key = path.rpartition(".")[2]
    if isinstance(values, Mapping):
        for name, value in values.items():
            if not _PLAIN_WORD.fullmatch(str(name)):
                raise ConfigError(f"{str(name)[:80]!r} is not a plain word", field=path)
            check_architecture(value, path=f"{path}.{name}", depth=depth + 1)
    elif isinstance(values, (list, tuple)):
        for value in values:
            check_architecture(value, path=path, depth=depth + 1)
    elif isinstance(values, str):
        if not _PLAIN_WORD.fullmatch(values):
            raise ConfigError(f"{values[:80]!r} is not a plain word", field=path)
    elif isinstance(values, bool) or values is None:
        return
    elif isinstance(values, int):
        if abs(values) > _bound(key):
            raise ConfigError(f"{values} is beyond the bound of {_bound(key)}", field=path)
    elif not isinstance(values, float) or not math.isfinite(values):
        raise ConfigError(f"{str(values)[:80]!r} is not a plain value", field=path)


def _without_names(config: Any) -> dict[str, Any]:
    """The configuration as plain values, without paths, labels, versions and references to code."""
    values: dict[str, Any] = config.to_dict()
    return {key: value for key, value in values.items() if key not in _LEFT_OUT and not key.startswith("_")}


def _bound(key: str) -> int:
    if _TOKENS.search(key):
        return MOST_TOKENS
    return MOST_PARTS if _PARTS.search(key) and not _LENGTHS.search(key) else MOST_WIDTH
