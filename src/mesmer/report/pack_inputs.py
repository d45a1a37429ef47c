"""All that a packed model says of itself, gathered from a run, its settings and what its maker states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import mesmer
from mesmer.config_dict import to_dict
from mesmer.errors import ConfigError
from mesmer.models.loading import LoadedModel, load_model
from mesmer.models.notices import notices_of
from mesmer.models.packing import source_hashes
from mesmer.models.provenance import Provenance
from mesmer.report.data_facts import licence_of, use_of
from mesmer.report.model_card import check_card, make_card, with_numbers
from mesmer.report.model_numbers import read_numbers
from mesmer.storage.reading import read_bytes
from mesmer.training.run_folder import RunFolder, model_folder
from mesmer.training.settings_file import read_settings

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_MOST_TEXT_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class PackInputs:
    """What its maker says of a model to be packed; None takes what can be known.

    Attributes:
        run: run or model folder.
        name: of the packed model: small letters, digits, ``.``, ``_`` and ``-``.
        trained_on: names of the data.
        summary: one sentence.
        use: what it may be used for.
        license: of the weights.
        numbers: files of results.
        card: file of a card written by a person.
        notice: file of the text encoder's licence.
    """

    run: str | Path
    name: str
    trained_on: tuple[str, ...] | None = None
    summary: str = ""
    use: str | None = None
    license: str | None = None
    numbers: tuple[str | Path, ...] = ()
    card: str | Path | None = None
    notice: str | Path | None = None


def provenance_and_card(inputs: PackInputs) -> tuple[LoadedModel, Provenance, str, Mapping[str, str]]:
    """Return the loaded model, what it says of itself, its card and the licences of its parts.

    Raises:
        ConfigError: a name, licence, card or file of results cannot be used, or nobody says what it was trained on.
        ModelError: the model cannot be loaded, or the licence of its text encoder is not known.
    """
    if not _NAME.fullmatch(inputs.name):
        remedy = "use small letters, digits, '.', '_' and '-'"
        raise ConfigError(f"'{inputs.name}' is no name of a model", field="--out", remedy=remedy)
    numbers = tuple(read_numbers(file) for file in inputs.numbers)
    loaded = load_model(model_folder(inputs.run))
    names = _trained_on(inputs, loaded)
    licence = inputs.license or licence_of(names)
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(f"'{licence}' is no licence", field="--license", remedy="use an SPDX identifier in small letters")
    provenance = Provenance(
        name=inputs.name,
        summary=" ".join(inputs.summary.split()),
        license=licence,
        use=" ".join(inputs.use.split()) if inputs.use else use_of(names),
        trained_on=names,
        train=train_settings(inputs.run, loaded),
        numbers=numbers,
        source=source_hashes(loaded),
        made_with={"mesmer": mesmer.__version__, "torch": torch.__version__.partition("+")[0]},
    )
    notices = notices_of(loaded.model, given=None if inputs.notice is None else _text(inputs.notice, "--notice"))
    if inputs.card is None:
        return loaded, provenance, make_card(provenance, loaded.model), notices
    card = _text(inputs.card, "--card")
    check_card(card, file=str(inputs.card))
    return loaded, provenance, with_numbers(card, numbers), notices


def _trained_on(inputs: PackInputs, loaded: LoadedModel) -> tuple[str, ...]:
    names = inputs.trained_on if inputs.trained_on is not None else loaded.trained_on
    if not names or not all(_NAME.fullmatch(name) for name in names):
        raise ConfigError(
            "what the model was trained on has to be said",
            field="--trained-on",
            remedy="name its data, separated by commas, such as ravdess,fer2013",
        )
    return names


def train_settings(run: str | Path, loaded: LoadedModel) -> dict[str, Any]:
    """Return the settings of the training: those of the run, or what a turned model carries of them; else empty."""
    file = RunFolder(Path(run)).settings
    if file.is_file():
        return to_dict(read_settings(file).train)
    told = loaded.extra.get("train")
    return dict(told) if isinstance(told, dict) else {}


def _text(file: str | Path, option: str) -> str:
    try:
        return read_bytes(file, max_bytes=_MOST_TEXT_BYTES, error=ConfigError).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("this is not a text in UTF-8", file=file, field=option) from None
