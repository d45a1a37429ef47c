"""Utterances to clips: decode their media, follow their faces, round their sound, and say what is missing and why.

This is the only way a clip comes into being, in preparation and in prediction alike: what is trained on is what is
predicted on. :func:`make_clips` goes through one file for all its utterances; :func:`make_clip` is that for one of them,
and an utterance's clip is the same, to the bit, either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ, PrepareSettings
from mesmer.dataset.sound import from_pcm16, spoken_part, to_pcm16
from mesmer.dataset.sound_files import Heard, SoundFiles
from mesmer.errors import MediaError
from mesmer.media.facts import Frame, MediaFacts, SoundBlock, StretchEnd
from mesmer.media.reader import MediaReader
from mesmer.media.stretch import Stretch
from mesmer.media.trust import check_stretch
from mesmer.records import Clip, Utterance
from mesmer.signals.faces import FaceFollower
from mesmer.signals.mtcnn import FaceDetector
from mesmer.signals.tracking import Track, main_track

FRAMES_WAITING = 8
"""Frames of an utterance that are shown to its follower together."""


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
    ((_, made),) = make_clips([utterance], reader=reader, detector=detector, settings=settings)
    if isinstance(made, MediaError):
        raise made
    return made


def make_clips(
    utterances: Sequence[Utterance], *, reader: MediaReader, detector: FaceDetector, settings: PrepareSettings
) -> Iterator[tuple[int, Clip | MediaError]]:
    """Yield the clips of utterances of one file, decoded in one go: (place among ``utterances``, its clip or the error).

    They come as they end in the file, and only those that overlap are held in memory together. Each is what
    :func:`make_clip` gives, so neither the order nor the company matters. Sound files are gone through likewise, once each.

    Args:
        utterances: all of one ``media``.
        reader, detector, settings: as in :func:`make_clip`.
    """
    open_clips: dict[int, _OpenClip] = {}
    stretches: dict[int, Stretch] = {}
    for place, utterance in enumerate(utterances):
        stretch = stretch_of(utterance, settings, want_video=True, want_audio=utterance.sound is None)
        try:
            check_stretch(stretch, reader.limits, file=utterance.media)
        except MediaError as error:
            yield place, error
            continue
        stretches[place] = stretch
        open_clips[place] = _OpenClip(utterance, detector, settings)
    if not stretches:
        return
    sounds = {place: utterances[place] for place in stretches if utterances[place].sound is not None}
    with SoundFiles(sounds, reader=reader) as sound_files:
        try:
            reading = reader.stretches(utterances[0].media, stretches)
            for place, piece in reading:
                if not isinstance(piece, StretchEnd):
                    open_clips[place].take(piece)
                    continue
                ended = open_clips.pop(place)
                if not open_clips:
                    sound_files.use(reader)  # it has nothing else to do any more
                yield place, _finished(ended, piece, reading.facts, sound_files.heard(place, wanted=piece.error is None))
        except MediaError as error:
            for place in open_clips:
                yield place, error


def clip_from_pieces(
    utterance: Utterance,
    pieces: Iterable[Frame | SoundBlock],
    *,
    end: StretchEnd,
    facts: MediaFacts,
    detector: FaceDetector,
    settings: PrepareSettings,
    choose: Callable[[Sequence[Track]], Track | None] = main_track,
) -> Clip:
    """Return the clip of an utterance whose frames and sound are at hand: to the bit what :func:`make_clip` gives for them.

    Args:
        utterance: says where the clip begins and ends, and what is said.
        pieces: frames at ``frame_interval_s`` from the utterance's start, and its sound.
        end: what is absent, and where picture and sound end.
        facts: about the file.
        detector, settings: as in :func:`make_clip`.
        choose: which of the faces is cut out; by default the longest and largest.
    """
    opened = _OpenClip(utterance, detector, settings)
    for piece in pieces:
        opened.take(piece)
    return opened.clip(end, facts, None, choose=choose)


def stretch_of(utterance: Utterance, settings: PrepareSettings, *, want_video: bool, want_audio: bool) -> Stretch:
    """Return what is asked of a file for an utterance."""
    return Stretch(
        start_s=0.0 if utterance.start_s is None else float(utterance.start_s),
        end_s=None if utterance.end_s is None else float(utterance.end_s),
        frame_interval_s=settings.frame_interval_s,
        max_frame_side_px=settings.max_frame_side_px,
        channel=utterance.channel,
        want_video=want_video,
        want_audio=want_audio,
    )


class _OpenClip:
    """An utterance whose end has not come yet: what its file has given so far."""

    def __init__(self, utterance: Utterance, detector: FaceDetector, settings: PrepareSettings) -> None:
        self.utterance = utterance
        self.settings = settings
        self._follower = FaceFollower(detector, settings=settings)
        self._waiting: list[NDArray[np.uint8]] = []
        self._times_s: list[float] = []
        self._blocks: list[NDArray[np.float32]] = []
        self._left_px = 0

    def take(self, piece: Frame | SoundBlock) -> None:
        """Take the next frame or block of sound."""
        if isinstance(piece, SoundBlock):
            self._blocks.append(piece.samples)
            return
        seen, self._left_px = _region(piece.pixels, self.utterance.region)
        self._times_s.append(piece.time_s)
        self._waiting.append(seen)
        if len(self._waiting) == FRAMES_WAITING:
            self._follower.add(self._waiting)
            self._waiting = []

    def clip(
        self,
        end: StretchEnd,
        facts: MediaFacts,
        heard: Heard | None,
        *,
        choose: Callable[[Sequence[Track]], Track | None] = main_track,
    ) -> Clip:
        """Return the clip; ``heard`` is the sound where it came from a file of its own."""
        self._follower.add(self._waiting)
        track = self._follower.finish(choose=choose)
        sound = heard or Heard(blocks=self._blocks, end=end)
        waveform, no_sound, told = _sound(sound.blocks, sound.end.audio_absent, self.settings)
        utterance = self.utterance
        text = (utterance.text or "").encode("utf-8", "replace").decode("utf-8").strip()
        no_picture = end.video_absent or (None if len(track.faces) else "no frames")
        reasons = {"text": None if text else "no text", "audio": no_sound, "visual": no_picture}
        end_s = utterance.end_s if utterance.end_s is not None else facts.duration_s
        duration_s = max(0.0, end_s - (utterance.start_s or 0.0))
        trimmed = self.settings.trim_silence and bool(no_picture) and not no_sound
        if trimmed:
            waveform = spoken_part(waveform)
            duration_s = len(waveform) / SAMPLE_RATE_HZ
        file_warnings = dict.fromkeys((*end.warnings, *sound.end.warnings))  # each once, in their order
        return Clip(
            id=utterance.id,
            faces=track.faces,
            face_times_s=np.array(self._times_s, dtype=np.float64),
            face_boxes_px=track.boxes_px + np.array([self._left_px, 0, self._left_px, 0], dtype=np.float32),
            face_found=track.found,
            waveform=waveform,
            text=text,
            absent={name: reason for name, reason in reasons.items() if reason},
            duration_s=duration_s,
            warnings=(*file_warnings, *told, *track.warnings),
            picture_end_s=end.picture_end_s,
            sound_end_s=None if trimmed else sound.end.sound_end_s,
            people=track.people if len(track.faces) else None,
            stamps_replaced=end.stamps_replaced + (heard.end.stamps_replaced if heard else 0),
        )


def _finished(
    open_clip: _OpenClip, end: StretchEnd, facts: MediaFacts, heard: Heard | MediaError | None
) -> Clip | MediaError:
    if end.error is not None:
        return end.error
    return heard if isinstance(heard, MediaError) else open_clip.clip(end, facts, heard)


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
