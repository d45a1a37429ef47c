"""A model that reads faces in grey: colours change nothing, grey faces are read as ever, Pillow is the oracle of grey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mesmer.config import ModelSettings
from mesmer.config_dict import from_dict, settings_hash, to_dict
from mesmer.models.end_to_end import in_grey
from model_batches import ALL_SUBSETS, random_batch, small_model, small_settings


def test_the_luminance_is_pillows() -> None:
    faces = torch.randint(0, 256, (5, 3, 48, 48), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    expected = np.stack([np.asarray(Image.fromarray(face.permute(1, 2, 0).numpy()).convert("L")) for face in faces])
    found = in_grey(faces)
    assert found.dtype == torch.uint8
    assert (found == found[:, :1]).all()
    assert np.abs(found[:, 0].numpy().astype(int) - expected.astype(int)).max() <= 1
    assert torch.allclose(in_grey(faces.float())[:, 0], found[:, 0].float(), atol=0.51)


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
def test_what_is_grey_stays(value: int) -> None:
    face = torch.full((1, 3, 2, 2), value, dtype=torch.uint8)
    assert torch.equal(in_grey(face), face)


@pytest.mark.parametrize("name", ["mesm", "fe2e"])
def test_only_the_luminance_counts(name: str) -> None:
    batch = random_batch(ALL_SUBSETS)
    grey = replace(batch, faces=in_grey(batch.faces))
    plain, reads_grey = small_model(name), small_model(name, grey_faces=True, warm=False)
    reads_grey.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert not torch.allclose(plain(batch).logits, plain(grey).logits, atol=1e-4)
        assert torch.equal(reads_grey(batch).logits, reads_grey(grey).logits)
        assert torch.equal(reads_grey(grey).logits, plain(grey).logits)


def test_it_is_part_of_the_settings_and_old_hashes_stand() -> None:
    settings = small_settings("mesm", grey_faces=True)
    assert from_dict(ModelSettings, to_dict(settings)) == settings
    plain = small_settings("mesm")
    assert settings_hash(plain) != settings_hash(settings)
    assert "grey_faces" in to_dict(plain)
