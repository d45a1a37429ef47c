"""A saved model: one folder that holds all that prediction needs, and nothing that could run.

``config.json`` (what it is built from), ``model.safetensors`` (all weights, the text encoder's too), the tokenizer's files,
and ``hashes.json`` (sha256 of each file, so that damage is found before anything is loaded). A packed model
(:mod:`mesmer.models.packing`) has its card, licences and provenance beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import mesmer
from mesmer.config import PrepareSettings
from mesmer.config_dict import to_dict
from mesmer.errors import ModelError
from mesmer.models.half import Precision, halved
from mesmer.storage.atomic import atomic_folder, write_json, write_text
from mesmer.storage.hashes import sha256_file
from mesmer.storage.replacing import replaced_folder
from mesmer.storage.weights import save_tensors

if TYPE_CHECKING:
    from mesmer.models.base import EmotionModel
    from mesmer.signals.handcrafted.resources import FeatureResources
    from mesmer.signals.text import TextTokenizer

FORMAT = "mesmer-model"
FORMAT_VERSION = 1

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
HASHES_FILE = "hashes.json"


def save_model(
    model: EmotionModel,
    folder: str | Path,
    *,
    tokenizer: TextTokenizer,
    prepare: PrepareSettings,
    extra: Mapping[str, Any],
    resources: FeatureResources | None = None,
    precision: Precision = "fp32",
    documents: Mapping[str, str] | None = None,
) -> None:
    """Write the model as a folder, whole or not at all, in the place of an older saved model of that name.

    Args:
        tokenizer: the one that made the tokens it was trained on; not saved with a model that reads none.
        prepare: how the media were prepared that it was trained on.
        extra: anything else worth keeping with it, of plain JSON types: for people and reports, not used by the model.
        resources: what the hand-crafted features were made with that it was trained on; a model on features that is saved
            without cannot read raw clips.
        precision: of matrices and kernels in the file (:mod:`mesmer.models.half`).
        documents: file name -> text, kept beside the model and hashed with it.

    Raises:
        ModelError: a weight is not a finite number, or the tokenizer does not fit the model.
        MesmerError: the folder holds something else than a saved model, or cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError("a weight is not a finite number", field=name, remedy="train with a lower learning rate")
    if model.text_encoder is not None and tokenizer.size > model.text_encoder.vocabulary_size:
        raise ModelError(f"the tokenizer has {tokenizer.size} tokens, the model {model.text_encoder.vocabulary_size}")
    place = replaced_folder if (Path(folder) / HASHES_FILE).is_file() else atomic_folder
    with place(folder) as target:
        write_json(target / CONFIG_FILE, _config(model, prepare=prepare, extra=extra) | {"precision": precision})
        save_tensors(target / WEIGHTS_FILE, halved(tensors) if precision == "fp16" else tensors, {"format": FORMAT})
        if model.text_encoder is not None:
            tokenizer.save(target)
        if resources is not None:
            resources.save(target)
        for name, text in (documents or {}).items():
            write_text(target / name, text)
        names = sorted(path.name for path in target.iterdir())
        write_json(target / HASHES_FILE, {name: sha256_file(target / name) for name in names})


def _config(model: EmotionModel, *, prepare: PrepareSettings, extra: Mapping[str, Any]) -> dict[str, Any]:
    encoder = model.text_encoder
    sparse = replace(model.settings.sparse, top_p=model.top_p)  # the dial stays where it was turned to
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": mesmer.__version__,
        "model": to_dict(replace(model.settings, sparse=sparse)),
        "vocabulary_size": None if encoder is None else encoder.vocabulary_size,
        "text_architecture": None if encoder is None else encoder.architecture,
        "prepare": to_dict(prepare),
        "thresholds": model.thresholds,
        "extra": dict(extra),
        "calibration": {name: one.to_json() for name, one in model.calibration.items()},
        "unsure_margins": model.unsure_margins,
    }
