"""What the ids of a corpus say by themselves, and the audit of a split that is given as lists of ids alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from mesmer.corpora.id_lists import read_id_lists
from mesmer.dataset.audit_leakage import Leakage
from mesmer.dataset.audit_paper import PAPER_TABLES, PaperTable
from mesmer.dataset.audit_record import KINDS, NAMES_KEPT, Audit, Finding, SplitCounts, in_order
from mesmer.errors import ConfigError, DataError, suggest
from mesmer.records import SPLITS

_IEMOCAP_ID = re.compile(r"(Ses0[1-5][FM]_\w+)_([FM])\w+", re.ASCII)


def iemocap_units(name: str) -> dict[str, str | None] | None:
    """Return what an id such as ``Ses01F_impro01_M000`` says: session Ses01, speaker Ses01_M, dialogue Ses01F_impro01.

    The letter that begins the last part says who speaks. None if it is no such id.
    """
    match = _IEMOCAP_ID.fullmatch(name)
    if match is None:
        return None
    dialogue, letter = match.groups()
    return {"speaker": f"{dialogue[:5]}_{letter}", "dialogue": dialogue, "session": dialogue[:5]}


def cmu_mosei_units(name: str) -> dict[str, str | None] | None:
    """Return what an id such as ``-3g5yACwYnA_10`` says: the video, which may hold ``_``; None if it is no such id."""
    video, dash, clip = name.rpartition("_")
    return {"video": video} if video and dash and clip.isascii() and clip.isdigit() else None


ID_UNITS: Mapping[str, tuple[tuple[str, ...], Callable[[str], dict[str, str | None] | None]]] = {
    "iemocap": (("speaker", "dialogue", "session"), iemocap_units),
    "cmu_mosei": (("video",), cmu_mosei_units),
}
"""Corpus -> what its ids name, and the function that reads one."""


def audit_id_lists(folder: str | Path, *, corpus: str) -> Audit:
    """Audit a split from its lists of ids, with no media at hand.

    Raises:
        ConfigError: the ids of the corpus say nothing that is known here.
        DataError: the lists cannot be read, or not one id has the form of this corpus.
    """
    if corpus not in ID_UNITS:
        remedy = suggest(corpus, ID_UNITS)
        raise ConfigError(
            f"the ids of '{corpus}' are not known to name speakers or videos", field="--corpus", remedy=remedy
        )
    lists = read_id_lists(folder)
    units, parse = ID_UNITS[corpus]
    leakage, odd, odd_splits = Leakage(units), list[str](), Counter[str]()
    for split in SPLITS:
        for name in lists.ids[split]:
            parsed = parse(name)
            if parsed is None:
                odd_splits[split] += 1
                odd.append(name)
            leakage.add(split, parsed or {})
    sizes = lists.sizes()
    if len(odd) == sum(sizes.values()):
        message = f"not one id, such as '{odd[0]}', has the form of the ids of {corpus}"
        raise DataError(message, file=folder, field="id", remedy="name another --corpus")
    findings = leakage.findings() + size_findings(sizes, PAPER_TABLES[corpus])
    if "speaker" not in units:
        sentence = f"the ids of {corpus} do not name speakers, so leakage by speaker cannot be seen"
        findings.append(Finding(kind="unknown_speaker", count=sum(sizes.values()), sentence=sentence, splits=sizes))
    if odd:
        sentence = f"{len(odd):,} of {sum(sizes.values()):,} ids: {KINDS['odd_id'].words}, such as '{odd[0]}'"
        findings.append(
            Finding(kind="odd_id", count=len(odd), sentence=sentence, splits=dict(odd_splits), ids=tuple(odd[:NAMES_KEPT]))
        )
    return Audit(
        name=Path(folder).resolve().name,
        source="id lists",
        corpus=corpus,
        emotions=(),
        splits={split: SplitCounts(utterances=sizes[split], names=leakage.names([split])) for split in SPLITS}
        | {"all": SplitCounts(utterances=sum(sizes.values()), names=leakage.names(SPLITS))},
        leaks=leakage.leaks(),
        findings=in_order(findings),
        paper=PAPER_TABLES[corpus],
    )


def size_findings(sizes: Mapping[str, int], paper: PaperTable | None) -> list[Finding]:
    """Return a note where the splits do not have the published sizes."""
    differing = [split for split in SPLITS if paper is not None and sizes[split] != paper.sizes[split]]
    if paper is None or not differing:
        return []
    told = ", ".join(
        f"{split} has {sizes[split]:,} utterances, published are {paper.sizes[split]:,}" for split in differing
    )
    return [Finding(kind="differs_from_paper", count=0, sentence=told)]
