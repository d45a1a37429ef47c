"""The states of a model's branches on a split, computed once and kept on the disk with their hashes.

Each piece is a file of a few utterances that says which model, data and split it is of. A stopped pass goes on where it
was; a piece that is damaged or of something else is computed anew. At any time one piece of media is in memory, and the
states
themselves: about 2.5 kB for an utterance at the published sizes.

Shape letters: N utterances, M modalities, L emotions, D width of a state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mesmer.dataset.batches import Step
from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import MesmerError, ModelError
from mesmer.evaluation.predictions import show_only
from mesmer.evaluation.reading import in_order
from mesmer.models.branch_heads import branch_states
from mesmer.models.end_to_end import EndToEndModel
from mesmer.models.loading import LoadedModel
from mesmer.models.saving import HASHES_FILE
from mesmer.records import MODALITIES, Batch, FeatureSequence
from mesmer.storage.atomic import write_json
from mesmer.storage.hashes import sha256_file
from mesmer.storage.reading import read_json
from mesmer.storage.weights import load_metadata, load_tensors, save_tensors

PIECE = 32
"""Utterances in a file."""

INDEX_FILE = "index.json"
_FORMAT = 1
_INDEX_EVERY = 8


@dataclass(frozen=True, kw_only=True)
class SplitStates:
    """What the branches made of a split.

    Attributes:
        ids: N utterance ids.
        labels: float32 (N, L).
        present: bool (N, M): the modality is there, and the model is given it.
        states: modality -> float32 (N, K, D): K is 1 for text, 2 for voice and face: with and without words.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.float32]
    present: Tensor
    states: dict[str, Tensor]

    def batch(self, rows: Tensor) -> Batch:
        """Return some utterances as a batch that :class:`~mesmer.models.branch_heads.BranchHeads` reads."""
        present = self.present[rows]
        features = {}
        for place, name in enumerate(MODALITIES):
            held = self.states[name][rows][present[:, place]]
            steps = self.states[name].shape[1]
            features[name] = FeatureSequence(values=held.flatten(0, 1), lengths=steps * present[:, place].long())
        nothing = torch.zeros(len(rows), dtype=torch.int64)
        return Batch(
            ids=tuple(self.ids[row] for row in rows.tolist()),
            faces=torch.zeros(0, 3, 1, 1, dtype=torch.uint8),
            num_faces=nothing,
            chunks=torch.zeros(0, 1, 1, 1),
            num_chunks=nothing,
            tokens=torch.zeros(len(rows), 0, dtype=torch.int64),
            token_mask=torch.zeros(len(rows), 0, dtype=torch.bool),
            present=present,
            labels=torch.from_numpy(self.labels[rows.numpy()]),
            features=features,
        )


class StateBatches:
    """States as batches; the same seed and epoch give the same batches. Meets what the training loop asks of its data.

    Args:
        shuffle: draw a new order for every epoch; else the split's own.
    """

    def __init__(self, states: SplitStates, *, batch_size: int, shuffle: bool, seed: int) -> None:
        self._states, self._batch_size, self._shuffle, self._seed = states, batch_size, shuffle, seed

    def __len__(self) -> int:
        return -(-len(self._states.ids) // self._batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of epoch ``number`` (0 is the first)."""
        order = np.arange(len(self._states.ids))
        if self._shuffle:
            order = np.random.default_rng([self._seed, number]).permutation(order)
        for rows in torch.from_numpy(order).split(self._batch_size):
            yield self._states.batch(rows)

    def steps(self, number: int, *, first: int = 0) -> Iterator[Step]:
        """Return the steps of epoch ``number``, from step ``first`` on (0 is the first)."""
        for place, batch in enumerate(self.epoch(number)):
            if place >= first:
                yield Step(parts=(batch,), utterances=len(batch))


def cached_states(
    base: LoadedModel,
    split: PreparedSplit,
    *,
    fingerprint: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> SplitStates:
    """Return the states of a split, from the files in ``folder`` where they are there.

    Args:
        base: the model whose branches they are; on a device of its own choice, in evaluation mode.
        fingerprint: of the dataset.
        folder: of the files; no other process may be writing there.
        progress: is told (utterances done, utterances in all).

    Raises:
        DataError: an utterance is unlabelled, or a shard of the dataset is damaged.
        MesmerError: the folder cannot be written.
    """
    labels = split.labels
    key = _key(base, split, fingerprint)
    index = _read_index(folder / INDEX_FILE)
    files = [folder / f"{split.name}-{number:05d}.safetensors" for number in range(-(-len(split) // PIECE))]
    pieces = [_read_piece(file, key=f"{key}-{number}", sha256=index.get(file.name)) for number, file in enumerate(files)]
    missing = {number for number, piece in enumerate(pieces) if piece is None}
    if progress is not None:
        progress(min(len(split), PIECE * (len(files) - len(missing))), len(split))
    if missing:
        first, done = min(missing), len(files) - len(missing)
        for number, batch in enumerate(in_order(base, split, batch_size=PIECE).epoch(0, first=first), first):
            if number not in missing:
                continue
            pieces[number] = _compute(base, batch)
            save_tensors(files[number], pieces[number] or {}, {"key": f"{key}-{number}"})
            index[files[number].name] = sha256_file(files[number])
            done += 1
            if done % _INDEX_EVERY == 0:  # what is not listed yet is computed again: a little, seldom
                write_json(folder / INDEX_FILE, index)
            if progress is not None:
                progress(min(len(split), PIECE * done), len(split))
        write_json(folder / INDEX_FILE, index)
    read = [piece for piece in pieces if piece is not None]
    whole = {name: torch.cat([piece[name] for piece in read]) for name in (*MODALITIES, "present")}
    states = {name: whole[name] for name in MODALITIES}
    return SplitStates(ids=split.ids, labels=labels, present=whole["present"], states=states)


def _compute(base: LoadedModel, batch: Batch) -> dict[str, Tensor]:
    """Return the tensors of one piece: the states of each modality (n, K, D), and ``present`` (n, M)."""
    model = base.model
    assert isinstance(model, EndToEndModel)
    device = model.text_head.weight.device
    moved = batch.to(device)
    asked = branch_states(model, moved)
    unasked = asked if model.absent_query is None else branch_states(model, show_only(moved, "AV"))
    holds = torch.stack([batch.token_mask.any(dim=1), batch.num_chunks > 0, batch.num_faces > 0], dim=1)
    given = torch.tensor([name in model.modalities for name in MODALITIES])
    return {
        "text": asked["text"][:, None],
        **{name: torch.stack([asked[name], unasked[name]], dim=1) for name in ("audio", "visual")},
        "present": batch.present & holds & given,
    }


def _key(base: LoadedModel, split: PreparedSplit, fingerprint: str) -> str:
    """Return what a piece is of: a change of weights, tokenizer, dial or data changes it."""
    facts = {
        "format": _FORMAT,
        "piece": PIECE,
        "model": sha256_file(base.folder / HASHES_FILE, error=ModelError),
        "top_p": base.model.top_p,
        "data": fingerprint,
        "split": split.name,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _read_index(file: Path) -> dict[str, str]:
    """Return file name -> SHA-256; empty where there is none that can be read."""
    if not file.is_file():
        return {}
    try:
        values = read_json(file)
    except MesmerError:
        return {}
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, dict) else {}


def _read_piece(file: Path, *, key: str, sha256: str | None) -> dict[str, Tensor] | None:
    """Return the tensors of a piece that is whole and of what is asked for, else None."""
    if sha256 is None or not file.is_file():
        return None
    try:
        tensors = load_tensors(file, sha256=sha256)
        return tensors if load_metadata(file).get("key") == key else None
    except ModelError:
        return None
