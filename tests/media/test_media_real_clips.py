"""Recordings of people: eight seconds of H.264 or MPEG-4 from 640x480 to 1280x720, with, without and with silent sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from mesmer.media.reader import MediaReader

WITHOUT_STREAM = "01-01-08-02-01-01-19.mp4"


def test_each_clip_has_a_frame_every_half_second(reader: MediaReader, ravdess_clips: list[Path]) -> None:
    for path in ravdess_clips:
        media = reader.read(path)
        with av.open(str(path)) as container:
            # The edit list of some clips leaves out the last frame: its packet is there to be discarded.
            packets = [packet for packet in container.demux(video=0) if packet.pts is not None and not packet.is_discard]
            times = sorted(float(packet.pts * packet.time_base) for packet in packets)
        assert len(media.frames) == int(np.ceil((times[-1] + times[1] - times[0] - 1e-6) / 0.5))
        np.testing.assert_allclose(media.frame_times_s, np.arange(len(media.frames)) * 0.5)
        assert {frame.shape for frame in media.frames} == {(media.facts.height_px, media.facts.width_px, 3)}
        assert all(frame.std() > 10 for frame in media.frames)
        assert media.video_absent is None
        assert media.warnings == ()


def test_sound_is_there_silent_or_absent(reader: MediaReader, ravdess_clips: list[Path]) -> None:
    for path in ravdess_clips:
        media = reader.read(path, want_video=False)
        if path.name == WITHOUT_STREAM:
            assert media.audio_absent == "no stream"
            assert not media.facts.has_audio
            continue
        assert media.audio_absent is None
        assert abs(len(media.waveform) / 16_000 - media.facts.duration_s) < 0.1
        peak = float(np.abs(media.waveform).max())
        # The clips whose names begin with 02 were published without sound: their track holds only zeros.
        assert (peak <= 1e-4) == path.name.startswith("02-")


def test_frames_are_those_that_decoding_everything_gives(reader: MediaReader, ravdess_clips: list[Path]) -> None:
    path = min(ravdess_clips, key=lambda clip: clip.stat().st_size)
    media = reader.read(path)
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    for target_s, pixels in zip(media.frame_times_s, media.frames, strict=True):
        expected = [image for time_s, image in frames if time_s <= target_s + 1e-6][-1]
        assert np.mean(np.abs(pixels.astype(int) - expected)) < 2


def test_a_late_stretch_is_a_cut_of_the_whole(reader: MediaReader, ravdess_clips: list[Path]) -> None:
    path = ravdess_clips[1]
    whole, part = reader.read(path), reader.read(path, start_s=1.5, end_s=3.0)
    np.testing.assert_array_equal(part.frames, whole.frames[3:6])
    np.testing.assert_array_equal(part.waveform, whole.waveform[24_000:48_000])
