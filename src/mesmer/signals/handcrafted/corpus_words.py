"""Word vectors counted from the training transcripts, for where no file of GloVe is at hand. They are not GloVe.

Positive pointwise mutual information of words that stand near each other, and its largest eigenvectors (a truncated
singular value decomposition of a symmetric matrix; Levy and Goldberg 2014). A few hundred sentences give vectors that
tell words apart and bring words of the same places together; what GloVe learned from billions of words is not in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.signals.handcrafted.words import WordTable, split_words
from mesmer.storage.hashes import sha256_bytes

NEAR = 4
"""Words at most so far apart count as neighbours, weighted by one over their distance."""
MOST_WORDS = 3000
"""Rarer words are left out: the matrix is dense."""


def corpus_words(texts: Iterable[str], *, width: int) -> WordTable:
    """Return word vectors counted from texts, in small letters; the same texts in any order give the same table.

    A vector has the length of the mean over all words 1; where there are fewer words than ``width``, the rest is zeros.

    Raises:
        DataError: there is no word.
    """
    sentences = sorted([word.lower() for word in split_words(text)] for text in texts)
    counts = Counter(word for sentence in sentences for word in sentence)
    if not counts:
        raise DataError(
            "the training transcripts hold no word",
            field="features.text",
            remedy="name a file of word vectors: features.text: glove",
        )
    words = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
    information = _information(sentences, words)
    strengths, directions = np.linalg.eigh(information)
    order = np.argsort(-np.abs(strengths), kind="stable")[:width]
    vectors = directions[:, order] * np.sqrt(np.abs(strengths[order]))
    peak = np.abs(vectors).argmax(axis=0)  # a direction and its opposite are equally right: one is chosen
    vectors *= np.where(vectors[peak, np.arange(len(order))] < 0, -1.0, 1.0)
    vectors /= max(float(np.linalg.norm(vectors, axis=1).mean()), 1e-12)
    table = np.zeros((len(words), width), dtype=np.float32)
    table[:, : len(order)] = vectors
    identity = sha256_bytes("\n".join(words).encode() + table.tobytes())
    return WordTable(kind="corpus", words=words, vectors=table, identity=identity)


def _information(sentences: list[list[str]], words: list[str]) -> NDArray[np.float64]:
    """Return the positive pointwise mutual information of words, (V, V), symmetric."""
    places = {word: place for place, word in enumerate(words)}
    near = np.zeros((len(words), len(words)))
    for sentence in sentences:
        rows = [places.get(word, -1) for word in sentence]
        for here, one in enumerate(rows):
            for away in range(1, min(NEAR, len(rows) - here - 1) + 1):
                other = rows[here + away]
                if one >= 0 and other >= 0:
                    near[one, other] += 1 / away
                    near[other, one] += 1 / away
    total, each = near.sum(), near.sum(axis=1)
    expected = np.outer(each, each) / max(total, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(near / expected)
    positive = np.where(near > 0, np.maximum(information, 0.0), 0.0)
    # A word that has no neighbour at all still differs from every other.
    return positive + np.diag(np.where(each > 0, 0.0, 1.0))
