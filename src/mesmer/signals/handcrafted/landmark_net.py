"""The face landmark network of MediaPipe (Kartynnik et al.: Real-time Facial Surface Geometry from Monocular Video on
Mobile GPUs, 2019) in torch: 468 points on the surface of one face, and how likely there is a face at all.

It looks at a square RGB picture of 192 pixels in which the face fills about two thirds.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mesmer.storage.weights import load_tensors

WEIGHTS = Path(__file__).parents[1] / "weights" / "face_landmarks.safetensors"
WEIGHTS_SHA256 = "9bbeea1027e69f4f8c71f3d405f0bbd563a989de96221cbbc9c17e1eeb9234c4"

INPUT_SIDE = 192
NUM_POINTS = 468

# Channels and stride of the blocks that both heads share.
_TRUNK = (
    (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1),
    (128, 2), (128, 1), (128, 1), (128, 2), (128, 1), (128, 1),
)  # fmt: skip


class _Block(nn.Module):
    """Residual block: depthwise 3x3 and pointwise convolution beside the input, pooled and widened with zeros to fit."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1 if stride == 1 else 0, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.prelu = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            deep, beside = self.depthwise(x), x
        else:
            # One row and column of zeros at the right and bottom, as the network was trained.
            deep, beside = self.depthwise(pad(x, (0, 1, 0, 1))), nn.functional.max_pool2d(x, 2)
        beside = pad(beside, (0, 0, 0, 0, 0, self.more)) if self.more else beside
        return self.prelu(self.pointwise(deep) + beside)


class _Active(nn.Conv2d):
    """A convolution and its activation: the stem, and what narrows a head before its last block."""

    def __init__(self, inputs: int, outputs: int, side: int, *, stride: int = 1) -> None:
        super().__init__(inputs, outputs, side, stride=stride)
        self.prelu = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(super().forward(x))


class LandmarkNet(nn.Module):
    """Stem, trunk and two heads. Build it with :func:`load_landmark_net`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Active(3, 16, 3, stride=2)
        inputs = (16, *(channels for channels, _ in _TRUNK))
        self.trunk = nn.Sequential(*(_Block(inputs[i], *shape) for i, shape in enumerate(_TRUNK)))
        self.points = nn.Sequential(
            _Block(128, 128, 2), _Block(128, 128, 1), _Block(128, 128, 1), _Active(128, 32, 1), _Block(32, 32, 1),
            nn.Conv2d(32, 3 * NUM_POINTS, 3),
        )  # fmt: skip
        self.found = nn.Sequential(_Block(128, 128, 2), _Active(128, 32, 1), _Block(32, 32, 1), nn.Conv2d(32, 1, 3))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return points and presence.

        Args:
            pictures: float32 (N, 3, 192, 192), RGB in [0, 1].

        Returns:
            float32 (N, 468, 3): x and y in pixels of the picture, and depth in the same unit, smaller is nearer; and
            float32 (N,), the probability of a face.
        """
        features = self.trunk(self.stem(pad(pictures, (0, 1, 0, 1))))
        points = self.points(features).flatten(1).view(-1, NUM_POINTS, 3)
        return points, self.found(features).flatten().sigmoid()


def load_landmark_net(path: Path = WEIGHTS) -> LandmarkNet:
    """Return the network with the published weights, frozen.

    Raises:
        ModelError: the weights are damaged.
    """
    net = LandmarkNet()
    tensors = load_tensors(path, sha256=WEIGHTS_SHA256)
    net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
