"""What calibration does to a model's probabilities: the mean expected calibration error, as the model stands and otherwise.

    python benchmarks/calibration_error.py RUN [RUN ...] --data PREPARED

On the test split, mean over emotions and over the runs: without calibration, with the stored temperature and offset, and
with a temperature alone, fitted on the validation split.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from measuring import print_table
from mesmer.evaluation.curves import reliability
from mesmer.evaluation.evaluate import Evaluation, evaluate_model
from mesmer.evaluation.table import Resampling
from mesmer.models import load_model
from mesmer.models.calibration import MOST_TEMPERATURE
from mesmer.training.run_folder import model_source

TINY = 1e-12


def logits_of(evaluation: Evaluation) -> NDArray[np.float64]:
    assert evaluation.uncalibrated is not None
    return np.asarray(logit(evaluation.uncalibrated.clip(TINY, 1 - TINY)))


def best_temperature(labels: NDArray[np.bool_], logits: NDArray[np.float64]) -> float:
    """Return the temperature of highest likelihood, of one emotion."""
    signed = np.where(labels, -logits, logits)
    bounds = (1 / MOST_TEMPERATURE, MOST_TEMPERATURE)
    found = minimize_scalar(lambda slope: np.logaddexp(0, slope * signed).mean(), bounds=bounds, method="bounded")
    return 1 / float(found.x)


def errors(run: str, data: Path) -> list[float]:
    loaded = load_model(model_source(run))
    subset = [loaded.model.settings.modalities]
    none = Resampling(resamples=0)
    valid, test = (
        evaluate_model(loaded, data=data, split=split, subsets=subset, resampling=none) for split in ("valid", "test")
    )
    fitted = [
        best_temperature(labels, logits) for labels, logits in zip(valid.truth.labels.T, logits_of(valid).T, strict=True)
    ]
    answers = (logits_of(test), None, logits_of(test) / np.array(fitted))
    shown = [test.answers[0].probabilities if one is None else expit(one) for one in answers]
    labels = test.truth.labels
    return [float(np.mean([reliability(labels[:, i], one[:, i]).error for i in range(labels.shape[1])])) for one in shown]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run or model folders, not of exclusive emotions")
    parser.add_argument("--data", type=Path, required=True, help="prepared dataset with the splits valid and test")
    chosen = parser.parse_args(words)
    torch.set_num_threads(1)
    found = 100 * np.array([errors(run, chosen.data) for run in chosen.runs])
    spread = found.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(3)
    names = ("none", "temperature and offset, as stored", "temperature alone")
    cells = ([name, f"{mean:.1f} ± {by:.1f}"] for name, mean, by in zip(names, found.mean(axis=0), spread, strict=True))
    print_table(["calibration", f"ECE in percent, {len(found)} runs"], cells)


if __name__ == "__main__":
    main()
