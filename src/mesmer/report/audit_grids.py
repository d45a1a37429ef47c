"""The tables of an audit, as plain rows of text: printed on a terminal and set in the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesmer.dataset.audit_record import KINDS, UNITS, Audit, LabelCounts, SplitCounts
from mesmer.records import MODALITIES, SPLITS

NOTHING = "–"

_WORDS_HINT = "Mean words and seconds are of the utterances that carry the emotion."
_TOGETHER_HINT = (
    "How many utterances carry both the emotion of the row and that of the column; on the diagonal, all that carry it."
)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table: the first column names the row; ``numeric`` columns are set to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True
    note: str = ""


def shown(text: str, chars: int = 100) -> str:
    """Return a name from a stranger's file in a form that cannot act on a terminal or turn the line round."""
    plain = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text[:chars])
    return plain + "…" if len(text) > chars else plain


def size_grid(audit: Audit) -> Grid:
    """What is in each split; for lists of ids, only what ids say."""
    units = [unit for unit in UNITS if any(unit in counts.names for counts in audit.splits.values())]
    headings = ["split", "utterances", *(UNITS[unit] for unit in units)]
    if audit.source == "dataset":
        headings += ["hours", "mean words", "mean s", "median s", "shortest s", "longest s"]
    if audit.paper:
        headings.append("paper's size")
    rows = []
    for split, counts in audit.splits.items():
        row = [split, _count(counts.utterances), *(_count(counts.names[unit]) for unit in units)]
        row += _length_cells(counts) if audit.source == "dataset" else []
        if audit.paper:
            row.append(_count(audit.paper.sizes.get(split, sum(audit.paper.sizes.values()))))
        rows.append(tuple(row))
    return Grid(title="Counts by split", headings=tuple(headings), rows=tuple(rows))


def _length_cells(counts: SplitCounts) -> list[str]:
    numbers = (
        counts.words_mean,
        counts.seconds_mean,
        counts.seconds_median,
        counts.seconds_least,
        counts.seconds_most,
    )
    return [f"{counts.hours:,.2f}", *(_number(value) for value in numbers)]


def label_grid(audit: Audit) -> Grid | None:
    """The paper's Table 1 or 2 of this dataset, beside the printed figures."""
    if not audit.labels:
        return None
    beside = any(row.paper for row in audit.labels)
    headings: tuple[str, ...] = ("emotion", "mean words", "mean s", *SPLITS)
    note = _WORDS_HINT
    rows = [_label_row(row) for row in audit.labels]
    if beside and audit.paper:
        headings += tuple(f"paper {name}" for name in ("words", "s", *SPLITS))
        rows = [row + _paper_row(labels) for row, labels in zip(rows, audit.labels, strict=True)]
        note += f" The paper's figures are those of its {audit.paper.title}. {audit.paper.note}"
    return Grid(title="Counts by emotion", headings=headings, rows=tuple(rows), note=note)


def _label_row(row: LabelCounts) -> tuple[str, ...]:
    counts = (_count(row.utterances[split]) for split in SPLITS)
    return (shown(row.emotion), _number(row.words_mean), _number(row.seconds_mean), *counts)


def _paper_row(row: LabelCounts) -> tuple[str, ...]:
    if row.paper is None:
        return (NOTHING,) * (2 + len(SPLITS))
    counts = (_count(row.paper.utterances[split]) for split in SPLITS)
    return (_number(row.paper.words_mean), _number(row.paper.seconds_mean), *counts)


def present_grid(audit: Audit) -> Grid | None:
    """How many utterances have each modality, and how many frames show the face."""
    if audit.source != "dataset":
        return None
    rows = []
    for split, counts in audit.splits.items():
        cells = [_share(counts.present.get(name, 0), counts.utterances) for name in MODALITIES]
        rows.append(
            (split, *cells, _share(counts.frames_with_face, counts.frames), _share(counts.unlabelled, counts.utterances))
        )
    headings = ("split", *MODALITIES, "frames with the face", "unlabelled")
    return Grid(title="What is present", headings=headings, rows=tuple(rows))


def flaw_grid(audit: Audit) -> Grid | None:
    """Every finding that concerns utterances of a split, by split; leakage has a table of its own."""
    told = [f for f in audit.findings if f.splits and not f.kind.startswith(("leak_", "unknown_"))]
    if not told:
        return None
    rows = tuple(
        (KINDS[f.kind].title, f.severity, _count(f.count), *(_count(f.splits.get(split, 0)) for split in SPLITS))
        for f in told
    )
    return Grid(title="Flaws by split", headings=("finding", "severity", "count", *SPLITS), rows=rows)


def leak_grid(audit: Audit) -> Grid | None:
    """What the splits share, in words."""
    if not audit.leaks:
        return None
    rows = tuple((leak.unit, f"{leak.of} in {leak.with_}", leak.sentence) for leak in audit.leaks)
    return Grid(title="What the splits share", headings=("by", "splits", "in words"), rows=rows, numeric=False)


def together_grid(audit: Audit) -> Grid | None:
    """Co-occurrence of the labels."""
    if not audit.emotions:
        return None
    names = [shown(emotion, 30) for emotion in audit.emotions]
    rows = tuple((name, *(_count(n) for n in counts)) for name, counts in zip(names, audit.together, strict=True))
    each = ", ".join(
        f"{_count(n)} carry {'none' if labels == 0 else labels}" for labels, n in sorted(audit.labels_each.items())
    )
    note = _TOGETHER_HINT + (f" Of the labelled utterances, {each}." if each else "")
    return Grid(title="Labels that go together", headings=("emotion", *names), rows=rows, note=note)


def removed_grid(audit: Audit, *, rules: int) -> Grid | None:
    """What is not in the dataset, by rule; the ``rules`` most frequent ones."""
    if not audit.removed:
        return None
    rows = tuple(
        (shown(rule.rule, 200), _count(rule.count), ", ".join(shown(name, 40) for name in rule.ids[:3]))
        for rule in audit.removed[:rules]
    )
    more = len(audit.removed) - len(rows)
    note = f"{audit.made['rows_in']:,} rows came in, {audit.made['rows_out']:,} are in the dataset."
    return Grid(
        title="What was removed, and why",
        headings=("rule", "rows", "such as"),
        rows=rows,
        numeric=False,
        note=note + (f" {more:,} rules more are not shown." if more else ""),
    )


def verdict(audit: Audit) -> str:
    """``2 errors, 1 warning, 3 notes``, or that nothing was found."""
    counts: Sequence[tuple[int, str]] = [
        (audit.count("error"), "error"), (audit.count("warning"), "warning"), (audit.count("note"), "note"),
    ]  # fmt: skip
    told = [f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in counts if count]
    return ", ".join(told) or "nothing was found wrong"


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.2f}"


def _share(part: int, whole: int) -> str:
    return NOTHING if not whole else f"{part:,} ({_percent(part, whole)})"


def _percent(part: int, whole: int) -> str:
    """``100 %`` only where it is all of them, ``0 %`` only where it is none."""
    if part in (0, whole):
        return "0 %" if not part else "100 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"
