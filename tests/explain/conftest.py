"""Clips of the synthetic corpus with their truth, drawn and spoken here without a file: fast, and exact to the pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mesmer.config import ModelSettings, PrepareSettings, SparseSettings, TextSettings
from mesmer.corpora.synthetic.plan import plan_corpus
from mesmer.corpora.synthetic.rendering import perform, truth_of
from mesmer.models.calibration import Calibration
from mesmer.models.loading import LoadedModel
from mesmer.models.registry import build_model
from mesmer.records import Clip
from mesmer.signals.crops import crop_face, face_square
from mesmer.signals.text import train_tokenizer

SEED = 3


@pytest.fixture(scope="session")
def shown() -> list[tuple[Clip, dict[str, Any]]]:
    """Twelve utterances of four speakers: (clip, truth)."""
    plans = plan_corpus(size="tiny", seed=SEED)[:20]
    return [drawn(plan) for plan in plans if "visual" in {name for names in plan.carriers.values() for name in names}][:12]


def drawn(plan: Any) -> tuple[Clip, dict[str, Any]]:
    performance = perform(plan, seed=SEED)
    truth = truth_of(performance)
    pictures = list(performance.pictures())
    numbers = range(0, len(pictures), round(0.5 * float(plan.fps)))
    faces, crops = [], []
    for number in numbers:
        height, width = pictures[number].shape[:2]
        box = np.array(truth["visual"]["face_box_px"][number // 2], dtype=np.float32)
        crops.append(face_square(box, margin=0.15, height_px=height, width_px=width))
        faces.append(crop_face(pictures[number], crops[-1]))
    clip = Clip(
        id=plan.id,
        faces=np.stack(faces),
        face_times_s=np.array([number / float(plan.fps) for number in numbers]),
        face_boxes_px=np.stack(crops),
        face_found=np.ones(len(faces), dtype=bool),
        waveform=performance.speech.waveform.astype(np.float32),
        text=performance.sentence.text,
        absent={},
        duration_s=performance.speech.duration_s,
    )
    return clip, truth


@pytest.fixture(scope="session")
def loaded(shown: list[tuple[Clip, dict[str, Any]]]) -> LoadedModel:
    """A small MESM with fresh weights, calibrated at random so that no offset and no temperature is neutral."""
    tokenizer = train_tokenizer([clip.text for clip, _ in shown], 200)
    settings = ModelSettings(
        width=4, feature_width=16, dim=16, heads=2, layers=1,
        text=TextSettings(vocabulary_size=200, width=16, layers=1, heads=2), sparse=SparseSettings(backend="masked"),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(settings, tokenizer_size=tokenizer.size).eval()
        for parameter in model.parameters():  # fresh heads say next to nothing; these say something
            parameter.data *= 1.5
    rng = np.random.default_rng(0)
    model.calibration = {
        name: Calibration(temperature=float(rng.uniform(0.5, 2)), offset=float(rng.normal())) for name in settings.emotions
    }
    return LoadedModel(model=model, tokenizer=tokenizer, prepare=PrepareSettings(), extra={}, folder=Path())
