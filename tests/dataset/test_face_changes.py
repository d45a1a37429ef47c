"""Training faces and sound changed by named amounts: by another road, the same in any company, off unless asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import rotate, zoom

from mesmer.augment_settings import USUAL_SOUND_CHANGES, FaceChanges, SoundChanges
from mesmer.config import MelSettings
from mesmer.dataset.augment import change_sound, mask_chunks, shift_sound, utterance_generator
from mesmer.dataset.face_changes import DrawnChange, change_faces, draw_change
from mesmer.errors import ConfigError
from mesmer.records import Clip

STILL = DrawnChange(turn=0.0, zoom=1.0, erased=None)


def smooth_faces(count: int, seed: int = 0) -> torch.Tensor:
    rough = np.random.default_rng(seed).uniform(0, 255, (count, 3, 8, 8))
    smooth = np.stack([[zoom(channel, 6, order=3) for channel in face] for face in rough])
    return torch.from_numpy(smooth.clip(0, 255).astype(np.uint8))


def drawn(count: int, changes: FaceChanges, seed: int = 3) -> list[DrawnChange]:
    return [draw_change(changes, utterance_generator(seed=seed, epoch=0, utterance_id=str(n))) for n in range(count)]


@pytest.mark.parametrize("degrees", [-25.0, 10.0, 90.0])
def test_turning_is_what_scipy_turns(degrees: float) -> None:
    faces = smooth_faces(1)
    (turned,) = change_faces(faces, torch.tensor([1]), [replace(STILL, turn=float(np.radians(degrees)))])
    expected = rotate(faces[0].numpy().astype(float), degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
    inner = slice(12, 36)
    assert np.abs(turned.numpy().astype(float) - expected)[:, inner, inner].max() <= 1.0


def test_zooming_makes_a_square_larger() -> None:
    faces = torch.zeros(1, 3, 48, 48, dtype=torch.uint8)
    faces[:, :, 16:32, 16:32] = 255
    areas = [
        change_faces(faces, torch.tensor([1]), [replace(STILL, zoom=factor)]).float().sum().item() / (3 * 255)
        for factor in (0.75, 1.0, 1.5)
    ]
    assert areas == pytest.approx([144, 256, 576], rel=0.03)


def test_an_erased_rectangle_is_plain_and_the_rest_is_untouched() -> None:
    faces = smooth_faces(3)
    changed = change_faces(faces, torch.tensor([2, 1]), [replace(STILL, erased=(0.25, 0.5, 0.25, 0.125)), STILL])
    box = changed[:2, :, 12:24, 24:30]
    for face, original in zip(box, faces, strict=False):
        assert face.unique().tolist() == [int(original.float().mean())]
    untouched = torch.ones(48, 48, dtype=torch.bool)
    untouched[12:24, 24:30] = False
    assert torch.equal(changed[:2, :, untouched], faces[:2, :, untouched])
    assert torch.equal(changed[2], faces[2])


def test_a_face_is_changed_alike_in_any_company() -> None:
    changes, faces, counts = (
        FaceChanges(turn_degrees=20, zoom=0.2, erase=0.4),
        smooth_faces(9),
        torch.tensor([2, 0, 1, 3, 3]),
    )
    chosen = drawn(5, changes)
    together = change_faces(faces, counts, chosen)
    ends = counts.cumsum(0).tolist()
    for n, end in enumerate(ends):
        first = end - int(counts[n])
        alone = change_faces(faces[first:end], counts[n : n + 1], [chosen[n]])
        assert torch.equal(alone, together[first:end])
    assert torch.equal(faces, smooth_faces(9))  # what came in is as it was
    assert not torch.equal(together, faces)


def test_draws_stay_within_their_bounds_and_vary() -> None:
    changes = FaceChanges(turn_degrees=15, zoom=0.1, erase=0.5)
    many = drawn(400, changes)
    turns, zooms = np.degrees([one.turn for one in many]), np.array([one.zoom for one in many])
    assert np.abs(turns).max() <= 15
    assert np.abs(turns).mean() == pytest.approx(7.5, abs=1)
    assert (zooms.min() >= 0.9, zooms.max() <= 1.1, zooms.std() > 0.04) == (True, True, True)
    erased = [one.erased for one in many if one.erased is not None]
    assert 150 < len(erased) < 250
    for top, left, height, width in erased:
        assert 0 <= top <= top + height <= 1
        assert 0 <= left <= left + width <= 1
        assert max(height, width) <= 0.5
    assert all(one == STILL for one in drawn(20, FaceChanges()))


def clip_of(sound: np.ndarray) -> Clip:
    nothing = np.zeros((0, 48, 48, 3), dtype=np.uint8)
    empty = np.zeros(0)
    return Clip(
        id="x", faces=nothing, face_times_s=empty, face_boxes_px=np.zeros((0, 4), np.float32),
        face_found=empty.astype(bool), waveform=sound.astype(np.float32), text="", absent={}, duration_s=1.0,
    )  # fmt: skip


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_speed_moves_a_tone_and_noise_keeps_its_ratio() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    for seed in range(6):
        changed = change_sound(clip_of(tone), generator(seed), SoundChanges(speed=0.2)).waveform
        speed = 1 + 0.2 * generator(seed).uniform(-1, 1)
        assert len(changed) == int(16_000 / speed)
        peak_hz = np.abs(np.fft.rfft(changed, 16_000)).argmax()
        assert peak_hz == pytest.approx(1000 * speed, abs=2)
        noisy = change_sound(clip_of(tone), generator(seed), SoundChanges(noise_snr_db=20)).waveform
        below_db = 10 * np.log10(np.mean(tone**2) / np.mean((noisy - tone) ** 2))
        assert below_db == pytest.approx(generator(seed).uniform(20, 60), abs=0.2)
        assert noisy.dtype == np.float32


def test_without_changes_sound_is_drawn_as_it_always_was() -> None:
    clip, mel = clip_of(np.linspace(-0.5, 0.5, 9000)), MelSettings()
    assert change_sound(clip, generator(), USUAL_SOUND_CHANGES) is clip
    dropped = 9000 - len(shift_sound(clip, generator(5), mel).waveform)
    assert dropped == generator(5).integers(mel.stride_samples)
    later = 9000 - len(shift_sound(clip, generator(5), mel, SoundChanges(shift_ms=300)).waveform)
    assert later == generator(5).integers(4800)
    assert len(change_sound(clip_of(np.zeros(0)), generator(), SoundChanges(speed=0.1, noise_snr_db=20)).waveform) == 0
    silent = change_sound(clip_of(np.zeros(800)), generator(), SoundChanges(noise_snr_db=20)).waveform
    assert not silent.any()


def test_masks_are_as_many_and_as_large_as_asked() -> None:
    chunks = generator(1).normal(size=(6, 128, 32)).astype(np.float32)
    flat = chunks.transpose(1, 0, 2).reshape(128, -1)
    assert np.array_equal(mask_chunks(chunks, generator(2), SoundChanges(masks=0)), chunks)
    for masks in (1, 3):
        changes = SoundChanges(masks=masks, band_share=0.25, time_share=0.2)
        masked = mask_chunks(chunks, generator(2), changes).transpose(1, 0, 2).reshape(128, -1)
        hidden = masked != flat
        bands, spans = hidden.all(axis=1), hidden.all(axis=0)
        assert np.array_equal(hidden, bands[:, None] | spans[None, :])
        assert 0 < bands.sum() <= masks * 32
        assert 0 < spans.sum() <= masks * 0.2 * 192
        assert set(np.unique(masked[hidden])) == {chunks.mean()}


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: FaceChanges(turn_degrees=-1), "turn_degrees"),
        (lambda: FaceChanges(zoom=0.6), "zoom"),
        (lambda: FaceChanges(erase=float("nan")), "erase"),
        (lambda: SoundChanges(speed=0.7), "speed"),
        (lambda: SoundChanges(masks=99), "masks"),
    ],
)
def test_amounts_beyond_bounds_are_refused(make: object, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        make()  # type: ignore[operator]
