"""One choice among emotions that exclude each other: the loss, the probabilities, the temperature, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch.nn.functional import cross_entropy

from mesmer.config import ModelSettings, RunSettings, TextSettings, TrainSettings
from mesmer.errors import ConfigError, DataError
from mesmer.evaluation.calibration import fit_shared_temperature
from mesmer.models.calibration import Calibration
from mesmer.models.loading import load_model
from mesmer.models.registry import build_model
from mesmer.records import ModelOutput
from mesmer.training.loss import class_weights, utterance_losses
from mesmer.training.run import train_model

TINY = ModelSettings(
    emotions=("anger", "fear", "joy"),
    width=2,
    feature_width=8,
    dim=8,
    heads=2,
    layers=1,
    modalities="T",
    text=TextSettings(width=8, layers=1, heads=2, max_tokens=12, vocabulary_size=80),
)


def drawn(size: int, emotions: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    expressed = torch.randint(emotions, (size,), generator=generator)
    return torch.randn(size, emotions, generator=generator) * 3, expressed


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_torchs_own_cross_entropy(smoothing: float) -> None:
    logits, expressed = drawn(9, 4, seed=1)
    branches, _ = drawn(9 * 3, 4, seed=2)
    modality_logits = branches.reshape(9, 3, 4)
    weights = torch.ones(9, 3)
    weights[4, 1] = 0.0
    counts = torch.zeros(9, dtype=torch.int64)
    output = ModelOutput(
        logits=logits,
        modality_logits=modality_logits,
        modality_weights=weights,
        multiply_adds=counts,
        dense_multiply_adds=counts,
    )
    labels = torch.eye(4)[expressed] * 0.5  # graded labels count as expressed
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0])
    got = utterance_losses(
        output, labels, positive_weight=weight, branch_loss=0.5, kind="choice", label_smoothing=smoothing
    )

    def expected(scores: torch.Tensor) -> torch.Tensor:
        return cross_entropy(scores, expressed, reduction="none", label_smoothing=smoothing) * weight[expressed]

    alone = torch.stack([expected(modality_logits[:, m]) for m in range(3)], dim=1)
    branch = [(alone[b] * (weights[b] != 0)).sum() / (weights[b] != 0).sum() for b in range(9)]
    assert torch.allclose(got, expected(logits) + 0.5 * torch.stack(branch), rtol=1e-5)


def test_balanced_weights_let_every_emotion_weigh_alike() -> None:
    labels = np.eye(3)[[0] * 6 + [1] * 3 + [2]]
    weights = class_weights(labels)
    assert (weights * torch.tensor([6.0, 3.0, 1.0])).tolist() == pytest.approx([10 / 3] * 3)
    assert class_weights(np.eye(3)[[0, 1]]).tolist() == pytest.approx([2 / 3, 2 / 3, 1.0])


def test_probabilities_are_the_softmax_and_parts_and_offsets_add_up() -> None:
    model = build_model(replace(TINY, exclusive=True), tokenizer_size=80)
    logits, _ = drawn(20, 3, seed=3)
    assert torch.allclose(model.probabilities(logits), logits.double().softmax(1), atol=1e-12)
    model.calibration = dict.fromkeys(TINY.emotions, Calibration(temperature=2.5))
    said = model.probabilities(logits)
    assert torch.allclose(said, (logits.double() / 2.5).softmax(1), atol=1e-12)
    log_odds = logits.double() / 2.5 + model.offsets(logits)
    assert torch.allclose(log_odds, said.logit(), atol=1e-9)
    assert torch.equal(said.argmax(1), logits.argmax(1))
    far = model.probabilities(torch.tensor([[900.0, -900.0, 0.0]]))
    assert far.tolist() == [pytest.approx([1.0, 0.0, 0.0], abs=1e-100)]


def test_the_temperature_is_the_one_that_a_plain_search_finds() -> None:
    rng = np.random.default_rng(4)
    for wanted in (0.4, 1.0, 3.0):
        logits = rng.normal(0, 3, (4000, 5))
        chances = np.exp(log_softmax(logits / wanted, axis=1))
        expressed = np.array([rng.choice(5, p=row) for row in chances])
        found = fit_shared_temperature(np.eye(5)[expressed], logits)
        assert found.temperature == pytest.approx(wanted, rel=0.1)
        assert found.offset == 0.0
        grid = np.linspace(0.8, 1.25, 451) * found.temperature
        target = np.full((4000, 5), 1 / 4005) + np.eye(5)[expressed] * 4000 / 4005
        costs = [-(target * log_softmax(logits / t, axis=1)).sum(axis=1).mean() for t in grid]
        assert grid[int(np.argmin(costs))] == pytest.approx(found.temperature, rel=0.002)


def test_odd_splits_give_bounded_temperatures() -> None:
    truth = np.eye(3)[[0, 1, 2]]
    for logits in (100 * truth, -100 * truth, np.zeros((3, 3))):
        assert 1 / 20 <= fit_shared_temperature(truth, logits).temperature <= 20.0001
    for bad in (np.ones((3, 3)), np.zeros((3, 3)), np.eye(4)):
        with pytest.raises(DataError, match="one emotion each"):
            fit_shared_temperature(bad, np.zeros((3, 3)))
    with pytest.raises(DataError, match="finite"):
        fit_shared_temperature(truth, np.full((3, 3), np.nan))


def test_settings_that_do_not_go_together() -> None:
    assert RunSettings(train=TrainSettings(loss="choice")).model.exclusive
    assert not RunSettings().model.exclusive
    with pytest.raises(ConfigError, match=r"set train\.loss: choice"):
        RunSettings(model=ModelSettings(exclusive=True))
    with pytest.raises(ConfigError, match="only choice smooths labels"):
        TrainSettings(label_smoothing=0.1)


def settings_with(**changes: Any) -> RunSettings:
    base = TrainSettings(
        loss="choice", positive_weight="none", learning_rate=2e-2, text_learning_rate_factor=1.0, batch_size=8, epochs=8,
        patience=8, threads=1,
    )  # fmt: skip
    return RunSettings(model=replace(TINY, name="fe2e"), train=replace(base, **changes))


def test_a_choice_is_learnt_saved_and_evaluated(road: Path, tmp_path: Path) -> None:
    from mesmer.evaluation.evaluate import evaluate_model

    result = train_model(settings=settings_with(average_weights=0.5), data=road / "out", folder=tmp_path / "run")
    best = result.history[result.best_epoch - 1]
    assert best["valid_f1"] == best["valid_one_accuracy"] == best["valid_one_recall"] == 1.0
    loaded = load_model(result.model)
    assert loaded.model.settings.exclusive
    assert len(set(loaded.model.calibration.values())) == 1
    evaluation = evaluate_model(loaded, data=road / "out")
    assert evaluation.answers[0].probabilities.sum(axis=1) == pytest.approx(np.ones(9))
    assert evaluation.uncalibrated is not None
    assert evaluation.uncalibrated.sum(axis=1) == pytest.approx(np.ones(9))
    one = evaluation.table.rows[0].one_answer
    assert one is not None
    assert one.accuracy == 1.0


def test_utterances_of_two_emotions_are_refused_before_anything_is_written(road: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 24 utterances of the train split .* 'u003' carries 2; .*loss: binary"):
        train_model(settings=settings_with(), data=road / "both", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
