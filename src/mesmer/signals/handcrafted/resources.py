"""What the features need beside a clip: the word vectors and the two networks; kept with a model, so that it can read raw
clips.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mesmer.config import FeatureSettings
from mesmer.errors import DataError, StaleDatasetError
from mesmer.signals.handcrafted.corpus_words import corpus_words
from mesmer.signals.handcrafted.glove import glove_file, glove_words
from mesmer.signals.handcrafted.landmark_net import LandmarkNet, load_landmark_net
from mesmer.signals.handcrafted.phonology import Phonet, load_phonet
from mesmer.signals.handcrafted.words import WordTable
from mesmer.storage.atomic import write_json
from mesmer.storage.reading import read_json
from mesmer.storage.weights import load_tensors, save_tensors

WORDS_FILE, VECTORS_FILE = "words.json", "words.safetensors"
_MOST_WORDS_BYTES = 64 * 2**20


class FeatureResources:
    """Word vectors now, networks when they are first needed.

    Attributes:
        words: the word vectors.
    """

    def __init__(self, words: WordTable) -> None:
        self.words = words

    @cached_property
    def phonet(self) -> Phonet:
        """The network of the phonological posteriors."""
        return load_phonet()

    @cached_property
    def landmarks(self) -> LandmarkNet:
        """The network of the face landmarks."""
        return load_landmark_net()

    def save(self, folder: str | Path) -> None:
        """Write the word vectors to a folder. Of GloVe only which table it was: its file stays with the user.

        Raises:
            MesmerError: the folder cannot be written.
        """
        import torch

        corpus = self.words.kind == "corpus"
        about: dict[str, Any] = {"kind": self.words.kind, "identity": self.words.identity, "width": self.words.width}
        if corpus:
            about["words"] = list(self.words.words)
            save_tensors(Path(folder) / VECTORS_FILE, {"vectors": torch.from_numpy(np.array(self.words.vectors))})
        write_json(Path(folder) / WORDS_FILE, about)


def make_resources(settings: FeatureSettings, *, train_texts: Iterable[str]) -> FeatureResources:
    """Return the resources of settings, with word vectors read or counted.

    Args:
        train_texts: transcripts of the training split; read only where the settings count word vectors from them.

    Raises:
        MesmerError: the file of word vectors is missing, damaged or of another width; or there is no word to count.
    """
    if settings.text == "corpus":
        return FeatureResources(corpus_words(train_texts, width=settings.text_width))
    return FeatureResources(glove_words(glove_file(settings.glove), width=settings.text_width))


def load_resources(settings: FeatureSettings, folder: str | Path) -> FeatureResources:
    """Return the resources that :meth:`FeatureResources.save` wrote.

    Raises:
        DataError: a file is missing or damaged, or does not fit the settings.
        StaleDatasetError: GloVe's file is another one than then.
        MesmerError: GloVe's file is not where the settings or the environment say.
    """
    file = Path(folder) / WORDS_FILE
    about = read_json(file, max_bytes=_MOST_WORDS_BYTES)
    if not isinstance(about, dict) or (about.get("kind"), about.get("width")) != (settings.text, settings.text_width):
        raise DataError("the word vectors are not those of the settings", file=file, remedy="make the features again")
    if settings.text == "glove":
        found = FeatureResources(glove_words(glove_file(settings.glove), width=settings.text_width))
        if found.words.identity != about.get("identity"):
            raise StaleDatasetError(
                "other word vectors than those the features were made with",
                file=settings.glove or None,
                field="features.glove",
                remedy="name the same file, or make the features and the model again",
            )
        return found
    words, identity = about.get("words"), about.get("identity")
    vectors = load_tensors(Path(folder) / VECTORS_FILE, max_bytes=_MOST_WORDS_BYTES).get("vectors")
    if (
        not isinstance(words, list)
        or not all(isinstance(word, str) for word in words)
        or not isinstance(identity, str)
        or vectors is None
        or vectors.shape != (len(words), settings.text_width)
        or not bool(vectors.isfinite().all())
    ):
        raise DataError("words and vectors do not fit each other", file=file, remedy="make the features again")
    return FeatureResources(WordTable(kind="corpus", words=words, vectors=vectors.float().numpy(), identity=identity))
