"""Landmark measures on real faces: what a 48-pixel crop costs them, and where they go with emotions that people named.

    python benchmarks/landmark_real_faces.py crops clips/*.mp4
    python benchmarks/landmark_real_faces.py faces fer2013.parquet

``crops`` compares the landmarks of the stored crops with those of the same squares cut from the full frames. ``faces``
takes every 19th training face (48 pixels, grey) of a table with the columns ``split``, ``emotion`` and ``image``, and
prints the median and spread of each distance (``TYPICAL``), and the mean measure by emotion.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import pad

from mesmer.config import PrepareSettings
from mesmer.dataset.clip import make_clip
from mesmer.media.reader import MediaReader
from mesmer.records import Utterance
from mesmer.signals.handcrafted.landmark_measures import TYPICAL, UNITS, muscle_distances
from mesmer.signals.handcrafted.landmark_net import INPUT_SIDE, LandmarkNet, load_landmark_net
from mesmer.signals.handcrafted.landmarks import CROP_SIDE, face_landmarks
from mesmer.signals.mtcnn import FaceDetector

EVERY, MOST = 19, 1500
SPREAD_OF_A_NORMAL = 1.349
"""Interquartile range of a normal distribution, in its deviations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["crops", "faces"])
    parser.add_argument("files", type=Path, nargs="+")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    net = load_landmark_net()
    if chosen.what == "crops":
        compare_crops(chosen.files, net)
    else:
        read_faces(chosen.files[0], net)


def compare_crops(files: list[Path], net: LandmarkNet) -> None:
    stored, full = [], []
    detector, settings = FaceDetector(min_face_px=PrepareSettings().min_face_px), PrepareSettings()
    with MediaReader() as reader:
        for file in files:
            utterance = Utterance(id=file.stem, corpus="", media=str(file))
            clip = make_clip(utterance, reader=reader, detector=detector, settings=settings)
            stored.append(face_landmarks(clip.faces, net)[0])
            media = reader.read(
                file,
                frame_interval_s=settings.frame_interval_s,
                max_frame_side_px=settings.max_frame_side_px,
                want_audio=False,
            )
            frames = [Image.fromarray(frame) for frame in media.frames]
            full += [in_full(frame, box, net) for frame, box in zip(frames, clip.face_boxes_px, strict=True)]
    ours, theirs = np.concatenate(stored), np.stack(full)
    eyes = np.linalg.norm(theirs[:, 33, :2] - theirs[:, 263, :2], axis=1)
    away = np.linalg.norm(ours[..., :2] - theirs[..., :2], axis=2) / eyes[:, None]
    print(
        f"{len(ours)} faces; distance of the points in distances of the eyes: mean {away.mean():.4f}, 95 % within", end=" "
    )
    print(f"{np.percentile(away, 95):.4f}")
    one, other = muscle_distances(ours), muscle_distances(theirs)
    for place, name in enumerate(UNITS):
        off = np.abs(one[:, place] - other[:, place]).mean() / TYPICAL[name][1]
        print(f"{name}: correlation {np.corrcoef(one[:, place], other[:, place])[0, 1]:.2f}, off by {off:.2f} deviations")


def in_full(frame: Image.Image, box_px: NDArray[np.float32], net: LandmarkNet) -> NDArray[np.float32]:
    """Return the points of the square cut from the full frame, in shares of its side from its middle."""
    x0, y0, x1, y1 = (float(edge) for edge in box_px)
    crop = frame.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC, box=(x0, y0, x1, y1))
    border = (INPUT_SIDE - CROP_SIDE) // 2
    picture = torch.tensor(np.asarray(crop)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        points = net(pad(picture, (border,) * 4, mode="replicate"))[0][0].numpy().copy()
    points[:, :2] -= INPUT_SIDE / 2
    return points / CROP_SIDE


def read_faces(table: Path, net: LandmarkNet) -> None:
    rows = [row for row in pq.read_table(table).to_pylist() if row["split"] == "train"][::EVERY][:MOST]
    faces = np.stack([np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")) for row in rows])
    points, found = face_landmarks(faces, net)
    distances = muscle_distances(points[found])
    low, middle, high = np.percentile(distances, [25, 50, 75], axis=0)
    spread = (high - low) / SPREAD_OF_A_NORMAL
    print(f"seen in {found.sum()} of {len(found)} faces")
    for name, median, wide in zip(UNITS, middle, spread, strict=True):
        print(f'    "{name}": ({median:.3f}, {wide:.3f}),')
    emotions = np.array([row["emotion"] for row in rows])[found]
    for emotion in sorted(set(emotions)):
        means = ((distances - middle) / spread)[emotions == emotion].mean(axis=0)
        print(emotion + ": " + ", ".join(f"{name} {mean:+.1f}" for name, mean in zip(UNITS, means, strict=True)))


if __name__ == "__main__":
    main()
