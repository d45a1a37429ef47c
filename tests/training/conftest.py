"""A tiny real model and tiny real batches whose labels can be learned from the words and the faces."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mesmer.config import ModelSettings, SparseSettings, TextSettings
from mesmer.dataset.batches import Step
from mesmer.models.base import EmotionModel
from mesmer.models.registry import build_model
from mesmer.records import Batch

EMOTIONS = ("anger", "joy")
TOKENS = 20


class ToyBatches:
    """A split of ``size`` utterances: anger shows in the words, joy in the brightness of the face."""

    def __init__(self, *, size: int, batch_size: int, seed: int, shuffle: bool = False) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = (torch.rand(size, len(EMOTIONS), generator=generator) < 0.4).float()
        self._tokens = torch.randint(5, TOKENS, (size, 6), generator=generator)
        self._tokens[:, 2] = torch.where(self.labels[:, 0] > 0, 3, 4)
        bright = 60.0 + 130.0 * self.labels[:, 1]
        noise = 20 * torch.randn(size, 3, 48, 48, generator=generator)
        self._faces = (bright[:, None, None, None] + noise).clamp(0, 255).to(torch.uint8)
        self._chunks = torch.randn(size, 1, 128, 32, generator=generator)
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self.poison: str | None = None

    def __len__(self) -> int:
        return -(-len(self.labels) // self._batch_size)

    def steps(self, number: int, *, first: int = 0) -> Iterator[Step]:
        for batch in list(self.epoch(number))[first:]:
            yield Step(parts=(batch,), utterances=len(batch))

    def epoch(self, number: int) -> Iterator[Batch]:
        size = len(self.labels)
        generator = torch.Generator().manual_seed(1000 * self._seed + number)
        order = torch.randperm(size, generator=generator) if self._shuffle else torch.arange(size)
        for rows in order.split(self._batch_size):
            ids = tuple(f"u{int(row):03d}" for row in rows)
            chunks = self._chunks[rows].clone()
            if self.poison in ids:
                chunks[ids.index(self.poison)] = float("nan")
            ones = torch.ones(len(rows), dtype=torch.int64)
            yield Batch(
                ids=ids,
                faces=self._faces[rows],
                num_faces=ones,
                chunks=chunks,
                num_chunks=ones,
                tokens=self._tokens[rows],
                token_mask=torch.ones(len(rows), 6, dtype=torch.bool),
                present=torch.ones(len(rows), 3, dtype=torch.bool),
                labels=self.labels[rows],
            )


@pytest.fixture
def toy_model() -> EmotionModel:
    torch.manual_seed(0)
    settings = ModelSettings(
        emotions=EMOTIONS,
        width=2,
        feature_width=8,
        dim=8,
        heads=2,
        layers=1,
        text=TextSettings(width=8, layers=1, heads=2, max_tokens=8, vocabulary_size=TOKENS),
        sparse=SparseSettings(top_p=0.6, warm_epochs=2, backend="masked"),
    )
    return build_model(settings, tokenizer_size=TOKENS)


@pytest.fixture
def toy_train() -> ToyBatches:
    return ToyBatches(size=40, batch_size=8, seed=1, shuffle=True)


@pytest.fixture
def toy_valid() -> ToyBatches:
    return ToyBatches(size=24, batch_size=8, seed=2)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of one label each, whose words tell it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "dataset"))
    from made_parts import made_corpus, made_parts

    from mesmer.config import PrepareSettings
    from mesmer.dataset.prepare import prepare

    folder = tmp_path_factory.mktemp("choice")
    names = ("anger", "fear", "joy")
    made: list[dict[str, Any]] = [
        {"split": split, "seconds": 0.3, "labels": {names[n % 3]: 1.0}, "text": f"so much {names[n % 3]} here {n}"}
        for split, size in (("train", 24), ("valid", 9), ("test", 9))
        for n in range(size)
    ]
    corpus = made_corpus(folder / "raw", made, emotions=names)
    prepare(corpus, folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    made[3]["labels"] = {"anger": 1.0, "joy": 0.2}
    corpus = made_corpus(folder / "odd", made, emotions=names)
    prepare(corpus, folder / "both", settings=PrepareSettings(), workers=0, parts=made_parts)
    return folder
