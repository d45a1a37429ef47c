"""Real clips: a face is followed through them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mesmer.config import PrepareSettings
from mesmer.media.reader import MediaReader
from mesmer.signals.faces import crop_faces
from mesmer.signals.mtcnn import FaceDetector


def test_a_face_is_tracked_in_nearly_every_sampled_frame_of_the_real_clips(ravdess_clips: list[Path]) -> None:
    settings = PrepareSettings()
    detector = FaceDetector(min_face_px=settings.min_face_px)
    sampled, found = 0, 0
    with MediaReader() as reader:
        for path in ravdess_clips:
            media = reader.read(
                path,
                frame_interval_s=settings.frame_interval_s,
                max_frame_side_px=settings.max_frame_side_px,
                want_audio=False,
            )
            track = crop_faces(media.frames, detector, settings=settings)
            sampled += len(track.found)
            found += int(track.found.sum() - track.interpolated.sum())
            assert track.people == 1, path
            assert track.warnings == (), path
            # One actor sits still in front of a plain wall: the crop stays where it is, and shows skin, not the wall.
            centres = (track.boxes_px[:, :2] + track.boxes_px[:, 2:]) / 2
            sides = track.boxes_px[:, 2] - track.boxes_px[:, 0]
            assert (np.linalg.norm(np.diff(centres, axis=0), axis=1) < 0.5 * sides.mean()).all(), path
            middles = track.faces[:, 16:32, 16:32].astype(float).mean(axis=(0, 1, 2))
            assert middles[0] > middles[1] + 5 > middles[2], path
    assert sampled >= 6 * len(ravdess_clips)
    assert found >= 0.95 * sampled
