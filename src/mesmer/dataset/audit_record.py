"""What an audit says: counts, leakage, what was removed and why, and findings, each of a known kind and severity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mesmer.config import MelSettings
from mesmer.dataset.audit_paper import PaperRow, PaperTable
from mesmer.errors import ConfigError, suggest

Severity = Literal["note", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

NAMES_KEPT = 10_000
"""So many ids or names are kept with a finding; its count is exact however many there are."""

TOO_SHORT_S = MelSettings().chunk_ms / 1000
"""A shorter utterance does not fill one chunk of sound."""

DRIFT_S = 0.25
"""Half the time between two sampled frames: what drifts by less stays nearer to its own frame than to the next."""

UNITS: Mapping[str, str] = {"speaker": "speakers", "dialogue": "dialogues", "video": "videos", "session": "sessions"}
"""What two splits may share -> its plural. A video is a media file."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of finding: how bad it is, a short title, and what it says of the utterances it concerns."""

    severity: Severity
    title: str
    words: str


KINDS: Mapping[str, Kind] = {
    "leak_speaker": Kind(severity="error", title="speakers in two splits", words="their speaker is also in another split"),
    "leak_dialogue": Kind(
        severity="error", title="dialogues in two splits", words="their dialogue is also in another split"
    ),
    "leak_video": Kind(severity="error", title="videos in two splits", words="their media file is also in another split"),
    "damaged_file": Kind(severity="error", title="damaged file", words="a file of the dataset is missing or changed"),
    "damaged_row": Kind(severity="error", title="damaged rows", words="the row cannot be read"),
    "wrong_labels": Kind(severity="error", title="wrong labels", words="the labels are not a score in [0, 1] per emotion"),
    "same_id": Kind(severity="error", title="repeated ids", words="the id is that of another row"),
    "same_content": Kind(
        severity="error", title="same content", words="sound and faces are those of another utterance, bit for bit"
    ),
    "same_stretch": Kind(
        severity="error", title="same stretch", words="file, start, end and side are those of another utterance"
    ),
    "leak_session": Kind(
        severity="warning", title="sessions in two splits", words="their session is also in another split"
    ),
    "same_sound": Kind(
        severity="warning", title="same sound", words="the sound is that of another utterance, the picture is not"
    ),
    "same_picture": Kind(
        severity="warning", title="same faces", words="the faces are those of another utterance, the sound is not"
    ),
    "quarantined": Kind(severity="warning", title="in quarantine", words="could not be prepared"),
    "not_here": Kind(
        severity="warning", title="listed, not here", words="named by the lists of ids, but not utterances of this dataset"
    ),
    "odd_id": Kind(severity="warning", title="odd ids", words="the id does not have the form of this corpus"),
    "stray_file": Kind(severity="warning", title="stray file", words="a Parquet file that the dataset does not name"),
    "empty_split": Kind(severity="warning", title="empty split", words="there is no utterance in the split"),
    "missing_emotion": Kind(severity="warning", title="missing emotion", words="no utterance of the split carries it"),
    "unlabelled": Kind(severity="warning", title="no labels", words="unlabelled"),
    "no_text": Kind(severity="warning", title="no text", words="there are no words"),
    "no_sound": Kind(severity="warning", title="no sound", words="there is no sound"),
    "silent": Kind(severity="warning", title="silent", words="there is sound, but it is silence"),
    "no_picture": Kind(severity="warning", title="no picture", words="there is no picture"),
    "no_face": Kind(severity="warning", title="no face", words="no face was found in any sampled frame"),
    "too_short": Kind(severity="warning", title="too short", words=f"shorter than one chunk of sound ({TOO_SHORT_S:g} s)"),
    "clock_drift": Kind(
        severity="warning",
        title="clock drift",
        words=f"sound, picture and utterance differ in length by over {DRIFT_S:g} s, or time stamps had to be replaced",
    ),
    "few_faces": Kind(severity="note", title="few faces", words="a face was found in less than half of the frames"),
    "several_people": Kind(
        severity="note", title="several people", words="several faces were seen at once, and one of them was followed"
    ),
    "about": Kind(severity="note", title="about these data", words="a sentence that belongs above every number about them"),
    "told": Kind(severity="note", title="other warnings", words="preparation had something else to say about them"),
    "left_out": Kind(severity="note", title="left out", words="left out by rule, before anything was decoded"),
    "unknown_speaker": Kind(severity="note", title="speaker unknown", words="the speaker is unknown"),
    "unknown_dialogue": Kind(severity="note", title="dialogue unknown", words="the dialogue is unknown"),
    "differs_from_paper": Kind(
        severity="note", title="not the paper's sizes", words="the sizes are not the published ones"
    ),
}
"""Every kind of finding, worst first."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: key of :data:`KINDS`.
        count: utterances (or files) it concerns.
        sentence: what was found, in plain words.
        splits: split -> how many of ``count`` are in it; empty where it concerns no split.
        ids: of the utterances, the first :data:`NAMES_KEPT`.
        groups: utterances that are alike, group by group, the first :data:`NAMES_KEPT` groups.
    """

    kind: str
    count: int
    sentence: str
    splits: Mapping[str, int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def severity(self) -> Severity:
        """How bad this kind is."""
        return KINDS[self.kind].severity


@dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """What is in a split (or in all of them together).

    Attributes:
        utterances: rows that could be read.
        names: unit -> how many different ones are known here.
        hours: of all utterances together.
        words_mean, seconds_mean, seconds_median, seconds_least, seconds_most: per utterance; None where there is none.
        unlabelled: utterances without labels.
        present: modality -> utterances that have it.
        frames, frames_with_face: sampled frames, and those in which the followed face was found.
    """

    utterances: int
    names: Mapping[str, int]
    hours: float = 0.0
    words_mean: float | None = None
    seconds_mean: float | None = None
    seconds_median: float | None = None
    seconds_least: float | None = None
    seconds_most: float | None = None
    unlabelled: int = 0
    present: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    frames_with_face: int = 0


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """A row of the paper's Tables 1 and 2: utterances that carry an emotion (score above 0), and their mean lengths."""

    emotion: str
    words_mean: float | None
    seconds_mean: float | None
    utterances: Mapping[str, int]
    paper: PaperRow | None


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What the split ``of`` shares with the split ``with_``.

    Attributes:
        unit: key of :data:`UNITS`.
        known: different names in ``of``.
        shared: how many of them are also in ``with_``.
        names: the shared ones, sorted, the first :data:`NAMES_KEPT`.
        utterances: in ``of``.
        affected: those of them whose name is shared.
        unknown: those of them that name none.
        sentence: all this in plain words.
    """

    unit: str
    of: str
    with_: str
    known: int
    shared: int
    names: tuple[str, ...]
    utterances: int
    affected: int
    unknown: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Rows of the corpus that are not in the dataset, by one rule. ``kind`` is ``left_out`` or that of the fault."""

    kind: str
    rule: str
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How many utterances of each split have which length: ``counts[split][n]`` of those in ``bins[n]``."""

    title: str
    bins: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All that an audit found.

    Attributes:
        name: of the folder.
        source: a prepared ``dataset``, or lists of ids.
        corpus: its name.
        emotions: the label set; empty for lists of ids.
        splits: split -> its counts, and ``all`` of them together.
        labels: one row per emotion.
        together: ``together[i][j]`` utterances carry both emotion i and emotion j.
        labels_each: number of labels -> utterances that carry so many; labelled ones only.
        lengths: histograms of words and seconds.
        leaks: what the splits share.
        removed: rows that are not in the dataset, most frequent rule first.
        findings: worst first.
        paper: the paper's own figures, where the corpus has them.
        made: how the dataset was made.
    """

    name: str
    source: Literal["dataset", "id lists"]
    corpus: str
    emotions: tuple[str, ...]
    splits: Mapping[str, SplitCounts]
    labels: tuple[LabelCounts, ...] = ()
    together: tuple[tuple[int, ...], ...] = ()
    labels_each: Mapping[int, int] = field(default_factory=dict)
    lengths: tuple[Lengths, ...] = ()
    leaks: tuple[Leak, ...] = ()
    removed: tuple[Removed, ...] = ()
    findings: tuple[Finding, ...] = ()
    paper: PaperTable | None = None
    made: Mapping[str, Any] = field(default_factory=dict)

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def wrong(self, *, allow: Collection[str] = ()) -> tuple[Finding, ...]:
        """Return the errors and warnings, but not those of the kinds in ``allow``.

        Raises:
            ConfigError: there is no such kind.
        """
        for kind in allow:
            if kind not in KINDS:
                raise ConfigError(f"there is no kind of finding '{kind}'", field="--allow", remedy=suggest(kind, KINDS))
        return tuple(f for f in self.findings if f.severity != "note" and f.kind not in allow)

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        values = asdict(self)
        for leak in values["leaks"]:
            leak["with"] = leak.pop("with_")
        findings = [asdict(finding) | {"severity": finding.severity} for finding in self.findings]
        counts = {f"{severity}s": self.count(severity) for severity in SEVERITIES}
        return values | {"findings": findings, "counts": counts}


def in_order(findings: Collection[Finding]) -> tuple[Finding, ...]:
    """Return findings worst first, in the order of :data:`KINDS`."""
    order = list(KINDS)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.kind)))
