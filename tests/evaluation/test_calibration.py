"""Calibration: fitted as a logistic regression, order kept, stored with the model, and decisions that follow from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from mesmer.config import ModelSettings, PrepareSettings, TextSettings
from mesmer.errors import DataError, ModelError
from mesmer.evaluation.abstention import unsure
from mesmer.evaluation.calibration import fit_calibration, settle_decisions
from mesmer.evaluation.measures import Answered, measure
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.thresholds import choose_thresholds, decide
from mesmer.models import load_model
from mesmer.models.base import EmotionModel
from mesmer.models.registry import build_model
from mesmer.signals.text import train_tokenizer

EMOTIONS = ("anger", "joy")


def drawn(size: int, *, temperature: float, offset: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model whose probabilities are right at this temperature and offset, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, size)
    return rng.random(size) < expit(logits / temperature + offset), logits


@pytest.mark.parametrize(("temperature", "offset"), [(1.0, 0.0), (3.0, -1.5), (0.5, 1.0)])
def test_what_was_done_to_the_probabilities_is_found(temperature: float, offset: float) -> None:
    truth, logits = drawn(20_000, temperature=temperature, offset=offset, seed=1)
    found = fit_calibration(truth, logits)
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    assert found.offset == pytest.approx(offset, abs=0.08)


def test_the_fit_is_that_of_a_logistic_regression() -> None:
    """Platt's targets as weights: each utterance stands there twice, as a positive and as a negative."""
    for seed in range(5):
        truth, logits = drawn(60, temperature=1.5, offset=-0.5, seed=seed)
        p, n = truth.sum(), (~truth).sum()
        target = np.where(truth, (p + 1) / (p + 2), 1 / (n + 2))
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
        model.fit(np.tile(logits, 2)[:, None], np.repeat([1, 0], 60), sample_weight=np.concatenate([target, 1 - target]))
        found = fit_calibration(truth, logits)
        assert 1 / found.temperature == pytest.approx(model.coef_[0, 0], abs=1e-4)
        assert found.offset == pytest.approx(model.intercept_[0], abs=1e-4)


def test_odd_validation_splits_give_bounded_numbers() -> None:
    spread = np.linspace(-8, 8, 20)
    for truth, logits in [
        (spread > 0, spread),  # all right
        (spread < 0, spread),  # all wrong: the order stays, the temperature is the largest
        (spread > 99, spread),  # no positive
        (spread < 99, spread),  # no negative
        (spread > 0, np.zeros(20)),  # nothing said
        (np.array([True]), np.array([1e30])),
    ]:
        found = fit_calibration(truth, logits)
        assert 1 / 20 <= found.temperature <= 20.0000001
        assert abs(found.offset) <= 50
    assert fit_calibration(spread < 0, spread).temperature == pytest.approx(20)
    constant = fit_calibration(np.arange(40) < 10, np.zeros(40))
    assert expit(constant.offset) == pytest.approx(0.25, abs=0.02)
    for refused in ([np.nan], [np.inf]):
        with pytest.raises(DataError, match="finite"):
            fit_calibration([True], refused)
    with pytest.raises(DataError, match="do not meet"):
        fit_calibration([], [])


@pytest.fixture
def model() -> EmotionModel:
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=8, vocabulary_size=80)
    settings = ModelSettings(emotions=EMOTIONS, width=2, feature_width=8, dim=8, heads=2, layers=1, text=text)
    return build_model(settings, tokenizer_size=80)


def validation(size: int = 400, unread: int = 0) -> SplitAnswers:
    """A model that counts positives three times too often, as positive weights make it do."""
    pairs = [drawn(size, temperature=2.0, offset=-np.log(4), seed=seed) for seed in (1, 2)]
    read = np.arange(size) >= unread
    logits = np.stack([logits for _, logits in pairs], axis=1) * read[:, None]
    return SplitAnswers(
        ids=tuple(f"u{i}" for i in range(size)),
        labels=np.stack([truth for truth, _ in pairs], axis=1).astype(np.float32),
        logits={"TAV": logits},
        read={"TAV": read},
        probabilities={"TAV": expit(logits) * read[:, None]},
        multiply_adds=np.zeros(size, dtype=np.int64),
        dense_multiply_adds=np.zeros(size, dtype=np.int64),
    )


def test_calibrated_probabilities_are_nearer_to_the_truth_and_keep_their_order(model: EmotionModel) -> None:
    answers = validation()
    calibrated = settle_decisions(model, answers)
    raw = answers.probabilities["TAV"]
    truth = answers.labels > 0

    def measured(probabilities: np.ndarray) -> dict[str, np.ndarray]:
        decisions = np.zeros_like(truth)
        return measure(Answered(truth=truth, probabilities=probabilities, decisions=decisions))

    before, after = measured(raw), measured(calibrated)
    assert (after["calibration_error"] < 0.5 * before["calibration_error"]).all()
    assert np.array_equal(after["auroc"], before["auroc"])
    assert np.array_equal(after["average_precision"], before["average_precision"])
    assert np.array_equal(np.argsort(calibrated, axis=0, kind="stable"), np.argsort(raw, axis=0, kind="stable"))


def test_decisions_are_thresholds_on_calibrated_probabilities_before_and_after_saving(
    model: EmotionModel, tmp_path: Path
) -> None:
    answers = validation(unread=7)
    calibrated = settle_decisions(model, answers)
    assert (calibrated[:7] == 0).all()
    again = model.probabilities(torch.from_numpy(answers.logits["TAV"])).numpy()
    assert np.array_equal(again[7:], calibrated[7:])
    # The same decisions as thresholds moved to the raw logits would make.
    for i, emotion in enumerate(EMOTIONS):
        fitted, threshold = model.calibration[emotion], model.thresholds[emotion]
        cut = (logit(threshold) - fitted.offset) * fitted.temperature
        raw = answers.logits["TAV"][7:, i] >= cut
        assert np.array_equal(decide(calibrated, model.thresholds, EMOTIONS)[7:, i], raw)
    # And the same as without any calibration.
    uncalibrated = answers.probabilities["TAV"]
    plain = decide(uncalibrated, choose_thresholds(answers.labels, uncalibrated, EMOTIONS), EMOTIONS)
    assert np.array_equal(decide(calibrated, model.thresholds, EMOTIONS), plain)
    assert plain.any(axis=0).all()
    near = unsure(calibrated[7:], model.thresholds, model.unsure_margins, EMOTIONS)
    assert near.sum(0) == pytest.approx([39, 39], abs=1)  # a tenth of 393
    tokenizer = train_tokenizer(["i am glad", "leave me alone"], 80)
    model.save_pretrained(tmp_path / "m", tokenizer=tokenizer, prepare=PrepareSettings())
    loaded = load_model(tmp_path / "m").model
    assert loaded.calibration == model.calibration
    assert loaded.thresholds == model.thresholds
    assert loaded.unsure_margins == model.unsure_margins


def test_settling_again_forgets_what_was_settled_before(model: EmotionModel) -> None:
    first = settle_decisions(model, validation())
    stored = (model.calibration, model.thresholds, model.unsure_margins)
    model.calibration = {name: {"temperature": 5, "offset": 3} for name in EMOTIONS}
    assert np.array_equal(settle_decisions(model, validation()), first)
    assert (model.calibration, model.thresholds, model.unsure_margins) == stored


def test_calibration_moves_no_decision_whatever_the_split(model: EmotionModel) -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        size = int(rng.integers(1, 30))
        logits = rng.choice([rng.normal(0, 4, (size, 2)), rng.integers(-3, 4, (size, 2)) * 2.0])
        read = rng.random(size) < 0.9
        raw = expit(logits * read[:, None]) * read[:, None]
        answers = SplitAnswers(
            ids=tuple(map(str, range(size))),
            labels=(rng.random((size, 2)) < 0.4).astype(np.float32),
            logits={"TAV": logits * read[:, None]},
            read={"TAV": read},
            probabilities={"TAV": raw},
            multiply_adds=np.zeros(size, dtype=np.int64),
            dense_multiply_adds=np.zeros(size, dtype=np.int64),
        )
        calibrated = settle_decisions(model, answers)
        plain = decide(raw, choose_thresholds(answers.labels, raw, EMOTIONS), EMOTIONS)
        assert np.array_equal(decide(calibrated, model.thresholds, EMOTIONS), plain)


def test_a_fresh_model_is_not_calibrated(model: EmotionModel) -> None:
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.probabilities(logits), logits.double().sigmoid())
    assert set(model.unsure_margins.values()) == {0.0}
    good = {"temperature": 2.0, "offset": 0.5}
    for bad in (
        {"anger": good},
        {"anger": good, "joy": good, "fear": good},
        {"anger": good, "joy": {"temperature": 0.0, "offset": 0}},
        {"anger": good, "joy": {"temperature": float("nan"), "offset": 0}},
        {"anger": good, "joy": {"temperature": 1, "offset": 1e9}},
        {"anger": good, "joy": {"temperature": True, "offset": 0}},
        {"anger": good, "joy": {"temperature": "hot", "offset": 0}},
        {"anger": good, "joy": [1, 2]},
        {"anger": good, "joy": {"temperature": 1}},
    ):
        with pytest.raises(ModelError, match="calibration"):
            model.calibration = bad
    for worse in ({"anger": 1}, {"anger": 1, "joy": -1}, {"anger": 1, "joy": float("inf")}, {"anger": 1, "joy": None}):
        with pytest.raises(ModelError, match="unsure_margins"):
            model.unsure_margins = worse
