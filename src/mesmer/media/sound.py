"""The sound of a stretch as one gapless run of mono 16 kHz samples that starts with the stretch (decoder process only)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from math import gcd
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.media.limits import Limits
from mesmer.media.mono import Resampler, to_mono
from mesmer.media.source import (
    PREROLL_S,
    SEEK_FROM_S,
    Damage,
    MediaFile,
    Pulse,
    check_sound,
    decoded,
    origin_s,
    over,
    sound_stream,
    time_s,
)
from mesmer.media.stretch import SOUND_BLOCK_SAMPLES, Stretch
from mesmer.media.timeline import CONTINUOUS_SLACK_S, Timeline

# Containers whose sound has exact time stamps after seeking; in the others the samples before are decoded and dropped.
_SEEKABLE = ("mov", "wav", "flac")


class Sound:
    """Iterate over float32 (T,) blocks of at most half a second, without gaps, with None as a sign of life.

    Sample 0 lies at the start of the stretch. Sound that begins late or pauses has silence there.

    Args:
        file: the file; it is opened anew.
        stretch: from when to when, and which channel.
        claimed_end_s: where the file says its sound ends; None if it does not say.
    """

    def __init__(self, *, file: MediaFile, stretch: Stretch, claimed_end_s: float | None) -> None:
        self._file = file
        self._stretch = stretch
        self._claimed_end_s = claimed_end_s
        self._track = _Track(stretch, limits=file.limits)
        self._not_numbers = 0
        self.decoded_samples = 0
        self.damage = Damage()
        self._warnings: list[str] = []
        self.ended_s: float | None = None

    @property
    def empty(self) -> bool:
        """Whether no sample has been handed out."""
        return self._track.handed_out == 0

    @property
    def warnings(self) -> list[str]:
        """What was odd, as sentences."""
        if not self._not_numbers:
            return self._warnings
        return [*self._warnings, f"{self._not_numbers} samples of the sound were not numbers and were silenced"]

    def __iter__(self) -> Iterator[NDArray[np.float32] | None]:
        if self._stretch.start_s > SEEK_FROM_S and self._file.container in _SEEKABLE:
            with self._file.open() as container:
                if _seek(container, self._stretch.start_s - PREROLL_S):
                    found = yield from self._read(container, sought=True)
                    if found:
                        return
        self.damage = Damage()
        with self._file.open() as container:
            yield from self._read(container, sought=False)

    def _read(self, container: InputContainer, *, sought: bool) -> Generator[NDArray[np.float32] | None, None, bool]:
        """Yield the blocks; return False if seeking led past the start, so that nothing was handed out."""
        stream = sound_stream(container)
        origin = origin_s(container)
        timeline = Timeline(claimed_end_s=self._claimed_end_s, continuous=True)
        resampler: Resampler | None = None
        aligned = sought
        for frame in decoded(container, stream, threads=1, damage=self.damage, pulse=Pulse()):
            if frame is None:
                yield None
                continue
            check_sound(self._file.limits, frame.sample_rate, frame.layout.nb_channels)
            if frame.samples == 0 or frame.sample_rate <= 0:
                continue
            samples = self._mono(frame)
            stamp_s = time_s(frame.pts, stream)
            stamp_s = None if stamp_s is None else stamp_s - origin
            if sought and resampler is None and (stamp_s is None or stamp_s > self._stretch.start_s):
                return False
            expected_s = timeline.end_s
            starts_s = timeline.place(stamp_s, len(samples) / frame.sample_rate)
            if resampler is None or resampler.rate_hz != frame.sample_rate or starts_s > expected_s + CONTINUOUS_SLACK_S:
                yield from self._track.add(np.zeros(0, np.float32) if resampler is None else resampler.flush())
                resampler = Resampler(frame.sample_rate)
                skipped, place = _run_start(stream, origin, starts_s, frame.sample_rate, len(samples), sought=aligned)
                samples = samples[skipped:]
                self._track.go_to(place)
                aligned = False
            yield from self._track.add(resampler.push(samples))
            if self._track.full:
                yield from self._track.rest()
                return True
        if sought and resampler is None:
            return False
        if resampler is not None:
            yield from self._track.add(resampler.flush())
        yield from self._track.rest()
        self.ended_s = timeline.end_s
        self._note(timeline)
        return True

    def _mono(self, frame: Any) -> NDArray[np.float32]:
        samples, not_numbers = to_mono(frame, channel=self._stretch.channel)
        self.decoded_samples += len(samples)
        self._not_numbers += not_numbers
        if self._stretch.channel != "mix" and frame.layout.nb_channels == 1:
            warning = f"the sound has one channel; it was taken for the {self._stretch.channel} one"
            if warning not in self._warnings:
                self._warnings.append(warning)
        return samples

    def _note(self, timeline: Timeline) -> None:
        if timeline.replaced:
            self._warnings.append(f"{timeline.replaced} time stamps of the sound were missing or wrong and were replaced")


class _Track:
    """Cuts numbered 16 kHz samples to the stretch and hands them out in blocks; fills what is missing with silence.

    Samples are numbered from the file's first time stamp. Silence is only made once sound follows it.
    """

    def __init__(self, stretch: Stretch, *, limits: Limits) -> None:
        self._start = round(stretch.start_s * SAMPLE_RATE_HZ)
        self._end = None if stretch.end_s is None else round(stretch.end_s * SAMPLE_RATE_HZ)
        self._limits = limits
        self._place: int | None = None
        self._filled = 0
        self._waiting: list[NDArray[np.float32]] = []
        self.handed_out = 0

    @property
    def full(self) -> bool:
        """Whether the end of the stretch has been reached."""
        return self._end is not None and self._place is not None and self._place >= self._end

    def go_to(self, place: int) -> None:
        """Say that the next sample has this number; going back is not possible."""
        self._place = place if self._place is None else max(place, self._place)

    def add(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take the samples that follow and yield the blocks that are complete."""
        if self._place is None or len(samples) == 0:
            return
        first, self._place = self._place, self._place + len(samples)
        low = max(first, self._start)
        high = self._place if self._end is None else min(self._place, self._end)
        if high <= low:
            return
        if high - self._start > self._limits.duration_s * SAMPLE_RATE_HZ:
            over(self._limits, "duration_s", (high - self._start) / SAMPLE_RATE_HZ)
        while (missing := low - self._start - self._filled) > 0:
            yield from self._push(np.zeros(min(missing, SOUND_BLOCK_SAMPLES), np.float32))
        yield from self._push(np.clip(samples[low - first : high - first], -1.0, 1.0))

    def rest(self) -> Iterator[NDArray[np.float32]]:
        """Yield the last, shorter block."""
        if self._filled > self.handed_out:
            block = np.concatenate(self._waiting)
            self._waiting, self.handed_out = [], self._filled
            yield block

    def _push(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        self._waiting.append(samples)
        self._filled += len(samples)
        while self._filled - self.handed_out >= SOUND_BLOCK_SAMPLES:
            joined = np.concatenate(self._waiting)
            self._waiting = [joined[SOUND_BLOCK_SAMPLES:]]
            self.handed_out += SOUND_BLOCK_SAMPLES
            yield joined[:SOUND_BLOCK_SAMPLES]


def _run_start(stream: Any, origin: float, starts_s: float, rate_hz: int, length: int, *, sought: bool) -> tuple[int, int]:
    """Say where a run of sound begins: how many input samples to leave out, and the 16 kHz number of the first one kept.

    After seeking the first sample kept is one on which an output sample lies when read from the start, so that the
    resampling filter sits at the same places and seeking changes nothing.
    """
    if sought:
        first_s = float((stream.start_time or 0) * stream.time_base) - origin
        index = round((starts_s - first_s) * rate_hz)
        skipped = -index % (rate_hz // gcd(rate_hz, SAMPLE_RATE_HZ))
        if skipped < length:
            return skipped, round(first_s * SAMPLE_RATE_HZ) + (index + skipped) * SAMPLE_RATE_HZ // rate_hz
    return 0, round(starts_s * SAMPLE_RATE_HZ)


def _seek(container: InputContainer, target_s: float) -> bool:
    """Seek the sound to before a time; False if the container cannot."""
    stream = sound_stream(container)
    try:
        container.seek(round((target_s + origin_s(container)) / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OverflowError, ZeroDivisionError):
        return False
    return True
