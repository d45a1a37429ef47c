"""Convert Phonet's published network into ``src/mesmer/signals/weights/phonet.safetensors``; run once, repeatable.

    pip download --no-deps --no-binary :all: phonet==0.3.7
    pip install h5py
    python tools/convert_phonet.py phonet-0.3.7.tar.gz src/mesmer/signals/weights/phonet.safetensors

Only three files of the archive are read, each only if its digest is the known one, and no code of it is run. Kernels keep
the published order (inputs, outputs); those of the 18 classes are stacked.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import torch

from mesmer.signals.handcrafted.phonology import CLASSES
from mesmer.storage.weights import save_tensors

FOLDER = "phonet-0.3.7/phonet/models/"
SHA256 = {
    "model.h5": "a1a8d745d54c7c66b479ecae6b9bb0ae102642a1ad0965214a906512ec46b622",
    "mu.npy": "d2cabfca516be5c28470a638e1b8c78a7ed0eb644df84dc883ebadb1cd87caad",
    "std.npy": "dea606c8fa7f13babcac38d78ff7afd6022498e35f36506e80a7d3db4250e958",
}


def convert(archive: Path) -> dict[str, torch.Tensor]:
    """Return our tensor names -> tensors, read from the source archive."""
    files = _known_files(archive)
    tensors = {name: torch.from_numpy(np.load(io.BytesIO(files[f"{name}.npy"]))) for name in ("mu", "std")}
    with h5py.File(io.BytesIO(files["model.h5"])) as published:

        def read(layer: str, part: str) -> torch.Tensor:
            return torch.from_numpy(published[f"{layer}/{part}:0"][()])

        norm = "batch_normalization_1/batch_normalization_1"
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            tensors[f"norm.{part}"] = read(norm, part)
        for number in (1, 2):
            for direction in ("forward", "backward"):
                layer = f"bidirectional_{number}/bidirectional_{number}/{direction}_gru_{number}"
                for part in ("kernel", "recurrent_kernel", "bias"):
                    tensors[f"gru.{number - 1}.{direction}.{part}"] = read(layer, part)
        for part in ("kernel", "bias"):
            tensors[f"shared.{part}"] = read("time_distributed_1/time_distributed_1", part)
            hidden = [read(f"time_distributed_{i + 2}/time_distributed_{i + 2}", part) for i in range(len(CLASSES))]
            tensors[f"hidden.{part}"] = torch.stack(hidden)
            tensors[f"answer.{part}"] = torch.stack([read(f"{name}/{name}", part) for name in CLASSES])
    return tensors


def _known_files(archive: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as packed:
        for name, digest in SHA256.items():
            member = packed.extractfile(FOLDER + name)
            data = member.read() if member else b""
            if hashlib.sha256(data).hexdigest() != digest:
                raise SystemExit(f"{archive}: {name} is not the known file")
            found[name] = data
    return found


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    save_tensors(target, convert(source))
    print(target, target.stat().st_size, "bytes")
