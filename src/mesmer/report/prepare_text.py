"""What a preparation did, or would do, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mesmer.corpora.base import LeftOut
from mesmer.dataset.audit_record import Removed
from mesmer.dataset.audit_removed import read_removed
from mesmer.dataset.choose import Chosen
from mesmer.dataset.facts import FACTS_FILE, read_facts
from mesmer.dataset.join import QUARANTINE_FILE
from mesmer.dataset.outlook import Outlook
from mesmer.dataset.splits import split_words
from mesmer.records import SPLITS
from mesmer.report.audit_grids import shown

_RULES_SHOWN = 20
_IDS_SHOWN = 3


def prepared_text(folder: Path) -> str:
    """Return what stands in a prepared dataset, and what does not and why."""
    facts, _ = read_facts(folder)
    sizes = ", ".join(f"{split} {facts.rows(split):,}" for split in SPLITS)
    lines = [f"{facts.rows_out:,} of {facts.rows_in:,} utterances prepared in {folder} ({sizes})"]
    lines.append(f"splits are {split_words(facts.split_rule, facts.split_seed)}")
    lines += [f"note: {note}" for note in facts.notes]
    lines += _empty_lines({split: facts.rows(split) for split in SPLITS})
    if facts.limited_from is not None:
        lines.append(f"a trial: the corpus has {facts.limited_from:,} utterances")
    if facts.quarantined:
        removed, _ = read_removed(folder, facts)
        lines.append(f"{facts.quarantined:,} are not, each with its reason in {folder / QUARANTINE_FILE}:")
        lines += _removed_lines(removed)
    return "\n".join(lines)


def outlook_text(chosen: Chosen, outlook: Outlook, out: Path) -> str:
    """Return what a preparation would do."""
    corpus, choices = chosen.corpus, chosen.corpus.choices
    sizes = ", ".join(f"{split} {outlook.utterances[split]:,}" for split in SPLITS)
    lines = [
        "nothing is written: this is what would be done",
        f"{len(corpus):,} of {outlook.rows_in:,} utterances of {shown(corpus.name)} would be prepared in {out} ({sizes})",
        f"splits would be {split_words(choices.split_rule or 'given', choices.split_seed)}",
        "labels: " + ", ".join(f"{shown(emotion)} {count:,}" for emotion, count in outlook.labels.items()),
        f"{outlook.media_files:,} media files, {_megabytes(outlook.media_bytes)}",
    ]
    lines += _empty_lines(outlook.utterances)
    if choices.limited_from is not None:
        lines.append(f"a trial: the corpus has {choices.limited_from:,} utterances")
    if outlook.hours is not None and outlook.bytes is not None:
        length = f"{outlook.hours:.1f} h" if outlook.hours >= 1 else f"{60 * outlook.hours:.1f} min"
        lines.append(f"about {length} of utterances, about {_megabytes(outlook.bytes)} of dataset")
    if outlook.gone:
        files = ", ".join(shown(file) for file in outlook.gone[:_IDS_SHOWN])
        lines.append(f"{len(outlook.gone):,} media files are missing or cannot be read: {files}{_more(outlook.gone)}")
    if corpus.left_out:
        lines.append(f"{len(corpus.left_out):,} would be left out:")
        lines += _removed_lines(_by_rule(corpus.left_out))
    if chosen.missing or chosen.unlisted:
        lines.append(lists_text(chosen))
    if (out / FACTS_FILE).exists():
        lines.append(f"{out} holds a prepared dataset already: the same one would stay, another would be refused")
    return "\n".join(lines)


def lists_text(chosen: Chosen) -> str:
    """Return which ids of the lists are not utterances, and which utterances are in no list."""
    lines = []
    if chosen.missing:
        lines.append(f"{len(chosen.missing):,} ids of the lists are not here:")
        lines += _removed_lines(_by_rule(chosen.missing))
    if chosen.unlisted:
        names = ", ".join(shown(name) for name in chosen.unlisted[:_IDS_SHOWN])
        lines.append(f"{len(chosen.unlisted):,} utterances are in no list: {names}{_more(chosen.unlisted)}")
    return "\n".join(lines)


def packed_text(archives: Sequence[Path], cache: Path) -> str:
    """Return what is known of a corpus that is still packed."""
    size = _megabytes(sum(archive.stat().st_size for archive in archives))
    many = f"{len(archives)} archives" if len(archives) > 1 else archives[0].name
    return (
        "nothing is written: this is what would be done\n"
        f"{many} ({size}) would be unpacked to {cache}; what is in it can be told after that"
    )


def _by_rule(rows: Iterable[LeftOut]) -> list[Removed]:
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row.rule, []).append(row.id)
    found = [Removed(kind="left_out", rule=rule, count=len(names), ids=tuple(names)) for rule, names in ids.items()]
    return sorted(found, key=lambda removed: -removed.count)


def _removed_lines(removed: Sequence[Removed]) -> list[str]:
    lines = []
    for rule in removed[:_RULES_SHOWN]:
        names = ", ".join(shown(name) for name in rule.ids[:_IDS_SHOWN])
        lines.append(f"{rule.count:>8,}  {shown(rule.rule)}: {names}{', ...' if rule.count > _IDS_SHOWN else ''}")
    if len(removed) > _RULES_SHOWN:
        rest = sum(rule.count for rule in removed[_RULES_SHOWN:])
        lines.append(f"{rest:>8,}  by {len(removed) - _RULES_SHOWN} more rules")
    return lines


def _empty_lines(sizes: Mapping[str, int]) -> list[str]:
    return [f"the split '{split}' is empty" for split, size in sizes.items() if not size]


def _more(names: Sequence[str]) -> str:
    return ", ..." if len(names) > _IDS_SHOWN else ""


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
