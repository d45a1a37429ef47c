"""Several runs of one recipe, differing in the seed: mean and deviation of every number of their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mesmer.errors import DataError
from mesmer.evaluation.measures import MICRO
from mesmer.evaluation.table import Row, Table, title_of


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation (divided by runs - 1) of a number over runs."""

    mean: float
    deviation: float

    def to_json(self) -> dict[str, float]:
        """Return plain types, ready for ``json.dumps``."""
        return {"mean": self.mean, "deviation": self.deviation}


@dataclass(frozen=True, kw_only=True)
class SeedRow:
    """One answerer over the runs: its title, metric -> spread of the averages, emotion -> metric -> spread."""

    name: str
    title: str
    average: Mapping[str, Spread]
    per_emotion: Mapping[str, Mapping[str, Spread]]


@dataclass(frozen=True, kw_only=True)
class SeedTable:
    """Several tables as one.

    Attributes:
        name: what was evaluated.
        runs: how many runs.
        emotions, positives, utterances: as in each of the tables.
        rows: as in each of the tables.
        warnings: of any of them.
        multiply_adds, dense_multiply_adds: spread over the runs; None where not every table has them.
    """

    name: str
    runs: int
    emotions: tuple[str, ...]
    positives: Mapping[str, int]
    utterances: int
    rows: tuple[SeedRow, ...]
    warnings: tuple[str, ...]
    multiply_adds: Spread | None
    dense_multiply_adds: Spread | None

    @property
    def title(self) -> str:
        """What was evaluated, for people: ``test split``."""
        return title_of(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "split": self.name,
            "runs": self.runs,
            "utterances": self.utterances,
            "emotions": list(self.emotions),
            "positives": dict(self.positives),
            "warnings": list(self.warnings),
            "rows": [
                {
                    "name": row.name,
                    "title": row.title,
                    "average": {name: one.to_json() for name, one in row.average.items()},
                    "per_emotion": {
                        e: {name: one.to_json() for name, one in of.items()} for e, of in row.per_emotion.items()
                    },
                }
                for row in self.rows
            ],
            "multiply_adds": None if self.multiply_adds is None else self.multiply_adds.to_json(),
            "dense_multiply_adds": None if self.dense_multiply_adds is None else self.dense_multiply_adds.to_json(),
        }


def over_seeds(tables: Sequence[Table]) -> SeedTable:
    """Return mean and deviation over two tables or more of the same utterances.

    Raises:
        DataError: fewer than two tables, or they are not of the same utterances, emotions and rows.
    """
    if len(tables) < 2:
        raise DataError("a deviation needs two runs or more", field="runs")
    first = tables[0]
    for other in tables[1:]:
        same = (other.emotions, other.positives, other.utterances) == (first.emotions, first.positives, first.utterances)
        if not same or [row.name for row in other.rows] != [row.name for row in first.rows]:
            raise DataError("the runs were not evaluated on the same utterances and modalities", field="runs")
    return SeedTable(
        name=first.name,
        runs=len(tables),
        emotions=first.emotions,
        positives=first.positives,
        utterances=first.utterances,
        rows=tuple(_row([table.rows[i] for table in tables], first.emotions) for i in range(len(first.rows))),
        warnings=tuple(dict.fromkeys(warning for table in tables for warning in table.warnings)),
        multiply_adds=_spread_if_known([table.multiply_adds for table in tables]),
        dense_multiply_adds=_spread_if_known([table.dense_multiply_adds for table in tables]),
    )


def _row(rows: Sequence[Row], emotions: Sequence[str]) -> SeedRow:
    return SeedRow(
        name=rows[0].name,
        title=rows[0].title if len({row.title for row in rows}) == 1 else rows[0].name,
        average=_spreads([{**row.average.to_json(), MICRO: row.micro_f1} for row in rows]),
        per_emotion={emotion: _spreads([row.per_emotion[emotion].to_json() for row in rows]) for emotion in emotions},
    )


def _spreads(numbers: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    return {name: _spread([of_run[name] for of_run in numbers]) for name in numbers[0]}


def _spread(numbers: Sequence[float]) -> Spread:
    return Spread(mean=float(np.mean(numbers)), deviation=float(np.std(numbers, ddof=1)))


def _spread_if_known(numbers: Sequence[float | None]) -> Spread | None:
    known = [number for number in numbers if number is not None]
    return _spread(known) if len(known) == len(numbers) else None
