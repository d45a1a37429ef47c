"""Randomness by name: every speaker and every utterance has a generator that depends on the seed and its own name only.

So a corpus does not depend on the order or the number of workers in which it is made.
"""

from __future__ import annotations

import hashlib

import numpy as np


def named_rng(seed: int, *names: str) -> np.random.Generator:
    """A generator for the thing called ``names``, for instance ``("speaker", "s07")``, in the corpus of ``seed``."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    words = tuple(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=words)))
