"""An utterance to a clip: decode its media, follow its face, round its sound, and say what is missing and why.

This is the only way a clip comes into being, in preparation and in prediction alike: what is trained on is what is
predicted on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mesmer.config import PrepareSettings
from mesmer.dataset.sound import from_pcm16, to_pcm16
from mesmer.media.facts import Frame
from mesmer.media.reader import MediaReader, MediaStream
from mesmer.records import Clip, Utterance
from mesmer.signals.faces import FaceFollower
from mesmer.signals.mtcnn import FRAMES_AT_ONCE, FaceDetector


def make_clip(utterance: Utterance, *, reader: MediaReader, detector: FaceDetector, settings: PrepareSettings) -> Clip:
    """Return the decoded media of an utterance. A few frames at a time are held in memory, however long it is.

    A modality that cannot be used holds nothing and stands in ``absent`` with its reason: text ``no text``; audio ``no
    stream``, ``no samples``, ``corrupt`` or ``silent``; visual ``no stream`` or ``no frames``. A picture without a face is
    present: its crops are the centres of the frames, and a warning says so.

    Args:
        utterance: names the file, the stretch and the part of it, and the words.
        reader: started; decodes the file in a guarded process.
        detector: finds faces.
        settings: frame interval, sizes, face margin, silence.

    Raises:
        MediaError: a file cannot be read.
    """
    follower = FaceFollower(detector, settings=settings)

    def take(file: str, *, want_video: bool, want_audio: bool) -> tuple[MediaStream, _Taken]:
        stream = reader.stream(
            file,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            frame_interval_s=settings.frame_interval_s,
            max_frame_side_px=settings.max_frame_side_px,
            channel=utterance.channel,
            want_video=want_video,
            want_audio=want_audio,
        )
        return stream, _take(stream, follower, utterance.region)

    stream, taken = take(utterance.media, want_video=True, want_audio=utterance.sound is None)
    sound_stream, heard = stream, taken
    if utterance.sound is not None:
        sound_stream, heard = take(utterance.sound, want_video=False, want_audio=True)
    track = follower.finish()
    waveform, no_sound, told = _sound(heard.blocks, sound_stream.audio_absent, settings)
    text = (utterance.text or "").encode("utf-8", "replace").decode("utf-8").strip()
    no_picture = stream.video_absent or (None if len(track.faces) else "no frames")
    reasons = {"text": None if text else "no text", "audio": no_sound, "visual": no_picture}
    end_s = utterance.end_s if utterance.end_s is not None else stream.facts.duration_s
    file_warnings = dict.fromkeys((*stream.warnings, *sound_stream.warnings))  # each once, in their order
    return Clip(
        id=utterance.id,
        faces=track.faces,
        face_times_s=np.array(taken.times_s, dtype=np.float64),
        face_boxes_px=track.boxes_px + np.array([taken.left_px, 0, taken.left_px, 0], dtype=np.float32),
        face_found=track.found,
        waveform=waveform,
        text=text,
        absent={name: reason for name, reason in reasons.items() if reason},
        duration_s=max(0.0, end_s - (utterance.start_s or 0.0)),
        warnings=(*file_warnings, *told, *track.warnings),
    )


@dataclass
class _Taken:
    """What came from one stream, beside the faces: frame times, blocks of samples, where the region begins."""

    times_s: list[float] = field(default_factory=list)
    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    left_px: int = 0


def _take(stream: MediaStream, follower: FaceFollower, region: str) -> _Taken:
    """Read a stream to its end and let the follower see the frames."""
    taken = _Taken()
    waiting: list[NDArray[np.uint8]] = []
    for piece in stream:
        if not isinstance(piece, Frame):
            taken.blocks.append(piece.samples)
            continue
        seen, taken.left_px = _region(piece.pixels, region)
        taken.times_s.append(piece.time_s)
        waiting.append(seen)
        if len(waiting) == FRAMES_AT_ONCE:
            follower.add(waiting)
            waiting = []
    follower.add(waiting)
    return taken


def _region(pixels: NDArray[np.uint8], region: str) -> tuple[NDArray[np.uint8], int]:
    """Return the half of the frame in which the speaker is seen, and where it begins."""
    width = pixels.shape[1]
    if region == "left":
        return np.ascontiguousarray(pixels[:, : (width + 1) // 2]), 0
    if region == "right":
        return np.ascontiguousarray(pixels[:, width // 2 :]), width // 2
    return pixels, 0


def _sound(
    blocks: list[NDArray[np.float32]], absent: str | None, settings: PrepareSettings
) -> tuple[NDArray[np.float32], str | None, tuple[str, ...]]:
    """Return the waveform at 16 bits, why there is none (or None), and what the user should know."""
    nothing = np.zeros(0, dtype=np.float32)
    decoded = np.concatenate([nothing, *blocks])
    if absent or not len(decoded):
        return nothing, absent or "no samples", ()
    waveform = from_pcm16(to_pcm16(decoded))
    broken = int(np.count_nonzero(~np.isfinite(decoded)))
    told = (f"{broken} samples of the sound are no numbers and were silenced",) if broken else ()
    if float(np.abs(waveform).max()) <= settings.silence_peak:
        return nothing, "silent", told
    return waveform, None, told
