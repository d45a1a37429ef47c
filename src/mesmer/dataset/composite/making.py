"""One composite utterance, from its number to its row; and what a worker process needs to make many."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mesmer.config import PrepareSettings
from mesmer.dataset.composite.casting import Cast, draw_cast
from mesmer.dataset.composite.faces import moving_faces
from mesmer.dataset.composite.form import NOISE, Form, draw_form, generator_of
from mesmer.dataset.composite.sources import Sources
from mesmer.dataset.composite.voices import recorded_voice
from mesmer.dataset.pieces import PieceTask, Quarantined, RowDone, Started, write_piece
from mesmer.dataset.plan import PlannedRow
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit
from mesmer.dataset.rows import make_row
from mesmer.emotions import SIX_EMOTIONS
from mesmer.records import FACE_PX, MODALITIES, Clip, Utterance

LEFT_OUT = "left out"
"""Why a modality of a composite utterance is absent."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides every bit of a composite; small enough to be sent to a worker.

    Attributes:
        sources: the three sources.
        settings: of the prepared datasets.
        seed: of everything drawn.
    """

    sources: Sources
    settings: PrepareSettings
    seed: int

    def draw(self, split: str, number: int) -> tuple[Form, Cast]:
        """Return form and cast of utterance ``number`` of a split; nothing is read."""
        form = draw_form(seed=self.seed, split=split, number=number, frame_interval_s=self.settings.frame_interval_s)
        return form, draw_cast(form, self.sources.pools, seed=self.seed, split=split, number=number)


def utterance_id(split: str, number: int) -> str:
    """``train-000012``."""
    return f"{split}-{number:06d}"


def number_of(utterance: Utterance) -> int:
    """Return the number in the id of a composite utterance."""
    return int(utterance.id.rpartition("-")[2])


@contextlib.contextmanager
def composite_pieces(recipe: Recipe) -> Iterator[Callable[[PieceTask], Iterator[Started | RowDone]]]:
    """Give what makes some utterances of a composite; a worker process runs it."""
    yield functools.partial(_make_piece, recipe=recipe, opened=recipe.sources.open())


def _make_piece(task: PieceTask, *, recipe: Recipe, opened: Mapping[str, PreparedDataset]) -> Iterator[Started | RowDone]:
    def make(rows: Sequence[PlannedRow]) -> Iterator[tuple[PlannedRow, dict[str, Any] | Quarantined]]:
        for row in rows:
            yield row, stored_row(row, recipe, opened)

    return write_piece(task, make)


def stored_row(row: PlannedRow, recipe: Recipe, opened: Mapping[str, PreparedDataset]) -> dict[str, Any]:
    """Return the row of a planned composite utterance.

    Raises:
        DataError: a source is damaged.
    """
    split = str(row.utterance.split)
    number = number_of(row.utterance)
    form, cast = recipe.draw(split, number)
    parts = {modality: opened[modality].split(split) for modality in MODALITIES}
    clip = _clip(row.utterance.id, form, cast, parts, recipe, number)
    utterance = replace(
        row.utterance,
        speaker=None if cast.voice is None else parts["audio"].speakers[cast.voice],
        dialogue=None if cast.sentence is None else parts["text"].ids[cast.sentence],
        text=clip.text,
        labels=dict.fromkeys(cast.labels, 1.0),
    )
    return make_row(utterance, clip, media=row.media, sound_media=None, emotions=SIX_EMOTIONS)


def _clip(name: str, form: Form, cast: Cast, parts: Mapping[str, PreparedSplit], recipe: Recipe, number: int) -> Clip:
    steps = len(form.still_of_step) if cast.stills else 0
    times_s = (np.arange(steps) * recipe.settings.frame_interval_s).astype(np.float64)
    faces = np.zeros((0, FACE_PX, FACE_PX, 3), dtype=np.uint8)
    if steps:
        stills = [parts["visual"][still].faces for still in cast.stills]
        firsts = [faces[len(faces) // 2] for faces in stills]
        faces = moving_faces(firsts, still_of_step=form.still_of_step, times_s=times_s, motion=form.motion)
    waveform = np.zeros(0, dtype=np.float32)
    if cast.voice is not None:
        waveform = recorded_voice(
            parts["audio"][cast.voice].waveform,
            duration_s=form.duration_s,
            recording=form.recording,
            rng=generator_of(seed=recipe.seed, split=parts["audio"].name, number=number, stream=NOISE),
        )
    return Clip(
        id=name,
        faces=faces,
        face_times_s=times_s,
        face_boxes_px=np.tile(np.array([0, 0, FACE_PX, FACE_PX], dtype=np.float32), (steps, 1)),
        face_found=np.ones(steps, dtype=np.bool_),
        waveform=waveform,
        text="" if cast.sentence is None else parts["text"].texts[cast.sentence],
        absent={modality: LEFT_OUT for modality, state in form.states.items() if state == "absent"},
        duration_s=form.duration_s,
        people=1 if steps else None,
        stamps_replaced=0,
    )
