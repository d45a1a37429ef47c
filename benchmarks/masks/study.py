"""The two studies: which examples train, validate and test, and which masks go on from which start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from masks.drawn import drawn_faces
from masks.evidence import evidence_matters
from masks.examples import Examples, fer2013, ravdess_speech
from masks.export import export
from masks.training import Plan, score, train
from masks.variants import ABLATIONS, CONTROLS, MASKS, another_of, study_model, take_over
from mesmer.models.loading import load_model


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is trained. ``seeds`` are the folds of actors where the voices are studied.

    ``start`` is the run of `mesmer train` from which all seeds go on, in place of a dense training of their own; its
    emotions must stand in the order of the classes here.
    """

    name: str
    seeds: tuple[int, ...]
    dense_epochs: int
    sparse_epochs: int
    width: int = 32
    masks: tuple[str, ...] = CONTROLS
    densities: tuple[float, ...] = (0.5, 0.3)
    limit: int | None = None
    device: str = "cpu"
    batch_size: int = 64
    precision: str = "fp32"
    start: Path | None = None
    learning_rate: float = 1e-3
    patched: float = 0.0
    """Share of the training faces of which some patches are hidden."""
    drawn: dict[str, int] = field(default_factory=lambda: {"train": 4800, "valid": 600, "test": 1200})

    def but(self, **changes: Any) -> Study:
        """Return the study with the changes that are not None."""
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, **{name: tuple(v) if isinstance(v, list) else v for name, v in given.items()})

    @property
    def metric(self) -> str:
        """What is reported: classes of voices are told in unequal numbers."""
        return "unweighted average recall" if self.name == "voices" else "accuracy"

    def runs(self) -> Iterator[tuple[str, float | None]]:
        """Yield mask and density of every run that follows the dense start."""
        for mask in self.masks:
            if mask == "dense":
                yield mask, None
            else:
                yield from ((mask, density) for density in self.densities)


FACES = Study(name="faces", seeds=(0, 1, 2), dense_epochs=6, sparse_epochs=4)
DRAWN = Study(
    name="drawn",
    seeds=(0, 1, 2, 3, 4),
    dense_epochs=16,
    sparse_epochs=16,
    width=16,
    precision="bf16",
    patched=0.5,
    masks=(*CONTROLS, *ABLATIONS),
)
VOICES = Study(name="voices", seeds=(0, 1, 2, 3, 4), dense_epochs=30, sparse_epochs=16)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One finished run on the test part: of every example whether the answer was right, its class, and who belongs together
    (the examples of one actor; faces stand alone)."""

    mask: str
    density: float | None
    seed: int
    accuracy: float
    recall: float
    right: Tensor
    labels: Tensor
    groups: Tensor
    densities: list[float]
    multiply_adds: float
    top_p: float
    pointing: tuple[float, float] | None
    places: Tensor | None
    """How often each square of the first block is kept, see :class:`masks.training.Score`."""
    evidence: Tensor | None
    """What :func:`masks.evidence.evidence_matters` says of each drawn face."""


def parts(study: Study, data: Path | None, seed: int) -> tuple[Examples, Examples, Examples]:
    """Return the examples that train, validate and test. Actors of one part are in no other."""
    if study.name == "drawn":
        train_part, valid, test = (
            drawn_faces(split, number=number, seed=0, changed=split == "test") for split, number in study.drawn.items()
        )
    elif data is None:
        raise SystemExit(f"the study of {study.name} needs --data")
    elif study.name == "faces":
        train_part, valid, test = (fer2013(data, split) for split in ("train", "valid", "test"))
    else:
        everything = ravdess_speech(data)
        fold = everything.speaker % len(VOICES.seeds)
        held = (fold == (seed + 1) % len(VOICES.seeds)) & (everything.speaker > 12)  # a few actors choose, a fold tests
        train_part, valid, test = (everything.where(rows) for rows in ((fold != seed) & ~held, held, fold == seed))
    if study.limit:
        chosen = torch.randperm(len(train_part), generator=torch.Generator().manual_seed(0))[: study.limit]
        train_part = train_part.select(chosen)
    return train_part, valid, test


def run_study(study: Study, *, data: Path | None, work: Path, test: bool, models: Path | None = None) -> list[Result]:
    """Train what is missing; with ``test`` return the scores on the test part; with ``models`` save the networks there."""
    results = []
    for seed in study.seeds:
        train_part, valid, test_part = parts(study, data, seed)
        folder = work / study.name / _folder_name(study) / f"seed{seed}"
        common = {"examples": train_part, "valid": valid, "say": lambda line: print(line, flush=True)}
        how = {
            "batch_size": study.batch_size, "precision": study.precision, "learning_rate": study.learning_rate,
            "patched": study.patched,
        }  # fmt: skip
        if study.start is None:
            start = study_model(
                train_part.classes, MASKS["dense"], width=study.width, modality=train_part.modality, seed=seed
            ).to(study.device)
            plan = Plan(epochs=study.dense_epochs, density=None, final=False, **how)
            train(start, plan=plan, seed=seed, folder=folder / "start", **common)
        else:
            start = load_model(study.start / "model").model.to(study.device)
        for mask, density in study.runs():
            model = another_of(start, MASKS[mask], seed=seed).to(study.device)
            take_over(model, start.state_dict())
            plan = Plan(epochs=study.sparse_epochs, density=density, **how)
            name = mask if density is None else f"{mask}-{density:g}"
            train(model, plan=plan, seed=100 + seed, folder=folder / name, **common)
            if models is not None:
                export(model, models / f"{name}-seed{seed}", modality=train_part.modality)
            if test:
                done = score(model, test_part)
                alone = torch.arange(len(test_part))
                results.append(
                    Result(
                        mask=mask, density=density, seed=seed, accuracy=done.accuracy, recall=done.recall, right=done.right,
                        labels=test_part.labels, groups=alone if study.name == "faces" else test_part.speaker,
                        densities=done.density, multiply_adds=done.multiply_adds, top_p=model.top_p,
                        pointing=done.pointing, places=done.places,
                        evidence=None if test_part.changed is None else evidence_matters(model, test_part),
                    )
                )  # fmt: skip
    return results


def _folder_name(study: Study) -> str:
    """Return a name that tells apart what must not go on from each other's checkpoints."""
    begun = f"width{study.width}" if study.start is None else f"from-{study.start.name}"
    faces = f"-{study.drawn['train']}faces" * (study.name == "drawn")
    hidden = f"-patched{study.patched:g}" * (study.patched > 0)
    rate = "" if study.learning_rate == Study.learning_rate else f"-rate{study.learning_rate:g}"
    return begun + faces + "-bf16" * (study.precision == "bf16") + hidden + rate


STUDIES = {study.name: study for study in (FACES, VOICES, DRAWN)}
SMOKE = DRAWN.but(
    seeds=(0,), masks=("learnt", "random"), densities=(0.3,), dense_epochs=10, sparse_epochs=4, batch_size=32,
    drawn={"train": 1000, "valid": 50, "test": 200}, precision="fp32", patched=0.0,
)  # fmt: skip
"""A minute of the study of drawn faces, for the tests."""
