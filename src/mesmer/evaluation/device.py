"""Where a model runs: on a GPU if torch sees one, else on the CPU."""

from __future__ import annotations

import torch


def choose_device() -> torch.device:
    """Return the device; hide GPUs with ``CUDA_VISIBLE_DEVICES=`` to stay on the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
