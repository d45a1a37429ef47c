"""What fine-tuning looks at before anything is computed: does the model have branches, do the data fit it, is the folder
free.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mesmer.config import PrepareSettings, RunSettings
from mesmer.config_dict import to_dict
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError, ModelError, StaleDatasetError
from mesmer.evaluation.metrics import positives
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel
from mesmer.models.registry import END_TO_END
from mesmer.models.saving import HASHES_FILE
from mesmer.records import SPLITS
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json
from mesmer.training.labels import filled_split
from mesmer.training.run_folder import RunFolder

FEW = 5
"""Fewer utterances of a label than this in a split are worth a warning."""


def branches_of(base: LoadedModel) -> EndToEndModel:
    """Return the network of a model that has branches.

    Raises:
        ConfigError: it has none.
    """
    if not isinstance(base.model, EndToEndModel):
        raise ConfigError(
            f"'{base.model.settings.name}' has no branches to keep",
            field="--from",
            remedy=f"name a model of {' or '.join(sorted(END_TO_END))}",
        )
    return base.model


def open_data(data: Path, prepare: PrepareSettings) -> PreparedDataset:
    """Open a dataset that was prepared as the model's was.

    Raises:
        StaleDatasetError: it was not; the remedy names the options of ``mesmer prepare``.
    """
    try:
        return PreparedDataset.open(data, settings=prepare)
    except StaleDatasetError as error:
        found = PreparedDataset.open(data)  # another version of the format is another error, which this raises again
        old, new = to_dict(found.settings), to_dict(prepare)
        options = " ".join(f"--settings.{name} {value}" for name, value in new.items() if old[name] != value)
        remedy = f"prepare the media again for this model, into a new folder: mesmer prepare ... OUT {options}"
        raise StaleDatasetError(error.message, file=error.file, field=error.field, remedy=remedy) from None


def origin_of(base: LoadedModel, dataset: PreparedDataset) -> dict[str, str]:
    """Return the hashes of the model and the data that a run is made from."""
    return {"base_sha256": sha256_file(base.folder / HASHES_FILE, error=ModelError), "data": dataset.fingerprint}


def check_run(run: RunFolder, wanted: RunSettings, base: LoadedModel, dataset: PreparedDataset, *, resume: bool) -> None:
    """Refuse a folder that holds something else than this very fine-tuning; writes nothing.

    Raises:
        ConfigError: it does.
    """
    run.check(wanted, resume=resume)
    if not run.settings.is_file():
        return
    origin = read_json(run.finetuned) if run.finetuned.is_file() else None
    if origin != origin_of(base, dataset) and (origin is not None or run.state.is_dir()):
        raise ConfigError(
            "this run was made from another model or other data", file=run.root, remedy="name a new folder with --run"
        )


def check_splits(dataset: PreparedDataset) -> tuple[str, ...]:
    """Return the splits that are not empty.

    Raises:
        DataError: train or valid is empty.
    """
    for name in ("train", "valid"):
        filled_split(dataset, name)
    return tuple(name for name in SPLITS if len(dataset.split(name)))


def warnings_about(dataset: PreparedDataset, splits: Sequence[str]) -> tuple[str, ...]:
    """Return what a user should know of the data, in sentences."""
    told = []
    for name in splits:
        counts = positives(dataset.split(name).labels).sum(axis=0)
        for row in np.flatnonzero(counts < FEW):
            label = dataset.emotions[row]
            told.append(f"'{label}' has {int(counts[row])} utterances in the {name} split: too few to trust")
    if "test" not in splits:
        told.append("there is no test split: what the model is worth was not measured")
    return tuple(told)
