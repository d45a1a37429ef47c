"""Plans over steps and epochs: where they start, where they end, and that they never turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.config import TrainSettings
from mesmer.training.schedule import rate_factor, warm_top_p


@given(total=st.integers(1, 400), share=st.floats(0, 1), kind=st.sampled_from(["constant", "cosine"]))
def test_the_rate_rises_once_and_then_never_rises(total: int, share: float, kind: str) -> None:
    plan = TrainSettings(warmup_share=share, schedule=kind)  # type: ignore[arg-type]
    factors = [rate_factor(step, total_steps=total, settings=plan) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[0] > 0


def test_the_rate_without_plans_is_the_papers() -> None:
    assert {rate_factor(step, total_steps=50, settings=TrainSettings()) for step in range(50)} == {1.0}
    cosine = TrainSettings(schedule="cosine", warmup_share=0.1)
    factors = [rate_factor(step, total_steps=100, settings=cosine) for step in range(100)]
    assert factors[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] < 0.001


def test_top_p_falls_from_one_to_its_value() -> None:
    got = [warm_top_p(epoch, top_p=0.4, warm_epochs=3) for epoch in range(5)]
    assert got == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.4])
    assert warm_top_p(0, top_p=0.4, warm_epochs=0) == 0.4
