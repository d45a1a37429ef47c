"""Text encoders: tokens become one vector, the state at [CLS] (paper section 4.2), also the query of the sparse blocks.

Two kinds share one face, ``encoder(tokens, mask) -> state`` with ``encoder.width``: a small Transformer of our own, and any
encoder that Hugging Face transformers knows. Weights are read from safetensors only, and no code of a model is ever run.

Shape letters: B utterances, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from mesmer.config import TextSettings
from mesmer.errors import ConfigError, DependencyError, ModelError
from mesmer.nn.text_architecture import architecture_of, build_architecture, load_network
from mesmer.nn.transformer import Norm, Transformer

_EMBEDDING_DEVIATION = 0.02


class TextEncoder(nn.Module):
    """The common face of the text encoders.

    Attributes:
        width: D of the state.
        vocabulary_size: token ids lie below it.
        max_tokens: sequences are at most so long.
        frozen: the weights stay as they are, and dropout stays off in training.
        held: the same, for a while.
        architecture: what :func:`build_text_encoder` needs to build the same network without its weights; None where the
            settings say everything.
    """

    def __init__(self, *, width: int, vocabulary_size: int, max_tokens: int, frozen: bool) -> None:
        super().__init__()
        self.width = width
        self.vocabulary_size = vocabulary_size
        self.max_tokens = max_tokens
        self.frozen = frozen
        self.held = False

    @property
    def architecture(self) -> dict[str, Any] | None:
        return None

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the state float32 (B, D) at the first token. tokens: int64 (B, T), mask: bool (B, T), True at real ones.

        Raises:
            ModelError: the tokens are not of this encoder's vocabulary, or too many.
        """
        if tokens.shape[1] > self.max_tokens:
            raise ModelError(f"{tokens.shape[1]} tokens are more than the text encoder's {self.max_tokens}", field="tokens")
        low, high = (int(bound) for bound in tokens.aminmax())
        if low < 0 or high >= self.vocabulary_size:
            raise ModelError(
                f"token ids {low}..{high} are outside the vocabulary of {self.vocabulary_size}",
                field="tokens",
                remedy="use the tokenizer that was saved with the model",
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not (self.frozen or self.held)):
            return self.encode(tokens, mask)

    def encode(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the state (B, D); tokens and mask are known to fit."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> TextEncoder:
        return super().train(mode and not (self.frozen or self.held))

    def freeze_if_asked(self) -> None:
        """Take the weights out of training where ``frozen``."""
        if self.frozen:
            self.requires_grad_(False).eval()


class SmallTextEncoder(TextEncoder):
    """Token and position embeddings and a small Transformer, trained from scratch with the rest of the model.

    With ``settings.pooling`` = ``sum`` the state is the sum of the outputs at all real tokens over the root of their count:
    every word speaks for itself from the first step on, which is how a few hundred sentences are learnt from. ``cls`` takes
    the output at [CLS] alone, as a pre-trained encoder does. With ``settings.positions`` = ``none`` the order of the words
    is invisible: from few sentences an order is learnt by heart, not understood.
    """

    def __init__(self, *, settings: TextSettings, vocabulary_size: int, norm: Norm) -> None:
        super().__init__(
            width=settings.width,
            vocabulary_size=vocabulary_size,
            max_tokens=settings.max_tokens,
            frozen=settings.frozen,
        )
        self.token_embedding = nn.Embedding(vocabulary_size, settings.width)
        nn.init.normal_(self.token_embedding.weight, std=_EMBEDDING_DEVIATION)
        self.position_embedding: nn.Embedding | None = None
        if settings.positions == "learned":
            self.position_embedding = nn.Embedding(settings.max_tokens, settings.width)
            nn.init.normal_(self.position_embedding.weight, std=_EMBEDDING_DEVIATION)
        self.pooling = settings.pooling
        self.dropout = nn.Dropout(settings.dropout)
        self.transformer = Transformer(
            dim=settings.width, heads=settings.heads, layers=settings.layers, dropout=settings.dropout, norm=norm
        )
        self.freeze_if_asked()

    def encode(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.token_embedding(tokens)
        if self.position_embedding is not None:
            x = x + self.position_embedding(torch.arange(tokens.shape[1], device=tokens.device))
        states = self.transformer(self.dropout(x), mask)
        if self.pooling == "cls":
            return states[:, 0]
        real = mask[..., None].to(states.dtype)
        return (states * real).sum(1) / real.sum(1).sqrt()


class PretrainedTextEncoder(TextEncoder):
    """An encoder of Hugging Face transformers; the pooler, which nothing here uses, is taken off."""

    def __init__(self, *, network: nn.Module, settings: TextSettings) -> None:
        config = cast(Any, network).config
        longest = getattr(config, "max_position_embeddings", settings.max_tokens)
        # RoBERTa and its kin number positions from the padding id on: two of their positions can never be used.
        longest -= 2 if "roberta" in config.model_type else 0
        if settings.max_tokens > longest:
            raise ConfigError(
                f"max_tokens {settings.max_tokens} is more than the encoder's {longest}",
                field="text.max_tokens",
                remedy=f"use at most {longest}",
            )
        super().__init__(
            width=config.hidden_size,
            vocabulary_size=config.vocab_size,
            max_tokens=settings.max_tokens,
            frozen=settings.frozen,
        )
        if getattr(network, "pooler", None) is not None:
            cast(Any, network).pooler = None
        self.network = network
        self.freeze_if_asked()

    @property
    def architecture(self) -> dict[str, Any]:
        return architecture_of(self.network)

    def encode(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.network(input_ids=tokens, attention_mask=mask.long()).last_hidden_state[:, 0]


def build_text_encoder(
    settings: TextSettings,
    *,
    tokenizer_size: int | None = None,
    architecture: Mapping[str, Any] | None = None,
    norm: Norm = "pre",
) -> TextEncoder:
    """Build the text encoder that ``settings.encoder`` names.

    Args:
        tokenizer_size: number of token ids of the tokenizer; None takes ``settings.vocabulary_size`` for the small encoder.
        architecture: of a pre-trained encoder whose weights come later (see :attr:`TextEncoder.architecture`); then
            neither network nor package is needed.
        norm: of the small encoder's Transformer.

    Raises:
        ConfigError: the encoder cannot be found or read, or does not fit the tokenizer or the settings.
        DependencyError: ``minilm`` is asked for and not installed.
    """
    if settings.encoder == "small":
        return SmallTextEncoder(settings=settings, vocabulary_size=tokenizer_size or settings.vocabulary_size, norm=norm)
    network = build_architecture(architecture) if architecture is not None else _from_weights(settings.encoder)
    config = cast(Any, network).config
    if not all(isinstance(getattr(config, key, None), int) for key in ("hidden_size", "vocab_size")):
        raise ConfigError(f"'{settings.encoder}' is not a plain text encoder", field="text.encoder")
    if tokenizer_size is not None and tokenizer_size > config.vocab_size:
        raise ConfigError(
            f"the tokenizer has {tokenizer_size} tokens, the text encoder only {config.vocab_size}", field="text.encoder"
        )
    return PretrainedTextEncoder(network=network, settings=settings)


def _from_weights(encoder: str) -> nn.Module:
    """Load the network from the MiniLM package, a local folder or the Hugging Face hub."""
    if encoder != "minilm":
        return load_network(encoder)
    from mesmer.signals.text import MINILM_COMMAND, minilm_folder

    folder = minilm_folder()
    if folder is None:
        raise DependencyError("the packaged MiniLM is not installed", field="text.encoder", remedy=MINILM_COMMAND)
    return load_network(folder)
