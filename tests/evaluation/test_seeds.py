"""Mean and deviation over runs are those of the tables, and tables that do not fit are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mesmer.errors import DataError
from mesmer.evaluation.answers import Truth, thresholded
from mesmer.evaluation.seeds import over_seeds
from mesmer.evaluation.table import Resampling, Table, make_table
from mesmer.evaluation.trivial import prior_of


def table(seed: int, size: int = 40, macs: float | None = 10.0) -> Table:
    labels = np.random.default_rng(0).random((size, 2)) < 0.5
    truth = Truth(ids=tuple(map(str, range(size))), speakers=(None,) * size, emotions=("a", "b"), labels=labels)
    answer = thresholded(
        name="TAV",
        title="model",
        probabilities=np.random.default_rng(seed).random((size, 2)),
        emotions=("a", "b"),
        thresholds={"a": 0.5, "b": 0.5},
        thresholds_from="here",
    )
    return make_table(
        name="test",
        truth=truth,
        answers=(answer,),
        prior=prior_of(labels, ("a", "b"), source="here"),
        resampling=Resampling(resamples=0),
        warnings=("all the same",),
        multiply_adds=macs and macs * seed,
        dense_multiply_adds=macs,
    )


def test_means_and_deviations() -> None:
    tables = [table(seed) for seed in (1, 2, 4)]
    found = over_seeds(tables)
    numbers = [one.rows[0].per_emotion["b"].auroc for one in tables]
    spread = found.rows[0].per_emotion["b"]["auroc"]
    assert (spread.mean, spread.deviation) == pytest.approx((np.mean(numbers), np.std(numbers, ddof=1)))
    micro = [one.rows[0].micro_f1 for one in tables]
    assert found.rows[0].average["micro_f1"].deviation == pytest.approx(np.std(micro, ddof=1))
    assert found.rows[1].average["f1"].deviation == 0.0  # trivial answers need no luck
    assert found.multiply_adds.mean == pytest.approx(70 / 3)
    assert (found.runs, found.warnings) == (3, ("all the same",))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["runs"] == 3


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="two runs"):
        over_seeds([table(1)])
    with pytest.raises(DataError, match="same utterances"):
        over_seeds([table(1), table(1, size=30)])
    assert over_seeds([table(1), table(2, macs=None)]).multiply_adds is None
