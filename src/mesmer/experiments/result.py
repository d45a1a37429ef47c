"""What an experiment found: rows with numbers over seeds, the paper's beside them, differences, and what must be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesmer.evaluation.seed_intervals import Number
from mesmer.evaluation.table import Table
from mesmer.evaluation.trivial import TRIVIAL
from mesmer.experiments.runs import Cost, Outcome

ONE_RUN = "One run each: nothing is known of the luck of the seed."


@dataclass(frozen=True, kw_only=True)
class PaperNumbers:
    """What the paper prints for a row, in percent: metric -> average, emotion -> metric -> number; 1e9 FLOPs."""

    average: Mapping[str, float]
    per_emotion: Mapping[str, Mapping[str, float]]
    giga_flops: float | None = None


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One line of a result.

    Attributes:
        title: for people.
        runs: how many stand behind the numbers; 0 for trivial answers and for rows that could not be made.
        average: metric -> number, of the mean over emotions; empty where there are none.
        per_emotion: emotion -> metric -> number.
        cost: of an answer; None where nothing is computed.
        paper: what the paper prints; None where it prints nothing, or is about other data.
        note: why the row has no numbers; None where it has.
    """

    title: str
    runs: int = 0
    average: Mapping[str, Number]
    per_emotion: Mapping[str, Mapping[str, Number]]
    cost: Cost | None = None
    paper: PaperNumbers | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "title": self.title,
            "runs": self.runs,
            "average": {name: one.to_json() for name, one in self.average.items()},
            "per_emotion": {e: {name: one.to_json() for name, one in of.items()} for e, of in self.per_emotion.items()},
            "cost": None if self.cost is None else dict(self.cost.__dict__),
            "paper": None
            if self.paper is None
            else {
                "average": dict(self.paper.average),
                "per_emotion": {emotion: dict(of) for emotion, of in self.paper.per_emotion.items()},
                "giga_flops": self.paper.giga_flops,
            },
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One row less another: metric -> difference of the averages, with the interval of the difference."""

    title: str
    average: Mapping[str, Number]

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {"title": self.title, "average": {name: one.to_json() for name, one in self.average.items()}}


@dataclass(frozen=True, kw_only=True)
class Result:
    """A table of an experiment.

    Attributes:
        name: of the experiment, and of its files.
        title: for people.
        corpus, utterances, speakers: what was evaluated on; ``speakers`` are the known ones.
        metrics: the ones shown, the paper's first.
        emotions: in order.
        positives: emotion -> utterances that carry it.
        seeds: of the runs.
        rows, differences: the numbers.
        notes: sentences that belong below them.
        warnings: sentences that belong above them.
    """

    name: str
    title: str
    corpus: str
    utterances: int
    speakers: int
    metrics: tuple[str, ...]
    emotions: tuple[str, ...]
    positives: Mapping[str, int]
    seeds: tuple[int, ...]
    rows: tuple[ResultRow, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        plain = ("name", "title", "corpus", "utterances", "speakers")
        lists = ("metrics", "emotions", "seeds", "notes", "warnings")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: list(getattr(self, name)) for name in lists},
            "positives": dict(self.positives),
            "rows": [row.to_json() for row in self.rows],
            "differences": [one.to_json() for one in self.differences],
        }


def row_of(outcome: Outcome, *, title: str | None = None, paper: PaperNumbers | None = None) -> ResultRow:
    """Return the row of some runs."""
    numbers = outcome.numbers
    return ResultRow(
        title=title or outcome.recipe.title,
        runs=numbers.runs,
        average=numbers.average,
        per_emotion=numbers.per_emotion,
        cost=outcome.cost,
        paper=paper,
    )


def empty_row(title: str, note: str, *, paper: PaperNumbers | None = None) -> ResultRow:
    """Return a row that says why it has no numbers."""
    return ResultRow(title=title, average={}, per_emotion={}, note=note, paper=paper)


def trivial_rows(table: Table) -> list[ResultRow]:
    """Return the rows of the trivial answers, which are the same for every run."""
    return [
        ResultRow(
            title=row.title,
            average=_plain({**row.average.to_json(), "micro_f1": row.micro_f1}),
            per_emotion={emotion: _plain(of.to_json()) for emotion, of in row.per_emotion.items()},
        )
        for row in table.rows
        if row.name in TRIVIAL
    ]


def notes_of(table: Table, seeds: Sequence[int]) -> list[str]:
    """Return what must be known to read the numbers of any experiment."""
    notes = ["Percent; averages are over emotions; WAcc is the weighted accuracy of section 5.1, the balanced accuracy."]
    if len(seeds) > 1:
        notes.append(f"Mean ± standard deviation over {len(seeds)} seeds.")
    else:
        notes.append(ONE_RUN)
    return notes


def interval_note(outcome: Outcome, *, resamples: int) -> str:
    """Return what the intervals are, and how far they can be trusted."""
    table = outcome.evaluations[0].table
    if outcome.numbers.resampled is None:
        return "No intervals: none were asked for, or there is but one speaker."
    unit = "speakers" if table.speakers == table.clusters else "speakers, and utterances of whom no speaker is known,"
    what = f"{table.clusters} {unit}" + (f" and the {outcome.numbers.runs} runs" if outcome.numbers.runs > 1 else "")
    few = table.clusters < 20 or 1 < outcome.numbers.runs < 10
    text = f"In brackets: 95 % intervals of the mean, {resamples} resamples of the {what}."
    return text + (" Drawn from so few, they are too narrow." if few else "")


def _plain(values: Mapping[str, float]) -> dict[str, Number]:
    return {name: Number(mean=value) for name, value in values.items()}
