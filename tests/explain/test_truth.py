"""True evidence in crop coordinates: the boxes of the corpus, looked up pixel by pixel."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.config import MelSettings
from mesmer.errors import DataError
from mesmer.explain.truth import chunk_mask, face_masks, read_truths, region_masks, sound_masks
from mesmer.records import Clip

SIDE_PX = 48


def made_clip(times_s: list[float], crops: list[list[float]]) -> Clip:
    return Clip(
        id="made",
        faces=np.zeros((len(times_s), SIDE_PX, SIDE_PX, 3), dtype=np.uint8),
        face_times_s=np.array(times_s, dtype=np.float64),
        face_boxes_px=np.array(crops, dtype=np.float32).reshape(-1, 4),
        face_found=np.ones(len(times_s), dtype=bool),
        waveform=np.zeros(16_000, dtype=np.float32),
        text="",
        absent={},
        duration_s=1.0,
    )


def made_truth(**shown: Any) -> dict[str, Any]:
    """Mouth and eyes in two drawings, the second moved by ten pixels."""
    return {
        "id": "made",
        "audio": {"shown": {"joy": [0.1, 0.5], "fear": [0.45, 0.7]}},
        "visual": {
            "times_s": [0.0, 0.5],
            "shown": shown
            or {
                "joy": {"from_s": 0.0, "apex_s": [0.2, 0.6], "to_s": 0.9, "regions": ["mouth"]},
                "fear": {"from_s": 0.0, "apex_s": [0.4, 0.6], "to_s": 0.6, "regions": ["eyes", "mouth"]},
            },
            "regions_px": {
                "mouth": [[[20.0, 40.0, 40.0, 50.0]], [[30.0, 40.0, 50.0, 50.0]]],
                "eyes": [
                    [[10.0, 10.0, 20.0, 20.0], [40.0, 10.0, 50.0, 20.0]],
                    [[20.0, 10.0, 30.0, 20.0], [50.0, 10.0, 60.0, 20.0]],
                ],
            },
        },
    }  # fmt: skip


def looked_up(truth: dict[str, Any], clip: Clip, emotion: str | None, when: str) -> np.ndarray:
    """The same by asking for each pixel on its own."""
    masks = np.zeros((len(clip.faces), SIDE_PX, SIDE_PX), dtype=bool)
    for step, (time_s, crop) in enumerate(zip(clip.face_times_s, clip.face_boxes_px, strict=True)):
        drawing = max(k for k, at in enumerate(truth["visual"]["times_s"]) if at <= time_s + 1e-3)
        for name, course in truth["visual"]["shown"].items():
            begin, end = course["apex_s"] if when == "apex" else (course["from_s"], course["to_s"])
            if emotion not in (None, name) or not begin <= time_s <= end:
                continue
            for row in range(SIDE_PX):
                for column in range(SIDE_PX):
                    x = crop[0] + (column + 0.5) / SIDE_PX * (crop[2] - crop[0])
                    y = crop[1] + (row + 0.5) / SIDE_PX * (crop[3] - crop[1])
                    for part in course["regions"]:
                        for x0, y0, x1, y1 in truth["visual"]["regions_px"][part][drawing]:
                            masks[step, row, column] |= x0 <= x < x1 and y0 <= y < y1
    return masks


@settings(max_examples=25, deadline=None)
@given(
    times_s=st.lists(st.floats(0.0, 1.0), max_size=3),
    left=st.floats(-10.0, 30.0),
    top=st.floats(-10.0, 30.0),
    side=st.floats(5.0, 90.0),
    emotion=st.sampled_from([None, "joy", "fear"]),
    when=st.sampled_from(["apex", "shown"]),
)
def test_masks_are_the_boxes_at_that_time(times_s, left, top, side, emotion, when) -> None:  # type: ignore[no-untyped-def]
    clip = made_clip(sorted(times_s), [[left, top, left + side, top + side]] * len(times_s))
    found = face_masks(made_truth(), clip, emotions=None if emotion is None else [emotion], when=when)
    assert (found == looked_up(made_truth(), clip, emotion, when)).all()


def test_parts_of_the_face_move_with_the_drawing_on_the_screen() -> None:
    clip = made_clip([0.0, 0.499, 0.9995], [[0.0, 0.0, 48.0, 48.0]] * 3)
    mouth = region_masks(made_truth(), clip)["mouth"]
    assert mouth[0, 40:, 20:40].all()
    assert mouth[0].sum() == 8 * 20
    assert (mouth[1] != mouth[0]).any()  # stamped a millisecond early: already the second drawing
    assert mouth[2, 40:, 30:48].all()


def test_sound_is_true_while_the_voice_shows_it() -> None:
    mel = MelSettings()
    masks = sound_masks(made_truth(), chunks=3, mel=mel)
    middle_s = (np.arange(96) + 0.5) * 0.0125
    assert masks.shape == (3, 32)
    assert (masks.ravel() == ((middle_s >= 0.1) & (middle_s < 0.7))).all()
    assert chunk_mask(masks).tolist() == [True, True, False]
    only = sound_masks(made_truth(), chunks=3, mel=mel, emotions=["fear"])
    assert (only.ravel() == ((middle_s >= 0.45) & (middle_s < 0.7))).all()
    assert chunk_mask(sound_masks(made_truth(), chunks=0, mel=mel)).shape == (0,)


def test_no_picture_no_masks() -> None:
    clip = made_clip([], [])
    assert face_masks(made_truth(), clip).shape == (0, SIDE_PX, SIDE_PX)


@pytest.mark.parametrize("damage", ["visual", "shown", "regions_px", "times_s"])
def test_damaged_truth_is_said(damage: str) -> None:
    truth = made_truth()
    if damage == "visual":
        truth["visual"] = None
    else:
        del truth["visual"][damage]
    with pytest.raises(DataError, match="damaged"):
        face_masks(truth, made_clip([0.3], [[0.0, 0.0, 48.0, 48.0]]))


def test_truth_is_found_beside_the_dataset_or_in_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not known here"):
        read_truths(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "truth.jsonl").write_text(json.dumps(made_truth()) + "\n")
    assert read_truths(tmp_path) == read_truths(raw) == {"made": made_truth()}
    (raw / "truth.jsonl").write_text("[1]\n")
    with pytest.raises(DataError, match="damaged"):
        read_truths(tmp_path)


def test_clips_of_the_corpus_have_a_truth_while_they_show_something(shown: list[tuple[Clip, dict[str, Any]]]) -> None:
    seen = 0
    for clip, truth in shown:
        courses = truth["visual"]["shown"].values()
        now = [any(c["apex_s"][0] <= time_s <= c["apex_s"][1] for c in courses) for time_s in clip.face_times_s]
        masks = face_masks(truth, clip)
        assert masks.any(axis=(1, 2)).tolist() == now
        assert all(0.05 < mask.mean() < 0.8 for mask in masks[now])
        everything = face_masks(truth, clip, when="shown")
        assert (everything | masks == everything).all()
        assert face_masks(truth, replace(clip, face_times_s=clip.face_times_s + 1e6)).sum() == 0
        seen += sum(now)
    assert seen > 10
