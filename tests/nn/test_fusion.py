from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.nn.fusion import WeightedFusion
from mesmer.nn.modality_dropout import drop_modalities

PRESENT = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=6)
RAW = st.lists(st.floats(-6, 6, width=32), min_size=3, max_size=3)


def fusion(kind: str, raw: list[float] | None = None) -> WeightedFusion:
    made = WeightedFusion(modalities=3, kind=kind)  # type: ignore[arg-type]
    if raw is not None:
        (made.raw_weights if kind == "positive" else made.free_weights).data = torch.tensor(raw)
    return made


@settings(deadline=None, max_examples=60)
@given(present=PRESENT, raw=RAW, kind=st.sampled_from(["positive", "free"]))
def test_logits_are_the_weighted_sum_over_what_is_present(
    present: list[tuple[bool, ...]], raw: list[float], kind: str
) -> None:
    made = fusion(kind, raw)
    here = torch.tensor(present)
    modality_logits = torch.randn(len(present), 3, 4)
    with torch.no_grad():
        logits, weights = made(modality_logits, here)
        spoilt = torch.where(here[..., None], modality_logits, torch.full_like(modality_logits, 1e3))
        assert torch.allclose(logits, made(spoilt, here)[0], atol=1e-6)
    assert torch.isfinite(weights).all()
    assert (weights[~here] == 0).all()
    expected = [
        [sum(float(weights[b, m] * modality_logits[b, m, label]) for m in range(3)) for label in range(4)]
        for b in range(len(present))
    ]
    assert torch.allclose(logits, torch.tensor(expected), atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(present=PRESENT, raw=RAW)
def test_positive_weights_stay_positive_and_add_up(present: list[tuple[bool, ...]], raw: list[float]) -> None:
    made = fusion("positive", raw)
    here = torch.tensor(present)
    with torch.no_grad():
        weights = made.weights(here)
    assert (weights[here] > 0).all()
    assert torch.allclose(weights.sum(1), here.sum(1).float(), atol=1e-4)  # totals start at the number present
    full = made.weights(torch.ones(1, 3, dtype=torch.bool))[0].detach()
    for b, row in enumerate(present):  # what is left keeps its proportions
        left = [m for m in range(3) if row[m]]
        for m in left[1:]:
            assert float(weights[b, m] * full[left[0]]) == pytest.approx(float(weights[b, left[0]] * full[m]), rel=1e-3)


def test_evidence_adds_up_at_the_start() -> None:
    """One modality with evidence is not drowned by two without: at the start the sum of log-odds is the answer."""
    logits = torch.tensor([[[3.0], [0.0], [0.0]]])
    for present in ([True, True, True], [True, False, True], [True, False, False]):
        assert fusion("positive")(logits, torch.tensor([present]))[0].item() == pytest.approx(3.0, abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(present=PRESENT, raw=RAW)
def test_free_weights_are_used_as_they_are(present: list[tuple[bool, ...]], raw: list[float]) -> None:
    made = fusion("free", raw)
    here = torch.tensor(present)
    with torch.no_grad():
        weights = made.weights(here)
    assert torch.equal(weights[here.all(1)], torch.tensor(raw).expand(int(here.all(1).sum()), 3))
    for b, row in enumerate(present):
        left = sum(abs(raw[m]) for m in range(3) if row[m])
        if left > 1e-3:  # the sum of absolute weights stays, and so does every sign
            assert float(weights[b].abs().sum()) == pytest.approx(sum(map(abs, raw)), rel=1e-4)
            assert all(float(weights[b, m]) * raw[m] >= 0 for m in range(3))


@settings(deadline=None, max_examples=40)
@given(present=PRESENT, probability=st.floats(0, 1), seed=st.integers(0, 1000))
def test_dropped_modalities_are_a_subset_and_one_stays(
    present: list[tuple[bool, ...]], probability: float, seed: int
) -> None:
    here = torch.tensor(present)
    torch.manual_seed(seed)
    kept = drop_modalities(here, probability)
    assert not (kept & ~here).any()
    assert torch.equal(kept.any(1), here.any(1))
    torch.manual_seed(seed)
    assert torch.equal(kept, drop_modalities(here, probability))


def test_dropping_follows_its_probability() -> None:
    torch.manual_seed(0)
    here = torch.ones(20_000, 3, dtype=torch.bool)
    assert torch.equal(drop_modalities(here, 0.0), here)
    kept = drop_modalities(here, 0.3).float().mean(0)
    rescued = 0.3**3 / 3  # all three were hidden, and this one came back
    assert torch.allclose(kept, torch.full((3,), 0.7 + rescued), atol=0.012)
    only_one = drop_modalities(here, 1.0)
    assert (only_one.sum(1) == 1).all()
    assert torch.allclose(only_one.float().mean(0), torch.full((3,), 1 / 3), atol=0.012)
