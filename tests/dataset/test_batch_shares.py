"""Steps cut into parts and shares: together the batch that one process reads, none twice, none left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_parts import made_corpus, made_parts

from mesmer.config import MelSettings, PrepareSettings
from mesmer.dataset.loading import BatchLoader, PreparedDataset, PreparedSplit
from mesmer.dataset.prepare import prepare
from mesmer.signals.text import TextTokenizer, train_tokenizer


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> PreparedSplit:
    folder = tmp_path_factory.mktemp("shares")
    corpus = made_corpus(folder / "raw", [{"split": "train", "seconds": 0.4}] * 11)
    prepare(corpus, folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return PreparedDataset.open(Path(folder / "out")).split("train")


@pytest.fixture(scope="module")
def tokenizer(split: PreparedSplit) -> TextTokenizer:
    return train_tokenizer(split.texts, 100)


@settings(max_examples=30, deadline=None)
@given(batch_size=st.integers(1, 12), parts=st.integers(1, 4), shares=st.integers(1, 4), first=st.integers(0, 3))
def test_parts_and_shares_make_up_the_batch(
    split: PreparedSplit, tokenizer: TextTokenizer, batch_size: int, parts: int, shares: int, first: int
) -> None:
    options: dict[str, Any] = {"tokenizer": tokenizer, "mel": MelSettings(), "max_tokens": 8, "shuffle": True, "seed": 3}
    whole = [batch.ids for batch in BatchLoader(split, batch_size=batch_size, **options).epoch(2, first=first)]
    loaders = [
        BatchLoader(split, batch_size=batch_size, parts=parts, share=share, shares=shares, **options)
        for share in range(shares)
    ]
    steps = list(zip(*(loader.steps(2, first=first) for loader in loaders), strict=True))
    assert len(steps) == len(whole) == max(0, len(loaders[0]) - first)
    for of_all, expected in zip(steps, whole, strict=True):
        assert {step.utterances for step in of_all} == {len(expected)}
        assert {len(step.parts) for step in of_all} == {parts}
        ids = [step.parts[part].ids if step.parts[part] else () for part in range(parts) for step in of_all]
        assert tuple(name for some in ids for name in some) == expected
        sizes = [len(some) for some in ids]
        assert max(sizes) - min(sizes) <= 2  # even in parts, and each part even in shares
        for step in of_all:
            assert all(batch is None or len(batch) for batch in step.parts)
