"""A split as batches: the same seed and epoch give the same batches, whoever asks, when, and in how many processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.augment_settings import NO_FACE_CHANGES, USUAL_SOUND_CHANGES, FaceChanges, SoundChanges
from mesmer.config import MelSettings
from mesmer.dataset.augment import augment_faces, change_sound, mask_chunks, shift_sound, utterance_generator
from mesmer.dataset.collate import clip_chunks, pack
from mesmer.dataset.face_changes import change_faces, draw_change
from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import ConfigError, MesmerError
from mesmer.records import Batch
from mesmer.signals.text import TextTokenizer


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one process reads for one step of training.

    Attributes:
        parts: batches that are computed one after another; None where a part holds nothing for this process.
        utterances: of the whole step, in all parts and all processes.
    """

    parts: tuple[Batch | None, ...]
    utterances: int


@dataclass(frozen=True)
class _Piece:
    """One batch to come: the epoch and the rows of the split; there may be none."""

    epoch: int
    rows: tuple[int, ...]


class BatchLoader:
    """Reads a split batch by batch; the last batch may be smaller, no utterance is left out.

    Args:
        split: of a prepared dataset.
        tokenizer, mel, max_tokens: as in :func:`mesmer.dataset.collate.collate`.
        batch_size: utterances in a batch, or in a step of all parts and processes together.
        shuffle: draw a new order for every epoch; else the split's own.
        seed: of order and augmentation.
        length_window: shuffled sentences of like length are brought together among so many steps; 0 leaves every step as
            it was drawn.
        augment_faces, augment_sound: change training clips a little (:mod:`mesmer.dataset.augment`).
        face_changes, sound_changes: and by how much more.
        workers: processes that read ahead; 0 reads here. They start with the first epoch, stay for the next ones, and need
            what every program needs that starts processes: a main module that can be imported.
        parts: each step is cut into so many parts, as even as can be.
        share, shares: each part is cut again; this loader reads share number ``share`` (0 is the first) of ``shares``.

    Raises:
        ConfigError: ``batch_size`` or ``workers`` cannot be used.
    """

    def __init__(
        self,
        split: PreparedSplit,
        *,
        tokenizer: TextTokenizer,
        mel: MelSettings,
        max_tokens: int,
        batch_size: int,
        shuffle: bool,
        seed: int,
        length_window: int = 0,
        augment_faces: bool = False,
        augment_sound: bool = False,
        face_changes: FaceChanges = NO_FACE_CHANGES,
        sound_changes: SoundChanges = USUAL_SOUND_CHANGES,
        workers: int = 0,
        parts: int = 1,
        share: int = 0,
        shares: int = 1,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", field="batch_size", remedy="use a number above 0")
        if workers < 0:
            raise ConfigError(f"workers is {workers}", field="workers", remedy="use 0 or more")
        self._rows, self._batch_size, self._shuffle, self._seed = len(split), batch_size, shuffle, seed
        self._lengths = np.array([len(text) for text in split.texts]) if length_window and shuffle else None
        self._length_window = length_window
        self._parts, self._share, self._shares = parts, share, shares
        self._reader = _PieceReader(
            split=split,
            tokenizer=tokenizer,
            mel=mel,
            max_tokens=max_tokens,
            seed=seed,
            faces=augment_faces,
            sound=augment_sound,
            face_changes=face_changes,
            sound_changes=sound_changes,
        )
        self._pieces = _Pieces()
        # The generator is our own: a loader that drew from torch's would change what the model draws after it.
        self._ahead = torch.utils.data.DataLoader(
            self._reader,
            batch_size=None,
            sampler=self._pieces,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(seed),
        )

    def __len__(self) -> int:
        """Batches, or steps, in an epoch."""
        return -(-self._rows // self._batch_size)

    def epoch(self, number: int, *, first: int = 0) -> Iterator[Batch]:
        """Return the batches of epoch ``number`` (0 is the first), from batch ``first`` on. Raises as :meth:`steps`."""
        for step in self.steps(number, first=first):
            yield from (batch for batch in step.parts if batch is not None)

    def steps(self, number: int, *, first: int = 0) -> Iterator[Step]:
        """Return the steps of epoch ``number`` (0 is the first), from step ``first`` on, as this process reads them.

        Epochs of one loader are read one at a time: asking for the next ends the one before.

        Raises:
            DataError: a shard is damaged; names it.
            MesmerError: a process that reads ahead died.
        """
        steps = self._drawn(number)[first:]
        self._pieces.now = [
            _Piece(number, tuple(np.array_split(part, self._shares)[self._share].tolist()))
            for step in steps
            for part in np.array_split(step, self._parts)
        ]
        batches = self._read()
        for step in steps:
            yield Step(parts=tuple(islice(batches, self._parts)), utterances=len(step))

    def _drawn(self, number: int) -> list[NDArray[np.int64]]:
        """Return the rows of every step of an epoch."""
        if not self._shuffle:
            return _cut(np.arange(self._rows), self._batch_size)
        generator = np.random.default_rng([self._seed, number])
        order = generator.permutation(self._rows)
        if self._lengths is None:
            return _cut(order, self._batch_size)
        steps = []
        for rows in _cut(order, self._batch_size * self._length_window):
            steps += _cut(rows[np.argsort(self._lengths[rows], kind="stable")], self._batch_size)
        return [steps[place] for place in generator.permutation(len(steps))]  # short and long ones must not take turns

    def _read(self) -> Iterator[Batch | None]:
        try:
            for read in self._ahead:
                if isinstance(read, MesmerError):
                    raise read
                yield read
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise MesmerError(
                "a process that reads batches ahead died", field="workers", remedy="free some memory or set workers: 0"
            ) from error


def _cut(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class _Pieces(torch.utils.data.Sampler[_Piece]):
    """The pieces of the epoch that is being read."""

    def __init__(self) -> None:
        self.now: Sequence[_Piece] = ()

    def __iter__(self) -> Iterator[_Piece]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


@dataclass(frozen=True, kw_only=True)
class _PieceReader(torch.utils.data.Dataset[Batch | MesmerError | None]):
    """Makes the batch of a piece; it goes to the processes that read ahead.

    Bad data come back as a value: torch would wrap the error in its own words on the way between processes.
    """

    split: PreparedSplit
    tokenizer: TextTokenizer
    mel: MelSettings
    max_tokens: int
    seed: int
    faces: bool
    sound: bool
    face_changes: FaceChanges
    sound_changes: SoundChanges

    def __getitem__(self, piece: _Piece) -> Batch | MesmerError | None:
        try:
            return self._read(piece) if piece.rows else None
        except MesmerError as error:
            return error

    def _read(self, piece: _Piece) -> Batch:
        clips, chunks, drawn = [], [], []
        change = self.faces and (self.face_changes.moves or self.face_changes.erase > 0)
        for row in piece.rows:
            clip = self.split[row]
            generator = utterance_generator(seed=self.seed, epoch=piece.epoch, utterance_id=clip.id)
            clip = augment_faces(clip, generator) if self.faces else clip
            if change:
                drawn.append(draw_change(self.face_changes, generator))
            if self.sound:
                clip = shift_sound(clip, generator, self.mel, self.sound_changes)
                clip = change_sound(clip, generator, self.sound_changes)
            spectrogram = clip_chunks(clip, self.mel)
            clips.append(clip)
            chunks.append(mask_chunks(spectrogram, generator, self.sound_changes) if self.sound else spectrogram)
        labels = self.split.labels_of(piece.rows)
        batch = pack(clips, chunks, labels, tokenizer=self.tokenizer, max_tokens=self.max_tokens)
        return replace(batch, faces=change_faces(batch.faces, batch.num_faces, drawn)) if change else batch
