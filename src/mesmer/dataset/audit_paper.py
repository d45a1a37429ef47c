"""The figures of the paper's Tables 1 and 2, to stand beside those of a prepared corpus.

In Table 2 the headings of the two columns of means are exchanged in print: 7.75 would be the words and 23.24 the seconds of
an angry utterance, which nobody speaks; 23.24 words in 7.75 s is as fast as in Table 1. Here they stand corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One emotion: mean words and seconds of the utterances that carry it, and their number in each split."""

    words_mean: float
    seconds_mean: float
    utterances: Mapping[str, int]

    @property
    def total(self) -> int:
        """Utterances in all splits."""
        return sum(self.utterances.values())


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        title: such as ``Table 1``.
        sizes: split -> utterances, as published in the lists of ids.
        note: what a reader of the table should know.
        rows: emotion -> its figures.
    """

    title: str
    sizes: Mapping[str, int]
    note: str
    rows: Mapping[str, PaperRow]


def _row(words_mean: float, seconds_mean: float, train: int, valid: int, test: int) -> PaperRow:
    return PaperRow(
        words_mean=words_mean, seconds_mean=seconds_mean, utterances={"train": train, "valid": valid, "test": test}
    )


_IEMOCAP = PaperTable(
    title="Table 1",
    sizes={"train": 5162, "valid": 737, "test": 1481},
    note="Each utterance has one label, so the rows add up to the sizes of the splits.",
    rows={
        "anger": _row(15.96, 4.51, 757, 112, 234),
        "excitement": _row(16.79, 4.78, 736, 92, 213),
        "frustration": _row(17.14, 4.71, 1298, 180, 371),
        "happiness": _row(13.58, 4.34, 398, 62, 135),
        "neutral": _row(13.08, 3.90, 1214, 173, 321),
        "sadness": _row(14.82, 5.50, 759, 118, 207),
    },
)

_CMU_MOSEI = PaperTable(
    title="Table 2",
    sizes={"train": 14524, "valid": 1765, "test": 4188},
    note=(
        "An utterance may carry several labels or none, so the rows do not add up to the sizes of the splits. The headings "
        "of words and seconds are exchanged in the printed table; here they stand corrected."
    ),
    rows={
        "anger": _row(23.24, 7.75, 3267, 318, 1015),
        "disgust": _row(23.54, 7.57, 2738, 273, 744),
        "fear": _row(28.82, 10.04, 1263, 169, 371),
        "happiness": _row(24.12, 8.14, 7587, 945, 2220),
        "sadness": _row(24.07, 8.12, 4026, 509, 1066),
        "surprise": _row(25.95, 8.40, 1465, 197, 393),
    },
)

PAPER_TABLES: Mapping[str, PaperTable] = {"iemocap": _IEMOCAP, "cmu_mosei": _CMU_MOSEI}
"""Corpus -> the paper's table of it."""


def paper_table(corpus: str, emotions: Sequence[str]) -> PaperTable | None:
    """Return the paper's table of a corpus with the rows of a label set, or None where it has none.

    Where excitement is merged into happiness, so are the paper's two rows: counts added, means weighted by them.
    """
    table = PAPER_TABLES.get(corpus)
    if table is None:
        return None
    rows, note = dict(table.rows), table.note
    if corpus == "iemocap" and emotions and "excitement" not in emotions:
        rows["happiness"] = _merged(rows["happiness"], rows.pop("excitement"))
        note += " Excitement counts as happiness: the row of happiness holds the paper's two rows together."
    kept = {emotion: row for emotion, row in rows.items() if emotion in emotions}
    return PaperTable(title=table.title, sizes=table.sizes, note=note, rows=kept)


def _merged(one: PaperRow, other: PaperRow) -> PaperRow:
    share = one.total / (one.total + other.total)
    return PaperRow(
        words_mean=share * one.words_mean + (1 - share) * other.words_mean,
        seconds_mean=share * one.seconds_mean + (1 - share) * other.seconds_mean,
        utterances={split: count + other.utterances[split] for split, count in one.utterances.items()},
    )
