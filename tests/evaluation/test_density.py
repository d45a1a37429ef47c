"""The measured density of the sparse blocks, against a count over single utterances."""

from __future__ import annotations

import pytest
import torch

from mesmer.config import ModelSettings, SparseSettings, TextSettings
from mesmer.evaluation.density import measure_density
from mesmer.models import EmotionModel, build_model
from mesmer.records import Batch


def small_model(sparse: SparseSettings, name: str = "mesm") -> EmotionModel:
    torch.manual_seed(0)
    text = TextSettings(vocabulary_size=20, width=8, layers=1, heads=2, max_tokens=8)
    settings = ModelSettings(
        name=name, width=4, feature_width=8, dim=8, heads=2, layers=1, text=text, sparse=sparse, modality_dropout=0.0
    )
    return build_model(settings, tokenizer_size=20)


def faces_of(counts: list[int], *, seed: int) -> Batch:
    """Utterances with pictures only."""
    draw = torch.Generator().manual_seed(seed)
    utterances = len(counts)
    return Batch(
        ids=tuple(str(number) for number in range(utterances)),
        tokens=torch.zeros(utterances, 2, dtype=torch.int64),
        token_mask=torch.ones(utterances, 2, dtype=torch.bool),
        faces=torch.randint(0, 256, (sum(counts), 3, 48, 48), generator=draw, dtype=torch.uint8),
        num_faces=torch.tensor(counts),
        chunks=torch.zeros(0, 1, 128, 32),
        num_chunks=torch.zeros(utterances, dtype=torch.int64),
        present=torch.tensor([[False, False, True]] * utterances),
        labels=None,
    )


@pytest.mark.parametrize("choosing", [1, 3])
def test_density_is_the_mean_over_all_maps(choosing: int) -> None:
    model = small_model(SparseSettings(top_p=0.5, choosing_blocks=choosing))  # type: ignore[arg-type]
    batches = [faces_of([1, 3], seed=1), faces_of([2], seed=2)]
    model.train()
    found = measure_density(model=model, batches=batches)
    assert model.training
    model.eval()
    traces = [model(batch, traces=True).traces for batch in batches]
    expected = tuple(float(torch.cat([t["visual", block].kept for t in traces]).double().mean()) for block in range(3))
    assert set(found) == {"visual"}
    assert found["visual"] == pytest.approx(expected)
    assert 0.2 < found["visual"][0] < 0.6
    model.top_p = 1.0
    assert measure_density(model=model, batches=batches) == {"visual": (1.0, 1.0, 1.0)}


def test_a_dense_model_has_none() -> None:
    assert measure_density(model=small_model(SparseSettings(), "fe2e"), batches=[faces_of([1], seed=1)]) == {}
