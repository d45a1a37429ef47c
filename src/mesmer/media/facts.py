"""What the media room hands out: facts about a file, single frames and blocks of sound, or both collected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import MediaError


@dataclass(frozen=True, kw_only=True)
class MediaFacts:
    """What a file says about itself, checked against :class:`~mesmer.media.limits.Limits` but otherwise believed.

    Attributes:
        container: ``mov`` (also mp4, m4a), ``matroska`` (also webm), ``avi``, ``flv``, ``wav``, ``flac``, ``mp3`` or
            ``ogg``; by content, not by the file's name.
        size_bytes: of the file.
        duration_s: length from the first to the last time stamp; counted where the file does not say.
        has_video: there is a picture stream. The cover of a music file is none.
        has_audio: there is a sound stream, silent or not.
        width_px, height_px: the picture as it is to be shown, pixel shape and rotation applied; None without picture.
        fps: mean frames per second; None without picture or where unknown. Rates may vary, so never count by it.
        rotation_deg: counter-clockwise turn of 0, 90, 180 or 270 degrees that the file asks for (and that has been made).
        sample_rate_hz, channels: of the sound as stored; None without sound.
        video_codec, audio_codec: names of the codings; None without the stream.
    """

    container: str
    size_bytes: int
    duration_s: float
    has_video: bool
    has_audio: bool
    width_px: int | None = None
    height_px: int | None = None
    fps: float | None = None
    rotation_deg: int = 0
    sample_rate_hz: int | None = None
    channels: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The picture shown at one time.

    Attributes:
        time_s: the time asked for, in seconds from the start of the stretch read.
        pixels: uint8 (H, W, 3), RGB.
    """

    time_s: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class SoundBlock:
    """A short run of samples that follows the block before without a gap.

    Attributes:
        start_s: time of the first sample, in seconds from the start of the stretch read.
        samples: float32 (T,), mono, 16 kHz, in [-1, 1].
    """

    start_s: float
    samples: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StretchEnd:
    """The last that comes for a stretch.

    Attributes:
        audio_absent, video_absent, warnings: as in :class:`Media`.
        picture_end_s, sound_end_s: where they end, from the start of the stretch; None where they go on to its end or
            there is none.
        stamps_replaced: time stamps of both that were missing or wrong.
        error: why the stretch could not be read, or None.
    """

    audio_absent: str | None = None
    video_absent: str | None = None
    warnings: tuple[str, ...] = ()
    picture_end_s: float | None = None
    sound_end_s: float | None = None
    stamps_replaced: int = 0
    error: MediaError | None = None


@dataclass(frozen=True, kw_only=True)
class Media:
    """One stretch of a file, decoded.

    Attributes:
        frames: S pictures, uint8 (H, W, 3), RGB.
        frame_times_s: float64 (S,), the time for which each frame was chosen, in seconds from the start of the stretch:
            0, interval, 2 x interval, ...
        waveform: float32 (T,), mono, 16 kHz, in [-1, 1]; sample 0 is at the start of the stretch. Where the sound begins
            late or pauses there is silence, so that times agree with the picture; it ends where the sound ends.
        facts: about the whole file.
        audio_absent: None, or why the waveform is empty: ``no stream``, ``no samples`` (a stream that holds none in the
            stretch), ``corrupt`` (a stream that cannot be decoded) or ``not asked``.
        video_absent: None, or why there is no frame: ``no stream``, ``no frames`` or ``not asked``.
        warnings: what was odd about the file, as sentences.
    """

    frames: list[NDArray[np.uint8]]
    frame_times_s: NDArray[np.float64]
    waveform: NDArray[np.float32]
    facts: MediaFacts
    audio_absent: str | None = None
    video_absent: str | None = None
    warnings: tuple[str, ...] = ()
