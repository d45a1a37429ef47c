"""What is not in the dataset: the lines of ``quarantine.jsonl``, counted by the rule that removed them."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesmer.dataset.audit_record import KINDS, NAMES_KEPT, Finding, Removed
from mesmer.dataset.facts import DatasetFacts
from mesmer.dataset.join import QUARANTINE_FILE
from mesmer.dataset.removal import LEFT_OUT, rule_of
from mesmer.errors import DataError
from mesmer.records import SPLITS
from mesmer.storage.reading import parse_json

_MAX_LINE_BYTES = 2**20
_RULES_KEPT = 1000
_OTHER = "(further rules)"


def read_removed(folder: Path, facts: DatasetFacts) -> tuple[tuple[Removed, ...], list[Finding]]:
    """Return what was removed, most frequent rule first, and the findings about it.

    A list that cannot be read, or that has other rows than ``dataset.json`` says, is itself a finding.
    """
    found: dict[tuple[str, str], tuple[list[int], list[str]]] = {}
    not_here, not_here_ids = Counter[str](), list[str]()
    damage = None
    try:
        for line in _lines(folder / QUARANTINE_FILE):
            known = (line.kind, line.rule) in found or len(found) < _RULES_KEPT
            count, ids = found.setdefault((line.kind, line.rule if known else _OTHER), ([0], []))
            count[0] += 1
            if len(ids) < NAMES_KEPT:
                ids.append(line.id)
            if line.listed is not None:
                not_here[line.listed] += 1
                if len(not_here_ids) < NAMES_KEPT:
                    not_here_ids.append(line.id)
    except DataError as error:
        damage = f"{error.field}: {error.message}" if error.field else error.message
    removed = [
        Removed(kind=kind, rule=rule, count=count[0], ids=tuple(ids)) for (kind, rule), (count, ids) in found.items()
    ]
    removed.sort(key=lambda rule: -rule.count)
    total = sum(rule.count for rule in removed)
    if damage is None and total != facts.quarantined:
        damage = f"it has {total:,} rows instead of {facts.quarantined:,}"
    findings = _findings(removed, rows_in=facts.rows_in)
    if not_here:
        splits = {split: not_here[split] for split in SPLITS}
        sentence = f"{not_here.total():,} ids: {KINDS['not_here'].words}"
        finding = Finding(
            kind="not_here", count=not_here.total(), sentence=sentence, splits=splits, ids=tuple(not_here_ids)
        )
        findings.append(finding)
    if damage:
        findings.append(Finding(kind="damaged_file", count=1, sentence=f"{QUARANTINE_FILE}: {damage}"))
    return tuple(removed), findings


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One removed row; ``listed`` is the split of a list of ids that names it."""

    id: str
    kind: str
    rule: str
    listed: str | None


def _lines(path: Path) -> Iterator[_Line]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError("this is not a regular file")
        with path.open("rb") as handle:
            number = 0
            while line := handle.readline(_MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > _MAX_LINE_BYTES:
                    raise DataError("the line is too long", field=f"line {number}")
                yield _line(line, number)
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror or problem}") from None


def _line(line: bytes, number: int) -> _Line:
    place = f"line {number}"
    values: Any = parse_json(line, field=place)
    if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in ("id", "kind", "reason")):
        raise DataError("it does not say which row was removed and why", field=place)
    listed = values.get("listed")
    if listed is not None and listed not in SPLITS:
        raise DataError("it names a split that is none", field=place)
    kind = values["kind"]
    return _Line(id=values["id"], kind=kind, rule=rule_of(kind, values["reason"]), listed=listed)


def _findings(removed: list[Removed], *, rows_in: int) -> list[Finding]:
    found = []
    for kind in ("quarantined", LEFT_OUT):
        rules = [rule for rule in removed if (rule.kind == LEFT_OUT) == (kind == LEFT_OUT)]
        if rules:
            count = sum(rule.count for rule in rules)
            ids = [name for rule in rules for name in rule.ids][:NAMES_KEPT]
            told = ", ".join(f"{rule.rule}: {rule.count:,}" for rule in rules[:5])
            more = f", and {len(rules) - 5} rules more" if len(rules) > 5 else ""
            sentence = f"{count:,} of {rows_in:,} rows of the corpus: {KINDS[kind].words} ({told}{more})"
            found.append(Finding(kind=kind, count=count, sentence=sentence, ids=tuple(ids)))
    return found
