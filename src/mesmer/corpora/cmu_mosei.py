"""CMU-MOSEI as delivered: segments of monologues, each scored by several people for six emotions.

Layout (below the given folder, or below its ``Raw``)::

    Videos/Full/Combined/VIDEO.mp4
    Audio/Full/WAV_16000/VIDEO.wav               used where a video has no sound of its own
    Transcript/Segmented/Combined/VIDEO.txt      see :mod:`mesmer.corpora.cmu_mosei_segments`
    CMU_MOSEI_Labels.csd, or Labels/*.csv        see :mod:`mesmer.corpora.cmu_mosei_labels`

An id is ``VIDEO_CLIP``; a video's name may hold ``_`` or begin with ``-``. The csd file knows no clip numbers, so its rows
are joined to the segments by their times. Rows are the segments of either side; a misaligned one, whose media,
transcript, times and labels do not meet, is left out with the rule that did it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.cmu_mosei_labels import MAX_SCORE, LabelledStretch, Scores, read_annotations, read_csd
from mesmer.corpora.cmu_mosei_segments import SAME_SEGMENT, Segment, read_segments
from mesmer.corpora.raw_files import find_root, media_problem, visible_files
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError, MediaError
from mesmer.records import Utterance

MATCH_TOLERANCE_S = 0.05
"""A row of the csd file belongs to the segment whose start and end are both at most so far from its own."""

MAX_OVERHANG_S = 0.5
"""A segment may end so much after its video before it counts as outside: one sampled frame."""

NO_VIDEO = "no video file"
UNREADABLE = "the video cannot be read"
NO_PICTURE = "the video has no picture"
NO_SOUND = "neither the video nor a sound file has sound"
NO_TRANSCRIPT = "no line of the transcript has this segment"
NO_LABELS = "no labels of this segment"
EMPTY_TEXT = "the transcript is empty"
END_BEFORE_START = "the end is not after the start"
OUTSIDE = "the segment lies outside the video"
RULES: tuple[str, ...] = (
    NO_VIDEO, UNREADABLE, NO_PICTURE, NO_SOUND, NO_TRANSCRIPT, NO_LABELS, EMPTY_TEXT, END_BEFORE_START, OUTSIDE,
    SAME_SEGMENT,
)  # fmt: skip
"""The cleaning rules: every removed segment names one of them (or that its video file is empty)."""

_TRANSCRIPTS = Path("Transcript") / "Segmented" / "Combined"
_VIDEOS = Path("Videos") / "Full" / "Combined"
_SOUNDS = Path("Audio") / "Full" / "WAV_16000"


class VideoFacts(Protocol):
    """What is asked of a video; the facts of :mod:`mesmer.media` fit."""

    @property
    def duration_s(self) -> float | None: ...
    @property
    def has_video(self) -> bool: ...
    @property
    def has_audio(self) -> bool: ...


Probe = Callable[[Path], VideoFacts]


def read_cmu_mosei(
    root: str | Path,
    *,
    scores: Literal["binary", "soft"] = "binary",
    labels: Literal["auto", "csd", "csv"] = "auto",
    durations: Mapping[str, float] | None = None,
    probe: Probe | None = None,
) -> Corpus:
    """Read the raw corpus and remove misaligned segments; nothing is decoded.

    Args:
        root: the folder of ``Videos``, ``Transcript`` and the labels, the folder around it, or around its ``Raw``.
        scores: ``binary`` counts any score above 0 as the label; ``soft`` gives the mean score as a part of 3.
        labels: the csd file, the annotators' tables, or (``auto``) the csd file where it is there.
        durations: video -> length in seconds, where known; without them and without ``probe`` the rule ``OUTSIDE`` and
            the rules on streams cannot be applied.
        probe: asked once for each video that is otherwise in order, such as ``MediaReader().probe``.

    Raises:
        DataError: the layout is not there, or a line or value is damaged (with file, line and field).
        DependencyError: the csd file needs h5py.
        ConfigError: an option is unknown.
    """
    if scores not in ("binary", "soft"):
        raise ConfigError(f"scores is '{scores}'", field="scores", remedy="use binary or soft")
    if labels not in ("auto", "csd", "csv"):
        raise ConfigError(f"labels is '{labels}'", field="labels", remedy="use auto, csd or csv")
    base = find_root(root, is_root=lambda folder: (folder / _TRANSCRIPTS).is_dir(), expected=f"a folder {_TRANSCRIPTS}")
    left_out: list[LeftOut] = []
    videos = {path.stem: path for path in visible_files(base / _TRANSCRIPTS, suffixes=[".txt"])}
    segments = {video: read_segments(path, left_out) for video, path in videos.items()}
    csd, tables = _label_files(Path(root), base, wanted=labels)
    if csd is not None:
        scored = _match(read_csd(csd), segments, csd, left_out)
    else:
        scored = _by_clip(read_annotations(tables), segments, left_out)
    cleaner = _Cleaner(base=base, labels_file=csd or tables[0].parent, durations=durations or {}, probe=probe)
    utterances: list[Utterance] = []
    for segment in (segment for found in segments.values() for segment in found):
        broken = cleaner.broken(segment, scored.get(segment.id))
        if broken:
            left_out.append(LeftOut(id=segment.id, file=str(broken[0]), rule=broken[1]))
        else:
            utterances.append(_utterance(segment, scored[segment.id], cleaner, soft=scores == "soft"))
    return Corpus(
        name="cmu_mosei", emotions=SIX_EMOTIONS, utterances=tuple(utterances), root=base, left_out=tuple(left_out)
    )


class _Cleaner:
    """The cleaning rules, in the order in which they are asked; a video is probed once."""

    def __init__(self, *, base: Path, labels_file: Path, durations: Mapping[str, float], probe: Probe | None) -> None:
        self.base = base
        self.labels_file = labels_file
        self.durations = dict(durations)
        self.probe = probe
        self.sound: dict[str, str | None] = {}
        self._problems: dict[str, tuple[Path, str] | None] = {}

    def video(self, name: str) -> Path:
        return self.base / _VIDEOS / f"{name}.mp4"

    def broken(self, segment: Segment, scores: Scores | None) -> tuple[Path, str] | None:
        """The file and the rule that remove a segment, or None."""
        if scores is None:
            return self.labels_file, NO_LABELS
        if segment.end_s <= segment.start_s:
            return segment.file, END_BEFORE_START
        if not segment.text:
            return segment.file, EMPTY_TEXT
        if segment.video not in self._problems:
            self._problems[segment.video] = self._video_problem(segment.video)
        problem = self._problems[segment.video]
        if problem:
            return problem
        duration_s = self.durations.get(segment.video)
        if duration_s is None:
            return None
        outside = segment.start_s >= duration_s or segment.end_s > duration_s + MAX_OVERHANG_S
        return (segment.file, OUTSIDE) if outside else None

    def _video_problem(self, name: str) -> tuple[Path, str] | None:
        path = self.video(name)
        rule = media_problem(path, missing=NO_VIDEO)
        if rule or self.probe is None:
            return (path, rule) if rule else None
        try:
            facts = self.probe(path)
        except MediaError:
            return path, UNREADABLE
        if not facts.has_video:
            return path, NO_PICTURE
        if not facts.has_audio:
            sound = self.base / _SOUNDS / f"{name}.wav"
            if media_problem(sound, missing=NO_SOUND):
                return path, NO_SOUND
            self.sound[name] = str(sound)
        if facts.duration_s is not None:
            self.durations.setdefault(name, facts.duration_s)
        return None


def _utterance(segment: Segment, scores: Scores, cleaner: _Cleaner, *, soft: bool) -> Utterance:
    labels = {e: min(1.0, score / MAX_SCORE) if soft else 1.0 for e, score in sorted(scores.items()) if score > 0}
    return Utterance(
        id=segment.id,
        corpus="cmu_mosei",
        media=str(cleaner.video(segment.video)),
        sound=cleaner.sound.get(segment.video),
        start_s=segment.start_s,
        end_s=segment.end_s,
        dialogue=segment.video,
        text=segment.text,
        labels=labels,
    )


def _label_files(root: Path, base: Path, *, wanted: str) -> tuple[Path | None, list[Path]]:
    """The csd file, else the annotators' tables."""
    beside = base.parent if base.name == "Raw" else base
    places = dict.fromkeys((root, base, base / "Labels", beside))
    csd = [path for place in places for path in visible_files(place, suffixes=[".csd"]) if "label" in path.stem.lower()]
    tables = visible_files(base / "Labels", suffixes=[".csv"])
    if len(csd) > 1 and wanted != "csv":
        remedy = f"keep one of {csd[0]} and {csd[1]}"
        raise DataError(f"{len(csd)} csd files of labels", file=base, field="labels", remedy=remedy)
    if csd and wanted != "csv":
        return csd[0], []
    if tables and wanted != "csd":
        return None, tables
    what = {"auto": "labels", "csd": "csd file of labels", "csv": "annotators' tables"}[wanted]
    remedy = "put CMU_MOSEI_Labels.csd beside Transcript, or the annotators' tables into Labels"
    raise DataError(f"there are no {what}", file=base, field="labels", remedy=remedy)


def _match(
    labelled: Mapping[str, list[LabelledStretch]],
    segments: Mapping[str, list[Segment]],
    csd: Path,
    left_out: list[LeftOut],
) -> dict[str, Scores]:
    """Join rows of the csd file to segments by their times: each row to the nearest segment not taken yet."""
    scored: dict[str, Scores] = {}
    for video, rows in labelled.items():
        free = list(segments.get(video, ()))
        for number, row in enumerate(rows):
            gaps_s = [max(abs(s.start_s - row.start_s), abs(s.end_s - row.end_s)) for s in free]
            best = min(range(len(free)), key=gaps_s.__getitem__, default=None)
            if best is None or gaps_s[best] > MATCH_TOLERANCE_S:
                left_out.append(LeftOut(id=f"{video}[{number}]", file=str(csd), rule=NO_TRANSCRIPT))
            else:
                scored[free.pop(best).id] = row.scores
    return scored


def _by_clip(
    annotated: Mapping[tuple[str, int], tuple[Path, Scores]],
    segments: Mapping[str, list[Segment]],
    left_out: list[LeftOut],
) -> dict[str, Scores]:
    known = {segment.id for found in segments.values() for segment in found}
    scored: dict[str, Scores] = {}
    for (video, clip), (file, scores) in annotated.items():
        if f"{video}_{clip}" in known:
            scored[f"{video}_{clip}"] = scores
        else:
            left_out.append(LeftOut(id=f"{video}_{clip}", file=str(file), rule=NO_TRANSCRIPT))
    return scored
