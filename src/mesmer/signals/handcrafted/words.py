"""Word vectors: a table from word to numbers, how a transcript is cut into its words, and the transcript as a sequence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# The cuts of the Penn Treebank, by which GloVe's corpora were cut: "don't" is two words, "it's" too, marks stand alone.
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"'})
_CLITIC = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))(?!\w)", re.IGNORECASE)
_WORD = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|\d+(?:[.,:]\d+)*|\w+(?:[-.]\w+)*|\.\.\.|--|[^\w\s]", re.IGNORECASE)


def split_words(text: str) -> list[str]:
    """Return the words and marks of a text, in order; a text with anything but spaces has at least one.

    >>> split_words("I don't know, it's 3.5!")
    ['I', 'do', "n't", 'know', ',', 'it', "'s", '3.5', '!']
    """
    return _WORD.findall(_CLITIC.sub(r" \1", text.translate(_APOSTROPHES)))


@dataclass(frozen=True, kw_only=True)
class WordTable:
    """Word vectors.

    Attributes:
        kind: ``glove`` or ``corpus``: where the vectors come from.
        words: V words.
        vectors: float32 (V, W), perhaps mapped from a file.
        identity: changes whenever a vector or a word does.
    """

    kind: str
    words: Sequence[str]
    vectors: NDArray[np.float32]
    identity: str
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {word: place for place, word in enumerate(self.words)})

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.words)

    def place(self, word: str) -> int | None:
        """Return the row of a word as it is written, or else in small letters; None where it is in neither form."""
        found = self._places.get(word)
        return self._places.get(word.lower()) if found is None else found

    def vectors_of(self, words: Iterable[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors of words, float32 (N, W), zeros for one that is unknown; and bool (N,), which are known."""
        places = [self.place(word) for word in words]
        known = np.array([place is not None for place in places], dtype=bool)
        vectors = np.zeros((len(places), self.width), dtype=np.float32)
        if known.any():
            vectors[known] = self.vectors[[place for place in places if place is not None]]
        return vectors, known


def word_features(text: str, table: WordTable) -> NDArray[np.float32]:
    """Return a transcript as a sequence of word vectors, float32 (S, W); an unknown word is zeros and keeps its place."""
    return table.vectors_of(split_words(text))[0]


def unknown_share(texts: Iterable[str], table: WordTable) -> float:
    """Return the share of all words of some texts that the table does not know; 0 where there is no word."""
    known = [word for text in texts for word in table.vectors_of(split_words(text))[1].tolist()]
    return 1.0 - sum(known) / len(known) if known else 0.0
