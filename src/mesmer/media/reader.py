"""Read media files that nobody vouches for: frames at requested times and mono 16 kHz sound.

All decoding happens in a child process with bounded memory, time and rights; whatever a file does to it ends as one
:class:`~mesmer.errors.MediaError` here, and the next file is served by a fresh process.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from mesmer.errors import MediaError
from mesmer.media import trust
from mesmer.media.facts import Frame, Media, MediaFacts, SoundBlock
from mesmer.media.limits import Limits
from mesmer.media.process import DecoderProcess, ended_error
from mesmer.media.readings import MediaPass, MediaStream
from mesmer.media.stretch import Stretch
from mesmer.media.wire import GOES_ON, WireError


class MediaReader:
    """Reads media files one after another through one guarded decoder process, which starts with the first file.

    A reader can be shared by threads as long as one of them reads at a time, handed to worker processes (each gets a
    decoder of its own), and used as a context manager.

    Args:
        limits: what a file may ask for.
        threads: decoder threads; the result does not depend on it.
    """

    def __init__(self, *, limits: Limits | None = None, threads: int = 1) -> None:
        self.limits = limits or Limits()
        self._threads = threads
        self._process: DecoderProcess | None = None
        self._lock = threading.Lock()
        self._turn = 0
        self._ahead = False  # the decoder works on an answer that nobody has asked for yet
        self._finalizer: weakref.finalize[..., Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.limits, self._threads)

    def close(self) -> None:
        """End the decoder process. The reader can still be used: the next file starts another one."""
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._process is not None:
            self._process.end()
        self._process, self._ahead = None, False

    @property
    def decoder_pid(self) -> int | None:
        """Process id of the decoder process; None while there is none."""
        return self._process.pid if self._process is not None and self._process.alive else None

    def probe(self, path: str | Path) -> MediaFacts:
        """Return what a file says about itself.

        Raises:
            MediaError: the file cannot be read; see :meth:`read`.
        """
        return MediaPass(self, Path(path), {}, seek=False).facts

    def stream(
        self,
        path: str | Path,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        frame_interval_s: float = 0.5,
        max_frame_side_px: int = 1280,
        channel: Literal["mix", "left", "right"] = "mix",
        want_video: bool = True,
        want_audio: bool = True,
    ) -> MediaStream:
        """Open one stretch of a file for reading it piece by piece, in bounded memory. Arguments and errors: :meth:`read`.

        A reader serves one stream at a time; opening another ends this one.
        """
        stretch = Stretch(
            start_s=0.0 if start_s is None else float(start_s),
            end_s=None if end_s is None else float(end_s),
            frame_interval_s=float(frame_interval_s),
            max_frame_side_px=max_frame_side_px,
            channel=channel,
            want_video=want_video,
            want_audio=want_audio,
        )
        trust.check_stretch(stretch, self.limits, file=path)
        return MediaStream(self, Path(path), stretch)

    def stretches(self, path: str | Path, stretches: Mapping[int, Stretch]) -> MediaPass:
        """Open many stretches of a file for reading them in one go: the file is decoded once, from its start.

        What a stretch gets does not depend on the others: it is the same, to the bit, alone. Memory does not grow with the
        length of the file. ``limits.cpu_s`` and ``limits.clip_timeout_s`` count anew from each stretch's end.

        Args:
            path: the file.
            stretches: number -> stretch, in any order, overlapping or not; the numbers come back with the pieces.

        Raises:
            MediaError: the file cannot be opened, or a stretch could be served by no file (see :meth:`read`).
        """
        for stretch in stretches.values():
            trust.check_stretch(stretch, self.limits, file=path)
        return MediaPass(self, Path(path), stretches, seek=False)

    def another(self) -> MediaReader:
        """Return a reader like this one, with a decoder process of its own."""
        return MediaReader(limits=self.limits, threads=self._threads)

    def read(
        self,
        path: str | Path,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        frame_interval_s: float = 0.5,
        max_frame_side_px: int = 1280,
        channel: Literal["mix", "left", "right"] = "mix",
        want_video: bool = True,
        want_audio: bool = True,
    ) -> Media:
        """Decode one stretch of a file.

        Frames are chosen for the times start_s + k x frame_interval_s before the end: the frame being shown then, which
        is the last one whose time stamp is not later; the first frame serves times before it.

        Args:
            path: the file.
            start_s, end_s: the stretch, in seconds from the file's first time stamp; None is the file's own start or end.
            frame_interval_s: seconds between frames, at least 0.001.
            max_frame_side_px: larger frames are shrunk to this longer side.
            channel: ``mix`` of all sound channels (the centre weighs most), or the ``left`` or ``right`` one alone.
            want_video, want_audio: what is decoded.

        Raises:
            MediaError: with kind ``missing``, ``empty``, ``container``, ``corrupt``, ``limit``, ``timeout``, ``crash``,
                ``range`` or ``no_streams``. A file without one of the streams is no error: see :class:`Media`.
        """
        opened = self.stream(
            path,
            start_s=start_s,
            end_s=end_s,
            frame_interval_s=frame_interval_s,
            max_frame_side_px=max_frame_side_px,
            channel=channel,
            want_video=want_video,
            want_audio=want_audio,
        )
        frames: list[Frame] = []
        blocks: list[SoundBlock] = []
        held_bytes = 0
        for piece in opened:
            held_bytes += piece.pixels.nbytes if isinstance(piece, Frame) else piece.samples.nbytes
            if held_bytes > self.limits.clip_bytes:
                raise MediaError(
                    f"its frames and sound take more than {self.limits.clip_bytes:,} bytes",
                    kind="limit",
                    file=path,
                    field="clip_bytes",
                    remedy="read it in stretches (start_s, end_s), or use stream",
                )
            if isinstance(piece, Frame):
                frames.append(piece)
            else:
                blocks.append(piece)
        return Media(
            frames=[frame.pixels for frame in frames],
            frame_times_s=np.array([frame.time_s for frame in frames], dtype=np.float64),
            waveform=np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)]),
            facts=opened.facts,
            audio_absent=opened.audio_absent,
            video_absent=opened.video_absent,
            warnings=opened.warnings,
        )

    def _open(self, path: Path, stretches: bytes, *, seek: bool) -> tuple[int, dict[str, Any]]:
        """Hand a file to the decoder; return this reading's turn and the first answer."""
        with self._lock, trust.opened(path, self.limits) as (descriptor, container):
            request = {"ask": "open", "container": container, "seek": seek}
            self._turn += 1
            if self._ahead:  # a reading was left in the middle: what the decoder is at must not be laid to this file
                self.close()
            process = self._running()
            header, _ = self._ask(process, request, path, 0, data=stretches, descriptors=[descriptor])
            return self._turn, header

    def _next(self, turn: int, path: Path, max_data_bytes: int) -> tuple[dict[str, Any], Any]:
        with self._lock:
            if turn != self._turn or self._process is None or not self._process.ours:
                raise RuntimeError("this stream has ended: its reader was closed, forked or has opened another file")
            return self._ask(self._process, {"ask": "next"}, path, max_data_bytes)

    def _ask(
        self, process: DecoderProcess, request: dict[str, Any], path: Path, max_data_bytes: int, **files: Any
    ) -> tuple[dict[str, Any], Any]:
        try:
            header, data = process.ask(request, max_data_bytes=max_data_bytes, timeout_s=self.limits.timeout_s, **files)
            self._ahead = header.get("answer") in GOES_ON
            if header.get("answer") == "error":
                error = trust.error(header, file=path)
                # After a shortage of memory or a defect, the next file gets a clean process.
                if error.kind == "crash" or error.field == "memory_bytes":
                    self.close()
                raise error
        except WireError as error:
            raise self._failed(error, path) from error
        except BaseException as error:
            if not isinstance(error, MediaError):
                self.close()  # interrupted between request and answer: the two would never match again
            raise
        return header, data

    def _failed(self, error: WireError, path: Path) -> MediaError:
        """End the decoder process because of what it did, and return the error for the caller."""
        process, self._process, self._ahead = self._process, None, False
        if self._finalizer is not None:
            self._finalizer.detach()
        assert process is not None
        return ended_error(process, error, file=str(path), limits=self.limits)

    def _running(self) -> DecoderProcess:
        if self._process is None or not self._process.alive:
            self.close()
            self._process = DecoderProcess(limits=self.limits, threads=self._threads)
            self._finalizer = weakref.finalize(self, DecoderProcess.end, self._process)
        return self._process


def read_media(path: str | Path, **arguments: Any) -> Media:
    """Read one file with a reader of its own; arguments and errors as :meth:`MediaReader.read`."""
    with MediaReader() as reader:
        return reader.read(path, **arguments)


def _again(limits: Limits, threads: int) -> MediaReader:
    return MediaReader(limits=limits, threads=threads)
