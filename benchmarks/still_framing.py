"""How close are the stills of FER2013 cut, compared with what the face detector cuts out of a video?

    python benchmarks/still_framing.py fer2013.parquet

Training stills, enlarged, are put on a grey ground and detected; sides and centres are in units of the still.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from mesmer.signals.mtcnn import FaceDetector

SIDE_PX, GROUND_PX = 144, 288
STILLS = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the Parquet table of FER2013")
    table = pq.read_table(parser.parse_args().table)
    torch.set_num_threads(1)
    rows = [number for number, split in enumerate(table["split"].to_pylist()) if split == "train"]
    detector, found = FaceDetector(min_face_px=40), []
    edge = (GROUND_PX - SIDE_PX) // 2
    for row in np.random.default_rng(0).choice(rows, STILLS, replace=False):
        still = Image.open(io.BytesIO(table["image"][int(row)].as_py())).convert("RGB")
        picture = np.asarray(still.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
        ground = np.full((GROUND_PX, GROUND_PX, 3), int(picture.mean()), np.uint8)
        ground[edge : edge + SIDE_PX, edge : edge + SIDE_PX] = picture
        faces = detector.detect([ground])[0]
        if len(faces) == 1:
            x0, y0, x1, y1 = faces.boxes_px[0]
            sides = (max(x1 - x0, y1 - y0), (x0 + x1 - GROUND_PX) / 2, (y0 + y1 - GROUND_PX) / 2)
            found.append([side / SIDE_PX for side in sides])
    low, middle, high = np.percentile(np.array(found), [10, 50, 90], axis=0)
    print(f"{len(found)} of {STILLS} stills have one face")
    for column, name in enumerate(("longer side of the box", "centre to the right by", "centre below by")):
        print(f"{name:24s} {middle[column]:+.3f} (10 to 90 %: {low[column]:+.3f} to {high[column]:+.3f})")


if __name__ == "__main__":
    main()
