"""The three networks of MTCNN (Zhang, Zhang, Li and Qiao, 2016, figure 2) and their weights.

Each sees RGB scaled to about [-1, 1] and says how likely a face is, how the box must move to fit it, and (O-Net) where
eyes, nose and mouth corners are. Box moves are shares of the side of the square that was looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("weights") / "mtcnn.safetensors"

PROPOSAL_SIDE, PROPOSAL_STRIDE = 12, 2
"""P-Net looks at squares of 12 pixels, one every 2 pixels."""
REFINE_SIDE, OUTPUT_SIDE = 24, 48
"""R-Net and O-Net look at crops of these sides."""


class NetAnswer(NamedTuple):
    """What a network says of each square: N squares, or N maps of H x W squares for P-Net.

    ``face`` (N,) or (N, H, W) probability; ``box`` (N, 4) or (N, 4, H, W) moves of x0, y0, x1, y1; ``landmarks`` (N, 10),
    five x then five y (left eye, right eye, nose, left and right mouth corner), empty where the network has none.
    """

    face: Tensor
    box: Tensor
    landmarks: Tensor


class CascadeNet(nn.Module):
    """A trunk and its heads; the three networks differ only in their parts."""

    def __init__(self, *, trunk: nn.Module, face: nn.Module, box: nn.Module, landmarks: nn.Module | None = None) -> None:
        super().__init__()
        self.trunk, self.face, self.box, self.landmarks = trunk, face, box, landmarks

    def forward(self, x: Tensor) -> NetAnswer:
        """Answer for ``x`` float32 (N, 3, H, W), scaled by :func:`scale_pixels`."""
        features = self.trunk(x)
        landmarks = features.new_empty(0) if self.landmarks is None else self.landmarks(features)
        return NetAnswer(self.face(features).softmax(dim=1)[:, 1], self.box(features), landmarks)


def scale_pixels(pixels: Tensor) -> Tensor:
    """Return bytes 0..255 as the networks were trained to see them: float32, -1 to 1."""
    return pixels.float().sub_(127.5).mul_(1 / 128)


def proposal_net() -> CascadeNet:
    """P-Net: fully convolutional, one answer for every square of 12 pixels at a stride of 2."""
    trunk = nn.Sequential(
        *_conv(3, 10, 3), _pool(2), *_conv(10, 16, 3), *_conv(16, 32, 3)
    )  # fmt: skip
    return CascadeNet(trunk=trunk, face=nn.Conv2d(32, 2, 1), box=nn.Conv2d(32, 4, 1))


def refine_net() -> CascadeNet:
    """R-Net: crops of 24 pixels."""
    trunk = nn.Sequential(
        *_conv(3, 28, 3), _pool(3), *_conv(28, 48, 3), _pool(3), *_conv(48, 64, 2), nn.Flatten(), *_linear(64 * 9, 128)
    )
    return CascadeNet(trunk=trunk, face=nn.Linear(128, 2), box=nn.Linear(128, 4))


def output_net() -> CascadeNet:
    """O-Net: crops of 48 pixels; it alone says where the landmarks are."""
    trunk = nn.Sequential(
        *_conv(3, 32, 3), _pool(3), *_conv(32, 64, 3), _pool(3), *_conv(64, 64, 3), _pool(2), *_conv(64, 128, 2),
        nn.Flatten(), *_linear(128 * 9, 256),
    )  # fmt: skip
    return CascadeNet(trunk=trunk, face=nn.Linear(256, 2), box=nn.Linear(256, 4), landmarks=nn.Linear(256, 10))


def load_nets(path: Path = WEIGHTS) -> tuple[CascadeNet, CascadeNet, CascadeNet]:
    """Return P-Net, R-Net and O-Net with the published weights, frozen."""
    tensors = load_file(path)
    nets = {"proposal": proposal_net(), "refine": refine_net(), "output": output_net()}
    for name, net in nets.items():
        prefix = f"{name}."
        net.load_state_dict({key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)})
        # Pixel by pixel in memory: on a CPU three times faster here than plane by plane.
        net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return nets["proposal"], nets["refine"], nets["output"]


def _conv(inputs: int, outputs: int, side: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, side), nn.PReLU(outputs)


def _linear(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.Linear(inputs, outputs), nn.PReLU(outputs)


def _pool(side: int) -> nn.Module:
    # The networks were trained where pooling keeps the ragged edge.
    return nn.MaxPool2d(side, 2, ceil_mode=True)
