"""Codes out of an ELAN document (EAF), whoever wrote it: bounded, and without entities or anything fetched.

Two ways of coding are understood. A tier named after an emotion (``anger``, ``anger@Ada``) says when it is expressed, and
that it is not at any other time. Any other tier is one of codes if at least half of its annotations name emotions or
nothing (``none``, ``neutral``): what lies between its annotations was not rated. ``PARTICIPANT`` (or what follows ``@``) is
the person, ``ANNOTATOR`` the coder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mesmer.analysis.codes import MAX_CODES, Code, Codes, EmotionWords, checked_name, strange_words_note
from mesmer.corpora.text_files import shorten
from mesmer.errors import DataError, suggest
from mesmer.storage.reading import read_bytes

MAX_BYTES = 64 * 2**20
MAX_TIERS = 1000
MAX_VALUE_CHARS = 1000
MAX_TIME_MS = 10**9
ABSENT_VALUES = frozenset({"0", "no", "false", "absent", "none"})
"""On a tier named after an emotion: it is not expressed."""

_OWN_TIER = re.compile(r"(person \d+|unseen)\b", re.IGNORECASE)
"""Tiers of the files that ``mesmer analyze`` writes begin so."""


@dataclass(frozen=True, kw_only=True)
class _Annotation:
    start_s: float
    end_s: float
    value: str


@dataclass(frozen=True, kw_only=True)
class _Tier:
    name: str
    person: str | None
    coder: str
    annotations: Sequence[_Annotation]


@dataclass
class _Read:
    codes: list[Code] = field(default_factory=list)
    throughout: set[tuple[str, str | None, str]] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def read_elan_codes(path: Path, *, words: EmotionWords, coder: str, tiers: Sequence[str] = ()) -> Codes:
    """Read the codes of an ELAN document.

    Args:
        path: of the file.
        words: what the codes mean.
        coder: who coded, where a tier does not say.
        tiers: names of those that hold codes; none given: told by what they hold.

    Raises:
        DataError: the file is missing, too large or no ELAN document; it has entities; a tier named is not there; or it
            holds no codes.
    """
    root = _document(path)
    found = list(_tiers(root, path, coder))
    names = [tier.name for tier in found]
    for name in tiers:
        if name not in names:
            raise DataError(f"there is no tier '{shorten(name)}'", file=path, field="--tiers", remedy=suggest(name, names))
    read = _Read()
    for tier in found:
        _read_tier(tier, words, read, chosen=tier.name in tiers if tiers else None)
    if not read.used:
        remedy = "name the tiers of codes with --tiers, and words of your own with --words"
        raise DataError(f"no tier of it holds codes of {', '.join(words.emotions)}", file=path, remedy=remedy)
    notes = [f"tiers read as codes: {', '.join(read.used)}"]
    notes += [f"tiers left out: {', '.join(read.left)}"] if read.left else []
    if any(media.get("TIME_ORIGIN", "0") not in ("", "0") for media in root.iter("MEDIA_DESCRIPTOR")):
        notes.append("the document shifts its media (TIME_ORIGIN), which was not applied: see --shift-s")
    notes += strange_words_note(read.strange)
    return Codes(codes=read.codes, throughout=frozenset(read.throughout), notes=notes)


def _document(path: Path) -> Element:
    data = read_bytes(path, max_bytes=MAX_BYTES)
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise DataError("it declares a document type or entities", file=path, remedy="save it again with ELAN") from None
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"this is no XML ({error})", file=path, remedy="save it again with ELAN") from None
    if not isinstance(root, Element) or root.tag != "ANNOTATION_DOCUMENT":
        raise DataError("this is no ELAN document", file=path, field=shorten(str(root.tag)))
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"its times are in '{shorten(units)}'", file=path, field="TIME_UNITS", remedy="use milliseconds")
    return root


def _tiers(root: Element, path: Path, coder: str) -> Iterator[_Tier]:
    """Yield the tiers with the times of their annotations, those of tiers that hang on others too."""
    slots = {slot.get("TIME_SLOT_ID", ""): _slot_ms(slot, path) for slot in root.iter("TIME_SLOT")}
    elements = root.findall("TIER")
    if len(elements) > MAX_TIERS:
        raise DataError(f"it has more than {MAX_TIERS} tiers", file=path)
    times: dict[str, tuple[float, float]] = {}
    parents: dict[str, str] = {}
    total = 0
    for tier in elements:
        aligned = list(tier.iter("ALIGNABLE_ANNOTATION"))
        refs = list(tier.iter("REF_ANNOTATION"))
        total += len(aligned) + len(refs)
        if total > MAX_CODES:
            raise DataError(f"it has more than {MAX_CODES} annotations", file=path)
        times |= _aligned_times(aligned, slots, tier.get("TIER_ID", ""), path)
        parents |= {ref.get("ANNOTATION_ID", ""): ref.get("ANNOTATION_REF", "") for ref in refs}
    for tier in elements:
        name = tier.get("TIER_ID", "")
        annotations = []
        for annotation in (*tier.iter("ALIGNABLE_ANNOTATION"), *tier.iter("REF_ANNOTATION")):
            own = _time_of(annotation.get("ANNOTATION_ID", ""), times, parents)
            if own is None:
                raise DataError("an annotation hangs on none that has times", file=path, field=f"tier '{shorten(name)}'")
            value = (annotation.findtext("ANNOTATION_VALUE") or "").strip()[:MAX_VALUE_CHARS]
            annotations.append(_Annotation(start_s=own[0] / 1000, end_s=own[1] / 1000, value=value))
        own_tier = _OWN_TIER.match(name)
        after = name.partition("@")[2] or (own_tier[1] if own_tier else "")
        yield _Tier(
            name=name,
            person=checked_name(tier.get("PARTICIPANT", "") or after, file=path, field="PARTICIPANT"),
            coder=checked_name(tier.get("ANNOTATOR", ""), file=path, field="ANNOTATOR") or coder,
            annotations=annotations,
        )


def _slot_ms(slot: Element, path: Path) -> float | None:
    """Return a slot's time; None for one that ELAN places between its neighbours."""
    text = slot.get("TIME_VALUE")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_TIME_MS:
        field = f"TIME_SLOT {shorten(slot.get('TIME_SLOT_ID', ''))}"
        raise DataError(f"'{shorten(text)}' is no time in milliseconds", file=path, field=field)
    return float(text)


def _aligned_times(
    annotations: Sequence[Element], slots: Mapping[str, float | None], tier: str, path: Path
) -> dict[str, tuple[float, float]]:
    """Return annotation id -> (start, end) in ms. Slots without a time lie evenly between those that have one."""
    names: list[str] = []
    for annotation in annotations:
        for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
            name = annotation.get(end, "")
            if name not in slots:
                raise DataError(f"there is no time slot '{shorten(name)}'", file=path, field=f"tier '{shorten(tier)}'")
            if not names or names[-1] != name:
                names.append(name)
    placed: dict[str, float] = {}
    last = 0
    for at, name in enumerate(names):
        time_ms = slots[name]
        if time_ms is None:
            continue
        placed[name] = time_ms
        before = placed.get(names[last], time_ms)
        for between in range(last + 1, at):
            placed.setdefault(names[between], before + (time_ms - before) * (between - last) / (at - last))
        last = at
    found = {}
    for annotation in annotations:
        ends = [placed.get(annotation.get(end, "")) for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")]
        if ends[0] is None or ends[1] is None or ends[1] < ends[0]:
            raise DataError(
                "an annotation has no times, or ends before it begins", file=path, field=f"tier '{shorten(tier)}'"
            )
        found[annotation.get("ANNOTATION_ID", "")] = (ends[0], ends[1])
    return found


def _time_of(name: str, times: Mapping[str, tuple[float, float]], parents: Mapping[str, str]) -> tuple[float, float] | None:
    """Return the time of an annotation, or of the one it hangs on; None if there is none, or it goes round in a circle."""
    for _ in range(MAX_TIERS):
        if name in times or name not in parents:
            break
        name = parents[name]
    return times.get(name)


def _read_tier(tier: _Tier, words: EmotionWords, read: _Read, *, chosen: bool | None) -> None:
    """Take the codes of a tier, if it holds some; ``chosen`` is whether the user named it, None where none is named."""
    emotion = words.emotion(tier.name.partition("@")[0])
    values = [one.value for one in tier.annotations]
    meanings = [words.read(value) for value in values]
    telling = [bool(named) or not strange for named, strange in meanings]
    named_any = any(named for named, _ in meanings)
    is_codes = emotion is not None or (named_any and 2 * sum(telling) >= len(values))
    if not (is_codes if chosen is None else chosen):
        read.left.append(shorten(tier.name, 40))
        return
    read.used.append(shorten(tier.name, 40))
    if emotion is not None:
        read.throughout.add((tier.coder, tier.person, emotion))
    for one, (named, strange) in zip(tier.annotations, meanings, strict=True):
        if one.end_s <= one.start_s or one.value.lower() == "no answer":
            continue
        rated = None
        if emotion is not None:
            named = frozenset() if one.value.lower() in ABSENT_VALUES else frozenset({emotion})
            rated = frozenset({emotion})
        else:
            read.strange += strange
        read.codes.append(
            Code(coder=tier.coder, person=tier.person, start_s=one.start_s, end_s=one.end_s, named=named, rated=rated)
        )
