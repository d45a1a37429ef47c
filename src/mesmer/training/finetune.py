"""Own labels from an existing model: its branches stay as they are, new heads and fusion learn from their states.

Each utterance goes through the branches once; what they make of it is kept beside the run. The heads then learn in seconds,
by the loop, loss, thresholds, calibration and abstention of any training, and the whole is saved as an ordinary model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch

from mesmer.config import ModelSettings, RunSettings, TrainSettings
from mesmer.dataset.prepared import PreparedDataset
from mesmer.errors import ConfigError
from mesmer.evaluation.device import choose_device
from mesmer.evaluation.table import Resampling
from mesmer.models.branch_heads import BranchHeads, heads_of, with_label_set
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel
from mesmer.models.registry import build_model
from mesmer.storage.atomic import write_json
from mesmer.storage.locking import locked_folder
from mesmer.training.finetune_checks import (
    branches_of,
    check_run,
    check_splits,
    open_data,
    origin_of,
    warnings_about,
)
from mesmer.training.finetune_table import ComparedRow, worth
from mesmer.training.loop import train
from mesmer.training.loss import positive_weights
from mesmer.training.optimizer import make_optimizer
from mesmer.training.progress import Counter, JsonLog
from mesmer.training.run_folder import RunFolder
from mesmer.training.state import Progress
from mesmer.training.state_cache import SplitStates, StateBatches, cached_states
from mesmer.training.team import Team
from mesmer.training.zero_shot import LabelMap, map_labels

STATES_FOLDER = "states"

FINETUNE = TrainSettings(
    learning_rate=3e-3,
    batch_size=16,
    epochs=100,
    patience=20,
    weight_decay=0.01,
    branch_loss=1.0,
    save_every_s=0.0,
)
"""How heads and fusion learn where nothing else is said. They have a few hundred weights and see states, not media."""


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """What fine-tuning came to.

    Attributes:
        folder: of the run.
        model: the folder of the model.
        epochs, best_epoch, best_f1: of the heads; the best epoch's were saved, and its validation average F1.
        utterances: split -> how many.
        label_map: what stood for each label in the zero-shot mapping.
        rows: the new model, the mapping and the trivial answers on the test split; none where that is empty.
        seconds: ``states`` and ``heads``.
        warnings: sentences.
    """

    folder: Path
    model: Path
    epochs: int
    best_epoch: int
    best_f1: float
    utterances: Mapping[str, int]
    label_map: LabelMap
    rows: tuple[ComparedRow, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        return {
            "run": str(self.folder),
            "model": str(self.model),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "valid_f1": self.best_f1,
            "utterances": dict(self.utterances),
            "map": {label: list(names) for label, names in self.label_map.items()},
            "test": [row.to_json() for row in self.rows],
            "seconds": dict(self.seconds),
            "warnings": list(self.warnings),
        }


def finetune(
    *,
    base: LoadedModel,
    data: str | Path,
    folder: str | Path,
    settings: TrainSettings = FINETUNE,
    stated_map: Mapping[str, Any] | None = None,
    resume: bool = False,
    resampling: Resampling | None = None,
    screen: TextIO | None = None,
) -> FinetuneResult:
    """Train new heads and fusion on the branches of ``base``, for the label set of the data.

    Heads of labels that the mapping stands for start from the mean of their emotions' rows, the others from nothing. With
    the same seed and one thread the outcome is the same, bit for bit, also after a stop.

    Args:
        base: an end-to-end model that was loaded from a folder.
        data: prepared dataset, with the settings that ``base`` was trained with.
        folder: of the run.
        settings: rates, epochs, patience, seed of the heads' training.
        stated_map: new label -> emotion, or emotions, of ``base``, for the zero-shot mapping; the others go by their names.
        resume: go on with the run if it was begun; states that are there are not computed again.
        screen: told how far the states are; None tells nobody.

    Raises:
        StaleDatasetError: the data were prepared with other settings; the remedy is the command's options.
        ConfigError: the model has no branches, the folder holds something else, or a name of the mapping is unknown.
        DataError: the train or valid split is empty or unlabelled.
    """
    network = branches_of(base)
    dataset = open_data(Path(data), base.prepare)
    label_map = map_labels(dataset.emotions, network.settings.emotions, stated=stated_map)
    wanted = RunSettings(model=_new_settings(network, dataset.emotions), train=settings)
    run = RunFolder(folder)
    check_run(run, wanted, base, dataset, resume=resume)
    splits = check_splits(dataset)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    run.create(wanted)
    write_json(run.finetuned, origin_of(base, dataset))
    busy = ConfigError("another process works in this run", file=run.root, remedy="wait for it, or name another --run")
    with locked_folder(run.root / STATES_FOLDER, busy=busy):
        start_s = time.monotonic()
        network.to(choose_device()).eval()
        states = {name: _states(base, dataset, name, run, screen) for name in splits}
        states_s = time.monotonic() - start_s
        heads, model, progress = _train_heads(base, dataset, wanted, label_map, states, run)
        seconds = {"states": round(states_s, 3), "heads": round(time.monotonic() - start_s - states_s, 3)}
        extra = _extra(base, dataset, run)
        run.replace_model(lambda to: model.save_pretrained(to, tokenizer=base.tokenizer, prepare=base.prepare, extra=extra))
        told = {"best_epoch": progress.best_epoch, "best_f1": progress.best_f1, "epochs": progress.history}
        write_json(run.history, told)
    rows: tuple[ComparedRow, ...] = ()
    if "test" in states:
        speakers = tuple(dataset.split("test").speakers)
        rows = worth(BranchHeads(network), heads, label_map, states, speakers=speakers, resampling=resampling)
    return FinetuneResult(
        folder=run.root,
        model=run.model,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        best_f1=progress.best_f1,
        utterances={name: len(dataset.split(name)) for name in splits},
        label_map=label_map,
        rows=rows,
        seconds=seconds,
        warnings=warnings_about(dataset, splits),
    )


def _new_settings(network: EndToEndModel, labels: tuple[str, ...]) -> ModelSettings:
    sparse = replace(network.settings.sparse, top_p=network.top_p)
    return replace(network.settings, emotions=labels, sparse=sparse, exclusive=False)


def _states(base: LoadedModel, dataset: PreparedDataset, name: str, run: RunFolder, screen: TextIO | None) -> SplitStates:
    folder, split = run.root / STATES_FOLDER, dataset.split(name)
    if screen is None:
        return cached_states(base, split, fingerprint=dataset.fingerprint, folder=folder)
    with Counter(f"reading {name}", file=screen) as counter:
        return cached_states(base, split, fingerprint=dataset.fingerprint, folder=folder, progress=counter)


def _train_heads(
    base: LoadedModel,
    dataset: PreparedDataset,
    wanted: RunSettings,
    label_map: LabelMap,
    states: Mapping[str, SplitStates],
    run: RunFolder,
) -> tuple[BranchHeads, EndToEndModel, Progress]:
    """Return the heads of the best epoch, the whole model that they are part of, and how it went."""
    train_settings = wanted.train
    network = branches_of(base)
    torch.manual_seed(train_settings.seed)
    model = build_model(
        wanted.model,
        tokenizer_size=network.text_encoder.vocabulary_size,
        text_architecture=network.text_encoder.architecture,
    )
    assert isinstance(model, EndToEndModel)
    with_label_set(network, model)
    _start_from_names(model, network, label_map)
    team = Team(precision=train_settings.precision)
    heads = BranchHeads(model).to(team.device)
    weight = positive_weights(states["train"].labels) if train_settings.positive_weight == "ratio" else None
    best: dict[str, Any] = {}

    def save_best() -> None:
        best["weights"] = {name: value.clone() for name, value in heads.state_dict().items()}
        best["decisions"] = (heads.calibration, heads.thresholds, heads.unsure_margins)

    log = JsonLog(run.log)
    progress = Progress(data_hash=dataset.fingerprint)
    size, seed = train_settings.batch_size, train_settings.seed
    try:
        train(
            model=heads,
            optimizer=make_optimizer(heads, train_settings),
            train_steps=StateBatches(states["train"], batch_size=size, shuffle=True, seed=seed),
            valid_batches=StateBatches(states["valid"], batch_size=256, shuffle=False, seed=seed),
            positive_weight=None if weight is None else weight.to(team.device),
            settings=train_settings,
            progress=progress,
            team=team,
            listeners=(log,),
            save_best=save_best,
            save_progress=lambda now: None,  # heads learn in seconds: after a stop they learn again, the same
        )
    finally:
        log.close()
    heads.load_state_dict(best["weights"])
    for one in (heads, model):
        one.calibration, one.thresholds, one.unsure_margins = best["decisions"]
    return heads, model.eval(), progress


@torch.no_grad()
def _start_from_names(model: EndToEndModel, network: EndToEndModel, label_map: LabelMap) -> None:
    """Let the head rows of mapped labels start where those of their emotions are. The logits of emotions that exclude each
    other are no log-odds; nothing is taken from them.
    """
    if network.settings.exclusive:
        return
    known = network.settings.emotions
    for name, head in heads_of(model).items():
        old = heads_of(network)[name]
        for row, names in enumerate(label_map.values()):
            if names:
                rows = [known.index(one) for one in names]
                head.weight[row] = old.weight[rows].mean(0).to(head.weight.device)
                head.bias[row] = old.bias[rows].mean(0).to(head.bias.device)


def _extra(base: LoadedModel, dataset: PreparedDataset, run: RunFolder) -> dict[str, Any]:
    before = base.extra.get("trained_on")
    names = [name for name in before if isinstance(name, str)] if isinstance(before, list) else []
    return {
        "run": run.root.name,
        "data": dataset.fingerprint,
        "trained_on": list(dict.fromkeys([*names, dataset.facts.corpus])),
        "finetuned_from": {**origin_of(base, dataset), "extra": dict(base.extra)},
    }
