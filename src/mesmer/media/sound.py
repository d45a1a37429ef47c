"""The sound of a stretch as one gapless run of mono 16 kHz samples that starts with the stretch (decoder process only)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from math import gcd
from typing import Any

import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.media.mono import Resampler, to_mono
from mesmer.media.serving import MOVED, Piece, Served, Serving
from mesmer.media.source import Pulse, Refusal, beyond, check_sound, decoded, origin_s, sound_stream, time_s
from mesmer.media.streaming import Streaming
from mesmer.media.stretch import SOUND_BLOCK_SAMPLES, Stretch
from mesmer.media.timeline import CONTINUOUS_SLACK_S


class Sound(Streaming):
    """Iterate over blocks float32 (T,) of at most half a second for one or many stretches, each without gaps.

    A stretch says from when to when, and which channel. Sample 0 lies at its start; sound that begins late or pauses has
    silence there.
    """

    # In the other containers time stamps after seeking are not exact; there the samples before are decoded and dropped.
    seekable = ("mov", "wav", "flac")
    continuous = True

    def _begin(self) -> None:
        super()._begin()
        self._decoded_samples = 0
        self._channels = {name: _Channel(name) for name in sorted({stretch.channel for _, stretch in self._stretches})}
        self._tracks: dict[int, _Track] = {}

    def _stream(self, container: InputContainer) -> Any:
        return sound_stream(container)

    def _read(self, container: InputContainer, *, sought: bool) -> Generator[Piece | Served | object | None, None, bool]:
        stream = sound_stream(container)
        origin = origin_s(container)
        timeline = self._timeline
        begun = False
        for frame in decoded(container, stream, threads=1, damage=self._damage, pulse=Pulse()):
            if frame is None:
                yield None
                continue
            check_sound(self._file.limits, frame.sample_rate, frame.layout.nb_channels)
            if frame.samples == 0 or frame.sample_rate <= 0:
                continue
            rate_hz = frame.sample_rate
            stamp_s = time_s(frame.pts, stream)
            stamp_s = None if stamp_s is None else stamp_s - origin
            if sought and not begun and (stamp_s is None or stamp_s > self._start_s):
                return False
            expected_s = timeline.end_s
            starts_s = timeline.place(stamp_s, frame.samples / rate_hz)
            self._decoded_samples += frame.samples
            self._come_to(timeline.end_s)
            new_run = not begun or starts_s > expected_s + CONTINUOUS_SLACK_S
            for channel in self._channels.values():
                samples = channel.mono(frame)
                if new_run or channel.rate_hz != rate_hz:
                    yield from self._hand_out(channel, *channel.flush())
                    start = _run_start(stream, origin, starts_s, rate_hz, len(samples), sought=sought and not begun)
                    samples = samples[start[0] :]
                    channel.begin(rate_hz, place=start[1])
                yield from self._hand_out(channel, *channel.push(samples))
            begun = True
            yield from self._end_full()
            if self.line.empty:
                return True
            self.reached_s, self._before = timeline.end_s, self._oddities
            yield MOVED
        if sought and not begun:
            return False
        self._come_to(math.inf)
        for channel in self._channels.values():
            yield from self._hand_out(channel, *channel.flush())
        for serving in list(self.line.near):
            serving.ended_s = timeline.end_s
            yield from self._end(serving)
        return True

    def _come_to(self, time_s: float) -> list[Serving]:
        coming = super()._come_to(time_s)
        for serving in coming:
            channel = self._channels[serving.stretch.channel]
            self._tracks[serving.index] = _Track(serving.stretch, not_numbers_before=channel.not_numbers)
        return coming

    def _hand_out(self, channel: _Channel, place: int, samples: NDArray[np.float32]) -> Iterator[Piece | Served]:
        """Give numbered samples to the stretches that want this channel."""
        for serving in list(self.line.near):
            if serving.stretch.channel != channel.name or not len(samples):
                continue
            track = self._tracks[serving.index]
            length_s = track.length_s(place + len(samples))
            if length_s > self._file.limits.duration_s:
                yield from self._end(serving, beyond(self._file.limits, "duration_s", length_s))
                continue
            for block in track.add(place, samples):
                serving.handed_out += len(block)
                yield Piece(serving, serving.handed_out - len(block), block)

    def _end_full(self) -> Iterator[Piece | Served]:
        """End the stretches whose end has been reached."""
        for serving in list(self.line.near):
            if self._tracks[serving.index].ends_by(self._channels[serving.stretch.channel].place):
                yield from self._end(serving)

    def _end(self, serving: Serving, refusal: Refusal | None = None) -> Iterator[Piece | Served]:
        track, channel = self._tracks.pop(serving.index), self._channels[serving.stretch.channel]
        if refusal is None and len(rest := track.rest()):
            serving.handed_out += len(rest)
            yield Piece(serving, serving.handed_out - len(rest), rest)
        self.line.leave(serving)
        self._oddities.end(serving)
        serving.decoded_samples = self._decoded_samples
        if channel.alone:
            serving.warn(f"the sound has one channel; it was taken for the {channel.name} one")
        if not_numbers := channel.not_numbers - track.not_numbers_before:
            serving.warn(f"{not_numbers} samples of the sound were not numbers and were silenced")
        yield Served(serving, refusal)


class _Channel:
    """One choice of channels as one run of 16 kHz samples after the other, numbered from the file's first time stamp.

    Attributes:
        place: the number of the next sample.
        not_numbers: input samples that were none.
        alone: the file has one channel only, and another one was asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.place = 0
        self.not_numbers = 0
        self.alone = False
        self._resampler: Resampler | None = None

    @property
    def rate_hz(self) -> int | None:
        return None if self._resampler is None else self._resampler.rate_hz

    def mono(self, frame: Any) -> NDArray[np.float32]:
        """Return the channel of a decoded frame."""
        samples, not_numbers = to_mono(frame, channel=self.name)
        self.not_numbers += not_numbers
        self.alone = self.alone or (self.name != "mix" and frame.layout.nb_channels == 1)
        return samples

    def begin(self, rate_hz: int, *, place: int) -> None:
        """Begin a run whose first sample has this number; going back is not possible."""
        self._resampler = Resampler(rate_hz)
        self.place = max(place, self.place)

    def push(self, samples: NDArray[np.float32]) -> tuple[int, NDArray[np.float32]]:
        """Take samples and return what is ready, and the number of its first sample."""
        assert self._resampler is not None
        return self._numbered(self._resampler.push(samples))

    def flush(self) -> tuple[int, NDArray[np.float32]]:
        """End the run and return what the filter still held."""
        return self._numbered(np.zeros(0, np.float32) if self._resampler is None else self._resampler.flush())

    def _numbered(self, samples: NDArray[np.float32]) -> tuple[int, NDArray[np.float32]]:
        first, self.place = self.place, self.place + len(samples)
        return first, samples


class _Track:
    """Cuts numbered 16 kHz samples to a stretch and hands them out in blocks; fills what is missing with silence.

    Silence is only made once sound follows it.
    """

    def __init__(self, stretch: Stretch, *, not_numbers_before: int) -> None:
        self._start = round(stretch.start_s * SAMPLE_RATE_HZ)
        self._end = None if stretch.end_s is None else round(stretch.end_s * SAMPLE_RATE_HZ)
        self._filled = 0
        self._handed_out = 0
        self._waiting: list[NDArray[np.float32]] = []
        self.not_numbers_before = not_numbers_before

    def ends_by(self, place: int) -> bool:
        """Whether the stretch ends no later than at this sample."""
        return self._end is not None and place >= self._end

    def length_s(self, place: int) -> float:
        """How much of the stretch lies before this sample."""
        return ((place if self._end is None else min(place, self._end)) - self._start) / SAMPLE_RATE_HZ

    def add(self, first: int, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take the samples from number ``first`` on and yield the blocks that are complete."""
        low, high = max(first, self._start), first + len(samples)
        high = high if self._end is None else min(high, self._end)
        if high <= low:
            return
        while (missing := low - self._start - self._filled) > 0:
            yield from self._push(np.zeros(min(missing, SOUND_BLOCK_SAMPLES), np.float32))
        yield from self._push(np.clip(samples[low - first : high - first], -1.0, 1.0))

    def rest(self) -> NDArray[np.float32]:
        """Return the last, shorter block."""
        return np.concatenate([np.zeros(0, np.float32), *self._waiting])

    def _push(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        self._waiting.append(samples)
        self._filled += len(samples)
        while self._filled - self._handed_out >= SOUND_BLOCK_SAMPLES:
            joined = np.concatenate(self._waiting)
            self._waiting = [joined[SOUND_BLOCK_SAMPLES:]]
            self._handed_out += SOUND_BLOCK_SAMPLES
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
