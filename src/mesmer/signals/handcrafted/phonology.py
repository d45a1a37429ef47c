"""Phonological posteriors: how likely each 10 ms of speech belongs to 18 classes of sounds, by Phonet's published network.

Vásquez-Correa, Klumpp, Orozco-Arroyave and Nöth: Phonet: a Tool Based on Gated Recurrent Neural Networks to Extract
Phonological Posteriors from Speech, Interspeech 2019. The network reads 400 ms at once, on their own: batch
normalisation, two bidirectional GRUs of 128 units, one shared layer, and a hidden layer and a yes-or-no answer per class.

Shape letters: S windows of 400 ms, 40 frames of 10 ms each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.signals.handcrafted.frames import framed, triangular_bands
from mesmer.storage.weights import load_tensors

WEIGHTS = Path(__file__).parents[1] / "weights" / "phonet.safetensors"
WEIGHTS_SHA256 = "e0e10046a185d45d3d8f35c0102322e895df8330b4855c70400f1ad0eb110557"

CLASSES: tuple[str, ...] = (
    "vocalic", "consonantal", "back", "anterior", "open", "close", "nasal", "stop", "continuant", "lateral", "flap",
    "trill", "voice", "strident", "labial", "dental", "velar", "pause",
)  # fmt: skip
"""The classes, in the order of the network's answers."""

WINDOW_SAMPLES, HOP_SAMPLES, FFT_POINTS = 400, 160, 512
FRAMES_PER_WINDOW = 40
NUM_BANDS = 33
PREEMPHASIS = 0.97
NOISE_LEVEL = 0.05
"""Deviation of the noise that stands for what lies beyond the end of the sound, whose peak is 1; the network was made
so."""
UNITS = 128
_NORM_EPSILON = 1e-3


class Phonet(nn.Module):
    """The network and the mean and deviation of its inputs. Build it with :func:`load_phonet`."""

    def __init__(self) -> None:
        super().__init__()
        inputs, classes = NUM_BANDS + 1, len(CLASSES)
        shapes: dict[str, tuple[int, ...]] = {
            "mu": (FRAMES_PER_WINDOW, inputs),
            "std": (FRAMES_PER_WINDOW, inputs),
            "norm.gamma": (inputs,),
            "norm.beta": (inputs,),
            "norm.moving_mean": (inputs,),
            "norm.moving_variance": (inputs,),
            "shared.kernel": (2 * UNITS, UNITS),
            "shared.bias": (UNITS,),
            "hidden.kernel": (classes, UNITS, UNITS),
            "hidden.bias": (classes, UNITS),
            "answer.kernel": (classes, UNITS, 2),
            "answer.bias": (classes, 2),
        }
        for layer, width in enumerate((inputs, 2 * UNITS)):
            for direction in ("forward", "backward"):
                shapes[f"gru.{layer}.{direction}.kernel"] = (width, 3 * UNITS)
                shapes[f"gru.{layer}.{direction}.recurrent_kernel"] = (UNITS, 3 * UNITS)
                shapes[f"gru.{layer}.{direction}.bias"] = (3 * UNITS,)
        self.shapes = shapes
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def forward(self, filterbank: Tensor) -> Tensor:
        """Return posteriors, float32 (S, 40, 18), of log filter-bank energies, float32 (S, 40, 34)."""
        t = self.tensors
        x = (filterbank - t["norm.moving_mean"]) / torch.sqrt(t["norm.moving_variance"] + _NORM_EPSILON)
        x = x * t["norm.gamma"] + t["norm.beta"]
        for layer in range(2):
            x = torch.cat([self._gru(x, layer, direction) for direction in ("forward", "backward")], dim=-1)
        x = torch.relu(x @ t["shared.kernel"] + t["shared.bias"])
        hidden = torch.relu(torch.einsum("stu,cuv->stcv", x, t["hidden.kernel"]) + t["hidden.bias"])
        answers = torch.einsum("stcv,cva->stca", hidden, t["answer.kernel"]) + t["answer.bias"]
        return answers.softmax(dim=-1)[..., 1]

    def _gru(self, x: Tensor, layer: int, direction: str) -> Tensor:
        """One direction of a GRU whose reset gate acts before the recurrent product (which torch's own does after it)."""
        kernel, recurrent, bias = (
            self.tensors[f"gru.{layer}.{direction}.{part}"] for part in ("kernel", "recurrent_kernel", "bias")
        )
        x = x.flip(1) if direction == "backward" else x
        given = x @ kernel + bias
        gates, candidate = recurrent[:, : 2 * UNITS], recurrent[:, 2 * UNITS :]
        state, states = x.new_zeros(len(x), UNITS), []
        for step in given.unbind(dim=1):
            update, reset = torch.sigmoid(step[:, : 2 * UNITS] + state @ gates).chunk(2, dim=1)
            proposed = torch.tanh(step[:, 2 * UNITS :] + (reset * state) @ candidate)
            state = update * state + (1 - update) * proposed
            states.append(state)
        steps = torch.stack(states, dim=1)
        return steps.flip(1) if direction == "backward" else steps


def load_phonet(path: Path = WEIGHTS) -> Phonet:
    """Return the network with the published weights.

    Raises:
        ModelError: the weights are damaged.
    """
    net = Phonet()
    net.tensors = {name: tensor.float() for name, tensor in load_tensors(path, sha256=WEIGHTS_SHA256).items()}
    assert {name: tuple(tensor.shape) for name, tensor in net.tensors.items()} == net.shapes
    return net.eval()


def log_filterbank(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the network's view of a sound, float64 (S, 40, 34): logarithms of 33 mel bands and of the whole energy.

    The sound is centred, its peak made 1, and followed by faint noise that fills the last window, always the same.

    Args:
        waveform: float32 (T,), 16 kHz, T > 0.
    """
    sound = waveform.astype(np.float64) - waveform.astype(np.float64).mean()
    peak = np.abs(sound).max()
    sound = sound / peak if peak > 0 else sound
    beyond = NOISE_LEVEL * np.random.default_rng(0).standard_normal(FRAMES_PER_WINDOW * HOP_SAMPLES + WINDOW_SAMPLES)
    heard = np.concatenate([sound, beyond])
    heard = np.concatenate([heard[:1], heard[1:] - PREEMPHASIS * heard[:-1]])
    windows = -(-len(waveform) // (FRAMES_PER_WINDOW * HOP_SAMPLES))
    frames = framed(heard, count=windows * FRAMES_PER_WINDOW, window=WINDOW_SAMPLES, hop=HOP_SAMPLES)
    power = np.abs(np.fft.rfft(frames, FFT_POINTS)) ** 2 / FFT_POINTS
    bands = triangular_bands(NUM_BANDS, fft_points=FFT_POINTS, rate_hz=SAMPLE_RATE_HZ)
    energies = np.concatenate([power @ bands.T, power.sum(axis=1, keepdims=True)], axis=1)
    smallest = np.finfo(np.float64).eps
    return np.log10(np.where(energies == 0, smallest, energies)).reshape(windows, FRAMES_PER_WINDOW, -1)


def posteriors(waveform: NDArray[np.float32], net: Phonet) -> NDArray[np.float32]:
    """Return how likely each 10 ms belongs to each class, float32 (S, 40, 18); see :func:`log_filterbank`."""
    energies = torch.from_numpy(log_filterbank(waveform))
    scaled = ((energies - net.tensors["mu"].double()) / net.tensors["std"].double()).float()
    return torch.cat([net(window) for window in scaled.split(1)]).numpy()
