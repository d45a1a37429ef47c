"""What an expression really changed lies within the parts of the face that the corpus names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mesmer.corpora.synthetic.plan import plan_corpus
from mesmer.errors import DataError
from mesmer.explain.redraw import Redrawer, changed_pixels
from mesmer.explain.truth import face_masks
from mesmer.records import Clip
from mesmer.storage.atomic import write_json

SEED = 3


def test_changed_pixels_lie_in_the_named_parts_and_fill_less_of_the_face(shown: list[tuple[Clip, dict[str, Any]]]) -> None:
    plans = {plan.id: plan for plan in plan_corpus(size="tiny", seed=SEED)}
    parts, changed = [], []
    for clip, truth in shown[:6]:
        named = face_masks(truth, clip, when="shown")
        moved = changed_pixels(plans[clip.id], clip, seed=SEED)
        # Shrinking a frame to a crop spreads a change by its filter: some two pixels.
        assert not (moved & ~np.stack([binary_dilation(mask, iterations=2) for mask in named])).any()
        assert not moved[~named.any(axis=(1, 2))].any()
        apex = face_masks(truth, clip).any(axis=(1, 2))
        assert moved[apex].any(axis=(1, 2)).all()
        parts.append(named[apex].mean(axis=(1, 2)))
        changed.append(moved[apex].mean(axis=(1, 2)))
    assert 0.02 < np.concatenate(changed).mean() < 0.6 * np.concatenate(parts).mean()


def test_only_a_corpus_of_this_version_is_drawn_again(tmp_path: Path, shown: list[tuple[Clip, dict[str, Any]]]) -> None:
    with pytest.raises(DataError):
        Redrawer(tmp_path)
    write_json(tmp_path / "corpus.json", {"version": 1, "size": "tiny", "seed": 3})
    with pytest.raises(DataError, match="version"):
        Redrawer(tmp_path)
    write_json(tmp_path / "corpus.json", {"version": 2, "size": "tiny", "seed": SEED})
    clip = shown[0][0]
    assert Redrawer(tmp_path).changed(clip).shape == (len(clip.faces), 48, 48)
    write_json(tmp_path / "corpus.json", {"version": 2, "size": 3, "seed": SEED})
    with pytest.raises(DataError, match="size and seed"):
        Redrawer(tmp_path)
