"""Small models and batches for the tests of models and of their laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch

from mesmer.baseline_settings import BaselineSettings
from mesmer.config import FeatureSettings, MelSettings, ModelSettings, SparseSettings, TextSettings
from mesmer.models import EmotionModel, build_model
from mesmer.models.registry import ON_FEATURES
from mesmer.records import MODALITIES, Batch, FeatureSequence

VOCABULARY = 60
MAX_TOKENS = 16
FEATURES = FeatureSettings(text_width=10)

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
        features=FEATURES if name in ON_FEATURES else None,
        baseline=BaselineSettings(text_lstm=9, audio_lstm=8, visual_lstm=7, lstm_layers=2, memory_layers=2),
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
    """Utterances of random faces, chunks, tokens and features; steps are left out where a modality is absent.

    Features come at rates of their own: a step for each token but two, two for each chunk, one for each face.
    """
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
    tokens_drawn = torch.randint(4, VOCABULARY, mask.shape, generator=draw) * mask
    labels = (torch.rand(size, 6, generator=draw) < 0.3).float()
    steps = {"text": [n - 2 for n in lengths], "audio": [2 * n for n in num_chunks], "visual": num_faces}
    features = {
        name: FeatureSequence(
            values=torch.randn(sum(steps[name]), FEATURES.widths[name], generator=draw), lengths=torch.tensor(steps[name])
        )
        for name in MODALITIES
    }
    return Batch(
        ids=tuple(f"u{k}" for k in range(size)),
        faces=torch.nn.functional.interpolate(faces_small, (48, 48), mode="bilinear").to(torch.uint8),
        num_faces=torch.tensor(num_faces),
        chunks=torch.nn.functional.interpolate(chunks_small, (128, 32), mode="bilinear"),
        num_chunks=torch.tensor(num_chunks),
        tokens=tokens_drawn,
        token_mask=mask,
        present=torch.tensor(present),
        labels=labels,
        features=features,
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
        features=None if batch.features is None else {name: _pick(part, rows) for name, part in batch.features.items()},
    )


def _pick(sequence: FeatureSequence, rows: list[int]) -> FeatureSequence:
    parts = sequence.values.split(sequence.lengths.tolist())
    return FeatureSequence(values=torch.cat([parts[k] for k in rows]), lengths=sequence.lengths[rows])
