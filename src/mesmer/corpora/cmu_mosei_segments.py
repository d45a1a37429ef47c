"""The segments of a CMU-MOSEI video, as its transcript lists them: ``VIDEO___CLIP___START___END___TEXT``, one a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mesmer.corpora.base import LeftOut
from mesmer.corpora.text_files import Place, read_lines, shorten

MAX_SEGMENTS = 2_000
SAME_SEGMENT = "the segment stands in the transcript before"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One line of a transcript."""

    file: Path
    video: str
    clip: int
    start_s: float
    end_s: float
    text: str

    @property
    def id(self) -> str:
        """``VIDEO_CLIP``."""
        return f"{self.video}_{self.clip}"


def read_segments(path: Path, left_out: list[LeftOut]) -> list[Segment]:
    """Return the segments of a transcript, in the order of its lines; one that stands there again goes to ``left_out``.

    Raises:
        DataError: a line is damaged (with its number and field), or there are too many.
    """
    segments: dict[int, Segment] = {}
    for place, line in read_lines(path, fallback="cp1252"):
        if not line.strip():
            continue
        segment = _segment(place, line)
        if segment.clip in segments:
            left_out.append(LeftOut(id=segment.id, file=str(path), rule=SAME_SEGMENT))
            continue
        segments[segment.clip] = segment
        if len(segments) > MAX_SEGMENTS:
            place.fail("clip", f"the video has more than {MAX_SEGMENTS} segments")
    return list(segments.values())


def _segment(place: Place, line: str) -> Segment:
    parts = line.split("___", 4)
    # A video's name may itself end in or hold underscores; the file's name says where it stops.
    video = place.file.stem
    if line.startswith(f"{video}___"):
        parts = [video, *line[len(video) + 3 :].split("___", 3)]
    if len(parts) != 5:
        place.fail("fields", f"{len(parts)} fields instead of 5", "expected: video___clip___start___end___text")
    name, clip, start, end, text = parts
    if name != video:
        place.fail("video", f"'{shorten(name)}' is not the video of this file")
    return Segment(
        file=place.file,
        video=place.name("video", video),
        clip=place.whole("clip", clip),
        start_s=place.number("start", start),
        end_s=place.number("end", end),
        text=place.text("text", text),
    )
