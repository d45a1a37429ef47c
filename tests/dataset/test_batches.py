"""Batches: packed without loss, independent of company, the same for the same seed and epoch in any number of processes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_parts import made_corpus, made_parts, same_clip

from mesmer.config import MelSettings, PrepareSettings
from mesmer.dataset.augment import augment_faces, mask_chunks, shift_sound, utterance_generator
from mesmer.dataset.loading import BatchLoader, PreparedDataset, PreparedSplit, collate
from mesmer.dataset.prepare import prepare
from mesmer.errors import ConfigError, DataError, MesmerError
from mesmer.records import MODALITIES, Batch, Clip
from mesmer.signals.mel import mel_chunks
from mesmer.signals.text import TextTokenizer, train_tokenizer

MEL = MelSettings()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("batches")
    made: list[dict[str, Any]] = [
        {"split": "train", "seconds": 0.3 + 0.37 * (n % 5), "picture": n % 4 != 1, "sound": n % 5 != 2} for n in range(13)
    ]
    made[3]["text"] = None
    made[7] |= {"silent": True}
    made += [{"split": "valid", "labels": None}, {"split": "valid"}]
    prepare(made_corpus(folder / "raw", made), folder / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    return PreparedDataset.open(folder / "out")


@pytest.fixture(scope="module")
def tokenizer(dataset: PreparedDataset) -> TextTokenizer:
    return train_tokenizer(dataset.split("train").texts, 100)


def loader(split: PreparedSplit, tokenizer: TextTokenizer, **changes: Any) -> BatchLoader:
    options = {"tokenizer": tokenizer, "mel": MEL, "max_tokens": 20, "batch_size": 4, "shuffle": True, "seed": 5}
    return BatchLoader(split, **(options | changes))


def test_sentences_of_like_length_come_together_and_each_comes_once(
    dataset: PreparedDataset, tokenizer: TextTokenizer
) -> None:
    split = dataset.split("train")
    lengths = {name: len(text) for name, text in zip(split.ids, split.texts, strict=True)}
    for window in (1, 2, 10):
        made = loader(split, tokenizer, length_window=window, batch_size=3)
        steps = [batch.ids for batch in made.epoch(1)]
        assert sorted(name for ids in steps for name in ids) == sorted(split.ids)
        assert [batch.ids for batch in made.epoch(1, first=2)] == steps[2:]
        assert len(steps) == len(made)
        for ids in steps:
            assert [lengths[name] for name in ids] == sorted(lengths[name] for name in ids)
        assert [batch.ids for batch in made.epoch(2)] != steps
    whole = loader(split, tokenizer, length_window=10, batch_size=3)  # one window: sorted steps, in any order
    bounds = sorted((min(lengths[n] for n in b.ids), max(lengths[n] for n in b.ids)) for b in whole.epoch(0))
    assert all(one[1] <= other[0] for one, other in pairwise(bounds))
    still = loader(split, tokenizer, length_window=4, shuffle=False)
    assert [name for batch in still.epoch(0) for name in batch.ids] == list(split.ids)


def same_batch(one: Batch, other: Batch) -> bool:
    names = [name for name, value in one.__dict__.items() if isinstance(value, torch.Tensor)]
    assert len(names) >= 7
    return one.ids == other.ids and all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def part(batch: Batch, row: int) -> tuple[object, ...]:
    """One utterance's share of a batch, without padding, as plain bytes."""
    faces, chunks = batch.num_faces.cumsum(0), batch.num_chunks.cumsum(0)
    return (
        batch.ids[row],
        batch.faces[faces[row] - batch.num_faces[row] : faces[row]].numpy().tobytes(),
        batch.chunks[chunks[row] - batch.num_chunks[row] : chunks[row]].numpy().tobytes(),
        batch.tokens[row][batch.token_mask[row]].tolist(),
        batch.present[row].tolist(),
    )


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.integers(0, 12), min_size=1, max_size=5))
def test_a_clip_is_the_same_in_any_company(rows: list[int], dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    split = dataset.split("train")
    labels = split.labels[rows]
    batch = collate([split[row] for row in rows], labels, tokenizer=tokenizer, mel=MEL, max_tokens=20)
    assert batch.labels is not None
    assert batch.labels.tolist() == labels.tolist()
    for place, row in enumerate(rows):
        alone = collate([split[row]], None, tokenizer=tokenizer, mel=MEL, max_tokens=20)
        assert part(batch, place) == part(alone, 0)
        assert not batch.token_mask[place].sum() > 20


def test_what_a_batch_holds(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    split = dataset.split("train")
    for row in range(len(split)):
        clip = split[row]
        batch = collate([clip], split.labels[row : row + 1], tokenizer=tokenizer, mel=MEL, max_tokens=20)
        assert batch.present.tolist() == [[name not in clip.absent for name in MODALITIES]]
        assert torch.equal(batch.faces, torch.from_numpy(clip.faces).permute(0, 3, 1, 2))
        assert batch.faces.dtype == torch.uint8
        assert torch.equal(batch.chunks, torch.from_numpy(mel_chunks(clip.waveform, MEL))[:, None])
        assert int(batch.num_chunks) == -(-len(clip.waveform) // MEL.chunk_samples)
        assert batch.chunks.shape[1:] == (1, 128, 32)
        if "text" in clip.absent:
            assert batch.tokens.tolist() == [[tokenizer.cls_id, tokenizer.sep_id]]
    assert {"text", "audio", "visual"} == {name for clip in split for name in clip.absent}


def test_absence_overrules_what_a_clip_holds(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    clip = next(clip for clip in dataset.split("train") if all(clip.present))
    hidden = replace(clip, absent=dict.fromkeys(MODALITIES, "hidden"))
    batch = collate([hidden], None, tokenizer=tokenizer, mel=MEL, max_tokens=20)
    assert (len(batch.faces), len(batch.chunks), batch.tokens.shape[1]) == (0, 0, 2)
    assert batch.labels is None


def test_misfits_are_refused(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    options: dict[str, Any] = {"tokenizer": tokenizer, "mel": MEL, "max_tokens": 20}
    with pytest.raises(DataError):
        collate([], None, **options)
    with pytest.raises(DataError, match="labels"):
        collate([dataset.split("train")[0]], np.zeros((2, 6), np.float32), **options)
    for name, value in (("batch_size", 0), ("workers", -1)):
        with pytest.raises(ConfigError, match=name):
            loader(dataset.split("train"), tokenizer, **{name: value})


def test_an_epoch_is_every_utterance_once(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    split = dataset.split("train")
    read = loader(split, tokenizer)
    assert len(read) == 4
    epochs = [[batch.ids for batch in read.epoch(number)] for number in range(3)]
    for epoch in epochs:
        assert [len(ids) for ids in epoch] == [4, 4, 4, 1]
        assert sorted(name for ids in epoch for name in ids) == sorted(split.ids)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert [batch.ids for batch in loader(split, tokenizer).epoch(1)] == epochs[1]
    assert [batch.ids for batch in loader(split, tokenizer, seed=6).epoch(1)] != epochs[1]
    assert [batch.ids for batch in read.epoch(1, first=2)] == epochs[1][2:]
    in_order = loader(split, tokenizer, shuffle=False)
    assert [name for batch in in_order.epoch(3) for name in batch.ids] == list(split.ids)
    for batch in read.epoch(0):
        assert batch.labels is not None
        rows = [split.ids.index(name) for name in batch.ids]
        assert batch.labels.tolist() == split.labels[rows].tolist()


def test_an_unlabelled_utterance_leaves_its_batch_unlabelled(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    batches = list(loader(dataset.split("valid"), tokenizer, batch_size=1, shuffle=False).epoch(0))
    assert [batch.labels is None for batch in batches] == [True, False]


def test_an_empty_split_is_an_empty_epoch(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    empty = dataset.split("test")
    assert (len(empty), empty.labels.shape, empty.present.shape) == (0, (0, 6), (0, 3))
    assert list(loader(empty, tokenizer).epoch(0)) == []
    with pytest.raises(IndexError):
        _ = empty[0]


def test_processes_that_read_ahead_change_nothing(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    """Over two epochs, one of them left half-way, with augmentation, and without touching torch's own random state."""
    options: dict[str, Any] = {"augment_faces": True, "augment_sound": True}
    here = loader(dataset.split("train"), tokenizer, **options)
    ahead = loader(dataset.split("train"), tokenizer, workers=2, **options)
    before = torch.get_rng_state()
    for number in (0, 1):
        started = ahead.epoch(2)
        next(started)
        pairs = list(zip(here.epoch(number), ahead.epoch(number), strict=True))
        assert len(pairs) == 4
        assert all(same_batch(one, other) for one, other in pairs)
    assert torch.equal(torch.get_rng_state(), before)


def test_damage_is_told_from_a_process_that_reads_ahead(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    corpus = made_corpus(tmp_path / "raw", [{"split": "train", "seconds": 0.5}] * 8)
    prepare(corpus, tmp_path / "out", settings=PrepareSettings(), workers=0, parts=made_parts)
    shard = tmp_path / "out" / "train-00000-of-00001.parquet"
    split = PreparedDataset.open(tmp_path / "out").split("train")
    data = bytearray(shard.read_bytes())
    data[len(data) // 4] ^= 16
    shard.write_bytes(data)
    told = []
    for workers in (0, 1):
        with pytest.raises(MesmerError) as caught:
            list(loader(split, tokenizer, shuffle=False, workers=workers).epoch(0))
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert str(shard) in told[0]


def changed(clip: Clip, **draw: Any) -> Clip:
    return augment_faces(clip, utterance_generator(**({"seed": 0, "epoch": 0, "utterance_id": clip.id} | draw)))


def test_augmentation_is_of_the_utterance_and_of_the_epoch(dataset: PreparedDataset, tokenizer: TextTokenizer) -> None:
    split = dataset.split("train")
    clip = next(clip for clip in split if len(clip.faces) > 1 and len(clip.waveform))
    assert same_clip(changed(clip), changed(clip))
    assert (
        len({changed(clip, **draw).faces.tobytes() for draw in ({}, {"epoch": 1}, {"seed": 1}, {"utterance_id": "x"})}) == 4
    )
    options: dict[str, Any] = {"augment_faces": True, "augment_sound": True, "shuffle": False}
    small = loader(split, tokenizer, batch_size=1, **options)
    large = loader(split, tokenizer, batch_size=13, **options)
    (whole,) = large.epoch(3)
    for row, batch in enumerate(small.epoch(3)):
        assert part(batch, 0) == part(whole, row)
    (plain,) = loader(split, tokenizer, batch_size=13, shuffle=False).epoch(3)
    assert not torch.equal(plain.faces, whole.faces)
    assert not torch.equal(plain.chunks, whole.chunks)
    assert torch.equal(plain.tokens, whole.tokens)


def test_faces_of_an_utterance_move_together(dataset: PreparedDataset) -> None:
    clip = next(clip for clip in dataset.split("train") if len(clip.faces) > 1)
    still = replace(clip, faces=np.repeat(clip.faces[:1], len(clip.faces), axis=0))
    mirrored = 0
    for epoch in range(40):
        moved = changed(still, epoch=epoch).faces
        assert moved.dtype == np.uint8
        assert (moved == moved[0]).all()
        # An independent oracle: the inner pixels are those of the face or of its mirror image, shifted, on a straight line.
        fits = []
        for flip in (False, True):
            source = still.faces[0, :, ::-1] if flip else still.faces[0]
            for down in range(-3, 4):
                for right in range(-3, 4):
                    seen = source[6 - down : 42 - down, 6 - right : 42 - right].ravel().astype(float)
                    there = moved[0, 6:42, 6:42].ravel().astype(float)
                    inside = (there > 0) & (there < 255)
                    fits.append((np.corrcoef(seen[inside], there[inside])[0, 1], flip))
        best, flip = max(fits)
        assert best > 0.999
        mirrored += flip
    assert 8 < mirrored < 32


def test_sound_begins_less_than_a_stride_later(dataset: PreparedDataset) -> None:
    clip = next(clip for clip in dataset.split("train") if len(clip.waveform))
    dropped = set()
    for epoch in range(50):
        generator = utterance_generator(seed=0, epoch=epoch, utterance_id=clip.id)
        shorter = shift_sound(clip, generator, MEL).waveform
        less = len(clip.waveform) - len(shorter)
        assert np.array_equal(shorter, clip.waveform[less:])
        dropped.add(less)
    assert min(dropped) >= 0
    assert max(dropped) < MEL.stride_samples
    assert len(dropped) > 20
    one = replace(clip, waveform=clip.waveform[:1])
    assert all(
        len(shift_sound(one, utterance_generator(seed=0, epoch=e, utterance_id="x"), MEL).waveform) == 1 for e in range(20)
    )


def test_masks_cover_a_band_and_a_span() -> None:
    chunks = np.random.default_rng(0).normal(size=(5, 128, 32)).astype(np.float32)
    covered = []
    for epoch in range(30):
        masked = mask_chunks(chunks, utterance_generator(seed=0, epoch=epoch, utterance_id="x"))
        assert (masked.shape, masked.dtype) == (chunks.shape, chunks.dtype)
        hidden = (masked != chunks).transpose(1, 0, 2).reshape(128, -1)
        assert (masked[masked != chunks] == chunks.mean()).all()
        bands, span = hidden.all(axis=1), hidden.all(axis=0)
        assert np.array_equal(hidden, bands[:, None] | span[None])
        for mask, most in ((bands, 0.12), (span, 0.1)):
            assert np.count_nonzero(np.diff(mask.astype(int)) == 1) <= 1  # in one piece
            assert mask.mean() <= most
        covered.append((bands.any(), span.any()))
    assert np.mean(covered, axis=0).min() > 0.7
    nothing = np.zeros((0, 128, 32), np.float32)
    assert mask_chunks(nothing, utterance_generator(seed=0, epoch=0, utterance_id="x")).shape == (0, 128, 32)
