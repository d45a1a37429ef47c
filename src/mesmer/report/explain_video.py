"""A short video of an explanation: each face with the sites the first layer kept, above the sound and a moving line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mesmer.explain.explanation import Explanation
from mesmer.media.writer import write_video
from mesmer.report.explain_marks import MARK
from mesmer.report.explain_steps import face_picture, random_note, sound_pictures

FPS = 10
LONGEST_S = 60.0
"""Of a longer recording the beginning is shown."""

_SIDE_PX = 288
_SOUND_PX = 128
_NOTE_PX = 32


def write_overlay_video(explanation: Explanation, folder: Path, *, blur: bool) -> list[Path]:
    """Write ``overlay.mp4`` with the utterance's sound; nothing where there is neither picture nor sound.

    Left: the face as it was sampled; right: with the kept sites; below: the spectrogram of two seconds around.

    Raises:
        MesmerError: it cannot be written.
    """
    if not explanation.steps:
        return []
    path = folder / "overlay.mp4"
    waveform = explanation.clip.waveform[: round(LONGEST_S * 16_000)]
    write_video(path, _frames(explanation, blur=blur), FPS, waveform if len(waveform) else None)
    return [path]


def _frames(explanation: Explanation, *, blur: bool) -> Iterator[NDArray[np.uint8]]:
    mel, times_s = explanation.mel, explanation.clip.face_times_s
    sound_s = len(explanation.chunks) * mel.chunk_ms / 1000
    length_s = min(LONGEST_S, max(sound_s, float(times_s[-1]) + 1 / FPS if len(times_s) else 0.0))
    layer = 0 if explanation.sites else -1
    faces = {}
    if "visual" in explanation.steps:
        faces = {step: _face_pair(explanation, step, layer, blur=blur) for step in range(len(times_s))}
    sound = _sound_picture(explanation, layer) if "audio" in explanation.steps else None
    note = _note(explanation)
    for number in range(max(1, round(length_s * FPS))):
        now_s = number / FPS
        rows = []
        if faces:
            rows.append(faces[max(0, int(np.searchsorted(times_s, now_s + 1e-6, side="right")) - 1)])
        if sound is not None:
            rows.append(_window(sound, now_s, mel.stride_ms / 1000))
        yield np.concatenate([*rows, note])


def _face_pair(explanation: Explanation, step: int, layer: int, *, blur: bool) -> NDArray[np.uint8]:
    pair = [face_picture(explanation, step, which, blur=blur) for which in (-1, layer)]
    return np.concatenate([_enlarged(one, _SIDE_PX, _SIDE_PX) for one in pair], axis=1)


def _sound_picture(explanation: Explanation, layer: int) -> NDArray[np.float64]:
    """RGB (bands, all frames, 3), low bands below."""
    pictures = sound_pictures(explanation, layer)
    return pictures.transpose(1, 0, 2, 3).reshape(pictures.shape[1], -1, 3)[::-1]


def _window(sound: NDArray[np.float64], now_s: float, stride_s: float) -> NDArray[np.uint8]:
    """Two seconds of sound around now, with a line where the sound is."""
    half = round(1.0 / stride_s)
    padded = np.pad(sound, ((0, 0), (half, half + 1), (0, 0)))
    first = min(round(now_s / stride_s), sound.shape[1])
    picture = _enlarged(padded[:, first : first + 2 * half], 2 * _SIDE_PX, _SOUND_PX)
    picture[:, _SIDE_PX - 1 : _SIDE_PX + 1] = (86, 180, 233)
    return picture


def _note(explanation: Explanation) -> NDArray[np.uint8]:
    """A line of words below the pictures: what is marked, or that the marks say nothing."""
    picture = Image.new("RGB", (2 * _SIDE_PX, _NOTE_PX), "white")
    said = [f"{name}: {' '.join(lines)}" for name in explanation.tests if (lines := random_note(explanation, name))]
    text = "\n".join(said) or "marked: kept by the first layer; below: 2 s of log-mel sound, 0 to 8 kHz"
    colour = tuple(round(255 * channel) for channel in MARK) if said else (0, 0, 0)
    ImageDraw.Draw(picture).text((4, 3), text, fill=colour)
    return np.asarray(picture)


def _enlarged(picture: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
    image = Image.fromarray(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8))
    return np.array(image.resize((width, height), Image.Resampling.NEAREST))
