"""Shares add up; steps and words are held against the whole model run on a clip without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mesmer
import mesmer.explain.words
from mesmer.config import FeatureSettings, ModelSettings
from mesmer.errors import ConfigError, MesmerError, ModelError
from mesmer.explain.explainer import Explainer
from mesmer.explain.explanation import Explanation
from mesmer.explain.seeing import batch_of, end_to_end
from mesmer.models.loading import LoadedModel
from mesmer.models.registry import build_model
from mesmer.records import MODALITIES, Clip

Shown = list[tuple[Clip, dict[str, Any]]]


def answered(loaded: LoadedModel, clip: Clip) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds (L,), modality logits (M, L), weights (M,) from the model alone."""
    with torch.no_grad():
        output = loaded.model(batch_of(loaded, [clip]))
    probabilities = loaded.model.probabilities(output.logits)[0].numpy()
    return (
        np.log(probabilities) - np.log1p(-probabilities),
        output.modality_logits[0].double().numpy(),
        output.modality_weights[0].double().numpy(),
    )


@pytest.mark.parametrize("absent", [(), ("text",), ("audio",), ("visual",), ("text", "audio"), ("audio", "visual")])
def test_shares_and_offsets_add_up_to_the_log_odds(loaded: LoadedModel, shown: Shown, absent: tuple[str, ...]) -> None:
    explainer = Explainer(loaded)
    for clip, _ in shown[:3]:
        clip = replace(clip, absent=dict.fromkeys(absent, "hidden"))
        told = explainer.explain(clip)
        assert set(told.shares) == set(MODALITIES) - set(absent)
        summed = sum(told.shares.values()) + told.offsets
        assert np.abs(summed - answered(loaded, clip)[0]).max() < 1e-5
        assert np.abs(summed - told.log_odds).max() < 1e-5
        assert set(told.steps) == set(told.shares) - {"text"}
        assert (told.words is None) == ("text" in absent)


def test_a_step_left_out_is_a_face_that_was_never_sampled(loaded: LoadedModel, shown: Shown) -> None:
    clip = shown[0][0]
    told = Explainer(loaded).explain(clip)
    temperature = np.array([one.temperature for one in loaded.model.calibration.values()])
    _, whole, weights = answered(loaded, clip)
    for step in range(len(clip.faces)):
        rest = np.arange(len(clip.faces)) != step
        fewer = replace(
            clip,
            faces=clip.faces[rest],
            face_times_s=clip.face_times_s[rest],
            face_boxes_px=clip.face_boxes_px[rest],
            face_found=clip.face_found[rest],
        )
        lost = weights[2] * (whole[2] - answered(loaded, fewer)[1][2]) / temperature
        assert told.steps["visual"].steps[step] == pytest.approx(lost, abs=1e-4)
    assert told.steps["visual"].method == "occlusion"
    single = replace(clip, faces=clip.faces[:1], face_times_s=clip.face_times_s[:1], face_boxes_px=clip.face_boxes_px[:1])
    only = Explainer(loaded).explain(single)
    assert only.steps["visual"].steps[0] == pytest.approx(only.shares["visual"], abs=1e-5)


def test_integrated_gradients_add_up_to_the_share(loaded: LoadedModel, shown: Shown) -> None:
    pytest.importorskip("captum")
    told = Explainer(loaded, steps="integrated_gradients").explain(shown[1][0])
    for name, parts in told.steps.items():
        assert parts.steps.sum(0) + parts.empty + parts.missing == pytest.approx(told.shares[name], abs=1e-5)
        assert np.abs(parts.missing).max() < 0.02  # fresh weights are sharp where every face is grey
        assert np.abs(parts.steps).max() > 1e-3


def test_a_words_influence_is_what_the_whole_model_loses_without_it(
    loaded: LoadedModel, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = shown[0][0]
    told = Explainer(loaded).explain(clip)
    assert told.words is not None
    assert told.words.steered
    assert [clip.text[begin:end] for begin, end in told.words.spans] == clip.text.split()
    for number, (begin, end) in enumerate(told.words.spans):
        without = answered(loaded, replace(clip, text=clip.text[:begin] + clip.text[end:]))[0]
        assert told.words.influence[number] == pytest.approx(told.log_odds - without, abs=1e-4)
    monkeypatch.setattr(mesmer.explain.words, "MOST_MAPS", 0)
    own = Explainer(loaded).explain(clip).words
    assert own is not None
    assert not own.steered
    _, whole, weights = answered(loaded, clip)
    temperature = np.array([one.temperature for one in loaded.model.calibration.values()])
    begin, end = own.spans[1]
    without_word = answered(loaded, replace(clip, text=clip.text[:begin] + clip.text[end:]))[1]
    assert own.influence[1] == pytest.approx(weights[0] * (whole[0] - without_word[0]) / temperature, abs=1e-4)


def test_a_word_that_is_the_whole_text_and_none_at_all(loaded: LoadedModel, shown: Shown) -> None:
    told = Explainer(loaded).explain(replace(shown[0][0], text="Yes"))
    assert told.words is not None
    assert told.words.influence.shape == (1, 6)


def test_kept_sites_are_the_models_and_arrays_can_be_read_without_pickle(
    loaded: LoadedModel, shown: Shown, tmp_path: Path
) -> None:
    clip = shown[0][0]
    told = Explainer(loaded, top_p=0.3).explain(clip)
    assert told.top_p == 0.3
    assert loaded.model.top_p == 0.5
    assert told.blocks == 3
    assert told.sites[("visual", 0)].kept.shape == (len(clip.faces), 24, 24)
    assert told.sites[("audio", 2)].kept.shape == (len(told.chunks), 16, 4)
    json_file, arrays_file = told.save(tmp_path)
    with np.load(arrays_file, allow_pickle=False) as arrays:
        assert set(arrays) == set(told.arrays())
        assert (arrays["visual_layer1_kept"] == told.sites[("visual", 0)].kept).all()
        assert arrays["text_share"] == pytest.approx(told.shares["text"])
    assert '"beats_random"' in json_file.read_text()
    told.save(tmp_path, faces=False)
    with np.load(arrays_file, allow_pickle=False) as arrays:
        assert "faces" not in arrays


def test_top_p_of_one_keeps_all_and_beats_nothing(loaded: LoadedModel, shown: Shown) -> None:
    told: Explanation = Explainer(loaded, top_p=1.0).explain(shown[0][0])
    assert told.sites[("visual", 0)].kept.all()
    assert not told.tests["visual"].beats_random  # a full mask laid elsewhere is the same mask
    assert told.tests["visual"].random == pytest.approx([told.tests["visual"].change] * 19)


def test_what_cannot_be_explained_is_said(loaded: LoadedModel, shown: Shown) -> None:
    with pytest.raises(ConfigError, match="occlusion"):
        Explainer(loaded, steps="oclusion")
    with pytest.raises(ConfigError, match="top_p"):
        Explainer(loaded, top_p=0.0)
    with pytest.raises(MesmerError, match="nothing to read"):
        Explainer(loaded).explain(replace(shown[0][0], absent=dict.fromkeys(MODALITIES, "hidden")))
    two_phase = build_model(ModelSettings(name="lf_lstm", features=FeatureSettings()))
    with pytest.raises(ModelError, match="hand-crafted"):
        end_to_end(two_phase)


def test_a_dense_model_marks_nothing_and_still_has_shares(loaded: LoadedModel, shown: Shown) -> None:
    dense = build_model(replace(loaded.model.settings, name="fe2e"), tokenizer_size=loaded.tokenizer.size).eval()
    told = Explainer(replace(loaded, model=dense)).explain(shown[0][0])
    assert told.blocks == 0
    assert told.tests == {}
    assert set(told.steps) == {"visual", "audio"}


def test_the_room_can_be_called_whoever_imported_it_first() -> None:
    import mesmer.explain.truth

    assert callable(mesmer.explain)
    assert mesmer.explain.truth.read_truths
    with pytest.raises(MesmerError):
        mesmer.explain("nowhere.mp4", model="nowhere")
