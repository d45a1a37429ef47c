"""The audit of a prepared dataset: what is in it, what its splits share, what is missing, damaged or there twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mesmer.config_dict import to_dict
from mesmer.dataset.audit_counts import ALL, Counts
from mesmer.dataset.audit_duplicates import Duplicates
from mesmer.dataset.audit_flaws import Flaws
from mesmer.dataset.audit_ids import audit_id_lists as audit_id_lists  # beside its sister, where one looks for it
from mesmer.dataset.audit_ids import size_findings
from mesmer.dataset.audit_leakage import Leakage
from mesmer.dataset.audit_paper import paper_table
from mesmer.dataset.audit_record import NAMES_KEPT, Audit, Finding, in_order
from mesmer.dataset.audit_removed import read_removed
from mesmer.dataset.audit_rows import Damage, read_rows
from mesmer.dataset.facts import DatasetFacts, read_facts
from mesmer.records import SPLITS


def audit_dataset(folder: str | Path, *, progress: Callable[[int, int], None] | None = None) -> Audit:
    """Audit a prepared dataset. Every row is read once; a few are in memory, and some hundred bytes of each are kept.

    Damage does not stop it: a shard or a row that cannot be read is a finding, and the rest is audited.

    Args:
        folder: of the dataset.
        progress: is told how many rows were read, and how many there are.

    Raises:
        DataError: the folder is no prepared dataset, or its ``dataset.json`` is damaged.
        StaleDatasetError: it was made by another version of MESMER.
    """
    folder = Path(folder)
    facts, fingerprint = read_facts(folder)
    paper = paper_table(facts.corpus, facts.emotions)
    counts, leakage = Counts(facts.emotions), Leakage(("speaker", "dialogue", "video"))
    flaws, duplicates = Flaws(frame_interval_s=facts.settings.frame_interval_s), Duplicates()
    damages: list[Damage] = []
    done = 0
    for item in read_rows(folder, facts):
        if isinstance(item, Damage):
            damages.append(item)
            done += item.rows
        else:
            counts.add(item)
            leakage.add(item.split, item.units)
            flaws.add(item)
            duplicates.add(item)
            done += 1
        if progress:
            progress(done, facts.rows_out)
    removed, removed_findings = read_removed(folder, facts)
    splits = counts.splits({split: leakage.names([split]) for split in SPLITS} | {ALL: leakage.names(SPLITS)})
    findings = [
        *leakage.findings(),
        *_damage_findings(damages),
        *flaws.findings(),
        *duplicates.findings(),
        *removed_findings,
        *counts.findings(),
        *(Finding(kind="about", count=facts.rows_out, sentence=note) for note in facts.notes),
        *_stray_files(folder, facts),
        *size_findings({split: splits[split].utterances for split in SPLITS}, paper),
    ]
    return Audit(
        name=folder.resolve().name,
        source="dataset",
        corpus=facts.corpus,
        emotions=facts.emotions,
        splits=splits,
        labels=counts.labels(paper),
        together=counts.together(),
        labels_each=counts.labels_each(),
        lengths=counts.lengths(),
        leaks=leakage.leaks(),
        removed=removed,
        findings=in_order(findings),
        paper=paper,
        made={
            "rows_in": facts.rows_in,
            "rows_out": facts.rows_out,
            "quarantined": facts.quarantined,
            "split_rule": facts.split_rule,
            "split_seed": facts.split_seed,
            "settings": to_dict(facts.settings),
            "made_with": dict(facts.made_with),
            "fingerprint": fingerprint,
        },
    )


def _damage_findings(damages: list[Damage]) -> list[Finding]:
    found = []
    for kind in ("damaged_file", "damaged_row"):
        those = [damage for damage in damages if (damage.row is None) == (kind == "damaged_file")]
        if not those:
            continue
        lost = sum(damage.rows for damage in those)
        first = those[0]
        where = first.file if first.row is None else f"{first.file}, {first.row}"
        what = "files" if kind == "damaged_file" else "rows"
        lost_words = f", {lost:,} rows are lost" if kind == "damaged_file" else ""
        found.append(
            Finding(
                kind=kind,
                count=len(those),
                sentence=f"{len(those):,} damaged {what}{lost_words}; the first is {where}: {first.reason}",
                splits={split: sum(damage.split == split for damage in those) for split in SPLITS},
                ids=tuple(damage.row or damage.file for damage in those[:NAMES_KEPT]),
            )
        )
    return found


def _stray_files(folder: Path, facts: DatasetFacts) -> list[Finding]:
    """Return Parquet files that other readers of the folder would take for a part of it."""
    known = {shard.name for shards in facts.shards.values() for shard in shards}
    strays = sorted(path.name for path in folder.glob("*.parquet") if path.name not in known)
    if not strays:
        return []
    sentence = f"{len(strays):,} Parquet files in the folder are not of this dataset; the first is '{strays[0]}'"
    return [Finding(kind="stray_file", count=len(strays), sentence=sentence, ids=tuple(strays[:NAMES_KEPT]))]
