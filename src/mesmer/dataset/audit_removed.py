"""What is not in the dataset: the lines of ``quarantine.jsonl``, counted by the rule that removed them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesmer.dataset.audit_record import KINDS, NAMES_KEPT, Finding, Removed
from mesmer.dataset.facts import DatasetFacts
from mesmer.dataset.join import QUARANTINE_FILE
from mesmer.dataset.removal import LEFT_OUT, rule_of
from mesmer.errors import DataError
from mesmer.storage.reading import parse_json

_MAX_LINE_BYTES = 2**20
_RULES_KEPT = 1000
_OTHER = "(further rules)"


def read_removed(folder: Path, facts: DatasetFacts) -> tuple[tuple[Removed, ...], list[Finding]]:
    """Return what was removed, most frequent rule first, and the findings about it.

    A list that cannot be read, or that has other rows than ``dataset.json`` says, is itself a finding.
    """
    found: dict[tuple[str, str], tuple[list[int], list[str]]] = {}
    damage = None
    try:
        for kind, rule, name in _lines(folder / QUARANTINE_FILE):
            key = (kind, rule) if (kind, rule) in found or len(found) < _RULES_KEPT else (kind, _OTHER)
            count, ids = found.setdefault(key, ([0], []))
            count[0] += 1
            if len(ids) < NAMES_KEPT:
                ids.append(name)
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
    if damage:
        findings.append(Finding(kind="damaged_file", count=1, sentence=f"{QUARANTINE_FILE}: {damage}"))
    return tuple(removed), findings


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield kind, rule and id of each line."""
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


def _line(line: bytes, number: int) -> tuple[str, str, str]:
    place = f"line {number}"
    values: Any = parse_json(line, field=place)
    if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in ("id", "kind", "reason")):
        raise DataError("it does not say which row was removed and why", field=place)
    kind = values["kind"]
    return kind, rule_of(kind, values["reason"]), values["id"]


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
