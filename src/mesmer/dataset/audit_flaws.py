"""Flaws of single utterances: what is missing, silent, too short, out of step, or was remarked on in preparation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from mesmer.dataset.audit_record import DRIFT_S, KINDS, NAMES_KEPT, TOO_SHORT_S, Finding
from mesmer.dataset.audit_rows import RowFacts
from mesmer.records import SPLITS

_REMARKS_KEPT = 100


def drift_s(row: RowFacts, *, frame_interval_s: float) -> float:
    """Return by how many seconds sound, picture and utterance differ in length at least.

    Where the end of the picture is not stored, its length is known to one frame interval: its S-th frame was shown and the
    one after was not, so it lies in ((S - 1) x interval, S x interval].
    """
    lengths = [(row.duration_s, row.duration_s)]
    if row.sound is not None:
        lengths.append((row.sound_s, row.sound_s))
    if row.picture_end_s is not None:
        lengths.append((row.picture_end_s, row.picture_end_s))
    elif row.frames:
        # A picture that lasts to the end is cut there, and so may be longer than its last frame shows.
        lengths.append(((row.frames - 1) * frame_interval_s, row.frames * frame_interval_s))
    return max(0.0, max(low for low, _ in lengths) - min(high for _, high in lengths))


def flaws_of(row: RowFacts, *, frame_interval_s: float) -> tuple[str, ...]:
    """Return the kinds of finding (see ``audit_record.KINDS``) that a row alone gives rise to."""
    return tuple(kind for kind, found in _CHECKS.items() if found(row, frame_interval_s))


_CHECKS: Mapping[str, Callable[[RowFacts, float], bool]] = {
    "wrong_labels": lambda row, _: not row.labels_fit,
    "unlabelled": lambda row, _: row.labels_fit and row.scores is None,
    "no_text": lambda row, _: row.words == 0,
    "silent": lambda row, _: row.absent.get("audio") == "silent",
    "no_sound": lambda row, _: row.absent.get("audio", "silent") != "silent",
    "no_picture": lambda row, _: "visual" in row.absent,
    "no_face": lambda row, _: "visual" not in row.absent and row.frames_with_face == 0,
    "few_faces": lambda row, _: 0 < row.frames_with_face < row.frames / 2,
    "several_people": lambda row, _: (row.people or 0) > 1,
    "too_short": lambda row, _: row.duration_s < TOO_SHORT_S,
    "clock_drift": lambda row, interval_s: drift_s(row, frame_interval_s=interval_s) > DRIFT_S or row.stamps_replaced > 0,
    "told": lambda row, _: len(row.warnings) > _accounted_for(row),
}


def _accounted_for(row: RowFacts) -> int:
    """How many of a row's warnings at least say what its numbers say too: of replaced time stamps and of faces."""
    not_everywhere = row.frames_with_face < row.frames
    return (row.stamps_replaced > 0) + not_everywhere + (row.frames_with_face > 0 and (row.people or 0) > 1)


class Flaws:
    """Gathers the flaws of all rows: exact counts, and the first ids of each kind."""

    def __init__(self, *, frame_interval_s: float) -> None:
        self._frame_interval_s = frame_interval_s
        self._rows = 0
        self._counts: dict[str, Counter[str]] = {}
        self._ids: dict[str, list[str]] = {}
        self._reasons: dict[str, Counter[str]] = {}
        self._worst_drift_s = 0.0

    def add(self, row: RowFacts) -> None:
        """Look at one row."""
        self._rows += 1
        self._worst_drift_s = max(self._worst_drift_s, drift_s(row, frame_interval_s=self._frame_interval_s))
        for kind in flaws_of(row, frame_interval_s=self._frame_interval_s):
            self._counts.setdefault(kind, Counter())[row.split] += 1
            ids = self._ids.setdefault(kind, [])
            if len(ids) < NAMES_KEPT:
                ids.append(row.id)
            for reason in _reasons(kind, row):
                known = self._reasons.setdefault(kind, Counter())
                if reason in known or len(known) < _REMARKS_KEPT:
                    known[reason] += 1

    def findings(self) -> list[Finding]:
        """Return one finding for each kind that was met."""
        return [
            Finding(
                kind=kind,
                count=counts.total(),
                sentence=self._sentence(kind, counts.total()),
                splits={split: counts[split] for split in SPLITS},
                ids=tuple(self._ids[kind]),
            )
            for kind, counts in self._counts.items()
        ]

    def _sentence(self, kind: str, count: int) -> str:
        text = f"{count:,} of {self._rows:,} utterances: {KINDS[kind].words}"
        reasons = self._reasons.get(kind)
        if reasons:
            text += " (" + ", ".join(f"{reason}: {n:,}" for reason, n in reasons.most_common(5)) + ")"
        if kind == "clock_drift" and self._worst_drift_s > DRIFT_S:
            text += f"; the most is {self._worst_drift_s:.2f} s"
        return text


def _reasons(kind: str, row: RowFacts) -> list[str]:
    if kind == "no_sound":
        return [row.absent["audio"]]
    if kind == "no_picture":
        return [row.absent["visual"]]
    return [_without_numbers(warning) for warning in row.warnings] if kind == "told" else []


def _without_numbers(text: str) -> str:
    """``3 damaged packets`` and ``7 damaged packets`` are one remark."""
    words = ("N" if any(mark.isdigit() for mark in word) else word for word in text.split())
    shown = " ".join(words)
    return shown if len(shown) <= 120 else shown[:119] + "…"
