"""The sentences of the synthetic corpus: the marked words carry the emotion, and nothing else in the sentence does."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.corpora.synthetic import phrases
from mesmer.corpora.synthetic.sentences import draw_sentence, fillers
from mesmer.emotions import SIX_EMOTIONS
from mesmer.records import SPLITS


def _marked(emotion: str) -> set[str]:
    """Every phrase that carries an emotion, read off the patterns by hand."""
    inside = {text.lower() for pattern in phrases.EMOTION_PATTERNS[emotion] for text in re.findall(r"\[(.+?)\]", pattern)}
    return inside | {feeling.lower() for feeling in phrases.FEELINGS[emotion]}


MARKED = {emotion: _marked(emotion) for emotion in SIX_EMOTIONS}


@given(
    seed=st.integers(0, 2**32 - 1),
    emotions=st.lists(st.sampled_from(SIX_EMOTIONS), max_size=2, unique=True),
    split=st.sampled_from(SPLITS),
)
def test_the_span_holds_the_words_that_carry(seed: int, emotions: list[str], split: str) -> None:
    sentence = draw_sentence(np.random.default_rng(seed), emotions=emotions, split=split)
    text = sentence.text
    assert sorted(carrier.emotion for carrier in sentence.carriers) == sorted(emotions)
    rest = list(text.lower())
    for carrier in sentence.carriers:
        first, last = carrier.span
        assert text[first:last].lower() in MARKED[carrier.emotion]
        rest[first:last] = "#" * (last - first)
    for phrase in set().union(*MARKED.values()):
        assert not re.search(rf"\b{re.escape(phrase)}\b", "".join(rest)), (phrase, text)
    assert text[0].isupper()
    assert text.endswith(".")
    assert not re.search(r"[\[\]{}]|  ", text)


def test_no_phrase_carries_two_emotions() -> None:
    for one, other in combinations(SIX_EMOTIONS, 2):
        assert not MARKED[one] & MARKED[other]


def test_splits_share_no_filler() -> None:
    for kind in phrases.FILLERS:
        words = [set(fillers(split)[kind]) for split in SPLITS]
        assert all(words)
        assert sum(map(len, words)) == len(set().union(*words)) == len(phrases.FILLERS[kind])


@pytest.mark.parametrize("emotion", SIX_EMOTIONS)
def test_sentences_are_many(emotion: str) -> None:
    rng = np.random.default_rng(0)
    assert len({draw_sentence(rng, emotions=[emotion], split="train").text for _ in range(300)}) > 190


def test_train_and_test_share_carriers_but_no_sentence() -> None:
    rng = np.random.default_rng(0)

    def draw(split: str) -> tuple[set[str], set[str]]:
        drawn = [draw_sentence(rng, emotions=["fear"], split=split) for _ in range(400)]
        return {s.text for s in drawn}, {s.text[slice(*s.carriers[0].span)].lower() for s in drawn}

    (train, train_phrases), (test, test_phrases) = draw("train"), draw("test")
    assert not train & test
    assert train_phrases == test_phrases == MARKED["fear"]
