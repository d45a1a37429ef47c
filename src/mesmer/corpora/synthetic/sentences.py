"""Sentences that say an emotion, or none, and where in them it is said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mesmer.corpora.synthetic import phrases

_SPLIT_OF_FIFTH = ("train", "train", "train", "valid", "test")
_MARK = re.compile(r"[\[\]]")


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """The characters [first, last) of a sentence that say an emotion."""

    emotion: str
    span: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence and the words in it that say an emotion; none for a neutral one."""

    text: str
    carriers: tuple[Carrier, ...]


def fillers(split: str) -> Mapping[str, tuple[str, ...]]:
    """The fillers of one split; no two splits share a filler."""
    return {
        kind: tuple(word for number, word in enumerate(words) if _SPLIT_OF_FIFTH[number % 5] == split)
        for kind, words in phrases.FILLERS.items()
    }


def draw_sentence(rng: np.random.Generator, *, emotions: Sequence[str], split: str) -> Sentence:
    """Draw a sentence that says ``emotions``, one clause each, in any order; a neutral sentence where there are none."""
    words = fillers(split)
    clauses = [_emotion_clause(rng, emotion, words) for emotion in emotions]
    if not clauses:
        clauses = [_fill(rng, _choice(rng, phrases.NEUTRAL_PATTERNS), words)]
    elif len(clauses) > 1 and rng.random() < 0.5:
        emotions, clauses = list(emotions)[::-1], clauses[::-1]
    text = ""
    carriers: list[Carrier] = []
    for number, clause in enumerate(clauses):
        if number:
            text += _choice(rng, phrases.JOINTS)
            clause = clause if re.match(r"\[?I\b", clause) else _lower_first(clause)
        for part, piece in enumerate(_MARK.split(clause)):
            if part % 2:
                carriers.append(Carrier(emotion=emotions[number], span=(len(text), len(text) + len(piece))))
            text += piece
    return Sentence(text=text[0].upper() + text[1:] + ".", carriers=tuple(carriers))


def _emotion_clause(rng: np.random.Generator, emotion: str, words: Mapping[str, tuple[str, ...]]) -> str:
    if rng.random() < 0.5:
        feeling = _choice(rng, phrases.FEELINGS[emotion])
        return _fill(rng, _choice(rng, phrases.FEELING_PATTERNS).replace("{feeling}", f"[{feeling}]"), words)
    return _fill(rng, _choice(rng, phrases.EMOTION_PATTERNS[emotion]), words)


def _fill(rng: np.random.Generator, pattern: str, words: Mapping[str, tuple[str, ...]]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: _choice(rng, words[match.group(1)]), pattern)


def _choice(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _lower_first(clause: str) -> str:
    """The clause as it goes on within a sentence: a name keeps its capital letter."""
    if any(clause.startswith(name) for name in phrases.FILLERS["person"]):
        return clause
    at = 1 if clause.startswith("[") else 0
    return clause[:at] + clause[at].lower() + clause[at + 1 :]
