"""Probabilities that mean what they say: a temperature and an offset per emotion, fitted on the validation split.

Training with positive weights (section 5.3) counts each positive label many times, so a model's raw probabilities are too
high wherever an emotion is rare; and networks are too sure of themselves. One temperature per emotion mends the second, an
offset per emotion the first. Both keep the order of the utterances, so AUROC, average precision and the F1 that the best
threshold reaches stay what they were. Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, logsumexp

from mesmer.errors import DataError
from mesmer.evaluation.abstention import choose_margins
from mesmer.evaluation.metrics import positives
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.thresholds import choose_thresholds
from mesmer.models.base import EmotionModel
from mesmer.models.calibration import MOST_OFFSET, MOST_TEMPERATURE, Calibration


def fit_calibration(truth: ArrayLike, logits: ArrayLike) -> Calibration:
    """Return the temperature and offset under which the labels of one emotion are most likely.

    The targets are Platt's (1999), (P + 1) / (P + 2) for P positives and 1 / (N + 2) for N negatives: without them, a
    validation split that the model gets all right would ask for a temperature of 0. Logits that rank no better than chance
    get the largest temperature, 20, which says about the prior for everybody.

    Args:
        truth: bool (N,).
        logits: float (N,).

    Raises:
        DataError: the lengths differ, there is nothing to fit, or a logit is not finite.
    """
    true, scores = np.asarray(truth, dtype=bool), np.asarray(logits, dtype=np.float64)
    if true.shape != scores.shape or true.ndim != 1 or not true.size:
        raise DataError(f"{true.shape} labels and {scores.shape} logits do not meet", field="logits")
    if not np.isfinite(scores).all():
        raise DataError("a logit is not a finite number", field="logits")
    num_positive = int(true.sum())
    target = np.where(true, (num_positive + 1) / (num_positive + 2), 1 / (true.size - num_positive + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, offset = parameters
        fitted = slope * scores + offset
        gap = (expit(fitted) - target) / true.size
        cost = np.mean(np.logaddexp(0.0, fitted) - target * fitted)
        return float(cost), np.array([gap @ scores, gap.sum()])

    # The loss is convex in slope (1 / temperature) and offset: from anywhere, one minimum.
    bounds = [(1 / MOST_TEMPERATURE, MOST_TEMPERATURE), (-MOST_OFFSET, MOST_OFFSET)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    slope, offset = (float(np.clip(value, *bound)) for value, bound in zip(found.x, bounds, strict=True))
    return Calibration(temperature=1 / slope, offset=offset)


def fit_shared_temperature(truth: ArrayLike, logits: ArrayLike) -> Calibration:
    """Return the one temperature under which the labels of emotions that exclude each other are most likely (Guo et al.,
    2017): the softmax keeps its order, so the one answer stays.

    The targets are smoothed as Platt's are: (N + 1) / (N + L) for what is expressed, 1 / (N + L) for each other emotion.

    Args:
        truth: bool (N, L), one in each row.
        logits: float (N, L).

    Raises:
        DataError: the shapes do not meet, there is nothing to fit, or a logit is not finite.
    """
    true, scores = np.asarray(truth, dtype=bool), np.asarray(logits, dtype=np.float64)
    if true.shape != scores.shape or true.ndim != 2 or not true.size or (true.sum(axis=1) != 1).any():
        raise DataError(f"{true.shape} labels of one emotion each and {scores.shape} logits do not meet", field="logits")
    if not np.isfinite(scores).all():
        raise DataError("a logit is not a finite number", field="logits")
    size, emotions = true.shape
    target = np.where(true, size + 1, 1) / (size + emotions)

    def loss(slope: float) -> float:
        return float(np.mean(logsumexp(slope * scores, axis=1) - slope * (target * scores).sum(axis=1)))

    # Convex in the slope: one minimum, or an end of the interval.
    found = minimize_scalar(
        loss, bounds=(1 / MOST_TEMPERATURE, MOST_TEMPERATURE), method="bounded", options={"xatol": 1e-6}
    )
    return Calibration(temperature=1 / float(found.x))


def settle_decisions(model: EmotionModel, validation: SplitAnswers) -> NDArray[np.float64]:
    """Fit calibration, thresholds and margins on the validation split, and set them in ``model``.

    Args:
        model: whose answers these are; saved afterwards, it carries what was fitted.
        validation: its answers with all modalities (the first subset), whatever calibration it had.

    Returns:
        The calibrated probabilities (N, L) of the validation split, which the thresholds belong to.

    Raises:
        DataError: labels and answers do not meet, or a logit is not finite.
    """
    emotions = model.settings.emotions
    subset = next(iter(validation.logits))
    truth, logits, read = positives(validation.labels), validation.logits[subset], validation.read[subset]
    if model.settings.exclusive and read.any():
        shared = fit_shared_temperature(truth[read], logits[read])
        model.calibration = dict.fromkeys(emotions, shared)
    elif read.any():  # an utterance with nothing to read has no logit to learn from
        fitted = [fit_calibration(truth[read, i], logits[read, i]) for i in range(len(emotions))]
        model.calibration = dict(zip(emotions, fitted, strict=True))
    model.thresholds = thresholds_of(model, validation, subset)
    probabilities = model.probabilities(torch.from_numpy(logits)).numpy() * read[:, None]
    model.unsure_margins = choose_margins(probabilities[read], model.thresholds, emotions)
    return np.asarray(probabilities)


def thresholds_of(model: EmotionModel, validation: SplitAnswers, subset: str) -> dict[str, float]:
    """Return the thresholds of highest F1 for one subset's calibrated probabilities; changes nothing.

    They are chosen among the uncalibrated ones and calibrated themselves, so that no calibration moves a decision. Where
    the emotions exclude each other they are chosen among the calibrated ones.
    """
    if model.settings.exclusive:
        said = model.probabilities(torch.from_numpy(validation.logits[subset])).numpy() * validation.read[subset][:, None]
        return choose_thresholds(validation.labels, said, model.settings.emotions)
    raw = expit(validation.logits[subset]) * validation.read[subset][:, None]
    chosen = choose_thresholds(validation.labels, raw, model.settings.emotions)
    return {name: calibrated(threshold, model.calibration[name]) for name, threshold in chosen.items()}


def calibrated(probability: float, calibration: Calibration) -> float:
    """Return what calibration makes of one probability; 0 and 1 stay."""
    return float(expit(logit(probability) / calibration.temperature + calibration.offset))
