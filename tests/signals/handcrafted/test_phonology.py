"""Phonological posteriors: the network's numbers and its view of a sound against the tools they come from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mesmer.errors import ModelError
from mesmer.signals.handcrafted.phonology import CLASSES, WEIGHTS, Phonet, load_phonet, log_filterbank, posteriors


@pytest.fixture(scope="module")
def net() -> Phonet:
    return load_phonet()


# What Keras 3 (TensorFlow 2.21, float32) answers with the weights of phonet 0.3.7's model.h5, put layer by layer into the
# network that the package describes, to the pattern ((7919 i) mod 251) / 125 - 1, i over (2, 40, 34): probabilities of
# the 18 classes.
KERAS = {
    (0, 0): [
        0.6752365, 0.4045167, 0.3300209, 0.7791119, 0.7253876, 0.3047523, 0.2279453, 0.5436376, 0.4739835, 0.5189077,
        0.5435188, 0.197856, 0.7224367, 0.3358117, 0.2532408, 0.645878, 0.3519811, 0.1663908,
    ],
    (0, 20): [
        0.3542039, 0.7292615, 0.3467728, 0.4496573, 0.2742896, 0.6139227, 0.3253502, 0.8063524, 0.497198, 0.6163614,
        0.5350431, 0.0673933, 0.2828636, 0.5019376, 0.3914018, 0.8183472, 0.8145593, 0.3276355,
    ],
    (1, 39): [
        0.6635123, 0.4765559, 0.7627398, 0.3581065, 0.4778939, 0.7669774, 0.5237826, 0.6442073, 0.5414018, 0.6775172,
        0.550999, 0.5186188, 0.7490109, 0.1438178, 0.5758365, 0.5654027, 0.7626722, 0.0896215,
    ],
}  # fmt: skip
KERAS_SUM = 762.96625

# What python_speech_features 0.6 says of the sound below, made as phonet makes it: log10 of bands 0, 5, 20, 32 and of the
# energy.
FILTERBANK = {
    10: [-3.231677339, -2.581355575, -3.892163452, -4.142753549, -0.336387865],
    40: [-3.227215759, -2.690060393, -2.367856227, -3.137849482, 0.561679304],
}


def two_tones() -> np.ndarray:
    t = np.arange(9600) / 16000
    return (0.3 * np.sin(2 * np.pi * 220 * t) + 0.1 * np.sin(2 * np.pi * 1870 * t) * (t > 0.2)).astype(np.float32)


def test_the_network_answers_as_keras_does(net: Phonet) -> None:
    i = np.arange(2 * 40 * 34)
    pattern = ((i * 7919 % 251) / 125 - 1).astype(np.float32).reshape(2, 40, 34)
    answers = net(torch.from_numpy(pattern)).numpy()
    assert answers.shape == (2, 40, len(CLASSES))
    for (window, frame), expected in KERAS.items():
        np.testing.assert_allclose(answers[window, frame], expected, atol=1e-5)
    assert abs(answers.astype(np.float64).sum() - KERAS_SUM) < 1e-2


def test_its_view_of_a_sound_is_that_of_the_tool_it_was_trained_with() -> None:
    seen = log_filterbank(two_tones()).reshape(-1, 34)
    for frame, expected in FILTERBANK.items():
        np.testing.assert_allclose(seen[frame, [0, 5, 20, 32, 33]], expected, atol=1e-7)


def test_windows_go_through_alone(net: Phonet) -> None:
    """Bit for bit: a window's answer does not depend on the windows beside it."""
    energies = torch.from_numpy(log_filterbank(two_tones())).float()
    together = net(energies)
    sound = two_tones()
    assert torch.equal(torch.cat([net(window) for window in energies.split(1)])[0], net(energies[:1])[0])
    np.testing.assert_allclose(together.numpy()[1], net(energies[1:])[0].numpy(), atol=1e-6)
    assert np.array_equal(posteriors(sound, net), posteriors(sound, net))


def test_loudness_makes_no_difference(net: Phonet) -> None:
    sound = two_tones()
    np.testing.assert_allclose(posteriors(sound, net), posteriors(sound * np.float32(0.25), net), atol=1e-5)


def test_silence_is_a_pause(net: Phonet) -> None:
    sound = np.concatenate([two_tones(), np.zeros(16000, dtype=np.float32)])
    pause = posteriors(sound, net)[:, :, CLASSES.index("pause")]
    assert pause[2:].mean() > 0.9


def test_a_sound_without_any_change_has_numbers(net: Phonet) -> None:
    for sound in (np.zeros(10, dtype=np.float32), np.full(7000, 0.5, dtype=np.float32)):
        assert np.isfinite(posteriors(sound, net)).all()


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS, tmp_path / "w.safetensors")
    data = bytearray((tmp_path / "w.safetensors").read_bytes())
    data[-1000] ^= 1
    (tmp_path / "w.safetensors").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="hash differs"):
        load_phonet(tmp_path / "w.safetensors")
