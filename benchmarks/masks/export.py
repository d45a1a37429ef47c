"""A finished network of the study as a model folder, which `mesmer explain` takes: the one branch that was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mesmer.config import PrepareSettings
from mesmer.models import EmotionModel, build_model
from mesmer.signals.text import train_tokenizer

_UNUSED = "text_"
"""Weights of the words, which are absent throughout."""
_LINES = ("a tokenizer has to be there", "though nothing is ever read")


def export(model: EmotionModel, folder: Path, *, modality: str) -> None:
    """Save the branch of ``modality`` with the masks as they stand; faces are read as grey, as they were in training."""
    tokenizer = train_tokenizer(list(_LINES), 80)
    settings = replace(model.settings, modalities=modality[0].upper(), grey_faces=modality == "visual", exclusive=True)
    made = build_model(settings, tokenizer_size=tokenizer.size)
    fresh = {name: value for name, value in made.state_dict().items() if name.startswith(_UNUSED)}
    trained = {name: value for name, value in model.state_dict().items() if not name.startswith(_UNUSED)}
    made.load_state_dict(trained | fresh)
    made.top_p = model.top_p
    made.save_pretrained(folder, tokenizer=tokenizer, prepare=PrepareSettings())
