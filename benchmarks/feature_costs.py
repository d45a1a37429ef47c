"""What hand-crafted features cost: processor time of one thread for a second of sound and for a face.

    python benchmarks/feature_costs.py [--rounds 5]

On a drawn voice and drawn faces; beside them finding and cutting the faces, which ``mesmer prepare`` has done by then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from measuring import drawn_frames, drawn_voice, print_table, processor_s
from mesmer.config import PrepareSettings
from mesmer.signals.faces import crop_faces
from mesmer.signals.handcrafted.acoustics import acoustic_features
from mesmer.signals.handcrafted.landmark_measures import landmark_measures
from mesmer.signals.handcrafted.landmark_net import load_landmark_net
from mesmer.signals.handcrafted.phonology import load_phonet
from mesmer.signals.mtcnn import FaceDetector

SOUND_S = 8


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(words).rounds
    torch.set_num_threads(1)
    frames, settings = drawn_frames(12, width_px=360, height_px=360), PrepareSettings()
    detector, phonet, landmarks = FaceDetector(min_face_px=settings.min_face_px), load_phonet(), load_landmark_net()
    faces, voice = crop_faces(frames, detector, settings=settings).faces, drawn_voice(SOUND_S)
    taken = processor_s(
        {
            "sound": lambda: acoustic_features(voice, phonet),
            "landmarks": lambda: landmark_measures(faces, landmarks),
            "following": lambda: crop_faces(frames, detector, settings=settings),
        },
        rounds=rounds,
    )
    print_table(
        ["what", "ms of processor time"],
        [
            ["acoustics, a second of sound", f"{1000 * taken['sound'] / SOUND_S:.1f}"],
            ["landmark measures, a face", f"{1000 * taken['landmarks'] / len(faces):.1f}"],
            ["finding and cutting a face, of 360x360", f"{1000 * taken['following'] / len(faces):.1f}"],
        ],
    )


if __name__ == "__main__":
    main()
