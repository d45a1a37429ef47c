"""Small models and batches for the tests of models and of their laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch

from mesmer.config import MelSettings, ModelSettings, SparseSettings, TextSettings
from mesmer.models import EmotionModel, build_model
from mesmer.records import Batch

VOCABULARY = 60
MAX_TOKENS = 16

ALL_SUBSETS = tuple(subset for subset in product((True, False), repeat=3) if any(subset))
"""The seven ways in which modalities can be present (text, audio, visual)."""


def small_settings(name: str, *, sparse: SparseSettings | None = None, **changes: object) -> ModelSettings:
    settings = ModelSettings(
        name=name,
        width=8,
        feature_width=24,
        dim=16,
        heads=2,
        layers=2,
        text=TextSettings(max_tokens=MAX_TOKENS, vocabulary_size=VOCABULARY, width=16, layers=1, heads=2),
        mel=MelSettings(),
        sparse=sparse or SparseSettings(),
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def small_model(name: str, *, seed: int = 0, warm: bool = True, **changes: object) -> EmotionModel:
    """A model in evaluation mode. ``warm``: its batch norm statistics have seen a batch, as a trained model's have."""
    torch.manual_seed(seed)
    model = build_model(small_settings(name, **changes), tokenizer_size=VOCABULARY)  # type: ignore[arg-type]
    if warm:
        model.train()
        for step in range(3):
            with torch.no_grad():
                model(random_batch(ALL_SUBSETS, seed=100 + step))
    return model.eval()


def random_batch(
    present: Sequence[tuple[bool, bool, bool]],
    *,
    faces: Sequence[int] | None = None,
    chunks: Sequence[int] | None = None,
    tokens: Sequence[int] | None = None,
    seed: int = 0,
) -> Batch:
    """Utterances of random faces, chunks and tokens; steps are left out where a modality is absent."""
    draw = torch.Generator().manual_seed(seed)
    size = len(present)

    def numbers(given: Sequence[int] | None, low: int, high: int) -> list[int]:
        return list(given) if given is not None else torch.randint(low, high, (size,), generator=draw).tolist()

    num_faces = [n if here[2] else 0 for n, here in zip(numbers(faces, 1, 5), present, strict=True)]
    num_chunks = [n if here[1] else 0 for n, here in zip(numbers(chunks, 1, 5), present, strict=True)]
    lengths = [n if here[0] else 2 for n, here in zip(numbers(tokens, 3, MAX_TOKENS + 1), present, strict=True)]
    mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
    # Smooth pictures and spectrograms: attention over pure noise would be no test of where it looks.
    faces_small = torch.rand(sum(num_faces), 3, 6, 6, generator=draw) * 255
    chunks_small = torch.randn(sum(num_chunks), 1, 16, 4, generator=draw)
    return Batch(
        ids=tuple(f"u{k}" for k in range(size)),
        faces=torch.nn.functional.interpolate(faces_small, (48, 48), mode="bilinear").to(torch.uint8),
        num_faces=torch.tensor(num_faces),
        chunks=torch.nn.functional.interpolate(chunks_small, (128, 32), mode="bilinear"),
        num_chunks=torch.tensor(num_chunks),
        tokens=torch.randint(4, VOCABULARY, mask.shape, generator=draw) * mask,
        token_mask=mask,
        present=torch.tensor(present),
        labels=(torch.rand(size, 6, generator=draw) < 0.3).float(),
    )


def pick(batch: Batch, order: Sequence[int], *, extra_padding: int = 0) -> Batch:
    """The utterances ``order`` of a batch as a batch of their own."""
    face_parts = batch.faces.split(batch.num_faces.tolist())
    chunk_parts = batch.chunks.split(batch.num_chunks.tolist())
    rows = list(order)
    return Batch(
        ids=tuple(batch.ids[k] for k in rows),
        faces=torch.cat([face_parts[k] for k in rows]),
        num_faces=batch.num_faces[rows],
        chunks=torch.cat([chunk_parts[k] for k in rows]),
        num_chunks=batch.num_chunks[rows],
        tokens=torch.nn.functional.pad(batch.tokens[rows], (0, extra_padding)),
        token_mask=torch.nn.functional.pad(batch.token_mask[rows], (0, extra_padding)),
        present=batch.present[rows],
        labels=None if batch.labels is None else batch.labels[rows],
    )
