"""Pictures of explanations: marks where sites were kept, axes in physical units, faces hidden when asked."""

from __future__ import annotations

import numpy as np
import pytest

from mesmer.config import SAMPLE_RATE_HZ, MelSettings
from mesmer.report.explain_marks import band_of_hz, blurred_outside, grey_face, grown, marked
from mesmer.report.explain_steps import picked_steps
from mesmer.signals.mel import mel_filters


def test_kept_sites_are_tinted_and_stand_out_without_colour() -> None:
    rng = np.random.default_rng(0)
    sites = rng.random((6, 6)) < 0.5
    picture = marked(rng.random((48, 48)), sites)
    mask = grown(sites, 48, 48)
    assert (picture[~mask] == picture[~mask][:, :1]).all()  # grey
    assert (picture[mask][:, 0] > picture[mask][:, 2]).all()  # and not grey
    assert mask[8:16, :8].all() == sites[1, 0]


def test_blurring_hides_all_but_the_kept_sites() -> None:
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    sites = np.zeros((24, 24), dtype=bool)
    sites[3, 4] = True
    hidden = blurred_outside(face, sites)
    assert (hidden[6:8, 8:10] == face[6:8, 8:10]).all()
    outside = ~grown(sites, 48, 48)
    assert hidden[outside].std() < 0.25 * face[outside].std()


def test_all_shades_are_used_whatever_the_light() -> None:
    dark = np.random.default_rng(0).integers(10, 40, (48, 48, 3), dtype=np.uint8)
    assert np.ptp(grey_face(dark)) == 1.0
    assert np.ptp(grey_face(np.full((48, 48, 3), 7, dtype=np.uint8))) == 0.0


@pytest.mark.parametrize("hz", [250, 1000, 4000])
def test_a_frequency_stands_at_the_band_that_hears_it(hz: int) -> None:
    filters = mel_filters(MelSettings())
    bin_of_hz = round(hz / (SAMPLE_RATE_HZ / 2) * (len(filters) - 1))
    assert abs(band_of_hz(hz, MelSettings()) - filters[bin_of_hz].argmax()) <= 1


def test_steps_are_picked_evenly_with_both_ends() -> None:
    assert picked_steps(0) == []
    assert picked_steps(1) == [0]
    assert picked_steps(5) == [0, 1, 2, 3, 4]
    assert picked_steps(100, 5) == [0, 25, 50, 74, 99]
