"""Toy tasks that need what a model claims: to see across modalities and time, and to know an emotion by its word alone.

The first: the picture shows each emotion once, one after the other; the sound sets in with the one that counts. "When" is
in the sound alone and "what" in the picture alone, and either alone says nothing: every emotion is as likely as any other.
So logits that are a sum of a part per modality are best where they are constant (the loss is convex in the parts, and at
the constant neither part's derivative is left), and cost log 2 with two emotions: chance, provably.

That is what decides who can do it. MulT sees across. LF-TRANS as published with the paper adds up logits and cannot,
however it is trained; with the states side by side (``late_fusion: concatenation``) it can.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from mesmer.baseline_settings import BaselineSettings
from mesmer.config import FeatureSettings, ModelSettings
from mesmer.models import build_model
from mesmer.models.emo_embs import EmotionEmbeddings
from mesmer.records import MODALITIES, Batch, FeatureSequence

CHANCE = math.log(2)
SOLVED = 0.1
WORD = 8
_DRAW = torch.Generator().manual_seed(7)
LOOKS = torch.randn(2, 35, generator=_DRAW) * 1.5
SOUND = torch.randn(142, generator=_DRAW) * 2
NOISE = 0.1

SETTINGS = ModelSettings(
    emotions=("one", "other"),
    dim=16,
    heads=4,
    layers=2,
    dropout=0.0,
    modality_dropout=0.0,
    features=FeatureSettings(text_width=WORD),
    baseline=BaselineSettings(
        audio_lstm=24, visual_lstm=24, lstm_layers=1, audio_kernel=1, visual_kernel=1, memory_layers=1
    ),
)


def batch_of(labels: torch.Tensor, **sequences: torch.Tensor) -> Batch:
    """A batch of padded-free sequences (B, S, F), modalities not named being absent."""
    size = len(labels)
    nothing = torch.zeros(size, dtype=torch.int64)
    widths = {"text": WORD, "audio": 142, "visual": 35}
    features = {
        name: FeatureSequence(values=x.flatten(0, 1), lengths=torch.full((size,), x.shape[1]))
        for name, x in ((name, sequences.get(name, torch.zeros(size, 0, widths[name]))) for name in MODALITIES)
    }
    return Batch(
        ids=tuple(f"u{b}" for b in range(size)),
        faces=torch.zeros(0, 3, 48, 48, dtype=torch.uint8),
        num_faces=nothing,
        chunks=torch.zeros(0, 1, 128, 32),
        num_chunks=nothing,
        tokens=torch.zeros(size, 0, dtype=torch.int64),
        token_mask=torch.zeros(size, 0, dtype=torch.bool),
        present=torch.tensor([[name in sequences for name in MODALITIES]] * size),
        labels=labels,
        features=features,
    )


def when_and_what(size: int, draw: torch.Generator) -> Batch:
    """Two steps of picture, one emotion each in either order; two of sound, which sets in with the step that counts."""
    order = torch.rand(size, 2, generator=draw).argsort(1)
    when = torch.randint(2, (size,), generator=draw)
    codes = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]) @ LOOKS
    visual = codes[order] + NOISE * torch.randn(size, 2, 35, generator=draw)
    audio = (torch.arange(2)[None, :, None] >= when[:, None, None]) * SOUND
    audio = audio + NOISE * torch.randn(size, 2, 142, generator=draw)
    shown = order[torch.arange(size), when]
    return batch_of(torch.nn.functional.one_hot(shown, 2).float(), audio=audio, visual=visual)


def loss_after(settings: ModelSettings, *, steps: int, seed: int = 0) -> float:
    """Loss on unseen utterances after training, which ends early where all is learnt."""
    torch.manual_seed(seed)
    model = build_model(settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    draw = torch.Generator().manual_seed(1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 20) * (1 + math.cos(math.pi * step / steps)) / 2
        batch = when_and_what(64, draw)
        loss = binary_cross_entropy_with_logits(model(batch).logits, batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < SOLVED / 10:
            break
    unseen = when_and_what(512, torch.Generator().manual_seed(2))
    with torch.no_grad():
        return binary_cross_entropy_with_logits(model.eval()(unseen).logits, unseen.labels).item()


def fused(name: str, kind: str) -> ModelSettings:
    return replace(SETTINGS, name=name, baseline=replace(SETTINGS.baseline, late_fusion=kind))


@pytest.mark.parametrize(("name", "kind"), [("mult", "sum"), ("lf_transformer", "concatenation")])
def test_who_sees_across_modalities_solves_it(name: str, kind: str) -> None:
    """From the start it is a saddle, for only the product of both says anything: a start that stays there gets another."""
    assert any(loss_after(fused(name, kind), steps=200, seed=seed) < SOLVED for seed in range(3))


@pytest.mark.parametrize("name", ["lf_transformer", "lf_lstm", "emo_embs"])
def test_sums_over_modalities_stay_at_chance(name: str) -> None:
    assert loss_after(fused(name, "sum"), steps=100) > 0.95 * CHANCE


# --- zero-shot: the same toy within one modality, with emotions known by their words

NAMES = tuple("abcdefgh")
UNSEEN = (1, 5)
ANGLES = 2 * math.pi * torch.arange(len(NAMES)) / len(NAMES)
CIRCLE = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)
WORDS = torch.nn.functional.pad(CIRCLE, (0, WORD - 2))
"""Word vectors of eight emotions that are related as points on a circle are; an emotion's looks follow its word."""


def shown(size: int, emotions: list[int], draw: torch.Generator) -> tuple[Batch, torch.Tensor]:
    """The picture shows two emotions and itself marks the one that counts; the labels are a column per emotion."""
    pairs = torch.stack([torch.tensor(emotions)[torch.randperm(len(emotions), generator=draw)[:2]] for _ in range(size)])
    when = torch.randint(2, (size,), generator=draw)
    visual = 0.5 * (CIRCLE @ LOOKS)[pairs] + NOISE * torch.randn(size, 2, 35, generator=draw)
    visual[torch.arange(size), when] *= 3
    counts = pairs[torch.arange(size), when]
    return batch_of(torch.nn.functional.one_hot(counts, len(NAMES)).float(), visual=visual), counts


@pytest.fixture(scope="module")
def trained() -> EmotionEmbeddings:
    """EmoEmbs trained on six of the eight emotions; it never sees or hears of the other two."""
    seen = [k for k in range(len(NAMES)) if k not in UNSEEN]
    torch.manual_seed(0)
    model = build_model(replace(SETTINGS, name="emo_embs", emotions=tuple(NAMES[k] for k in seen)))
    assert isinstance(model, EmotionEmbeddings)
    model.set_emotion_vectors(WORDS[seen])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    draw = torch.Generator().manual_seed(1)
    for _ in range(100):
        batch, _ = shown(64, seen, draw)
        loss = binary_cross_entropy_with_logits(model(batch).logits, batch.labels[:, seen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def told_apart(trained: EmotionEmbeddings, words: torch.Tensor) -> float:
    """Of utterances of the two unseen emotions, the share taken for the right one of them; guessing gives a half."""
    model = trained.speaking_of([NAMES[k] for k in UNSEEN], words[list(UNSEEN)])
    batch, counts = shown(600, list(range(len(NAMES))), torch.Generator().manual_seed(2))
    with torch.no_grad():
        answers = model(batch).logits.argmax(dim=1)
    theirs = torch.isin(counts, torch.tensor(UNSEEN))
    return (torch.tensor(UNSEEN)[answers] == counts)[theirs].double().mean().item()


def test_emotions_never_trained_on_are_told_apart_by_their_words(trained: EmotionEmbeddings) -> None:
    assert told_apart(trained, WORDS) > 0.9


def test_it_is_the_word_that_decides(trained: EmotionEmbeddings) -> None:
    """The control: with the two words exchanged the answers are; with words unrelated to all others they are a guess.

    One pair of unrelated words may fall either way, so many are drawn.
    """
    exchanged = WORDS.clone()
    exchanged[list(UNSEEN)] = WORDS[list(reversed(UNSEEN))]
    assert told_apart(trained, exchanged) < 0.1
    draw = torch.Generator().manual_seed(4)
    unrelated = [told_apart(trained, torch.randn(WORDS.shape, generator=draw)) for _ in range(60)]
    assert abs(sum(unrelated) / len(unrelated) - 0.5) < 0.2


def test_speaking_of_other_emotions_changes_no_answer_about_the_old_ones() -> None:
    torch.manual_seed(0)
    model = build_model(replace(SETTINGS, name="emo_embs", emotions=NAMES[:5])).eval()
    assert isinstance(model, EmotionEmbeddings)
    model.set_emotion_vectors(WORDS[:5])
    model.thresholds = {name: 0.1 * k for k, name in enumerate(NAMES[:5])}
    batch, _ = shown(8, [0, 1, 2], torch.Generator().manual_seed(3))
    more = model.speaking_of(NAMES, WORDS)
    with torch.no_grad():
        assert torch.allclose(more(batch).logits[:, :5], model(batch).logits, atol=1e-6)
    assert more.thresholds == {**model.thresholds, **dict.fromkeys(NAMES[5:], 0.5)}
