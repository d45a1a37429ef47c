"""One go through a file: sound to segments, frames to people, and both together to clips of those who speak.

Sound and picture are decoded once each, by a process each, and whichever is behind goes on; so however a file interleaves
them, no more than the longest utterance is held in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mesmer.analysis.clock import StageClock
from mesmer.analysis.heard import Heard
from mesmer.analysis.hearing import Deaf, Hearing
from mesmer.analysis.people import within
from mesmer.analysis.speaking import Turn, find_turns
from mesmer.analysis.utterances import Segment, Segmenter, UtteranceSettings, sample_at
from mesmer.analysis.watching import Everyone, Seen, WatcherError, Watching
from mesmer.config import SAMPLE_RATE_HZ, PrepareSettings
from mesmer.errors import MediaError
from mesmer.media.facts import Frame, MediaFacts, SoundBlock, StretchEnd
from mesmer.media.reader import MediaReader
from mesmer.media.readings import MediaPass
from mesmer.media.stretch import Stretch

FRAMES_BYTES = 384 * 2**20
"""Frames of the longest utterance may take so much; of larger pictures fewer are kept, on a coarser grid of beginnings."""


class FilePass:
    """Iterate over it to get, for each segment of the file, those who speak in it.

    Args:
        path: the file.
        reader, sound_reader: decode the picture and the sound.
        watch: gives who watches the people in the file, when told its facts and the seconds between two looks.
        prepare: as the model was trained.
        hearing, settings: how speech is found.
        progress: is told (seconds done, seconds in all).

    Attributes:
        facts: about the file; there from the beginning.
        reached_s: how far the file has been gone through.
        problems: sentences about what could not be read.
        broke_off: sound or picture ended with an error.

    Raises:
        MediaError: the file cannot be opened, or not one frame or sample of it can be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        reader: MediaReader,
        sound_reader: MediaReader,
        watch: Callable[[MediaFacts, float], Watching],
        prepare: PrepareSettings,
        hearing: Hearing,
        settings: UtteranceSettings,
        progress: Callable[[float, float], None] | None,
    ) -> None:
        self.clock = StageClock()
        self.problems: list[str] = []
        self.broke_off = False
        self._path, self._prepare, self._progress = path, prepare, progress
        self._steps = max(1, round(prepare.frame_interval_s / settings.look_every_s))
        self._grid_s = prepare.frame_interval_s / self._steps
        with self.clock.at("reading"):
            self.facts, self._pictures, self._sound = self._opened(reader, sound_reader)
        self._kept = _stride(self.facts, self._steps, self._grid_s, prepare, settings)
        self._watching = watch(self.facts, self._grid_s)
        if not self.facts.has_audio:  # a silent film is gaps from end to end
            hearing, settings = Deaf(), replace(settings, gaps=True)
        self.segmenter = Segmenter(hearing, grid_s=self._kept * self._grid_s, settings=settings)
        self._waiting: deque[Segment] = deque()  # not yet seen to their ends
        self._asked: deque[Segment] = deque()  # who is seen in them is being found out
        self._frames: deque[Frame] = deque()
        self._samples = np.zeros(0, np.float32)
        self._samples_from = 0  # the number of the first sample still held
        self._seen_s = self._heard_s = 0.0
        self._last_told_s = -1.0

    @property
    def reached_s(self) -> float:
        """How far the file has been gone through."""
        return min([self._read_s, *(segment.start_s for segment in self._asked)])

    @property
    def everyone(self) -> Everyone:
        """Everyone in the picture so far."""
        return self._watching.so_far()

    @property
    def _read_s(self) -> float:
        open_ends = [at_s for at_s, there in ((self._seen_s, self._pictures), (self._heard_s, self._sound)) if there]
        return min([*open_ends, self.facts.duration_s]) if open_ends else max(self._seen_s, self._heard_s)

    def __iter__(self) -> Iterator[list[Heard]]:
        made = False
        try:
            for group in self._gone_through():
                made = True
                yield group
        except WatcherError as error:
            if not made:
                raise
            self.broke_off = True
            self.problems.append(f"faces could be followed only up to {self.reached_s:.1f} s: {error.message}")

    def _gone_through(self) -> Iterator[list[Heard]]:
        while self._pictures is not None or self._sound is not None:
            if self._sound is not None and (self._pictures is None or self._heard_s <= self._seen_s + self._grid_s):
                self._hear()
            else:
                self._see()
            while self._waiting and (self._pictures is None or self._seen_s >= self._within(self._waiting[0]).end_s - 1e-6):
                self._ask(self._waiting.popleft())
            yield from self._answered(wait=False)
            self._forget()
            self._tell()
        end_s = max(self._seen_s, self._heard_s) if self.broke_off else max(self.facts.duration_s, self._heard_s)
        for segment in [*self._waiting, *self.segmenter.finish(end_s)]:
            self._ask(segment)
        self._waiting.clear()
        yield from self._answered(wait=True)
        with self._watched():
            self._watching.close()
        self._tell()

    def _opened(
        self, reader: MediaReader, sound_reader: MediaReader
    ) -> tuple[MediaFacts, MediaPass | None, MediaPass | None]:
        picture = Stretch(
            frame_interval_s=self._grid_s, max_frame_side_px=self._prepare.max_frame_side_px, want_audio=False
        )
        pictures = reader.stretches(self._path, {0: picture})
        facts = pictures.facts
        sound = None
        if facts.has_audio:
            sound = sound_reader.stretches(self._path, {0: Stretch(want_video=False)})
        return facts, pictures if facts.has_video else None, sound

    def _hear(self) -> None:
        with self.clock.at("reading"):
            piece = self._next(self._sound, "sound")
        if isinstance(piece, SoundBlock):
            self._samples = np.concatenate([self._samples, piece.samples])
            self._heard_s = piece.start_s + len(piece.samples) / SAMPLE_RATE_HZ
            with self.clock.at("speech"):
                self._waiting.extend(self.segmenter.push(piece.samples))
        else:
            self._sound = None

    def _see(self) -> None:
        with self.clock.at("reading"):
            piece = self._next(self._pictures, "picture")
        if not isinstance(piece, Frame):
            self._pictures = None
            return
        self._seen_s = piece.time_s + self._grid_s
        with self._watched():
            self._watching.see(piece.pixels, piece.time_s)
        if round(piece.time_s / self._grid_s) % self._kept == 0:
            self._frames.append(piece)
        if self._sound is None and self.segmenter.heard_s < self._seen_s:  # the sound has ended, or there is none
            silence = np.zeros(sample_at(self._seen_s) - sample_at(self.segmenter.heard_s), np.float32)
            with self.clock.at("speech"):
                self._waiting.extend(self.segmenter.push(silence))

    def _next(self, reading: MediaPass | None, name: str) -> Frame | SoundBlock | None:
        """Return the next piece; None at the end, which may have come with an error."""
        assert reading is not None
        try:
            _, piece = next(reading)
        except StopIteration:
            return None
        except MediaError as error:
            self._broken(name, error)
            return None
        if not isinstance(piece, StretchEnd):
            return piece
        if piece.error is not None:
            self._broken(name, piece.error)
        self.problems += [warning for warning in piece.warnings if warning not in self.problems]
        return None

    def _broken(self, name: str, error: MediaError) -> None:
        if max(self._seen_s, self._heard_s) == 0 and (self._pictures is None or self._sound is None):
            raise error  # nothing was read of the other one either
        self.broke_off = True
        self.problems.append(f"the {name} could be read only up to {max(0.0, self._read_s):.1f} s: {error.message}")

    def _ask(self, segment: Segment) -> None:
        """Ask who is seen in a segment. All its frames were given to whoever watches."""
        segment = self._within(segment)
        self._asked.append(segment)
        with self._watched():
            self._watching.ask(segment.start_s, segment.end_s)

    def _answered(self, *, wait: bool) -> Iterator[list[Heard]]:
        """Yield the segments of which it is known by now who is seen in them; with ``wait`` all that are asked about."""
        with self._watched():
            answers = self._watching.answers(wait=wait)
        for seen in answers:
            made = self._made(self._asked[0], seen)
            self._asked.popleft()
            yield made
            self._tell()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count the time inside for the faces; where they are followed beside this, it is nothing but waiting."""
        beside = self._watching.busy_s is not None
        try:
            with self.clock.at("waiting_for_faces" if beside else "faces"):
                yield
        finally:
            if self._watching.busy_s is not None:
                self.clock.seconds["faces"] = self._watching.busy_s

    def _made(self, segment: Segment, seen: Seen) -> list[Heard]:
        if segment.kind == "gap":
            found = [person for person, ones in seen.sightings.items() if any(one.found for one in ones)]
            turns = [Turn(start_s=segment.start_s, end_s=segment.end_s, person=person) for person in found]
        else:
            with self.clock.at("turns"):
                turns = find_turns(
                    segment.start_s,
                    segment.end_s,
                    seen.sightings,
                    habits=seen.habits,
                    known=len(seen.everyone.people),
                    grid_s=self._grid_s,
                    cut_s=self._kept * self._grid_s,
                )
        return [self._cut(segment.kind, turn, seen) for turn in turns]

    def _within(self, segment: Segment) -> Segment:
        """The end is rounded up to the grid, and may be after the end of the file by less than a step."""
        end_s = self.facts.duration_s
        return replace(segment, end_s=end_s) if segment.start_s < end_s < segment.end_s and not self.broke_off else segment

    def _cut(self, kind: str, turn: Turn, seen: Seen) -> Heard:
        """Return frames and sound of a turn, counted from its start."""
        first = round(turn.start_s / self._grid_s)
        frames = []
        for frame in self._frames:
            place = round(frame.time_s / self._grid_s) - first
            if place >= 0 and place % self._steps == 0 and frame.time_s < turn.end_s - 1e-6:
                frames.append(Frame(time_s=place // self._steps * self._prepare.frame_interval_s, pixels=frame.pixels))
        low, high = (max(0, sample_at(at_s) - self._samples_from) for at_s in (turn.start_s, turn.end_s))
        waveform = self._samples[low:high].copy()
        return Heard(
            kind=kind,
            turn=turn,
            frames=frames,
            waveform=waveform,
            picture_absent=None if frames else "no frames" if self.facts.has_video else "no stream",
            sound_absent=None if len(waveform) else "no samples" if self.facts.has_audio else "no stream",
            seen=within(seen.sightings, turn.start_s, turn.end_s),
            known=len(seen.everyone.people),
        )

    def _forget(self) -> None:
        from_s = min([self.segmenter.keep_from_s, *(segment.start_s for segment in self._waiting)])
        with self._watched():
            self._watching.forget_before(from_s)  # what is asked about before is answered before
        from_s = min([from_s, *(segment.start_s for segment in self._asked)])
        while self._frames and self._frames[0].time_s < from_s - 1e-6:
            self._frames.popleft()
        drop = sample_at(from_s) - self._samples_from
        if drop > SAMPLE_RATE_HZ:
            drop = min(drop, len(self._samples))
            self._samples, self._samples_from = self._samples[drop:].copy(), self._samples_from + drop

    def _tell(self) -> None:
        if self._progress is not None and self.reached_s >= self._last_told_s + 1.0:
            self._last_told_s = self.reached_s
            self._progress(min(self.reached_s, self.facts.duration_s), self.facts.duration_s)


def _stride(facts: MediaFacts, steps: int, grid_s: float, prepare: PrepareSettings, settings: UtteranceSettings) -> int:
    """Return which frames are kept for clips, every first, second, ... so that the longest utterance fits into memory."""
    width, height = facts.width_px or 1, facts.height_px or 1
    factor = min(1.0, prepare.max_frame_side_px / max(width, height))
    each_bytes = 3 * width * height * factor**2
    for stride in (n for n in range(1, steps + 1) if steps % n == 0):
        if each_bytes * (settings.longest_s + 1) / (grid_s * stride) <= FRAMES_BYTES:
            return stride
    return steps
