"""The composite corpus as a prepared dataset on disk, through any kill, with any number of workers; or only its outlook."""

from __future__ import annotations

import functools
import importlib.metadata
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import mesmer
from mesmer.corpora.base import Choices, Corpus
from mesmer.dataset.composite.casting import Cast, sizes_of
from mesmer.dataset.composite.form import Form
from mesmer.dataset.composite.independence import Independence, check_independence
from mesmer.dataset.composite.making import Recipe, composite_pieces, stored_row, utterance_id
from mesmer.dataset.composite.sources import NONE, PART_OF, SOURCE_OPTIONS, read_sources
from mesmer.dataset.facts import FACTS_FILE
from mesmer.dataset.plan import GROUP_ROWS, PACKAGES, Plan, PlannedRow
from mesmer.dataset.prepare import PrepareReport, here, prepare_plan
from mesmer.dataset.prepared import PreparedDataset
from mesmer.dataset.rows import make_table
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError
from mesmer.records import MODALITIES, SPLITS, Utterance
from mesmer.storage.atomic import write_text
from mesmer.storage.hashes import sha256_bytes

CORPUS = "composite"
NOTE = (
    "composite: sentence, voice and faces of an utterance come from different people who never met; what is measured here "
    "is how three answers are weighed, not how people express themselves with all three at once"
)
PARTS_FILE = "parts.jsonl"
"""Which rows of the sources each utterance is made of."""

SHARES: Mapping[str, float] = {"train": 0.8, "valid": 0.1, "test": 0.1}
SIZE = 20_000
LEAST_SIZE = 20
ROWS_AT_ONCE = 50
_VERSION = "1"
_SAMPLED = 12
"""So many utterances are made, and measured, to tell how large all will be."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a composite is going to be.

    Attributes:
        sizes: split -> utterances.
        labels: emotion, or ``none`` -> utterances of all splits.
        used: modality -> split -> different rows of the source that are used.
        left_out: modality -> reason -> rows of the source that are not.
        independence: what the check of the construction found.
        bytes: on the disk, about; twice as much while it is made.
    """

    sizes: Mapping[str, int]
    labels: Mapping[str, int]
    used: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, Mapping[str, int]]
    independence: Independence
    bytes: int


class Composite:
    """A composite corpus, planned: its sources are read through once, its utterances drawn, nothing is made yet.

    Args:
        folders: modality -> folder of a prepared dataset that has it.
        size: utterances in all splits together.
        seed: of everything drawn.

    Raises:
        DataError: a source cannot be used.
        ConfigError: ``size`` or ``seed`` cannot be used.
    """

    def __init__(self, folders: Mapping[str, str | Path], *, size: int = SIZE, seed: int = 0) -> None:
        if size < LEAST_SIZE:
            raise ConfigError(f"{size} utterances", field="--size", remedy=f"use {LEAST_SIZE} or more")
        if seed < 0:
            raise ConfigError(f"the seed is {seed}", field="--seed", remedy="use 0 or more")
        self._sources = read_sources(folders)
        settings = PreparedDataset.open(folders["text"]).settings.beside_a_picture()
        self._recipe = Recipe(sources=self._sources, settings=settings, seed=seed)
        self._sizes, self._seed = sizes_of(size, SHARES), seed
        self._drawn = {
            (split, number): self._recipe.draw(split, number) for split in SPLITS for number in range(self._sizes[split])
        }

    def prepare(
        self, out: str | Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
    ) -> PrepareReport:
        """Make the prepared dataset ``out``; go on with one that was stopped. Raises as :func:`prepare_plan`.

        Args:
            workers: processes; 0 works in this one. The result does not depend on it.
            progress: is told how many utterances are done, and how many there are.
        """
        folder, parts = Path(out), self._parts_text()
        plan = self._plan(folder, parts)
        means = here(functools.partial(composite_pieces, self._recipe), workers=workers)
        if not (folder / FACTS_FILE).exists():
            _check_room(folder)
        report = prepare_plan(plan, folder, means=means, progress=progress)
        write_text(folder / PARTS_FILE, parts)  # its hash stands in the facts already
        return report

    def outlook(self) -> Outlook:
        """Return what it is going to be; a few utterances are made to see how large they are."""
        labels = Counter(name for _, cast in self._drawn.values() for name in (cast.labels or (NONE,)))
        return Outlook(
            sizes=self._sizes,
            labels={name: labels[name] for name in (*SIX_EMOTIONS, NONE)},
            used={modality: self._used(modality) for modality in MODALITIES},
            left_out={modality: pools.left_out for modality, pools in self._sources.pools.items()},
            independence=self.independence(),
            bytes=self._bytes(),
        )

    def independence(self) -> Independence:
        """Return whether anything in the forms tells the labels."""
        forms, casts = zip(*self._drawn.values(), strict=True)
        told = [form.measures() for form in forms]
        measures = {name: np.array([one[name] for one in told]) for name in told[0]}
        labels = {name: np.array([name in (cast.labels or (NONE,)) for cast in casts]) for name in (*SIX_EMOTIONS, NONE)}
        labels["several emotions"] = np.array([len(cast.labels) > 1 for cast in casts])
        return check_independence(measures, labels)

    def _used(self, modality: str) -> dict[str, int]:
        rows: dict[str, set[int]] = {split: set() for split in SPLITS}
        for (split, _), (_, cast) in self._drawn.items():
            rows[split].update(_rows_of(cast)[modality])
        return {split: len(found) for split, found in rows.items()}

    def _bytes(self) -> int:
        """Return about how many bytes the dataset takes."""
        opened, planned = self._sources.open(), self._planned()
        chosen = np.random.default_rng(0).permutation(self._sizes["train"])[:_SAMPLED]
        made = [stored_row(planned[place], self._recipe, opened) for place in sorted(chosen.tolist())]
        file = io.BytesIO()
        encodings = {"waveform.list.element": "DELTA_BINARY_PACKED"}
        pq.write_table(make_table(made), file, compression="zstd", use_dictionary=False, column_encoding=encodings)
        return round(file.tell() / len(made) * len(self._drawn))

    def _planned(self) -> list[PlannedRow]:
        return list(_planned_rows(self._sizes))

    def _plan(self, out: Path, parts: str) -> Plan:
        rows = self._planned()
        options = {PART_OF[modality]: self._sources.fingerprints[modality] for modality in MODALITIES}
        options |= {option: self._sources.corpora[modality] for option, modality in SOURCE_OPTIONS.items()}
        options |= {"size": str(len(rows)), "seed": str(self._seed), "parts_sha256": sha256_bytes(parts.encode())}
        options["rules"] = _VERSION
        corpus = Corpus(
            name=CORPUS,
            emotions=SIX_EMOTIONS,
            utterances=tuple(row.utterance for row in rows),
            root=out,
            choices=Choices(options=options, notes=(NOTE,)),
        )
        groups = {split: [row.place for row in rows if row.utterance.split == split] for split in SPLITS}
        return Plan(
            corpus=corpus,
            settings=self._recipe.settings,
            sources=tuple(tuple(rows[n : n + ROWS_AT_ONCE]) for n in range(0, len(rows), ROWS_AT_ONCE)),
            groups={
                split: tuple(tuple(places[n : n + GROUP_ROWS]) for n in range(0, len(places), GROUP_ROWS))
                for split, places in groups.items()
            },
            split_rule="given",
            split_seed=self._seed,
            manifest_sha256=sha256_bytes(json.dumps(options, sort_keys=True).encode()),
            made_with={
                "mesmer": mesmer.__version__,
                **{name: importlib.metadata.version(name) for name in (*PACKAGES, "scipy")},
            },
        )

    def _parts_text(self) -> str:
        """Return one JSON line per utterance: what it is made of, and what each part shows."""
        ids = {
            (modality, split): dataset.split(split).ids
            for modality, dataset in self._sources.open().items()
            for split in SPLITS
        }
        lines = []
        for (split, number), (form, cast) in self._drawn.items():
            names = {m: [ids[m, split][row] for row in rows] for m, rows in _rows_of(cast).items()}
            lines.append(json.dumps(_part_line(utterance_id(split, number), form, cast, names)))
        return "\n".join(lines) + "\n"


def _part_line(name: str, form: Form, cast: Cast, names: Mapping[str, list[str]]) -> dict[str, Any]:
    return {"id": name, "labels": cast.labels, "states": form.states, **names, "shows": cast.shows}


def _rows_of(cast: Cast) -> dict[str, tuple[int, ...]]:
    return {
        "text": () if cast.sentence is None else (cast.sentence,),
        "audio": () if cast.voice is None else (cast.voice,),
        "visual": cast.stills,
    }


def _planned_rows(sizes: Mapping[str, int]) -> Iterator[PlannedRow]:
    names = [(split, utterance_id(split, number)) for split in SPLITS for number in range(sizes[split])]
    for place, (split, name) in enumerate(names):
        media = f"{PARTS_FILE}#{name}"
        yield PlannedRow(
            place=place,
            utterance=Utterance(id=name, corpus=CORPUS, media=media, split=split),
            media=media,
            sound_media=None,
        )


def _check_room(folder: Path) -> None:
    if (folder / PARTS_FILE).exists():
        raise ConfigError(f"the folder already holds '{PARTS_FILE}'", file=folder, remedy="choose another folder")


__all__ = ["CORPUS", "NOTE", "SIZE", "Composite", "Outlook"]
