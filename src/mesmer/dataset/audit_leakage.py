"""Leakage: what two splits share, and how many utterances that concerns, in plain words.

A model that has seen a speaker, a dialogue or a video in training knows more about the test than it will know about the
next stranger. So does a threshold that was chosen on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mesmer.dataset.audit_record import NAMES_KEPT, UNITS, Finding, Leak
from mesmer.records import SPLITS

PAIRS: tuple[tuple[str, str], ...] = (("test", "train"), ("valid", "train"), ("test", "valid"))
"""Which split is held against which."""


class Leakage:
    """Counts, for each unit, the utterances per name and split. Memory grows with the names, not with the utterances."""

    def __init__(self, units: Sequence[str]) -> None:
        self._names: dict[str, dict[str, list[int]]] = {unit: {} for unit in units}
        self._unknown = {unit: [0] * len(SPLITS) for unit in units}
        self._utterances = [0] * len(SPLITS)

    def add(self, split: str, units: Mapping[str, str | None]) -> None:
        """Count one utterance."""
        place = SPLITS.index(split)
        self._utterances[place] += 1
        for unit, names in self._names.items():
            name = units.get(unit)
            counts = self._unknown[unit] if name is None else names.setdefault(name, [0] * len(SPLITS))
            counts[place] += 1

    def names(self, splits: Iterable[str]) -> dict[str, int]:
        """Return unit -> how many different names are known in these splits together."""
        places = [SPLITS.index(split) for split in splits]
        return {unit: sum(any(c[p] for p in places) for c in names.values()) for unit, names in self._names.items()}

    def leaks(self) -> tuple[Leak, ...]:
        """Return what each pair of splits shares, unit by unit; of an empty split there is nothing to say."""
        sizes = dict(zip(SPLITS, self._utterances, strict=True))
        pairs = [(of, with_) for of, with_ in PAIRS if sizes[of] and sizes[with_]]
        return tuple(self._leak(unit, of, with_) for unit in self._names for of, with_ in pairs)

    def _leak(self, unit: str, of: str, with_: str) -> Leak:
        here, there = SPLITS.index(of), SPLITS.index(with_)
        known = {name: counts for name, counts in self._names[unit].items() if counts[here]}
        shared = sorted(name for name, counts in known.items() if counts[there])
        affected = sum(known[name][here] for name in shared)
        unknown = self._unknown[unit][here]
        return Leak(
            unit=unit,
            of=of,
            with_=with_,
            known=len(known),
            shared=len(shared),
            names=tuple(shared[:NAMES_KEPT]),
            utterances=self._utterances[here],
            affected=affected,
            unknown=unknown,
            sentence=_sentence(unit, of, with_, len(known), len(shared), self._utterances[here], affected, unknown),
        )

    def findings(self) -> list[Finding]:
        """Return a finding for each leak, and one for each unit that is unknown somewhere."""
        found = [
            Finding(kind=f"leak_{leak.unit}", count=leak.affected, sentence=leak.sentence, splits={leak.of: leak.affected})
            for leak in self.leaks()
            if leak.shared
        ]
        for unit in ("speaker", "dialogue"):
            counts = dict(zip(SPLITS, self._unknown.get(unit, [0] * len(SPLITS)), strict=True))
            count, total = sum(counts.values()), sum(self._utterances)
            if count:
                sentence = f"{count:,} of {total:,} utterances: the {unit} is unknown, so leakage by {unit} cannot be seen"
                found.append(Finding(kind=f"unknown_{unit}", count=count, sentence=sentence, splits=counts))
        return found


def _sentence(unit: str, of: str, with_: str, known: int, shared: int, utterances: int, affected: int, unknown: int) -> str:
    """Say it, such as ``all 10 speakers of test are also in train: 1,481 of its 1,481 utterances (100 %)``."""
    many = UNITS[unit]
    if not known:
        return f"no utterance of {of} names its {unit}, so leakage into {with_} by {unit} cannot be seen"
    if not shared:
        text = f"no {unit} of {of} is in {with_}"
    elif known == 1:
        text = f"the one {'known ' if unknown else ''}{unit} of {of} is also in {with_}"
    elif shared == known:
        text = f"all {known:,} {many} of {of} are also in {with_}"
    else:
        text = f"{shared:,} of the {known:,} {many} of {of} {'is' if shared == 1 else 'are'} also in {with_}"
    if shared:
        text += f": {affected:,} of its {utterances:,} utterances ({_percent(affected, utterances)})"
    return text + (f"; of {unknown:,} utterances the {unit} is unknown" if unknown else "")


def _percent(part: int, whole: int) -> str:
    """``100 %`` only where it is all of them."""
    if part == whole:
        return "100 %"
    return f"{min(100 * part / whole, 99.9):.1f} %"
