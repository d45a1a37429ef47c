"""One reading of one file, as the answers the decoder process gives one after another (decoder process only)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import av
from av.container import InputContainer
from numpy.typing import NDArray

from mesmer.media.pictures import Pictures, first_frame, shown_size, upright
from mesmer.media.serving import Piece, Served, Serving
from mesmer.media.sound import Sound
from mesmer.media.source import (
    MediaFile,
    Pulse,
    Refusal,
    origin_s,
    over,
    picture_stream,
    reason,
    sound_stream,
)
from mesmer.media.stretch import SAME_TIME_S, Stretch

RANGE_SLACK_S = 0.5
"""An end this little after the file's end is taken as the file's end: annotations are seldom exact."""

EARLY_S = 0.5
"""A stream that ends this much before its claimed end, or more, ends early."""

WARNINGS_MAX = 16

_DONE = object()

Answer = tuple[dict[str, Any], NDArray[Any] | None]


def answers(file: MediaFile, stretches: Sequence[Stretch], *, seek: bool) -> Iterator[Answer]:
    """Yield header and bytes of every answer: ``facts`` first, then frames and sound, and at its end ``end`` or ``refused``
    for each stretch.

    Frames and sound of one stretch each come in order of time, and about together. ``more`` in between is a sign of life.
    Without stretches only the facts are told. All stretches are served in one go through the file from its start; ``seek``
    lets a single one begin near its own.

    Raises:
        Refusal: the file is damaged or beyond a limit.
    """
    try:
        yield from _answers(file, stretches, seek)
    except MemoryError as error:
        raise Refusal("limit", "needs more memory than allowed to decode", field="memory_bytes") from error
    except (av.error.FFmpegError, ValueError, OSError, ArithmeticError) as error:
        raise Refusal("corrupt", f"cannot be decoded: {reason(error)}") from error


def _answers(file: MediaFile, stretches: Sequence[Stretch], seek: bool) -> Iterator[Answer]:
    with file.open() as container:
        picture, sound = picture_stream(container), sound_stream(container)
        if picture is None and sound is None:
            raise Refusal("no_streams", "holds neither a picture nor sound")
        claimed_s = _duration_s(container)
        duration_s = (yield from _counted_duration_s(file)) if claimed_s is None else claimed_s
        facts = _facts(file, container, duration_s)
        claims = _claim(container, picture, duration_s), _claim(container, sound, duration_s)
    yield {"answer": "facts", **facts}, None
    wanted: list[_Wanted] = []
    for index, stretch in enumerate(stretches):
        try:
            wanted.append(_Wanted(index, stretch, _check_range(file, stretch, duration_s)))
        except Refusal as refusal:
            yield _refused(index, refusal)
    yield from _served(file, wanted, facts, claims, seek)


@dataclass
class _Wanted:
    """A stretch that is being served: its warnings so far, and what each stream has given, once it is through."""

    index: int
    stretch: Stretch
    warnings: list[str]
    waits_for: list[str] = field(default_factory=list)
    got: dict[str, Serving] = field(default_factory=dict)


def _served(
    file: MediaFile, wanted: list[_Wanted], facts: dict[str, Any], claims: tuple[Claim, Claim], seek: bool
) -> Iterator[Answer]:
    """Go through picture and sound and answer each stretch. Each reads the file by itself, so that one of them waiting for
    the other never fills the memory, however the file interleaves them; whichever is behind goes on.
    """
    sources: dict[str, Pictures | Sound] = {}
    for name, kind, codec, claim in (
        ("picture", Pictures, "video_codec", claims[0]),
        ("sound", Sound, "audio_codec", claims[1]),
    ):
        asked = [one for one in wanted if getattr(one.stretch, "want_video" if name == "picture" else "want_audio")]
        if asked and facts[codec] is not None:
            for one in asked:
                one.waits_for.append(name)
            pairs = [(one.index, one.stretch) for one in asked]
            sources[name] = kind(file=file, stretches=pairs, claimed_end_s=claim.end_s, seek=seek)
    for one in wanted:
        if not one.waits_for:
            yield _end_or_refused(one, facts, claims)
    by_index = {one.index: one for one in wanted}
    running = {name: iter(source) for name, source in sources.items()}
    while running:
        name = min(running, key=lambda name: sources[name].reached_s)
        item = next(running[name], _DONE)
        if item is _DONE:
            del running[name]
        elif item is None:
            yield {"answer": "more"}, None
        elif isinstance(item, Piece):
            yield _piece(item)
        elif isinstance(item, Served):
            one = by_index[item.serving.index]
            one.waits_for.remove(name)
            one.got[name] = item.serving
            if item.refusal:
                for other in one.waits_for:
                    sources[other].line.drop(one.index)
                yield _refused(one.index, item.refusal)
            elif not one.waits_for:
                yield _end_or_refused(one, facts, claims)


def _piece(piece: Piece) -> Answer:
    header = {"stretch": piece.serving.index}
    if piece.data.ndim == 1:
        return {"answer": "sound", **header, "samples": len(piece.data)}, piece.data
    height_px, width_px = piece.data.shape[:2]
    return {"answer": "frame", **header, "index": piece.before, "height_px": height_px, "width_px": width_px}, piece.data


def _refused(index: int, refusal: Refusal) -> Answer:
    return {"answer": "refused", "stretch": index, **refusal.told()}, None


def _end_or_refused(one: _Wanted, facts: dict[str, Any], claims: tuple[Claim, Claim]) -> Answer:
    try:
        end = _end(one.stretch, facts, one.got.get("picture"), one.got.get("sound"), claims)
    except Refusal as refusal:
        return _refused(one.index, refusal)
    return {**end, "stretch": one.index, "warnings": [*one.warnings, *end["warnings"]][:WARNINGS_MAX]}, None


def _facts(file: MediaFile, container: InputContainer, duration_s: float) -> dict[str, Any]:
    picture, sound = picture_stream(container), sound_stream(container)
    facts: dict[str, Any] = {
        "container": file.container,
        "size_bytes": file.size_bytes,
        "duration_s": duration_s,
        "has_video": picture is not None,
        "has_audio": sound is not None,
        "video_codec": picture.codec_context.name if picture is not None and picture.codec_context else None,
        "audio_codec": sound.codec_context.name if sound is not None and sound.codec_context else None,
    }
    if facts["video_codec"] is not None:
        frame = first_frame(container, file=file)
        if frame is not None:
            width, height = shown_size(frame, picture)
            turn, _ = upright(frame)
            facts["width_px"], facts["height_px"] = (height, width) if turn % 180 else (width, height)
            facts["rotation_deg"] = turn
        rate = picture.average_rate or picture.guessed_rate
        facts["fps"] = float(rate) if rate and rate > 0 else None
    if facts["audio_codec"] is not None and sound.sample_rate > 0:
        facts["sample_rate_hz"], facts["channels"] = sound.sample_rate, sound.layout.nb_channels
    return facts


def _duration_s(container: InputContainer) -> float | None:
    """The duration the container states; None if it states none and FFmpeg at best guesses it from the bit rate."""
    if container.duration is None or container.duration < 0 or container.format.name == "mp3":
        return None
    duration_s = container.duration / av.time_base
    if "matroska" not in container.format.name:
        return duration_s
    # Matroska has no durations of streams, so one that is there is a guess; and it states where the last stamp ends.
    guessed = any(stream.duration is not None for stream in container.streams)
    return None if guessed else max(0.0, duration_s - origin_s(container))


def _counted_duration_s(file: MediaFile) -> Generator[Answer, None, float]:
    """Go through the packets, without decoding them, up to the last time stamp. Yields signs of life."""
    pulse = Pulse()
    end_s = 0.0
    with file.open() as container:
        try:
            for packet in container.demux(*container.streams.video, *container.streams.audio):
                if pulse.due():
                    yield {"answer": "more"}, None
                if packet.pts is not None and packet.time_base is not None:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.error.FFmpegError:
            pass  # the file breaks off here; what was counted stands
        return max(0.0, end_s - origin_s(container))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Where a stream ends by the file's own words: of the stream itself, or only of the file as a whole."""

    end_s: float
    of_stream: bool


def _claim(container: InputContainer, stream: Any | None, duration_s: float) -> Claim:
    counted = _duration_s(container) is None
    if stream is None or counted or not stream.duration or stream.duration < 0 or not stream.time_base:
        return Claim(end_s=duration_s, of_stream=False)
    end_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - origin_s(container)
    return Claim(end_s=max(0.0, end_s), of_stream=True)


def _check_range(file: MediaFile, stretch: Stretch, duration_s: float) -> list[str]:
    """Refuse a stretch outside the file; return warnings about one that reaches a little over its end."""
    if stretch.start_s > 0 and stretch.start_s >= duration_s - SAME_TIME_S:
        message = f"start_s is {stretch.start_s:g}, but the file ends at {duration_s:.3f} s"
        raise Refusal("range", message, field="start_s")
    if stretch.end_s is not None and stretch.end_s > duration_s + RANGE_SLACK_S:
        raise Refusal("range", f"end_s is {stretch.end_s:g}, but the file ends at {duration_s:.3f} s", field="end_s")
    length_s = (duration_s if stretch.end_s is None else stretch.end_s) - stretch.start_s
    if length_s > file.limits.duration_s:
        over(file.limits, "duration_s", length_s)
    if stretch.end_s is not None and stretch.end_s > duration_s + 0.05:
        return [f"end_s is {stretch.end_s - duration_s:.2f} s after the end of the file"]
    return []


def _end(
    stretch: Stretch, facts: dict[str, Any], pictures: Serving | None, sound: Serving | None, claims: tuple[Claim, Claim]
) -> dict[str, Any]:
    """The last answer: what is absent and why, and what was odd."""
    sources = [source for source in (pictures, sound) if source is not None]
    if sources and all(source.empty for source in sources) and any(source.damaged_packets for source in sources):
        raise Refusal("corrupt", "nothing in it can be decoded, or not in the memory allowed")
    video_absent = None if stretch.want_video else "not asked"
    audio_absent = None if stretch.want_audio else "not asked"
    if stretch.want_video and (pictures is None or pictures.empty):
        video_absent = "no frames" if facts["has_video"] else "no stream"
    if stretch.want_audio and (sound is None or sound.empty):
        damaged = facts["has_audio"] and (sound is None or (sound.decoded_samples == 0 and sound.damaged_packets > 0))
        audio_absent = "no stream" if not facts["has_audio"] else "corrupt" if damaged else "no samples"
    warnings = _coding_warnings(facts)
    for name, source, claim in (("picture", pictures, claims[0]), ("sound", sound, claims[1])):
        if source is not None:
            warnings += _source_warnings(name, source, claim, _latest_s(sources), stretch)
    return {
        "answer": "end",
        "video_absent": video_absent,
        "audio_absent": audio_absent,
        "warnings": warnings,
        "picture_end_s": _end_within_s(pictures, stretch, facts["duration_s"]),
        "sound_end_s": _end_within_s(sound, stretch, facts["duration_s"]),
        "stamps_replaced": sum(source.stamps_replaced for source in sources),
    }


def _end_within_s(source: Serving | None, stretch: Stretch, duration_s: float) -> float | None:
    """Where a stream ends within a stretch; None if it goes on to the stretch's end."""
    end_s = duration_s if stretch.end_s is None else stretch.end_s
    if source is None or source.empty or source.ended_s is None or source.ended_s >= end_s - SAME_TIME_S:
        return None
    return max(0.0, source.ended_s - stretch.start_s)


def _coding_warnings(facts: dict[str, Any]) -> list[str]:
    return [
        f"the {name} is in a coding that cannot be decoded here"
        for name, there, codec in (("picture", "has_video", "video_codec"), ("sound", "has_audio", "audio_codec"))
        if facts[there] and facts[codec] is None
    ]


def _source_warnings(name: str, source: Serving, claim: Claim, latest_s: float, stretch: Stretch) -> list[str]:
    warnings = list(source.warnings)
    if source.stamps_replaced:
        warnings.append(f"{source.stamps_replaced} time stamps of the {name} were missing or wrong and were replaced")
    if source.damaged_packets:
        warnings.append(f"{source.damaged_packets} damaged packets of the {name} were skipped")
    end_s = claim.end_s if stretch.end_s is None else min(claim.end_s, stretch.end_s)
    reached_s = source.ended_s if claim.of_stream else latest_s
    if source.ended_s is not None and reached_s is not None and end_s - reached_s > EARLY_S:
        warnings.append(f"the {name} ends early, at {source.ended_s:.2f} s of {end_s:.2f} s")
    return warnings


def _latest_s(sources: list[Serving]) -> float:
    """Where the longer of the streams ended; infinity if one of them was not read to its end."""
    return max(math.inf if source.ended_s is None else source.ended_s for source in sources)
