"""Does anything that the construction chose tell what is expressed? A statistical check that needs no classifier.

Every measure of the form is held against every emotion in a table of counts (numbers in quarters of their range);
chi-square says how unlikely so uneven a table would be if the two had nothing to do with each other. So many tables are
looked at that the smallest p is judged after Bonferroni.

Shape letters: N utterances, L emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from mesmer.errors import DataError

LEVEL = 0.001
_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class Independence:
    """What the check found.

    Attributes:
        tests: tables that were looked at.
        least_p: the smallest p of all, times ``tests``, at most 1.
        measure, emotion: of that table.
    """

    tests: int
    least_p: float
    measure: str
    emotion: str

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return self.least_p >= LEVEL

    @property
    def words(self) -> str:
        """What was found, as a sentence."""
        verdict = "no sign" if self.holds else "A SIGN"
        return (
            f"{verdict} that length, steps, gaps or changes tell the emotion: smallest p {self.least_p:.2g} after "
            f"Bonferroni for {self.tests} tests ('{self.measure}' against '{self.emotion}')"
        )


def check_independence(
    measures: Mapping[str, NDArray[np.float64]], labels: Mapping[str, NDArray[np.bool_]]
) -> Independence:
    """Hold each measure, float (N,), against each emotion, bool (N,).

    Raises:
        DataError: there is nothing to test, since every measure or every emotion is the same throughout.
    """
    found: list[tuple[float, str, str]] = []
    for measure, values in measures.items():
        group = _grouped(values)
        for emotion, carried in labels.items():
            table = np.array(
                [[int((carried[group == g] == side).sum()) for side in (True, False)] for g in np.unique(group)]
            )
            if table.shape[0] > 1 and table.sum(axis=0).all():
                found.append((float(chi2_contingency(table).pvalue), measure, emotion))
    if not found:
        raise DataError("nothing can be tested: measures or labels do not vary", field="labels")
    p, measure, emotion = min(found)
    return Independence(tests=len(found), least_p=min(1.0, p * len(found)), measure=measure, emotion=emotion)


def _grouped(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a group for each value: values that are few as they are, numbers by quarters."""
    known = np.unique(values)
    if len(known) <= 2 * _PARTS:
        return np.searchsorted(known, values).astype(np.int64)
    return np.searchsorted(np.quantile(values, np.arange(1, _PARTS) / _PARTS), values).astype(np.int64)
